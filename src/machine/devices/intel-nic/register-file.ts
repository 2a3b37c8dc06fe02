/** A controller's registers by word index, with what counters among them do. */
import type { DeviceBus } from '../../bus';

/** Index of a packet's size counter: 64, 65 to 127, 128 to 255, … bytes with FCS. */
const SIZE_LIMITS = [64, 127, 255, 511, 1023];

/** The register file. Offsets are those of BAR 0. */
export class RegisterFile {
  readonly regs: Uint32Array;

  /** @param bytes of BAR 0 that hold registers */
  constructor(
    readonly bus: DeviceBus,
    bytes: number,
  ) {
    this.regs = new Uint32Array(bytes / 4);
  }

  get(offset: number): number {
    return this.regs[offset >> 2];
  }

  set(offset: number, value: number): void {
    this.regs[offset >> 2] = value;
  }

  /** A 64-bit bus address from a register pair. */
  address(lowOffset: number): number {
    return this.get(lowOffset + 4) * 2 ** 32 + this.get(lowOffset);
  }

  /** Cycles of a data-sheet time. */
  cycles(nanoseconds: number): number {
    return Math.ceil(nanoseconds * this.bus.cyclesPerNanosecond);
  }

  /** Writes a note at the device without making it the cause of what follows. */
  aside(kind: number, a: number, b: number): void {
    const { trace } = this.bus;
    const { cause } = trace;
    trace.instant(kind, a, b);
    trace.cause = cause;
  }

  /** Adds to a statistics register, which sticks at its maximum. */
  count(offset: number, by = 1): void {
    const at = offset >> 2;
    this.regs[at] = Math.min(0xffffffff, this.regs[at] + by);
  }

  /** Adds to a 64-bit statistics pair. */
  countLong(lowOffset: number, by: number): void {
    const at = lowOffset >> 2;
    const sum = this.regs[at] + by;
    this.regs[at] = sum;
    if (sum > 0xffffffff) this.regs[at + 1] += 1;
  }

  /** Counts a packet by its size, in one of the six counters from `base` on. */
  countSize(base: number, lengthWithFcs: number): void {
    const at = SIZE_LIMITS.findIndex((limit) => lengthWithFcs <= limit);
    this.count(base + (at < 0 ? SIZE_LIMITS.length : at) * 4);
  }

  /** Registers that are not zero: word index, value, word index, value, … */
  saveRegisters(): Uint32Array {
    const registers: number[] = [];
    this.regs.forEach((value, word) => void (value !== 0 && registers.push(word, value)));
    return Uint32Array.from(registers);
  }

  loadRegisters(registers: Uint32Array): void {
    this.regs.fill(0);
    for (let i = 0; i < registers.length; i += 2) this.regs[registers[i]] = registers[i + 1];
  }
}
