/**
 * The receiver (manual 3.2): filters a frame, puts it into the buffers of as many legacy descriptors as it needs, and writes
 * them back. A frame that finds too few descriptors is lost and counted in MPC.
 */
import { Kind } from '../../../trace/vocabulary/events';
import { FRAME_MAX, FRAME_MIN } from '../../link/wire';
import { requireVersion } from '../../snapshot';
import type { EventHandle } from '../../time/event-queue';
import { crc32, onesSum } from './checksum';
import { Cause, DESCRIPTOR, DropReason, PACKET_MAX, Rctl, Reg, RxStatus, Stat, Timer } from './constants';
import type { E1000Core } from './core';
import { accepts } from './filter';
import type { InterruptUnit } from './interrupts';

/** The receive share of the packet buffer: frames wait in it while the hardware is busy. */
const FIFO_BYTES = 48 * 1024;
const FCS = 4;
const VLAN_TAG = 4;

/** Snapshot of a `Receiver`. */
export interface ReceiverState {
  version: 1;
  packets: number;
  waiting: Uint8Array[];
  event: EventHandle;
}

export class Receiver {
  /** Packets put into memory so far. */
  private packets = 0;
  private waiting: Uint8Array[] = [];
  private event: EventHandle = 0;

  constructor(
    private readonly core: E1000Core,
    private readonly interrupts: InterruptUnit,
  ) {}

  /** RDT was written: descriptors were given to the device. */
  tailWritten(value: number): void {
    const { core } = this;
    core.set(Reg.RDT, value & 0xffff);
    core.bus.trace.instant(Kind.RingTail, value & 0xffff, core.get(Reg.RDH));
  }

  /** A whole frame has come from the link. */
  arrived(frame: Uint8Array): void {
    const delay = this.core.cycles(this.core.timing.receiveNanoseconds);
    if (delay === 0) {
      this.take(frame);
      return;
    }
    const held = this.waiting.reduce((sum, each) => sum + each.length, 0);
    if (held + frame.length > FIFO_BYTES) {
      this.overrun(frame);
      return;
    }
    this.waiting.push(frame);
    if (this.event === 0) this.later(delay);
  }

  /** The hardware gets to the next waiting frame. */
  onTimer(): void {
    this.event = 0;
    const frame = this.waiting.shift();
    if (this.waiting.length > 0) this.later(this.core.cycles(this.core.timing.receiveNanoseconds));
    if (frame) this.take(frame);
  }

  reset(): void {
    if (this.event !== 0) this.core.bus.cancel(this.event);
    this.event = 0;
    this.waiting = [];
  }

  save(): ReceiverState {
    const waiting = this.waiting.map((frame) => frame.slice());
    return { version: 1, packets: this.packets, waiting, event: this.event };
  }

  load(state: ReceiverState): void {
    requireVersion('an e1000 receiver', state.version, 1);
    this.packets = state.packets;
    this.waiting = state.waiting.map((frame) => frame.slice());
    this.event = state.event;
  }

  private later(delay: number): void {
    const { trace } = this.core.bus;
    const cause = trace.cause;
    trace.span(delay, Kind.DeviceWork, 0, 0);
    this.event = this.core.bus.schedule(delay, Timer.Receive);
    trace.cause = cause;
  }

  private take(frame: Uint8Array): void {
    const { core } = this;
    const reason = this.refusal(frame);
    if (reason !== 0) {
      this.drop(frame, reason);
      return;
    }
    const withFcs = (core.get(Reg.RCTL) & Rctl.SECRC) === 0;
    const stored = withFcs ? appendFcs(frame) : frame;
    const needed = Math.ceil(stored.length / this.bufferSize());
    const before = this.free();
    if (before < needed) {
      this.overrun(frame);
      return;
    }
    if (!this.store(stored, frame)) {
      this.drop(frame, DropReason.DmaAbort);
      return;
    }
    this.count(frame);
    const number = this.packets++;
    core.bus.trace.instant(Kind.RingHead, core.get(Reg.RDH), core.get(Reg.RDT));
    core.bus.trace.instant(Kind.PacketRx, frame.length, number);
    this.noticeThreshold(before);
    this.interrupts.received();
  }

