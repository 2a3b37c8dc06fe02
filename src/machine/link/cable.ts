/** A full-duplex point-to-point Ethernet link. */
import { requireVersion } from '../snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { Cycles } from '../time/event-queue';
import { Lane, type LaneOptions, type LaneState } from './lane';
import type { Link, LinkEnd, LinkEnvironment } from './link';
import type { FrameReceiver } from './wire';

/** Construction of a `Cable`. */
export type CableOptions = LinkEnvironment & LaneOptions;

/** Snapshot of a `Cable`; by direction, from end 0 and from end 1. */
export interface CableState {
  version: 2;
  lanes: [LaneState, LaneState];
}

class CableEnd implements LinkEnd {
  receiver: FrameReceiver | undefined;
  /** Away from this end. */
  readonly lane: Lane;

  constructor(
    private readonly cable: Cable,
    private readonly index: 0 | 1,
    private readonly options: CableOptions,
  ) {
    this.lane = new Lane(options.name, options);
  }

  attach(receiver: FrameReceiver): void {
    this.receiver = receiver;
  }

  send(frame: Uint8Array, packet: number): void {
    const { scheduler, trace } = this.options;
    const now = scheduler.now();
    const { arrival } = this.lane.put(now, { frame, packet });
    const cause = trace.cause;
    trace.span(arrival - now, Kind.LinkTransit, frame.length, packet);
    scheduler.schedule(arrival, this.cable, this.index);
    trace.cause = cause;
  }

  roomIn(bytes: number): Cycles {
    return this.lane.roomIn(this.options.scheduler.now(), bytes);
  }

  occupancy(length: number): Cycles {
    return this.lane.occupancy(length);
  }

  /** A cable holds nothing back: what arrives where there is no room is the receiver's to drop. */
  onRoom(): void {}
}

/** A link with two ends: a NIC at one, a peer or another NIC at the other. */
export class Cable implements Link {
  readonly eventTargetId: string;
  readonly ends: readonly [LinkEnd, LinkEnd];
  private readonly sides: readonly [CableEnd, CableEnd];

  /** @throws RangeError for a rate or a latency that cannot be */
  constructor(options: CableOptions) {
    this.eventTargetId = options.name;
    this.sides = [new CableEnd(this, 0, options), new CableEnd(this, 1, options)];
    this.ends = this.sides;
  }

  /** A frame has arrived; `kind` is the end it was sent from. */
  onEvent(kind: number): void {
    const [from, to] = kind === 0 ? this.sides : [this.sides[1], this.sides[0]];
    const arrived = from.lane.take();
    if (arrived) to.receiver?.receive(arrived.frame);
  }

  save(): CableState {
    const [a, b] = this.sides;
    return { version: 2, lanes: [a.lane.save(), b.lane.save()] };
  }

  /** The event queue's own snapshot brings the arrivals back. */
  load(state: CableState): void {
    requireVersion(`link '${this.eventTargetId}'`, state.version, 2);
    this.sides.forEach((end, i) => end.lane.load(state.lanes[i]));
  }
}
