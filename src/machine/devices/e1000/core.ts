/** What the parts of the device share: the register file and the world outside. */
import type { DeviceBus, RequesterId } from '../../bus';
import type { Wire } from '../../link/wire';
import { DESCRIPTOR } from '../intel-nic/constants';
import type { BusMaster } from '../intel-nic/dma';
import { RegisterFile } from '../intel-nic/register-file';
import type { Threshold } from '../intel-nic/ring';
import { Ctrl, Reg, StatusBit } from './constants';

/** Bytes of BAR 0 that hold registers. */
export const REGISTER_FILE_BYTES = 0xa000;

const PACKET_BUFFER_KIB = 64;

/** Where the three thresholds stand in RXDCTL and TXDCTL: six bits each (13.4.43, 13.4.46). */
const THRESHOLD_SHIFT = { prefetch: 0, host: 8, writeBack: 16 } as const;
const THRESHOLD_MASK = 0x3f;
const GRANULARITY_DESCRIPTORS = 1 << 24;

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

/** The register file and its neighbours. */
export class E1000Core extends RegisterFile {
  wire: Wire | undefined;

  constructor(
    bus: DeviceBus,
    readonly timing: E1000Timing,
    readonly pci: FunctionFacts,
  ) {
    super(bus, REGISTER_FILE_BYTES);
  }

  /** The function as the master of all DMA. */
  get master(): BusMaster {
    const { bus, pci } = this;
    return { bus, requester: () => pci.requester(), busMaster: () => pci.busMaster() };
  }

  /** A threshold of RXDCTL or TXDCTL, in descriptors. */
  threshold(register: number, which: Threshold): number {
    const control = this.get(register);
    const value = (control >> THRESHOLD_SHIFT[which]) & THRESHOLD_MASK;
    if ((control & GRANULARITY_DESCRIPTORS) !== 0) return value;
    return value * Math.max(1, Math.floor(this.pci.cacheLineBytes() / DESCRIPTOR));
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
