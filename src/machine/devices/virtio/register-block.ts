/** Registers as a table: which width each has, and what a read and a write do. */
import { Kind } from '../../../trace/vocabulary/events';
import type { AccessSize, DeviceTrace, RegisterBlock } from '../../bus';
import { describedAs, registerNodes, wholeBranch, type Branch } from '../../registers';
import { virtioDescriptions } from './descriptions';
import type { Outcome } from './status';

/** One register. A 64-bit field is two of them: each half is accessed by itself (4.1.3.1, 4.2.2). */
export interface Register {
  readonly at: number;
  readonly size: AccessSize;
  readonly name: string;
  /** Absent: it is written only, and reads as 0. */
  readonly read?: () => number;
  /** Reading it changes something. */
  readonly readsWithEffect?: boolean;
  /** Absent: it is read only. */
  readonly write?: (value: number) => Outcome;
}

const KIND_OF = { ignored: Kind.DeviceIgnored, misused: Kind.DeviceMisused } as const;

/** Tells the trace of an access that means nothing now, or that is forbidden. */
export function report(trace: DeviceTrace, outcome: Outcome, offset: number, value: number): void {
  if (outcome === 'done') return;
  const { cause } = trace;
  trace.instant(KIND_OF[outcome], offset, value);
  trace.cause = cause;
}

/** What registers hold that can be read without effect, described. */
export function registerBranch(registers: readonly Register[]): Branch {
  return wholeBranch('Registers', () => ({
    name: 'Registers',
    children: registerNodes(
      registers.flatMap(({ name, size, read, readsWithEffect = false }) =>
        read && !readsWithEffect
          ? [{ ...describedAs(virtioDescriptions, name), name, value: BigInt(read() >>> 0), bits: 8 * size }]
          : [],
      ),
    ),
  }));
}

/** A block of registers. An access of another width, or where nothing is, reads as 0 and changes nothing. */
export class RegisterTable implements RegisterBlock {
  private readonly registers: ReadonlyMap<number, Register>;

  /** @param traceOffset added to offsets in the trace */
  constructor(
    registers: readonly Register[],
    private readonly trace: DeviceTrace,
    private readonly traceOffset: number,
  ) {
    this.registers = new Map(registers.map((each) => [each.at, each]));
  }

  read(offset: number, size: AccessSize): number {
    const register = this.registers.get(offset);
    if (register?.read && register.size === size) return register.read();
    this.report('ignored', offset, 0);
    return 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    const register = this.registers.get(offset);
    const outcome = register?.write && register.size === size ? register.write(value) : 'ignored';
    this.report(outcome, offset, value);
  }

  registerName(offset: number): string | undefined {
    return this.registers.get(offset)?.name;
  }

  private report(outcome: Outcome, offset: number, value: number): void {
    report(this.trace, outcome, this.traceOffset + offset, value);
  }
}
