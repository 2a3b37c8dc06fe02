/** A device's pen for one track: what it notes hangs on the current cause and becomes it. */
import type { DeviceTrace } from '../machine/bus';
import type { Cycles } from '../machine/time/event-queue';
import type { Site } from './host';

/** One such pen; its track is asked for when something is noted. */
export class TrackTrace implements DeviceTrace {
  constructor(
    private readonly site: Site,
    private readonly track: () => number,
  ) {}

  get cause(): number {
    return this.site.tracer.cause;
  }

  set cause(row: number) {
    this.site.tracer.cause = row;
  }

  instant(kind: number, a: number, b: number): void {
    const { tracer, island } = this.site;
    tracer.cause = tracer.instant(island.now(), this.track(), kind, a, b);
  }

  span(duration: Cycles, kind: number, a: number, b: number): void {
    const { tracer, island } = this.site;
    tracer.cause = tracer.span(island.now(), duration, this.track(), kind, a, b);
  }
}
