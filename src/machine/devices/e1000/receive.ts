/**
 * The receiver's way in (manual 3.2.1 and 3.2.2): a frame that the filters want is put into the receive part of the packet
 * buffer, as it is to stand in memory, and waits there for descriptors; only one that finds no room is lost (3.2.7.4).
 */
import { Kind } from '../../../trace/vocabulary/events';
import { FRAME_MIN } from '../../link/wire';
import { crc32, onesSum } from '../../link/checksum';
import { DropReason, FCS } from '../intel-nic/constants';
import type { Dma } from '../intel-nic/dma';
import type { Timers } from '../intel-nic/timers';
import { isTagged, tagControl, withoutTag } from '../intel-nic/vlan';
import { Cause, Ctrl, Rctl, RECEIVE_MAX, Reg, Stat } from './constants';
import type { E1000Core } from './core';
import { accepts } from './filter';
import type { InterruptUnit } from './interrupts';
import { Storer, type StorerHardware, type StorerRun } from './store';

/** What the hardware has of a `Receiver`. */
export type ReceiverHardware = StorerHardware;

/** What the run has of a `Receiver`. */
export interface ReceiverRun {
  storer: StorerRun;
  /** Length of the frame that somebody holds back since `canReceive` said no; 0: nobody does. */
  refused: number;
}

/** The receiver up to the packet buffer. */
export class Receiver {
  readonly storer: Storer;
  private refused = 0;

  constructor(
    private readonly core: E1000Core,
    dma: Dma,
    timers: Timers,
    private readonly interrupts: InterruptUnit,
  ) {
    this.storer = new Storer(core, dma, timers, interrupts);
  }

  /** As in `FrameReceiver`. A no is remembered. */
  canReceive(length: number): boolean {
    const can = this.couldReceive(length);
    if (!can) this.refused = Math.max(this.refused, length, 1);
    return can;
  }

  /** Tells whoever holds a frame back as soon as there is room for it. */
  tellRoom(): void {
    if (this.refused === 0 || !this.couldReceive(this.refused)) return;
    this.refused = 0;
    this.core.wire?.onRoom();
  }

  /** A whole frame has come from the link. */
  arrived(frame: Uint8Array): void {
    const { core, storer } = this;
    const { trace } = core.bus;
    const tagged = isTagged(frame, core.get(Reg.VET));
    const reason = this.refusal(frame, tagged);
    if (reason !== 0) {
      trace.instant(Kind.PacketDrop, frame.length, reason);
      if (reason === DropReason.BufferFull) this.interrupts.raise(Cause.RXO);
      return;
    }
    this.count(frame);
    const strips = tagged && (core.get(Reg.CTRL) & Ctrl.VME) !== 0;
    const plain = strips ? withoutTag(frame) : frame;
    const withFcs = (core.get(Reg.RCTL) & Rctl.SECRC) === 0;
    const bytes = withFcs ? withFcsOf(frame, plain) : plain;
    const start = Math.min(core.get(Reg.RXCSUM) & 0xff, bytes.length);
    storer.take({
      bytes,
      length: frame.length,
      checksum: onesSum(bytes, start, bytes.length),
      stripped: strips,
      special: strips ? tagControl(frame) : 0,
    });
  }

  reset(): void {
    this.storer.reset();
  }

  saveHardware(): ReceiverHardware {
    return this.storer.saveHardware();
  }

  saveRun(): ReceiverRun {
    return { storer: this.storer.saveRun(), refused: this.refused };
  }

  load(hardware: ReceiverHardware, run: ReceiverRun | undefined): void {
    this.storer.load(hardware, run?.storer);
    this.refused = run?.refused ?? 0;
  }

  private couldReceive(length: number): boolean {
    return this.core.linkUp && this.storer.enabled && this.storer.buffer.fits(length + FCS);
  }

  /** Why a frame is not received; 0 when it is. Counts what the manual counts. */
  private refusal(frame: Uint8Array, tagged: boolean): number {
    const { core } = this;
    if (!core.linkUp) return DropReason.LinkDown;
    if (!this.storer.enabled) return DropReason.Disabled;
    core.countLong(Stat.TORL, frame.length + FCS);
    core.count(Stat.TPR);
    if (!accepts(core, frame, tagged)) return DropReason.Filtered;
    const long = (core.get(Reg.RCTL) & Rctl.LPE) !== 0;
    if (frame.length < FRAME_MIN) return this.wrongLength(Stat.RUC, DropReason.Undersize);
    if (frame.length + FCS > (long ? RECEIVE_MAX.long : RECEIVE_MAX.normal))
      return this.wrongLength(Stat.ROC, DropReason.Oversize);
    if (this.storer.buffer.fits(frame.length + FCS)) return 0;
    core.count(Stat.MPC);
    return DropReason.BufferFull;
  }

  private wrongLength(counter: number, reason: number): number {
    this.core.count(counter);
    this.core.count(Stat.RLEC);
    return reason;
  }

  private count(frame: Uint8Array): void {
    const { core } = this;
    core.count(Stat.GPRC);
    core.countLong(Stat.GORCL, frame.length + FCS);
    core.countSize(Stat.PRC64, frame.length + FCS);
    if ((frame[0] & 1) !== 0)
      core.count(frame.subarray(0, 6).every((byte) => byte === 0xff) ? Stat.BPRC : Stat.MPRC);
    // No buffer in the host's memory now: the frame is kept all the same, and counted (13.7.33).
    if (this.storer.free === 0) core.count(Stat.RNBC);
  }
}

/** What is kept of a frame, and the FCS that it came with. */
function withFcsOf(frame: Uint8Array, kept: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(kept.length + FCS);
  bytes.set(kept);
  new DataView(bytes.buffer).setUint32(kept.length, crc32(frame), true);
  return bytes;
}
