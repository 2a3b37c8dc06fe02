/** A controller's timers, by numbers of its own. */
import { Kind } from '../../../trace/vocabulary/events';
import type { DeviceBus } from '../../bus';
import type { Cycles } from '../../time/event-queue';
import { PendingEvent, type PendingEventRun } from '../../time/pending-event';

/** Cycles that remain, by timer; -1: not running. */
export type TimersHardware = number[];

/** Their events, by timer. */
export interface TimersRun {
  events: PendingEventRun[];
}

const NOT_RUNNING = -1;

/** All of one device. */
export class Timers {
  private readonly timers: readonly PendingEvent[];

  /** @param wire the timer that follows the wire, which says anew how long it is busy after a move; absent: there is none */
  constructor(
    private readonly bus: DeviceBus,
    count: number,
    private readonly wire?: number,
  ) {
    this.timers = Array.from(
      { length: count },
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
    return this.timers.map(({ remaining }, kind) => (kind === this.wire ? NOT_RUNNING : remaining));
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