  /** Why a frame is not received; 0 when it is. Counts what the manual counts. */
  private refusal(frame: Uint8Array): number {
    const { core } = this;
    const rctl = core.get(Reg.RCTL);
    if (!core.linkUp) return DropReason.LinkDown;
    if ((rctl & Rctl.EN) === 0) return DropReason.Disabled;
    core.countLong(Stat.TORL, frame.length + FCS);
    core.count(Stat.TPR);
    const tagged = frame.length > 14 && ((frame[12] << 8) | frame[13]) === (core.get(Reg.VET) & 0xffff);
    if (frame.length < FRAME_MIN) {
      core.count(Stat.RUC);
      return DropReason.Undersize;
    }
    const longest = (rctl & Rctl.LPE) !== 0 ? PACKET_MAX - FCS : FRAME_MAX + (tagged ? VLAN_TAG : 0);
    if (frame.length > longest) {
      core.count(Stat.ROC);
      return DropReason.Oversize;
    }
    return accepts(core, frame, tagged) ? 0 : DropReason.Filtered;
  }

  private drop(frame: Uint8Array, reason: number): void {
    this.core.bus.trace.instant(Kind.PacketDrop, frame.length, reason);
  }

  /** No descriptors, or no room in the packet buffer. */
  private overrun(frame: Uint8Array): void {
    this.core.count(Stat.MPC);
    this.core.count(Stat.RNBC);
    this.drop(frame, DropReason.RingFull);
    this.interrupts.raise(Cause.RXO);
  }

  private ringSize(): number {
    return Math.floor((this.core.get(Reg.RDLEN) & 0xfff80) / DESCRIPTOR);
  }

  /** Descriptors that the device may use: from head up to, not including, the tail. */
  private free(): number {
    const size = this.ringSize();
    if (size === 0) return 0;
    return (((this.core.get(Reg.RDT) - this.core.get(Reg.RDH)) % size) + size) % size;
  }

  private bufferSize(): number {
    const rctl = this.core.get(Reg.RCTL);
    const code = (rctl >> 16) & 3;
    if ((rctl & Rctl.BSEX) === 0) return 2048 >> code;
    // With BSEX code 0 is reserved; it is taken as the largest.
    return code === 0 ? 16384 : 32768 >> code;
  }

  private store(stored: Uint8Array, frame: Uint8Array): boolean {
    const { core } = this;
    const size = this.bufferSize();
    const checksum = onesSum(frame, Math.min(core.get(Reg.RXCSUM) & 0xff, frame.length), frame.length);
    const ring = this.ringSize();
    for (let done = 0; done < stored.length; done += size) {
      const head = core.get(Reg.RDH) % ring;
      const at = core.address(Reg.RDBAL) + head * DESCRIPTOR;
      const descriptor = core.bus.dmaRead(at, DESCRIPTOR);
      if (!descriptor) return false;
      const part = stored.subarray(done, done + size);
      const view = new DataView(descriptor.buffer, descriptor.byteOffset, DESCRIPTOR);
      const buffer = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
      // A descriptor with a null buffer address stores nothing but is used up (3.2.3).
      if (buffer !== 0 && !core.bus.dmaWrite(buffer, part)) return false;
      const last = done + size >= stored.length;
      view.setUint16(8, part.length, true);
      view.setUint16(10, last ? checksum : 0, true);
      descriptor[12] = RxStatus.DD | (last ? RxStatus.EOP | RxStatus.IXSM : 0);
      descriptor[13] = 0;
      view.setUint16(14, 0, true);
      if (!core.bus.dmaWrite(at + 8, descriptor.subarray(8))) return false;
      core.set(Reg.RDH, (head + 1) % ring);
    }
    return true;
  }

  private count(frame: Uint8Array): void {
    const { core } = this;
    core.count(Stat.GPRC);
    core.countLong(Stat.GORCL, frame.length + FCS);
    core.countSize(Stat.PRC64, frame.length + FCS);
    if ((frame[0] & 1) !== 0)
      core.count(frame.subarray(0, 6).every((byte) => byte === 0xff) ? Stat.BPRC : Stat.MPRC);
  }

  /** RXDMT0: the free descriptors have fallen to the fraction of the ring that RCTL.RDMTS names (1/2, 1/4, 1/8). */
  private noticeThreshold(before: number): void {
    const threshold = this.ringSize() >> (((this.core.get(Reg.RCTL) >> 8) & 3) + 1);
    if (before > threshold && this.free() <= threshold) this.interrupts.raise(Cause.RXDMT0);
  }
}

function appendFcs(frame: Uint8Array): Uint8Array {
  const stored = new Uint8Array(frame.length + FCS);
  stored.set(frame);
  new DataView(stored.buffer).setUint32(frame.length, crc32(frame), true);
  return stored;
}
