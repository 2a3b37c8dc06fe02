/**
 * Requests that have been translated and have not come to memory yet. An invalidation of the IOTLB is over only when those that were
 * translated before have: a unit of version 2 or later drains reads and writes whether software asks for it or not (VT-d
 * specification, 6.5.4, and DRD and DWD in 11.4.2).
 */
import type { Stateful } from '../bus';
import type { Cycles } from '../time/event-queue';

/** The requests, by the time of the last landing. Its state belongs to the run. */
export class InFlightRequests implements Stateful<Cycles> {
  private last: Cycles = 0;

  /** A request that has been translated comes to memory at a time. */
  landsAt(time: Cycles): void {
    this.last = Math.max(this.last, time);
  }

  /** When all that is under way at a time has come to memory. @returns that time itself when nothing is */
  drainedFrom(now: Cycles): Cycles {
    return Math.max(now, this.last);
  }

  reset(): void {
    this.last = 0;
  }

  save(): Cycles {
    return this.last;
  }

  load(last: Cycles): void {
    this.last = last;
  }
}
