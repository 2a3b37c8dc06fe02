/** Simple machines on a link: an echo, a sink, a generator, and one that sends given frames. */
import { requireVersion } from '../snapshot';
import { Random, type RandomState } from '../time/random';
import type { Cycles, EventTarget, Scheduler } from '../time/event-queue';
import { addressAt, isGroup } from './address-table';
import type { CarriedFrame } from './lane';
import type { LinkEnd } from './link';
import { FRAME_MIN, type FrameReceiver } from './wire';

const ETHERNET_HEADER = 14;
/** IEEE 802 local experimental Ethertype 1. */
const EXPERIMENTAL_TYPE = 0x88b5;

/** Snapshot of an `EchoPeer`. */
export interface EchoState {
  version: 1;
  waiting: CarriedFrame[];
  sent: number;
}

/** What an echo does. */
export interface EchoOptions {
  /** Cycles from the arrival of a frame to its sending back. */
  turnaround: Cycles;
  /** Whether the two addresses are swapped, so that the frame goes to its sender. */
  swap: boolean;
  /** Six bytes: only frames to this address and to groups are answered, and from it. Absent: all are, from where they went. */
  mac?: Uint8Array | undefined;
}

/** Sends frames back after a turn-around time. */
export class EchoPeer implements FrameReceiver, EventTarget {
  private waiting: CarriedFrame[] = [];
  private sent = 0;

  /** Stands at `end`. */
  constructor(
    readonly eventTargetId: string,
    private readonly end: LinkEnd,
    private readonly scheduler: Scheduler,
    private readonly options: EchoOptions,
  ) {
    end.attach(this);
  }

  canReceive(): boolean {
    return true;
  }

  receive(frame: Uint8Array): void {
    const { turnaround, swap, mac } = this.options;
    if (mac) {
      const destination = addressAt(frame, 0);
      if (destination !== addressAt(mac, 0) && !isGroup(destination)) return;
    }
    const back = frame.slice();
    if (swap) {
      back.copyWithin(0, 6, 12);
      back.set(mac ?? frame.subarray(0, 6), 6);
    }
    this.waiting.push({ frame: back, packet: this.sent++ });
    if (turnaround === 0) this.onEvent();
    else this.scheduler.schedule(this.scheduler.now() + turnaround, this, 0);
  }

  onEvent(): void {
    const next = this.waiting.shift();
    if (next) this.end.send(next.frame, next.packet);
  }

  save(): EchoState {
    return { version: 1, waiting: [...this.waiting], sent: this.sent };
  }

  load(state: EchoState): void {
    requireVersion('an echo peer', state.version, 1);
    this.waiting = [...state.waiting];
    this.sent = state.sent;
  }
}

/** Snapshot of a `SinkPeer`. */
export interface SinkState {
  version: 1;
  frames: number;
  bytes: number;
}

/** Swallows and counts. */
export class SinkPeer implements FrameReceiver {
  frames = 0;
  bytes = 0;

  constructor(end: LinkEnd) {
    end.attach(this);
  }

  canReceive(): boolean {
    return true;
  }

  receive(frame: Uint8Array): void {
    this.frames += 1;
    this.bytes += frame.length;
  }

  save(): SinkState {
    return { version: 1, frames: this.frames, bytes: this.bytes };
  }

  load(state: SinkState): void {
    requireVersion('a sink peer', state.version, 1);
    this.frames = state.frames;
    this.bytes = state.bytes;
  }
}

/** What a generator sends. */
export interface GeneratorOptions {
  /** Number of frames. */
  count: number;
  /** Bytes of a frame without FCS, 60 to 1514 (longer ones are jumbo frames). */
  length: number;
  /** Cycles from the start of one frame to the start of the next; more where the wire is busy for longer. */
  interval: Cycles;
  /** Cycles from the beginning of the run to the first frame. */
  delay: Cycles;
  /** Of the payload. */
  seed: number;
  /** Its own address, six bytes. */
  mac: Uint8Array;
  /** Destination address, six bytes; broadcast when absent. */
  destination?: Uint8Array | undefined;
}

/** Snapshot of a `GeneratorPeer`. */
export interface GeneratorState {
  version: 1;
  sent: number;
  received: number;
  random: RandomState;
}

/**
 * Sends frames of seeded random payload at fixed times; counts what it gets. After the Ethernet header stands the frame's
 * number, 32 bits big-endian.
 */
