/** An eventfd (eventfd(2) of Linux): a counter that is added to by whoever signals, and that wakes whoever waits for it. */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';

/** Snapshot of an `EventFd`. */
export interface EventFdState {
  version: 1;
  count: number;
}

/**
 * One eventfd. Signals that come before the reader has taken the first one wake nobody: it finds them all when it reads. Who
 * waits is told within `signal`, and only notes a job then (`Worker.post`).
 */
export class EventFd implements Stateful<EventFdState> {
  private count = 0;

  /** @param wake tells the reader, at the present instant; the tracer's cause is why */
  constructor(private readonly wake: () => void) {}

  /** Adds one. */
  signal(): void {
    this.count += 1;
    if (this.count === 1) this.wake();
  }

  /** Reads it: how many signals have come since the last time, 0 none. */
  take(): number {
    const { count } = this;
    this.count = 0;
    return count;
  }

  save(): EventFdState {
    return { version: 1, count: this.count };
  }

  /** Wakes nobody: the job of whoever waits comes back with its thread. */
  load(state: EventFdState): void {
    requireVersion('an eventfd', state.version, 1);
    this.count = state.count;
  }
}
