/** Registers of 32 bits by offset: what accesses of each do, and how a BAR full of them answers. */
import { Kind } from '../../../trace/vocabulary/events';
import type { AccessSize, RegisterBlock } from '../../bus';
import {
  describedAs,
  fieldsByName,
  registerNodes,
  wholeBranch,
  type Branch,
  type RegisterDescriptions,
  type ShownRegister,
} from '../../registers';
import type { BitField } from '../../../trace/vocabulary/kind-row';

/** One register. Absent `read` gives what is stored; absent `write` stores the writable bits, if it has any. */
export interface Register {
  name: string;
  /** Bits that a plain write stores; 0 for a read-only register. */
  writable: number;
  read?: () => number;
  write?: (value: number) => void;
  /** What a read would give, without what it does; absent: what is stored. */
  look?: () => number;
}

/** Whose registers they are. */
export interface RegisterOwner {
  get(offset: number): number;
  set(offset: number, value: number): void;
  /** Writes a note without making it the cause of what follows. */
  aside(kind: number, a: number, b: number): void;
}

/**
 * Answers for the registers of a table. Each is 32 bits wide: a narrower read reads the whole one, with what that does; a narrower
 * write, and one of what cannot be written, is ignored with a note.
 */
export class RegisterTable implements RegisterBlock {
  private readonly table: readonly (Register | undefined)[];

  /**
   * @param bytes that the table covers; beyond it nothing is
   * @param descriptions of the registers by name
   */
  constructor(
    private readonly owner: RegisterOwner,
    registers: ReadonlyMap<number, Register>,
    bytes: number,
    private readonly descriptions: RegisterDescriptions = {},
  ) {
    const table = new Array<Register | undefined>(bytes / 4).fill(undefined);
    for (const [offset, register] of registers) table[offset / 4] = register;
    this.table = table;
  }

  read(offset: number, size: AccessSize): number {
    // The remainder of a number beyond 31 bits takes longer than all the rest, and drivers read whole registers.
    if (size === 4 && (offset & 3) === 0) return this.readRegister(offset);
    const shift = 8 * (offset & 3);
    const low = this.readRegister(offset & ~3) >>> shift;
    // An access that is not aligned reaches the next register too.
    const crosses = shift + 8 * size > 32;
    const high = crosses ? this.readRegister((offset & ~3) + 4) * 2 ** (32 - shift) : 0;
    return (low + high) % 2 ** (8 * size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    const register = this.table[offset >> 2];
    const whole = size === 4 && (offset & 3) === 0;
    if (!whole || !register || (!register.write && register.writable === 0))
      this.owner.aside(Kind.DeviceIgnored, offset, value);
    else if (register.write) register.write(value);
    else this.owner.set(offset, (value & register.writable) >>> 0);
  }

  registerName(offset: number): string | undefined {
    return this.table[offset >> 2]?.name;
  }

  /** Names of all registers by offset, for a trace's track. */
  names(): Record<string, string> {
    const named = this.table.flatMap((register, word) =>
      register ? [[String(word * 4), register.name]] : [],
    );
    return Object.fromEntries(named) as Record<string, string>;
  }

  /** Fields of those that have some, by name, likewise. */
  fields(): Record<string, readonly BitField[]> {
    return fieldsByName(
      this.descriptions,
      this.table.flatMap((register) => (register ? [register.name] : [])),
    );
  }

  /** All registers with what they hold, in order of their offsets. */
  *shown(): Iterable<ShownRegister> {
    for (const [word, register] of this.table.entries()) {
      if (!register) continue;
      const { name } = register;
      const value = BigInt((register.look ? register.look() : this.owner.get(word * 4)) >>> 0);
      yield { ...describedAs(this.descriptions, name), name, value, bits: 32 };
    }
  }

  private readRegister(offset: number): number {
    const register = this.table[offset >> 2];
    if (!register) return 0;
    return (register.read ? register.read() : this.owner.get(offset)) >>> 0;
  }
}

/** All registers of a table as a branch of the tree of what a machine shows. */
export function registerBranch(table: RegisterTable): Branch {
  const name = 'Registers';
  return wholeBranch(name, () => ({ name, children: registerNodes(table.shown()) }));
}
