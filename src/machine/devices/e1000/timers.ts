/** The device's timers, by `Timer`. */
import { Kind } from '../../../trace/vocabulary/events';
import type { DeviceBus } from '../../bus';
import type { Cycles } from '../../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../../time/pending-event';
import { Timer, TIMERS } from './constants';

/** Cycles that remain, by `Timer`; -1: not running. */
export type TimersHardware = number[];

/** Their events, by `Timer`. */
export interface TimersRun {
  events: PendingEventRun[];
}

const NOT_RUNNING = -1;

/** All of one device. */
export class Timers {
  private readonly timers: readonly PendingEvent[];

  constructor(private readonly bus: DeviceBus) {
    this.timers = Array.from(
      { length: TIMERS },
      (_, kind) => new PendingEvent(bus, (time) => bus.schedule(time - bus.now(), kind)),
    );
  }

  /** Starts a timer, anew if it runs. */
  start(kind: number, cycles: Cycles): void {
    this.timers[kind].comeAt(this.bus.now() + cycles);
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
    this.timers[kind].cancel();
  }

  stopAll(): void {
    for (const timer of this.timers) timer.cancel();
  }

  running(kind: number): boolean {
    return this.timers[kind].pending;
  }

  /** The timer's event has fired. */
  fired(kind: number): void {
    this.timers[kind].came();
  }

  saveHardware(): TimersHardware {
    // How long the wire is busy is the wire's to say: after a move it is another one.
    return this.timers.map(({ remaining }, kind) => (kind === Timer.Wire ? NOT_RUNNING : remaining));
  }

  saveRun(): TimersRun {
    return { events: this.timers.map((timer) => timer.save()) };
  }

  /** @param run absent: the timers go on on this device's bus; present: the event queue's own snapshot brings their events back */
  load(hardware: TimersHardware, run: TimersRun | undefined): void {
    this.timers.forEach((timer, kind) => {
      if (run) timer.load(run.events[kind]);
      else timer.adopt(hardware[kind]);
    });
  }
}
