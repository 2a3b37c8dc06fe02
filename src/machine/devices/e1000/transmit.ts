/**
 * The transmitter (manual 3.3 and 3.4): takes descriptors from head to tail, gathers a packet up to EOP, hands it (or its
 * segments) to the link, and writes DD back where RS asks for it.
 */
import { Kind } from '../../../trace/vocabulary/events';
import { FRAME_MIN } from '../../link/wire';
import { requireVersion } from '../../snapshot';
import type { EventHandle } from '../../time/event-queue';
import { crc32 } from './checksum';
import { Cause, DESCRIPTOR, DropReason, PACKET_MAX, Reg, Stat, Tctl, Timer, TxCmd } from './constants';
import type { E1000Core } from './core';
import { NO_CONTEXT, parseDescriptor, type Context, type DataDescriptor } from './descriptors';
import type { InterruptUnit } from './interrupts';
import { applyChecksums, insertChecksum, segment } from './offload';

/** The transmit share of the packet buffer: so much may wait for the wire. */
const FIFO_BYTES = 16 * 1024;
const STATUS_DD = 1;
const FCS = 4;
/** Largest packet to be cut into segments: 64 KiB of payload and the longest header. */
const SEGMENTED_MAX = 0x10000 + 255;

/** Snapshot of a `Transmitter`. */
export interface TransmitterState {
  version: 1;
  packets: number;
  gathered: Uint8Array;
  broken: number;
  event: EventHandle;
  left: number;
  context: Context;
  options: number;
  segmenting: boolean;
}

export class Transmitter {
  /** Packets handed to the link so far. */
  private packets = 0;
  private gathered: Uint8Array = new Uint8Array(0);
  /** `DropReason` of the packet being gathered; 0 while nothing is wrong. */
  private broken = 0;
  private event: EventHandle = 0;
  /** Descriptors that the last kick still allows: one round. A tail beyond the ring is never met by the head. */
  private left = 0;
  private context: Context = NO_CONTEXT;
  /** POPTS and TSE of the packet being gathered, by its first data descriptor. */
  private options = 0;
  private segmenting = false;

  /** @param loopback gets the frame instead of the link while RCTL.LBM says so; false when it does not apply */
  constructor(
    private readonly core: E1000Core,
    private readonly interrupts: InterruptUnit,
    private readonly loopback: (frame: Uint8Array) => boolean,
  ) {}

  /** TDT was written. */
  tailWritten(value: number): void {
    const { core } = this;
    core.set(Reg.TDT, value & 0xffff);
    core.bus.trace.instant(Kind.Doorbell, Reg.TDT, value);
    core.bus.trace.instant(Kind.RingTail, value & 0xffff, core.get(Reg.TDH));
    this.kick();
  }

  /** Starts work if there is some and the transmitter is on; the hardware may already be at it. */
  kick(): void {
    this.left = this.ringSize();
    if (this.event !== 0 || !this.hasWork()) return;
    if (this.core.timing.transmitNanoseconds > 0)
      this.later(this.core.cycles(this.core.timing.transmitNanoseconds), true);
    else this.work();
  }

  /** The time for the next packet has come, or the wire has room again. */
  onTimer(): void {
    this.event = 0;
    this.work();
  }

  reset(): void {
    if (this.event !== 0) this.core.bus.cancel(this.event);
    this.event = 0;
    this.left = 0;
    this.forget();
    this.context = NO_CONTEXT;
  }

  save(): TransmitterState {
    return {
      version: 1,
      packets: this.packets,
      gathered: this.gathered.slice(),
      broken: this.broken,
      event: this.event,
      left: this.left,
      context: this.context,
      options: this.options,
      segmenting: this.segmenting,
    };
  }

  load(state: TransmitterState): void {
    requireVersion('an e1000 transmitter', state.version, 1);
    this.packets = state.packets;
    this.gathered = state.gathered.slice();
    this.broken = state.broken;
    this.event = state.event;
    this.left = state.left;
    this.context = state.context;
    this.options = state.options;
    this.segmenting = state.segmenting;
  }

  /** Begins a new packet. */
  private forget(): void {
    this.gathered = new Uint8Array(0);
    this.broken = 0;
    this.options = 0;
    this.segmenting = false;
  }

  private ringSize(): number {
    return Math.floor((this.core.get(Reg.TDLEN) & 0xfff80) / DESCRIPTOR);
  }

  private hasWork(): boolean {
    const { core } = this;
    const on = (core.get(Reg.TCTL) & Tctl.EN) !== 0;
    return on && this.left > 0 && this.ringSize() > 0 && core.get(Reg.TDH) !== core.get(Reg.TDT);
  }

  private later(delay: number, working: boolean): void {
    const { trace } = this.core.bus;
    const cause = trace.cause;
    if (working) trace.span(delay, Kind.DeviceWork, 0, 0);
    this.event = this.core.bus.schedule(delay, Timer.Transmit);
    trace.cause = cause;
  }

  /** Processes descriptors: all of them, or one packet at a time where the hardware takes its time. */
  private work(): void {
    const { core } = this;
    const step = core.cycles(core.timing.transmitNanoseconds);
    const reason = core.bus.trace.cause;
    while (this.hasWork()) {
      const wait = core.wire ? core.wire.roomIn(FIFO_BYTES) : 0;
      if (wait > 0) {
        this.later(wait, false);
        return;
      }
      this.left -= 1;
      core.bus.trace.cause = reason;
      const ended = this.descriptor();
      if (ended && step > 0 && this.hasWork()) {
        core.bus.trace.cause = reason;
        this.later(step, true);
        return;
      }
    }
  }

