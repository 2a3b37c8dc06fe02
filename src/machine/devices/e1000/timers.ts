/**
 * The device's timers. What the hardware has of a timer is how many cycles remain; the handle of its event and the time at
 * which it fires are the run's.
 */
import { Kind } from '../../../trace/vocabulary/events';
import type { DeviceBus } from '../../bus';
import type { Cycles, EventHandle } from '../../time/event-queue';
import { Timer, TIMERS } from './constants';

/** Cycles that remain, by `Timer`; -1: not running. */
export type TimersHardware = number[];

/** Handles (0: not running) and times of firing, by `Timer`. */
export interface TimersRun {
  handles: EventHandle[];
  deadlines: Cycles[];
}

const IDLE = -1;

export class Timers {
  private handles: EventHandle[] = new Array<EventHandle>(TIMERS).fill(0);
  private deadlines: Cycles[] = new Array<Cycles>(TIMERS).fill(0);

  constructor(private readonly bus: DeviceBus) {}

  /** Starts a timer, anew if it runs. */
  start(kind: number, cycles: Cycles): void {
    this.stop(kind);
    this.deadlines[kind] = this.bus.now() + cycles;
    this.handles[kind] = this.bus.schedule(cycles, kind);
  }

  /** Starts a timer of the device's own work, which is drawn as a span with the cause `cause`. */
  work(kind: number, cycles: Cycles, cause: number): void {
    const { trace } = this.bus;
    const before = trace.cause;
    trace.cause = cause;
    trace.span(cycles, Kind.DeviceWork, 0, 0);
    this.start(kind, cycles);
    trace.cause = before;
  }

  stop(kind: number): void {
    if (this.handles[kind] !== 0) this.bus.cancel(this.handles[kind]);
    this.handles[kind] = 0;
  }

  stopAll(): void {
    for (let kind = 0; kind < TIMERS; kind++) this.stop(kind);
  }

  running(kind: number): boolean {
    return this.handles[kind] !== 0;
  }

  /** The timer's event has fired. */
  fired(kind: number): void {
    this.handles[kind] = 0;
  }

  saveHardware(): TimersHardware {
    const now = this.bus.now();
    // How long the wire is busy is the wire's to say: after a move it is another one.
    return this.handles.map((handle, kind) =>
      handle === 0 || kind === Timer.Wire ? IDLE : Math.max(0, this.deadlines[kind] - now),
    );
  }

  saveRun(): TimersRun {
    return { handles: [...this.handles], deadlines: [...this.deadlines] };
  }

  /** @param run absent: the timers go on on this device's bus; present: the event queue's own snapshot brings their events back */
  load(hardware: TimersHardware, run: TimersRun | undefined): void {
    if (run) {
      this.handles = [...run.handles];
      this.deadlines = [...run.deadlines];
      return;
    }
    this.stopAll();
    hardware.forEach((remaining, kind) => void (remaining !== IDLE && this.start(kind, remaining)));
  }
}
