/** Simple machines at the far end of a link: an echo, a sink, a generator. */
import { requireVersion } from '../snapshot';
import { Random, type RandomState } from '../time/random';
import type { Cycles, EventTarget, Scheduler } from '../time/event-queue';
import type { Link, SavedFrame } from './link';
import { FRAME_MIN, type FrameReceiver } from './wire';

const ETHERNET_HEADER = 14;
/** IEEE 802 local experimental Ethertype 1. */
const EXPERIMENTAL_TYPE = 0x88b5;
/** The generator's own station address, locally administered. */
const GENERATOR_MAC = [0x02, 0x54, 0x4c, 0x00, 0x00, 0x01] as const;

/** Snapshot of an `EchoPeer`. */
export interface EchoState {
  version: 1;
  waiting: SavedFrame[];
  sent: number;
}

/** Sends every frame back to its sender, with the two addresses swapped, after a turn-around time. */
export class EchoPeer implements FrameReceiver, EventTarget {
  private waiting: SavedFrame[] = [];
  private sent = 0;

  /** Stands at end 1 of `link`. @param turnaround cycles from the arrival of a frame to its sending back */
  constructor(
    readonly eventTargetId: string,
    private readonly link: Link,
    private readonly scheduler: Scheduler,
    private readonly turnaround: Cycles,
  ) {
    link.attach(1, this);
  }

  receive(frame: Uint8Array): void {
    const back = frame.slice();
    back.copyWithin(0, 6, 12);
    back.set(frame.subarray(0, 6), 6);
    this.waiting.push({ frame: back, packet: this.sent++ });
    if (this.turnaround === 0) this.onEvent();
    else this.scheduler.schedule(this.scheduler.now() + this.turnaround, this, 0);
  }

  onEvent(): void {
    const next = this.waiting.shift();
    if (next) this.link.transmit(1, next.frame, next.packet);
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

  constructor(link: Link) {
    link.attach(1, this);
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
  /** Destination address, six bytes; broadcast when absent. */
  destination?: Uint8Array;
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

  /** Stands at end 1 of `link`; call `start` once. */
  constructor(
    readonly eventTargetId: string,
    private readonly link: Link,
    private readonly scheduler: Scheduler,
    private readonly options: GeneratorOptions,
  ) {
    if (options.length < FRAME_MIN)
      throw new RangeError(`generator frames of ${options.length} bytes: the least is ${FRAME_MIN}`);
    this.random = new Random(options.seed);
    link.attach(1, this);
  }

  /** Schedules the first frame. */
  start(): void {
    if (this.options.count > 0) this.scheduler.schedule(this.scheduler.now() + this.options.delay, this, 0);
  }

  receive(): void {
    this.received += 1;
  }

  onEvent(_kind: number, _arg: number, time: Cycles): void {
    const number = this.sent++;
    const { count, interval, length } = this.options;
    // Not before this frame has left: what is generated faster than the wire carries would pile up without end.
    const wireFree = this.link.roomIn(1, 0) + this.link.occupancy(length);
    // The next one is scheduled first: it is no consequence of this frame.
    if (this.sent < count) this.scheduler.schedule(time + Math.max(interval, wireFree), this, 0);
    this.link.transmit(1, this.frame(number), number);
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
    const frame = new Uint8Array(this.options.length);
    frame.set(this.options.destination ?? new Uint8Array(6).fill(0xff));
    frame.set(GENERATOR_MAC, 6);
    const view = new DataView(frame.buffer);
    view.setUint16(12, EXPERIMENTAL_TYPE);
    view.setUint32(ETHERNET_HEADER, number);
    frame.set(this.random.bytes(frame.length - ETHERNET_HEADER - 4), ETHERNET_HEADER + 4);
    return frame;
  }
}