  /** Processes the descriptor at the head; true when a packet ended with it. */
  private descriptor(): boolean {
    const { core } = this;
    const head = core.get(Reg.TDH) % this.ringSize();
    const at = core.address(Reg.TDBAL) + head * DESCRIPTOR;
    const bytes = core.bus.dmaRead(at, DESCRIPTOR);
    if (!bytes) {
      this.broken = DropReason.DmaAbort;
      this.finishPacket(undefined);
      this.advance(head);
      return true;
    }
    const descriptor = parseDescriptor(bytes);
    // Bit 0 of a context descriptor says TCP; only a data descriptor can end a packet.
    const ends = descriptor.kind !== 'context' && (descriptor.command & TxCmd.EOP) !== 0;
    if (descriptor.kind === 'context') this.context = descriptor.context;
    else {
      this.gather(descriptor);
      if (ends) this.finishPacket(descriptor);
    }
    const report = (descriptor.command & TxCmd.RS) !== 0;
    if (report) {
      bytes[12] |= STATUS_DD;
      core.bus.dmaWrite(at + 12, bytes.subarray(12, 16));
    }
    this.advance(head);
    this.signal(report, (descriptor.command & TxCmd.IDE) !== 0);
    return ends;
  }

  private gather(descriptor: DataDescriptor): void {
    if (this.gathered.length === 0 && descriptor.kind === 'data') {
      this.options = descriptor.options;
      this.segmenting = (descriptor.command & TxCmd.TSE) !== 0;
    }
    if (this.broken !== 0 || descriptor.length === 0) return;
    if (this.gathered.length + descriptor.length > (this.segmenting ? SEGMENTED_MAX : PACKET_MAX)) {
      this.broken = DropReason.Oversize;
      return;
    }
    const data = this.core.bus.dmaRead(descriptor.address, descriptor.length);
    if (!data) {
      this.broken = DropReason.DmaAbort;
      return;
    }
    const joined = new Uint8Array(this.gathered.length + data.length);
    joined.set(this.gathered);
    joined.set(data, this.gathered.length);
    this.gathered = joined;
  }

  private finishPacket(last: DataDescriptor | undefined): void {
    const { gathered, context, options, segmenting, broken } = this;
    this.forget();
    if (gathered.length === 0 && broken === 0) return;
    const { trace } = this.core.bus;
    let frames: Uint8Array[] | number = broken;
    if (last && broken === 0) {
      frames = segmenting
        ? (segment(gathered, context, options) ?? DropReason.BadContext)
        : wholeFrame(gathered, last, context, options);
    }
    if (typeof frames === 'number') {
      trace.instant(Kind.PacketDrop, gathered.length, frames);
      return;
    }
    if (segmenting) this.core.count(Stat.TSCTC);
    const reason = trace.cause;
    for (const frame of frames) {
      trace.cause = reason;
      this.transmit(frame);
    }
  }

  private transmit(packet: Uint8Array): void {
    const { core } = this;
    let frame = packet;
    if (frame.length < FRAME_MIN && (core.get(Reg.TCTL) & Tctl.PSP) !== 0) {
      frame = new Uint8Array(FRAME_MIN);
      frame.set(packet);
    }
    const number = this.packets;
    const { trace } = core.bus;
    if (this.loopback(frame)) return;
    if (!core.wire || !core.linkUp) {
      trace.instant(Kind.PacketDrop, frame.length, DropReason.LinkDown);
      return;
    }
    this.packets += 1;
    this.countPacket(frame);
    trace.instant(Kind.PacketTx, frame.length, number);
    core.wire.send(frame, number);
  }

  private countPacket(frame: Uint8Array): void {
    const { core } = this;
    const onWire = frame.length + 4;
    for (const counter of [Stat.GPTC, Stat.TPT]) core.count(counter);
    for (const counter of [Stat.GOTCL, Stat.TOTL]) core.countLong(counter, onWire);
    core.countSize(Stat.PTC64, onWire);
    if ((frame[0] & 1) !== 0)
      core.count(frame.subarray(0, 6).every((byte) => byte === 0xff) ? Stat.BPTC : Stat.MPTC);
  }

  private advance(head: number): void {
    const { core } = this;
    const next = (head + 1) % this.ringSize();
    core.set(Reg.TDH, next);
    const { trace } = core.bus;
    trace.instant(Kind.RingHead, next, core.get(Reg.TDT));
  }

  private signal(reported: boolean, delayed: boolean): void {
    const { core, interrupts } = this;
    const empty = core.get(Reg.TDH) === core.get(Reg.TDT) ? Cause.TXQE : 0;
    if (reported && delayed) interrupts.transmittedDelayed();
    const causes = empty | (reported && !delayed ? Cause.TXDW : 0);
    if (causes !== 0) interrupts.raise(causes);
  }
}

/** The one frame of a packet that is not cut, or a `DropReason`. */
function wholeFrame(
  packet: Uint8Array,
  last: DataDescriptor,
  context: Context,
  options: number,
): Uint8Array[] | number {
  if (last.kind === 'data') applyChecksums(packet, context, options);
  else if ((last.command & TxCmd.IC) !== 0) {
    insertChecksum(packet, { start: last.checksumStart, offset: last.checksumOffset, end: 0 });
  }
  if ((last.command & TxCmd.IFCS) !== 0) return [packet];
  // Without IFCS software has appended the FCS itself.
  if (packet.length <= FCS) return DropReason.BadFcs;
  const frame = packet.slice(0, packet.length - FCS);
  const appended = new DataView(packet.buffer, packet.byteOffset).getUint32(frame.length, true);
  return appended === crc32(frame) ? [frame] : DropReason.BadFcs;
}