export class GeneratorPeer implements FrameReceiver, EventTarget {
  received = 0;
  private sent = 0;
  private readonly random: Random;

  /** Stands at `end`; call `start` once. */
  constructor(
    readonly eventTargetId: string,
    private readonly end: LinkEnd,
    private readonly scheduler: Scheduler,
    private readonly options: GeneratorOptions,
  ) {
    if (options.length < FRAME_MIN)
      throw new RangeError(`generator frames of ${options.length} bytes: the least is ${FRAME_MIN}`);
    this.random = new Random(options.seed);
    end.attach(this);
  }

  /** Schedules the first frame. */
  start(): void {
    if (this.options.count > 0) this.scheduler.schedule(this.scheduler.now() + this.options.delay, this, 0);
  }

  canReceive(): boolean {
    return true;
  }

  receive(): void {
    this.received += 1;
  }

  onEvent(_kind: number, _arg: number, time: Cycles): void {
    const number = this.sent++;
    const { count, interval, length } = this.options;
    // Not before this frame has left: what is generated faster than the wire carries would pile up without end.
    const wireFree = this.end.roomIn(0) + this.end.occupancy(length);
    // The next one is scheduled first: it is no consequence of this frame.
    if (this.sent < count) this.scheduler.schedule(time + Math.max(interval, wireFree), this, 0);
    this.end.send(this.frame(number), number);
  }

  save(): GeneratorState {
    return { version: 1, sent: this.sent, received: this.received, random: this.random.save() };
  }

  load(state: GeneratorState): void {
    requireVersion('a generator peer', state.version, 1);
    this.sent = state.sent;
    this.received = state.received;
    this.random.load(state.random);
  }

  private frame(number: number): Uint8Array {
    const { length, mac, destination } = this.options;
    const frame = new Uint8Array(length);
    frame.set(destination ?? new Uint8Array(6).fill(0xff));
    frame.set(mac, 6);
    const view = new DataView(frame.buffer);
    view.setUint16(12, EXPERIMENTAL_TYPE);
    view.setUint32(ETHERNET_HEADER, number);
    frame.set(this.random.bytes(frame.length - ETHERNET_HEADER - 4), ETHERNET_HEADER + 4);
    return frame;
  }
}

/** A frame and when it is to leave. */
export interface TimedFrame {
  /** Cycles from the beginning of the run. */
  at: Cycles;
  frame: Uint8Array;
}

/** Snapshot of a `ScriptPeer`. */
export interface ScriptState {
  version: 1;
  sent: number;
  received: number;
}

/** Sends given frames at given times, each when the wire is free for it; counts what it gets. */
export class ScriptPeer implements FrameReceiver, EventTarget {
  received = 0;
  private sent = 0;
  private readonly frames: readonly TimedFrame[];

  /** Stands at `end`; call `start` once. Frames shorter than the least are padded with zeros (IEEE 802.3, 4.2.3.3). */
  constructor(
    readonly eventTargetId: string,
    private readonly end: LinkEnd,
    private readonly scheduler: Scheduler,
    frames: readonly TimedFrame[],
  ) {
    this.frames = frames.map(({ at, frame }) => ({ at, frame: padded(frame) })).sort((x, y) => x.at - y.at);
    end.attach(this);
  }

  /** Schedules the first frame. */
  start(): void {
    this.scheduleNext();
  }

  canReceive(): boolean {
    return true;
  }

  receive(): void {
    this.received += 1;
  }

  onEvent(): void {
    const number = this.sent++;
    this.scheduleNext();
    // A copy: what is on a wire belongs to the wire.
    this.end.send(this.frames[number].frame.slice(), number);
  }

  save(): ScriptState {
    return { version: 1, sent: this.sent, received: this.received };
  }

  load(state: ScriptState): void {
    requireVersion('a peer with given frames', state.version, 1);
    this.sent = state.sent;
    this.received = state.received;
  }

  private scheduleNext(): void {
    if (this.sent === this.frames.length) return;
    this.scheduler.schedule(Math.max(this.scheduler.now(), this.frames[this.sent].at), this, 0);
  }
}

function padded(frame: Uint8Array): Uint8Array {
  if (frame.length >= FRAME_MIN) return frame;
  const longer = new Uint8Array(FRAME_MIN);
  longer.set(frame);
  return longer;
}
