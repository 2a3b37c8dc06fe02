/** What the parts of the device share: the register file, the functions as bus masters, who owns which queue. */
import type { DeviceBus, DeviceTrace } from '../../bus';
import type { Wire } from '../../link/wire';
import type { BusMaster } from '../intel-nic/dma';
import { RegisterFile } from '../intel-nic/register-file';
import { Ctrl, Gcr, Links, Status } from './bits';
import { QUEUES, Reg, REGISTER_BYTES } from './offsets';

/** Pools by GCR_EXT.VT_MODE (8.2.3.3.7). */
const VT_MODES = [0, 16, 32, 64] as const;

/** The device's functions, as its parts see them. */
export interface Functions {
  physical: BusMaster;
  /** By number; all that there can be. */
  virtual: readonly BusMaster[];
  /** How many are on the bus: the first so many. */
  present(): number;
}

/** The register file and its neighbours. */
export class IxgbeCore extends RegisterFile {
  wire: Wire | undefined;

  constructor(
    bus: DeviceBus,
    readonly functions: Functions,
  ) {
    super(bus, REGISTER_BYTES);
  }

  get linkUp(): boolean {
    return this.wire !== undefined;
  }

  links(): number {
    return (this.linkUp ? Links.UP | Links.SPEED_10G | Links.AUTONEG_DONE : 0) >>> 0;
  }

  /** The STATUS register, all of it derived (8.2.3.1.2). */
  status(): number {
    const present = this.functions.present();
    const iov = present > 0 ? Status.IOV | (present << Status.NUM_VFS_SHIFT) : 0;
    const masters = this.functions.physical.busMaster() && (this.get(Reg.CTRL) & Ctrl.GIO_DISABLE) === 0;
    const master = masters ? Status.GIO_MASTER : 0;
    return (this.linkUp ? Status.LINK_UP : 0) | iov | master;
  }

  /** Pools that queues are shared out to, by which virtual functions have theirs; 0: there are none. */
  get vfPools(): number {
    return VT_MODES[this.get(Reg.GCR_EXT) & Gcr.VT_MODE];
  }

  /** Queues of a virtual function. */
  get vfQueues(): number {
    const { vfPools } = this;
    return vfPools === 0 ? 0 : QUEUES / vfPools;
  }

  /** The virtual function that a queue belongs to; undefined: it is the physical function's. */
  vfOf(queue: number): number | undefined {
    const { vfQueues } = this;
    if (vfQueues === 0) return undefined;
    const pool = Math.floor(queue / vfQueues);
    return pool < this.functions.present() ? pool : undefined;
  }

  /** The function whose transactions a queue's are. */
  masterOf(queue: number): BusMaster {
    const vf = this.vfOf(queue);
    const { physical, virtual } = this.functions;
    return (vf === undefined ? undefined : virtual[vf]) ?? physical;
  }

  /** The track of the function that a queue belongs to. */
  traceOf(queue: number): DeviceTrace {
    return this.masterOf(queue).bus.trace;
  }

  /** Writes a note at a queue's function without making it the cause of what follows. */
  asideOf(queue: number, kind: number, a: number, b: number): void {
    const trace = this.traceOf(queue);
    const { cause } = trace;
    trace.instant(kind, a, b);
    trace.cause = cause;
  }

  /** A byte of an array of registers, four to each. */
  byteOf(base: number, index: number): number {
    return (this.get(base + (index & ~3)) >>> (8 * (index & 3))) & 0xff;
  }

  /** A bit of an array of registers, 32 to each. */
  bitOf(base: number, index: number): boolean {
    return (this.get(base + (index >> 5) * 4) & (1 << (index & 31))) !== 0;
  }
}
