/**
 * The transmitter (manual 3.3 and 3.4): takes legacy descriptors from head to tail, gathers a packet up to EOP, hands it to
 * the link, and writes DD back where RS asks for it.
 */
import { Kind } from '../../../trace/events';
import { FRAME_MIN } from '../../link/wire';
import { requireVersion } from '../../snapshot';
import type { EventHandle } from '../../time/event-queue';
import { crc32, onesSum } from './checksum';
import { Cause, DESCRIPTOR, DropReason, PACKET_MAX, Reg, Stat, Tctl, Timer, TxCmd } from './constants';
import type { E1000Core } from './core';
import type { InterruptUnit } from './interrupts';

/** The transmit share of the packet buffer: so much may wait for the wire. */
const FIFO_BYTES = 16 * 1024;
const STATUS_DD = 1;

/** Snapshot of a `Transmitter`. */
export interface TransmitterState {
  version: 1;
  packets: number;
  gathered: Uint8Array;
  broken: number;
  event: EventHandle;
}

/** A descriptor as read from memory. */
interface Descriptor {
  address: number;
  length: number;
  command: number;
  checksumOffset: number;
  checksumStart: number;
}

export class Transmitter {
  /** Packets handed to the link so far. */
  private packets = 0;
  private gathered: Uint8Array = new Uint8Array(0);
  /** `DropReason` of the packet being gathered; 0 while nothing is wrong. */
  private broken = 0;
  private event: EventHandle = 0;

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
    this.gathered = new Uint8Array(0);
    this.broken = 0;
  }

  save(): TransmitterState {
    return {
      version: 1,
      packets: this.packets,
      gathered: this.gathered.slice(),
      broken: this.broken,
      event: this.event,
    };
  }

  load(state: TransmitterState): void {
    requireVersion('an e1000 transmitter', state.version, 1);
    this.packets = state.packets;
    this.gathered = state.gathered.slice();
    this.broken = state.broken;
    this.event = state.event;
  }

  private ringSize(): number {
    return Math.floor((this.core.get(Reg.TDLEN) & 0xfff80) / DESCRIPTOR);
  }

  private hasWork(): boolean {
    const { core } = this;
    const on = (core.get(Reg.TCTL) & Tctl.EN) !== 0;
    return on && this.ringSize() > 0 && core.get(Reg.TDH) !== core.get(Reg.TDT);
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
    // A tail beyond the ring is never met by the head: one round is the most that one kick does.
    for (let left = this.ringSize(); left > 0 && this.hasWork(); left--) {
      const wait = core.wire ? core.wire.roomIn(FIFO_BYTES) : 0;
      if (wait > 0) {
        this.later(wait, false);
        return;
      }
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
    const descriptor = parse(bytes);
    this.gather(descriptor);
    const ends = (descriptor.command & TxCmd.EOP) !== 0;
    if (ends) this.finishPacket(descriptor);
    const report = (descriptor.command & TxCmd.RS) !== 0;
    if (report) {
      bytes[12]! |= STATUS_DD;
      core.bus.dmaWrite(at + 12, bytes.subarray(12, 16));
    }
    this.advance(head);
    this.signal(report, (descriptor.command & TxCmd.IDE) !== 0);
    return ends;
  }

  private gather(descriptor: Descriptor): void {
    if (this.broken !== 0 || descriptor.length === 0) return;
    if (this.gathered.length + descriptor.length > PACKET_MAX) {
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

  private finishPacket(last: Descriptor | undefined): void {
    const packet = this.gathered;
    let reason: number = this.broken;
    this.gathered = new Uint8Array(0);
    this.broken = 0;
    let frame = packet;
    if (last && reason === 0) {
      if ((last.command & TxCmd.IC) !== 0) insertChecksum(frame, last);
      if ((last.command & TxCmd.IFCS) === 0) {
        frame = withoutFcs(packet);
        if (frame.length === packet.length || fcsOf(packet) !== crc32(frame)) reason = DropReason.BadFcs;
      }
    }
    if (packet.length === 0 && reason === 0) return;
    if (reason === 0) this.transmit(frame);
    else this.core.bus.trace.instant(Kind.PacketDrop, packet.length, reason);
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
    if ((frame[0]! & 1) !== 0)
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

function parse(bytes: Uint8Array): Descriptor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, DESCRIPTOR);
  return {
    address: view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true),
    length: view.getUint16(8, true),
    checksumOffset: bytes[10]!,
    command: bytes[11]!,
    checksumStart: bytes[13]!,
  };
}

/** Writes the Internet checksum from CSS to the end of the packet at CSO (3.3.3.1). Offsets outside do nothing. */
function insertChecksum(packet: Uint8Array, { checksumOffset, checksumStart }: Descriptor): void {
  if (checksumOffset + 2 > packet.length || checksumStart >= packet.length) return;
  const sum = ~onesSum(packet, checksumStart, packet.length) & 0xffff;
  packet[checksumOffset] = sum >> 8;
  packet[checksumOffset + 1] = sum & 0xff;
}

function withoutFcs(packet: Uint8Array): Uint8Array {
  return packet.length > 4 ? packet.slice(0, packet.length - 4) : packet;
}

function fcsOf(packet: Uint8Array): number {
  return new DataView(packet.buffer, packet.byteOffset).getUint32(packet.length - 4, true);
}
