/** Simple machines on a link: an echo, a sink, a generator, and one that sends given frames. */
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../snapshot';
import { Random, type RandomState } from '../time/random';
import type { Cycles, EventHandle, EventTarget, Scheduler } from '../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../time/pending-event';
import { addressAt, isGroup } from './address-table';
import type { CarriedFrame } from './lane';
import type { LinkEnd } from './link';
import { FRAME_MIN, type FrameReceiver } from './wire';

const ETHERNET_HEADER = 14;
/** IEEE 802 local experimental Ethertype 1. */
const EXPERIMENTAL_TYPE = 0x88b5;

/** What the hardware has of an `EchoPeer`: `remaining` cycles until a frame goes back. */
export interface EchoHardware extends HardwareState {
  version: 2;
  waiting: (CarriedFrame & { remaining: Cycles })[];
  sent: number;
}

/** What the run has of it. */
export interface EchoRun extends RunState {
  waiting: { time: Cycles; event: EventHandle }[];
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
export class EchoPeer implements FrameReceiver, EventTarget, Migratable<EchoHardware, EchoRun> {
  private waiting: (CarriedFrame & { time: Cycles; event: EventHandle })[] = [];
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
    const packet = this.sent++;
    if (turnaround === 0) this.end.send(back, packet);
    else this.wait(back, packet, this.scheduler.now() + turnaround);
  }

  onEvent(): void {
    const next = this.waiting.shift();
    if (next) this.end.send(next.frame, next.packet);
  }

  save(): Checkpoint<EchoHardware, EchoRun> {
    const now = this.scheduler.now();
    const waiting = this.waiting.map(({ frame, packet, time }) => ({ frame, packet, remaining: time - now }));
    return {
      hardware: { version: 2, waiting, sent: this.sent },
      run: { waiting: this.waiting.map(({ time, event }) => ({ time, event })) },
    };
  }

  load({ hardware, run }: Checkpoint<EchoHardware, EchoRun>): void {
    requireVersion('an echo peer', hardware.version, 2);
    this.waiting = hardware.waiting.map(({ frame, packet }, i) => ({ frame, packet, ...run.waiting[i] }));
    this.sent = hardware.sent;
  }

  adopt(hardware: EchoHardware): void {
    requireVersion('an echo peer', hardware.version, 2);
    const now = this.scheduler.now();
    for (const { event } of this.waiting) this.scheduler.cancel(event);
    this.waiting = [];
    for (const { frame, packet, remaining } of hardware.waiting) this.wait(frame, packet, now + remaining);
    this.sent = hardware.sent;
  }

  private wait(frame: Uint8Array, packet: number, time: Cycles): void {
    this.waiting.push({ frame, packet, time, event: this.scheduler.schedule(time, this, 0) });
  }
}

/** What the hardware has of a `SinkPeer`; the run has nothing of it. */
export interface SinkHardware extends HardwareState {
  version: 1;
  frames: number;
  bytes: number;
}

/** Swallows and counts. */
export class SinkPeer implements FrameReceiver, Migratable<SinkHardware> {
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

  save(): Checkpoint<SinkHardware, RunState> {
    return { hardware: { version: 1, frames: this.frames, bytes: this.bytes }, run: {} };
  }

  load({ hardware }: Checkpoint<SinkHardware, RunState>): void {
    this.adopt(hardware);
  }

