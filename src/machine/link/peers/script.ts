/** A peer that sends given frames at given times. */
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../../time/pending-event';
import type { LinkEnd } from '../link';
import { padded, type FrameReceiver } from '../wire';

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
