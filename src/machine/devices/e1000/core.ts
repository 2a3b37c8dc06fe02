/** What the parts of the device share: the register file and the world outside. */
import type { DeviceBus } from '../../bus';
import type { Wire } from '../../link/wire';
import { Reg, STATISTICS, StatusBit, Ctrl } from './constants';

/** Bytes of BAR 0 that hold registers. */
export const REGISTER_FILE_BYTES = 0x6000;

/** Times of the hardware itself; 0 does the work in the register access that asked for it, as an emulator does. */
export interface E1000Timing {
  /** From a tail write to the first packet's descriptor fetch, and from one packet to the next. */
  transmitNanoseconds: number;
  /** From the arrival of a frame to its DMA, and from one frame to the next. */
  receiveNanoseconds: number;
}

/** The register file by word index, and its neighbours. */
export class E1000Core {
  readonly regs = new Uint32Array(REGISTER_FILE_BYTES / 4);
  wire: Wire | undefined;

  constructor(
    readonly bus: DeviceBus,
    readonly timing: E1000Timing,
  ) {}

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

  /** Whether the link is up: something is attached and software has set CTRL.SLU. */
  get linkUp(): boolean {
    return this.wire !== undefined && (this.get(Reg.CTRL) & Ctrl.SLU) !== 0;
  }

  /** The STATUS register, all of it derived. */
  status(): number {
    const speed = StatusBit.FD | StatusBit.SPEED_1000 | StatusBit.ASDV_1000;
    return speed | (this.linkUp ? StatusBit.LU : 0);
  }

  /** Index of the packet size counter (64, 65 to 127, 128 to 255, … bytes with FCS) from PRC64 or PTC64. */
  countSize(base: number, lengthWithFcs: number): void {
    const limits = [64, 127, 255, 511, 1023];
    const at = limits.findIndex((limit) => lengthWithFcs <= limit);
    this.count(base + (at < 0 ? limits.length : at) * 4);
  }

  clearStatistics(): void {
    this.regs.fill(0, STATISTICS.first >> 2, (STATISTICS.last >> 2) + 1);
  }
}