  adopt(hardware: SinkHardware): void {
    requireVersion('a sink peer', hardware.version, 1);
    this.frames = hardware.frames;
    this.bytes = hardware.bytes;
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

/** What the hardware has of a `GeneratorPeer`. */
export interface GeneratorHardware extends HardwareState {
  version: 2;
  sent: number;
  received: number;
  random: RandomState;
  /** Cycles until the next frame; -1: none is to come. */
  remaining: Cycles;
}

/**
 * Sends frames of seeded random payload at fixed times; counts what it gets. After the Ethernet header stands the frame's
 * number, 32 bits big-endian.
 */
export class GeneratorPeer
  implements FrameReceiver, EventTarget, Migratable<GeneratorHardware, PendingEventRun>
{
  received = 0;
  private sent = 0;
  private readonly nextFrame: PendingEvent;
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
    this.nextFrame = new PendingEvent(scheduler, (time) => scheduler.schedule(time, this, 0));
    end.attach(this);
  }

  /** Schedules the first frame. */
  start(): void {
    if (this.options.count > 0) this.nextFrame.comeAt(this.scheduler.now() + this.options.delay);
  }

  canReceive(): boolean {
    return true;
  }

  receive(): void {
    this.received += 1;
  }

  onEvent(_kind: number, _arg: number, time: Cycles): void {
    this.nextFrame.came();
    const number = this.sent++;
    const { count, interval, length } = this.options;
    // Not before this frame has left: what is generated faster than the wire carries would pile up without end.
    const wireFree = this.end.roomIn(0) + this.end.occupancy(length);
    // The next one is scheduled first: it is no consequence of this frame.
    if (this.sent < count) this.nextFrame.comeAt(time + Math.max(interval, wireFree));
    this.end.send(this.frame(number), number);
  }

  save(): Checkpoint<GeneratorHardware, PendingEventRun> {
    const { sent, received, nextFrame } = this;
    const { remaining } = nextFrame;
    return {
      hardware: { version: 2, sent, received, random: this.random.save(), remaining },
      run: nextFrame.save(),
    };
  }

  load({ hardware, run }: Checkpoint<GeneratorHardware, PendingEventRun>): void {
    this.loadCounts(hardware);
    this.nextFrame.load(run);
  }

  adopt(hardware: GeneratorHardware): void {
    this.loadCounts(hardware);
    this.nextFrame.adopt(hardware.remaining);
  }

  private loadCounts(hardware: GeneratorHardware): void {
    requireVersion('a generator peer', hardware.version, 2);
    this.sent = hardware.sent;
    this.received = hardware.received;
    this.random.load(hardware.random);
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

/** What the hardware has of a `ScriptPeer`. */
export interface ScriptHardware extends HardwareState {
  version: 2;
  sent: number;
  received: number;
  /** Cycles since the time that those of its frames are counted from. */
  age: Cycles;
  /** Cycles until the next frame; -1: none is to come. */
  remaining: Cycles;
}

/** What the run has of it: the event of the next frame, and the time from which those of its frames are counted. */
export interface ScriptRun extends PendingEventRun {
  origin: Cycles;
}

/** Sends given frames at given times, each when the wire is free for it; counts what it gets. */
export class ScriptPeer implements FrameReceiver, EventTarget, Migratable<ScriptHardware, ScriptRun> {
  received = 0;
  private sent = 0;
  private origin: Cycles = 0;
  private readonly nextFrame: PendingEvent;
  private readonly frames: readonly TimedFrame[];

  /** Stands at `end`; call `start` once. Frames shorter than the least are padded with zeros (IEEE 802.3, 4.2.3.3). */
  constructor(
    readonly eventTargetId: string,
    private readonly end: LinkEnd,
    private readonly scheduler: Scheduler,
    frames: readonly TimedFrame[],
  ) {
    this.frames = frames.map(({ at, frame }) => ({ at, frame: padded(frame) })).sort((x, y) => x.at - y.at);
    this.nextFrame = new PendingEvent(scheduler, (time) => scheduler.schedule(time, this, 0));
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
    this.nextFrame.came();
    const number = this.sent++;
    this.scheduleNext();
    // A copy: what is on a wire belongs to the wire.
    this.end.send(this.frames[number].frame.slice(), number);
  }

  save(): Checkpoint<ScriptHardware, ScriptRun> {
    const { sent, received, origin, nextFrame } = this;
    const now = this.scheduler.now();
    const { remaining } = nextFrame;
    return {
      hardware: { version: 2, sent, received, age: now - origin, remaining },
      run: { ...nextFrame.save(), origin },
    };
  }

  load({ hardware, run }: Checkpoint<ScriptHardware, ScriptRun>): void {
    this.loadCounts(hardware);
    this.nextFrame.load(run);
    this.origin = run.origin;
  }

  adopt(hardware: ScriptHardware): void {
    this.loadCounts(hardware);
    this.origin = this.scheduler.now() - hardware.age;
    this.nextFrame.adopt(hardware.remaining);
  }

  private loadCounts(hardware: ScriptHardware): void {
    requireVersion('a peer with given frames', hardware.version, 2);
    this.sent = hardware.sent;
    this.received = hardware.received;
  }

  private scheduleNext(): void {
    if (this.sent === this.frames.length) return;
    this.nextFrame.comeAt(Math.max(this.scheduler.now(), this.origin + this.frames[this.sent].at));
  }
}

function padded(frame: Uint8Array): Uint8Array {
  if (frame.length >= FRAME_MIN) return frame;
  const longer = new Uint8Array(FRAME_MIN);
  longer.set(frame);
  return longer;
}
