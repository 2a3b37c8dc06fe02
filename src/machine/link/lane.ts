/** One direction of an Ethernet wire: serialisation at its rate, then propagation. Frames arrive in the order they were sent. */
import type { Cycles } from '../time/event-queue';
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

/** Snapshot of a `Lane`. */
export interface LaneState {
  inFlight: CarriedFrame[];
  freeAt: Cycles;
}

/** Carries frames one way. Who owns it schedules the arrivals and then takes each frame out. */
export class Lane {
  private inFlight: CarriedFrame[] = [];
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

  /** Queues a frame for the wire. Returns when its last bit has left, and when it has arrived. */
  put(now: Cycles, carried: CarriedFrame): { left: Cycles; arrival: Cycles } {
    const start = Math.max(now, this.freeAt);
    const { length } = carried.frame;
    const left = start + this.serialisation(length);
    this.freeAt = start + this.occupancy(length);
    this.inFlight.push(carried);
    const { latencyNanoseconds, cyclesPerNanosecond } = this.options;
    return { left, arrival: left + Math.round(latencyNanoseconds * cyclesPerNanosecond) };
  }

  /** The frame that has arrived now: the one put in first. */
  take(): CarriedFrame | undefined {
    return this.inFlight.shift();
  }

  /** As `Wire.roomIn`. */
  roomIn(now: Cycles, bytes: number): Cycles {
    return Math.max(0, this.freeAt - now - this.cycles(bytes));
  }

  save(): LaneState {
    return { inFlight: [...this.inFlight], freeAt: this.freeAt };
  }

  /** The event queue's own snapshot brings the arrivals back. */
  load({ inFlight, freeAt }: LaneState): void {
    this.inFlight = [...inFlight];
    this.freeAt = freeAt;
  }

  private cycles(bytes: number): Cycles {
    return Math.ceil((bytes * 8 * this.options.cyclesPerNanosecond) / this.options.gigabitsPerSecond);
  }
}
