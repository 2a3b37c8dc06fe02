/** The interrupts of one CPU as the trace shows them: vectors taken by its LAPIC, deliveries, and the handlers that run. */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import { HANDLERS_MAX } from '../../machine/x86/core/state/layout';
import type { Cpu } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import type { Site } from '../host';

const VECTORS = 256;

/** Snapshot of an `InterruptLane`. */
export interface InterruptLaneState {
  version: 1;
  /** By vector. */
  causes: Float64Array;
  handlers: RowRef[];
}

/** The lane of one CPU. */
export class InterruptLane implements Stateful<InterruptLaneState> {
  /** Row that brought each vector into the LAPIC, so that what follows hangs on it. */
  private readonly causes = new Float64Array(VECTORS);
  /** Handlers that have begun and not returned, as the CPU keeps them: the one that began first stands first. */
  private readonly handlers: RowRef[] = [];

  constructor(
    private readonly site: Site,
    private readonly cpu: Cpu,
    private readonly guest: number,
    readonly track: number,
  ) {}

  /** The LAPIC has taken a vector, at the present instant. */
  accepted(vector: number): void {
    const { tracer, island } = this.site;
    // The message may go on to other CPUs: what they take hangs on it, not on this.
    this.causes[vector] = tracer.instant(island.now(), this.track, Kind.IrqAccept, vector, 0);
  }

  /** Why a vector is in the LAPIC, as a row reference. */
  causeOf(vector: number): RowRef {
    return this.causes[vector];
  }

  /** The CPU has entered the handler of a vector. `cause` is what handed it over. */
  delivered(vector: number, cause: RowRef): void {
    const { tracer } = this.site;
    const { cpu } = this;
    const now = cpu.now();
    tracer.place = tracer.internPlace(this.guest, cpu.ripLow, cpu.ripHigh);
    tracer.cause = cause;
    tracer.cause = tracer.instant(now, this.track, Kind.IrqDeliver, vector, 0);
    if (this.handlers.length === HANDLERS_MAX) this.returned(0);
    this.handlers.push(tracer.open(now, this.track, Kind.Handler, vector, 0));
  }

  /** A handler has returned: by its place among those that run. */
  returned(index: number): void {
    const [row] = this.handlers.splice(index, 1);
    if (row !== undefined) this.site.tracer.close(row, this.cpu.now());
  }

  /** Row of the handler that began last; 0 none. Asked at every exit; reading an empty array at -1 would be slow. */
  innermost(): RowRef {
    const depth = this.handlers.length;
    return depth === 0 ? 0 : this.handlers[depth - 1];
  }

  /** What is recorded next is done by the guest's code, and hangs on the handler that it is in. */
  atCode(): void {
    const { cpu } = this;
    const { tracer } = this.site;
    tracer.place = tracer.internPlace(this.guest, cpu.ripLow, cpu.ripHigh);
    tracer.cause = this.innermost();
  }

  /** INIT or a reset: no handler runs. */
  reset(): void {
    while (this.handlers.length > 0) this.returned(this.handlers.length - 1);
  }

  save(): InterruptLaneState {
    return { version: 1, causes: this.causes.slice(), handlers: [...this.handlers] };
  }

  load(state: InterruptLaneState): void {
    requireVersion('the interrupts of a CPU', state.version, 1);
    this.causes.set(state.causes);
    this.handlers.splice(0, Infinity, ...state.handlers);
  }
}
