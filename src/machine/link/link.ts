/**
 * A full-duplex point-to-point Ethernet link: serialisation at its bandwidth, then propagation. Frames of one direction
 * arrive in the order they were sent.
 */
import type { DeviceTrace } from '../bus';
import { requireVersion } from '../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import { WIRE_OVERHEAD, type FrameReceiver, type Wire } from './wire';

/** Construction of a `Link`. */
export interface LinkOptions {
  /** Unique among the run's event targets. */
  name: string;
  gigabitsPerSecond: number;
  /** Propagation delay. */
  latencyNanoseconds: number;
  cyclesPerNanosecond: number;
  scheduler: Scheduler;
  trace: DeviceTrace;
}

/** One frame on its way. */
export interface SavedFrame {
  frame: Uint8Array;
  packet: number;
}

/** Snapshot of a `Link`; by direction, from end 0 and from end 1. */
export interface LinkState {
  version: 1;
  inFlight: [SavedFrame[], SavedFrame[]];
  freeAt: [Cycles, Cycles];
}

class End implements Wire {
  inFlight: SavedFrame[] = [];
  /** When the wire of this direction is free for the next frame. */
  freeAt: Cycles = 0;
  receiver: FrameReceiver | undefined;

  constructor(
    private readonly link: Link,
    private readonly index: 0 | 1,
  ) {}

  send(frame: Uint8Array, packet: number): void {
    this.link.transmit(this.index, frame, packet);
  }

  roomIn(bytes: number): Cycles {
    return this.link.roomIn(this.index, bytes);
  }
}

/** A link with two ends: a NIC at end 0 and a peer (or another NIC) at end 1. */
export class Link implements EventTarget {
  readonly eventTargetId: string;
  private readonly ends: readonly [End, End];

  constructor(private readonly options: LinkOptions) {
    this.eventTargetId = options.name;
    const { gigabitsPerSecond: gbps, latencyNanoseconds: latency } = options;
    if (!(gbps > 0) || !(latency >= 0)) {
      throw new RangeError(
        `link '${options.name}': ${gbps} Gb/s and ${latency} ns: bandwidth must be above 0, latency not below`,
      );
    }
    this.ends = [new End(this, 0), new End(this, 1)];
  }

  /** The way into the link at an end. */
  wire(end: 0 | 1): Wire {
    return this.ends[end];
  }

  /** Who gets the frames that come out at an end. */
  attach(end: 0 | 1, receiver: FrameReceiver): void {
    this.ends[end].receiver = receiver;
  }

  /** Cycles that a frame of `length` bytes (without FCS) keeps the wire busy, the gap included. */
  occupancy(length: number): Cycles {
    const { preamble, fcs, gap } = WIRE_OVERHEAD;
    return this.cycles(length + preamble + fcs + gap);
  }

  /** Cycles from the first bit of a frame leaving to its last bit having arrived. */
  transit(length: number): Cycles {
    const { preamble, fcs } = WIRE_OVERHEAD;
    const { latencyNanoseconds, cyclesPerNanosecond } = this.options;
    return this.cycles(length + preamble + fcs) + Math.round(latencyNanoseconds * cyclesPerNanosecond);
  }

  /** As `Wire.send`, from an end. */
  transmit(end: 0 | 1, frame: Uint8Array, packet: number): void {
    const from = this.ends[end];
    const { scheduler, trace } = this.options;
    const now = scheduler.now();
    const start = Math.max(now, from.freeAt);
    const arrival = start + this.transit(frame.length);
    from.freeAt = start + this.occupancy(frame.length);
    from.inFlight.push({ frame, packet });
    const cause = trace.cause;
    trace.span(arrival - now, Kind.LinkTransit, frame.length, packet);
    scheduler.schedule(arrival, this, end);
    trace.cause = cause;
  }

  /** As `Wire.roomIn`, from an end. */
  roomIn(end: 0 | 1, bytes: number): Cycles {
    return Math.max(0, this.ends[end].freeAt - this.options.scheduler.now() - this.cycles(bytes));
  }

  /** A frame has arrived; `kind` is the end it was sent from. */
  onEvent(kind: number): void {
    const from = kind as 0 | 1;
    const arrived = this.ends[from].inFlight.shift();
    if (arrived) this.ends[from === 0 ? 1 : 0].receiver?.receive(arrived.frame);
  }

  save(): LinkState {
    const [a, b] = this.ends;
    return { version: 1, inFlight: [[...a.inFlight], [...b.inFlight]], freeAt: [a.freeAt, b.freeAt] };
  }

  /** The event queue's own snapshot brings the arrivals back. */
  load(state: LinkState): void {
    requireVersion(`link '${this.options.name}'`, state.version, 1);
    this.ends.forEach((end, i) => {
      end.inFlight = [...state.inFlight[i as 0 | 1]];
      end.freeAt = state.freeAt[i as 0 | 1];
    });
  }

  private cycles(bytes: number): Cycles {
    return Math.ceil((bytes * 8 * this.options.cyclesPerNanosecond) / this.options.gigabitsPerSecond);
  }
}
