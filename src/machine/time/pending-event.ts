/**
 * The one event, at most, that a unit waits for. What the hardware has of it are the cycles that remain, which mean the same in
 * every run; its handle and its time belong to the run (`machine/snapshot`).
 */
import type { RunState } from '../snapshot';
import type { Cycles, EventHandle, Scheduler } from './event-queue';

/** `remaining` where no event is to come. */
const NONE = -1;

/** What the run has of a `PendingEvent`: the event, 0 for none, and its time. The event itself is in the queue's snapshot. */
export interface PendingEventRun extends RunState {
  event: EventHandle;
  due: Cycles;
}

/** An event that is scheduled, or none. */
export class PendingEvent {
  private event: EventHandle = 0;
  private due: Cycles = 0;

  /** @param schedule puts the event into the queue, for a time; its target calls `came` */
  constructor(
    private readonly scheduler: Pick<Scheduler, 'now' | 'cancel'>,
    private readonly schedule: (time: Cycles) => EventHandle,
  ) {}

  get pending(): boolean {
    return this.event !== 0;
  }

  /** Cycles until it comes; -1: none is to come. */
  get remaining(): Cycles {
    return this.pending ? Math.max(0, this.due - this.scheduler.now()) : NONE;
  }

  /** Comes at a time, and not at the one that was set before. */
  comeAt(time: Cycles): void {
    this.cancel();
    this.due = time;
    this.event = this.schedule(time);
  }

  /** Does not come. */
  cancel(): void {
    if (this.pending) this.scheduler.cancel(this.event);
    this.came();
  }

  /** Has come. */
  came(): void {
    this.event = this.due = 0;
  }

  save(): PendingEventRun {
    return { event: this.event, due: this.due };
  }

  /** Goes on in the run that was saved, whose queue has the event already. */
  load({ event, due }: PendingEventRun): void {
    this.event = event;
    this.due = due;
  }

  /** Goes on in another run, with the `remaining` that was saved. */
  adopt(remaining: Cycles): void {
    if (remaining === NONE) this.cancel();
    else this.comeAt(this.scheduler.now() + remaining);
  }
}
