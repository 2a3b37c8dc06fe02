/**
 * The shadow of a guest's IDT, by which the physical CPU delivers while the guest runs with exitless interrupts (Gordon et al., "ELI",
 * ASPLOS 2012, 4.1). The gates of vectors that are assigned to the guest are as in its own table, all others are not present.
 *
 * It follows the guest's table: LIDT leaves by descriptor-table exiting and has it read anew, and its pages are guarded against stores.
 * What DMA changes there is not seen before the next of either, nor is another mapping of the table's linear addresses.
 */
import type { Stateful } from '../../machine/bus';
import { PAGE_SIZE } from '../../machine/memory/dirty-log';
import type { PhysicalMemory } from '../../machine/memory/physical-memory';
import { requireVersion } from '../../machine/snapshot';
import type { Cpu } from '../../machine/x86/types';
import type { StoreFollower, StoreGuard } from './store-guard';

/** A table of 256 gates of 16 bytes; what lies beyond no vector reaches. */
const LONGEST = 4096;
/** Bytes of a gate by the guest's mode (SDM vol. 3, 6.11 and 6.14.1). In real mode there are no gates, and nothing is shadowed. */
const GATE_BYTES: Readonly<Record<string, number>> = { long: 16, compatibility: 16, protected: 8 };
/** The byte of a gate that has the P bit, and the bit. */
const PRESENT = { at: 5, bit: 0x80 } as const;

/** A part of the table that lies in one page. */
interface Piece {
  /** Where it is in the table. */
  readonly from: number;
  readonly length: number;
  readonly address: number;
}

/** Snapshot of a `ShadowIdt`. */
export interface ShadowIdtState {
  version: 1;
  pieces: Piece[];
  gates: Uint8Array;
}

/** That of one vCPU. */
export class ShadowIdt implements StoreFollower, Stateful<ShadowIdtState> {
  pages: readonly number[] = [];
  /** Of the guest's table, what is mapped. */
  private pieces: readonly Piece[] = [];
  /** The gates as the guest has them; zeros where its table is not mapped. */
  private gates = new Uint8Array();

  /**
   * @param assigned vectors that may be present in it
   * @param rebuilt its gates may be others
   */
  constructor(
    private readonly cpu: Cpu,
    private readonly memory: PhysicalMemory,
    private readonly guard: StoreGuard,
    private readonly assigned: ReadonlySet<number>,
    private readonly rebuilt: () => void,
  ) {
    guard.add(this);
  }

  /** There is one: the guest has loaded IDTR. */
  get usable(): boolean {
    return this.gates.length > 0 && this.gateBytes > 0;
  }

  /** How many gates are present in it. */
  get size(): number {
    return [...this.assigned].filter((vector) => this.has(vector)).length;
  }

  /** The gate of a vector is present in it. */
  has(vector: number): boolean {
    const { gateBytes, gates } = this;
    const at = vector * gateBytes;
    if (!this.assigned.has(vector) || gateBytes === 0 || at + gateBytes > gates.length) return false;
    return (gates[at + PRESENT.at] & PRESENT.bit) !== 0;
  }

  /** The guest has loaded IDTR. */
  read(): void {
    const { base, limit } = this.cpu.idtr;
    const length = Math.min(limit + 1, LONGEST);
    const pieces: Piece[] = [];
    for (let from = 0; from < length;) {
      const linear = base + BigInt(from);
      const inPage = Math.min(PAGE_SIZE - Number(linear % BigInt(PAGE_SIZE)), length - from);
      const address = this.cpu.physicalOf(linear);
      if (address !== undefined && this.memory.contains(address, inPage))
        pieces.push({ from, length: inPage, address });
      from += inPage;
    }
    this.follow(pieces, new Uint8Array(length));
    this.stored();
  }

  stored(): void {
    for (const { from, length, address } of this.pieces)
      this.gates.set(this.memory.read(address, length), from);
    this.rebuilt();
  }

  /** INIT or a reset: the guest has to load IDTR first. */
  clear(): void {
    if (this.gates.length > 0) this.follow([], new Uint8Array());
  }

  save(): ShadowIdtState {
    return { version: 1, pieces: this.pieces.map((each) => ({ ...each })), gates: this.gates.slice() };
  }

  load({ version, pieces, gates }: ShadowIdtState): void {
    requireVersion('the shadow of an IDT', version, 1);
    this.follow(
      pieces.map((each) => ({ ...each })),
      gates.slice(),
    );
  }

  private get gateBytes(): number {
    return GATE_BYTES[this.cpu.mode()] ?? 0;
  }

  private follow(pieces: readonly Piece[], gates: Uint8Array<ArrayBuffer>): void {
    this.pieces = pieces;
    this.gates = gates;
    this.pages = [...new Set(pieces.map(({ address }) => Math.floor(address / PAGE_SIZE)))];
    this.guard.changed();
  }
}
