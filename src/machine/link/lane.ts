/** One direction of an Ethernet wire: serialisation at its rate, then propagation. Frames arrive in the order they were sent. */
import type { Cycles, EventHandle } from '../time/event-queue';
import { WIRE_OVERHEAD } from './wire';

/** Rate and length of a wire. */
export interface LaneOptions {
  gigabitsPerSecond: number;
  /** Propagation delay. */
  latencyNanoseconds: number;
  cyclesPerNanosecond: number;
}

/** One frame on its way. */
export interface CarriedFrame {
  frame: Uint8Array;
  /** The sender's running number. */
  packet: number;
}

/** What the wire has of a `Lane`: frames with the cycles until they arrive, and cycles for which it is busy. */
export interface LaneHardware {
  inFlight: (CarriedFrame & { remaining: Cycles })[];
  busy: Cycles;
}

/** What the run has of it: the events of the arrivals, and moments. */
export interface LaneRun {
  arrivals: { time: Cycles; event: EventHandle }[];
  freeAt: Cycles;
}

/** Has the owner come at a time, to take the frame that arrives then. */
export type AtArrival = (time: Cycles) => EventHandle;

/** Carries frames one way. Who owns it has events for the arrivals, and then takes each frame out. */
export class Lane {
  private inFlight: (CarriedFrame & { time: Cycles; event: EventHandle })[] = [];
  /** When the wire is free for the next frame. */
  private freeAt: Cycles = 0;

  /** @throws RangeError for a rate or a latency that cannot be; `name` says of which link */
  constructor(
    name: string,
    private readonly options: LaneOptions,
  ) {
    const { gigabitsPerSecond: gbps, latencyNanoseconds: latency } = options;
    if (!(gbps > 0) || !(latency >= 0)) {
      throw new RangeError(
        `link '${name}': ${gbps} Gb/s and ${latency} ns: bandwidth must be above 0, latency not below`,
      );
    }
  }

  /** Cycles that a frame of `length` bytes (without FCS) keeps the wire busy, the gap included. */
  occupancy(length: number): Cycles {
    const { preamble, fcs, gap } = WIRE_OVERHEAD;
    return this.cycles(length + preamble + fcs + gap);
  }

  /** Cycles from the first bit of a frame leaving to its last bit having left. */
  serialisation(length: number): Cycles {
    const { preamble, fcs } = WIRE_OVERHEAD;
    return this.cycles(length + preamble + fcs);
  }

  /** Queues a frame for the wire. Returns when its last bit has left. */
  put(now: Cycles, carried: CarriedFrame, atArrival: AtArrival): Cycles {
    const start = Math.max(now, this.freeAt);
    const { length } = carried.frame;
    const left = start + this.serialisation(length);
    this.freeAt = start + this.occupancy(length);
    const { latencyNanoseconds, cyclesPerNanosecond } = this.options;
    const time = left + Math.round(latencyNanoseconds * cyclesPerNanosecond);
    this.inFlight.push({ ...carried, time, event: atArrival(time) });
    return left;
  }

  /** The frame that has arrived now: the one put in first. */
  take(): CarriedFrame | undefined {
    return this.inFlight.shift();
  }

  /** As `Wire.roomIn`. */
  roomIn(now: Cycles, bytes: number): Cycles {
    return Math.max(0, this.freeAt - now - this.cycles(bytes));
  }

  save(now: Cycles): { hardware: LaneHardware; run: LaneRun } {
    const { inFlight, freeAt } = this;
    const frames = inFlight.map(({ frame, packet, time }) => ({ frame, packet, remaining: time - now }));
    return {
      hardware: { inFlight: frames, busy: Math.max(0, freeAt - now) },
      run: { arrivals: inFlight.map(({ time, event }) => ({ time, event })), freeAt },
    };
  }

  /** The event queue's own snapshot brings the arrivals back. */
  load(hardware: LaneHardware, run: LaneRun): void {
    this.inFlight = hardware.inFlight.map(({ frame, packet }, i) => ({ frame, packet, ...run.arrivals[i] }));
    this.freeAt = run.freeAt;
  }

  /** Goes on in another run. @param cancel takes back what was to come here */
  adopt(
    hardware: LaneHardware,
    now: Cycles,
    atArrival: AtArrival,
    cancel: (event: EventHandle) => void,
  ): void {
    for (const { event } of this.inFlight) cancel(event);
    this.inFlight = hardware.inFlight.map(({ frame, packet, remaining }) => {
      const time = now + remaining;
      return { frame, packet, time, event: atArrival(time) };
    });
    this.freeAt = now + hardware.busy;
  }

  private cycles(bytes: number): Cycles {
    return Math.ceil((bytes * 8 * this.options.cyclesPerNanosecond) / this.options.gigabitsPerSecond);
  }
}
