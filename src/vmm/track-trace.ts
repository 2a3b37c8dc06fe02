/** A device's pen for one track: what it notes hangs on the current cause and becomes it. */
import type { DeviceTrace } from '../machine/bus';
import type { Cycles } from '../machine/time/event-queue';
import type { Host } from './host';

export class TrackTrace implements DeviceTrace {
  constructor(
    private readonly host: Host,
    private readonly track: number,
  ) {}

  get cause(): number {
    return this.host.tracer.cause;
  }

  set cause(row: number) {
    this.host.tracer.cause = row;
  }

  instant(kind: number, a: number, b: number): void {
    const { tracer } = this.host;
    tracer.cause = tracer.instant(this.host.now(), this.track, kind, a, b);
  }

  span(duration: Cycles, kind: number, a: number, b: number): void {
    const { tracer } = this.host;
    tracer.cause = tracer.span(this.host.now(), duration, this.track, kind, a, b);
  }
}
