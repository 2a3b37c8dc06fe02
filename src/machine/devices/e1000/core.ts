/** What the parts of the device share: the register file and the world outside. */
import type { DeviceBus, RequesterId } from '../../bus';
import type { Wire } from '../../link/wire';
import { Ctrl, Reg, type Stat, StatusBit } from './constants';

/** Bytes of BAR 0 that hold registers. */
export const REGISTER_FILE_BYTES = 0xa000;

const PACKET_BUFFER_KIB = 64;

/** Times of the hardware itself, beside those of its DMA; 0: each step follows the end of the one before at once. */
export interface E1000Timing {
  /** Spent on each packet between having its first descriptor and fetching its data. */
  transmitNanoseconds: number;
  /** Spent on each packet between having it in the packet buffer and storing it. */
  receiveNanoseconds: number;
}

/** The device's PCI function, as its parts see it. */
export interface FunctionFacts {
  requester(): RequesterId;
  /** Whether the function may begin a transaction (command register, bus master). */
  busMaster(): boolean;
  /** The cache line size register, in bytes. */
  cacheLineBytes(): number;
}

/** The register file by word index, and its neighbours. */
export class E1000Core {
  readonly regs = new Uint32Array(REGISTER_FILE_BYTES / 4);
  wire: Wire | undefined;

  constructor(
    readonly bus: DeviceBus,
    readonly timing: E1000Timing,
    readonly pci: FunctionFacts,
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

  /** Index of the packet size counter (64, 65 to 127, 128 to 255, … bytes with FCS) from PRC64 or PTC64. */
  countSize(base: typeof Stat.PRC64 | typeof Stat.PTC64, lengthWithFcs: number): void {
    const limits = [64, 127, 255, 511, 1023];
    const at = limits.findIndex((limit) => lengthWithFcs <= limit);
    this.count(base + (at < 0 ? limits.length : at) * 4);
  }

  /** Whether the link is up: something is attached and software has set CTRL.SLU. */
  get linkUp(): boolean {
    return this.wire !== undefined && (this.get(Reg.CTRL) & Ctrl.SLU) !== 0;
  }

  /** The STATUS register, all of it derived. */
  status(): number {
    const { FD, LU, SPEED_1000, ASDV_1000, QEMU_MTXCKOK, QEMU_MASTER_ENABLE, QEMU_31 } = StatusBit;
    const fixed = FD | SPEED_1000 | ASDV_1000 | QEMU_MTXCKOK | QEMU_MASTER_ENABLE | QEMU_31;
    return fixed | (this.linkUp ? LU : 0);
  }

  /** How the 64 KiB of the packet buffer are divided, in bytes (13.4.16): what reception does not get is transmission's. */
  packetBuffer(): { receive: number; transmit: number } {
    const receive = Math.min(PACKET_BUFFER_KIB, this.get(Reg.PBA)) * 1024;
    return { receive, transmit: PACKET_BUFFER_KIB * 1024 - receive };
  }
}
