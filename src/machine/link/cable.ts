/** A full-duplex point-to-point Ethernet link. */
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { nodeAt } from '../registers';
import { requireVersion, type Checkpoint, type HardwareState, type RunState } from '../snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { Cycles, EventHandle } from '../time/event-queue';
import { cableNode } from './link-view';
import { Lane, type LaneHardware, type LaneOptions, type LaneRun } from './lane';
import type { Link, LinkEnd, LinkEnvironment } from './link';
import type { FrameReceiver } from './wire';

/** Construction of a `Cable`. */
export type CableOptions = LinkEnvironment & LaneOptions;

/** What the hardware has of a `Cable`; by direction, from end 0 and from end 1. */
export interface CableHardware extends HardwareState {
  version: 3;
  lanes: LaneHardware[];
}

/** What the run has of it. */
export interface CableRun extends RunState {
  lanes: LaneRun[];
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
    this.lane.put(now, { frame, packet }, (arrival) => {
      const cause = trace.cause;
      trace.span(arrival - now, Kind.LinkTransit, frame.length, packet);
      const event = this.comeAt(arrival);
      trace.cause = cause;
      return event;
    });
  }

  adopt(hardware: LaneHardware): void {
    const { scheduler } = this.options;
    this.lane.adopt(
      hardware,
      scheduler.now(),
      (time) => this.comeAt(time),
      (event) => scheduler.cancel(event),
    );
  }

  roomIn(bytes: number): Cycles {
    return this.lane.roomIn(this.options.scheduler.now(), bytes);
  }

  occupancy(length: number): Cycles {
    return this.lane.occupancy(length);
  }

  /** A cable holds nothing back: what arrives where there is no room is the receiver's to drop. */
  onRoom(): void {}

  private comeAt(time: Cycles): EventHandle {
    return this.options.scheduler.schedule(time, this.cable, this.index);
  }
}

/** A link with two ends: a NIC at one, a peer or another NIC at the other. */
export class Cable implements Link, Inspectable {
  readonly eventTargetId: string;
  readonly ends: readonly [LinkEnd, LinkEnd];
  private readonly sides: readonly [CableEnd, CableEnd];

  /** @throws RangeError for a rate or a latency that cannot be */
  constructor(private readonly options: CableOptions) {
    this.eventTargetId = options.name;
    this.sides = [new CableEnd(this, 0, options), new CableEnd(this, 1, options)];
    this.ends = this.sides;
  }

  /** A frame has arrived; `kind` is the end it was sent from. */
  onEvent(kind: number): void {
    const [from, to] = kind === 0 ? this.sides : [this.sides[1], this.sides[0]];
    const arrived = from.lane.take();
    if (!arrived) return;
    this.options.tap?.(arrived.frame);
    to.receiver?.receive(arrived.frame);
  }

  inspect(path: StatePath): StateNode | undefined {
    return nodeAt(cableNode(this.eventTargetId, this.save().hardware.lanes), path);
  }

  save(): Checkpoint<CableHardware, CableRun> {
    const lanes = this.sides.map(({ lane }) => lane.save(this.options.scheduler.now()));
    return {
      hardware: { version: 3, lanes: lanes.map(({ hardware }) => hardware) },
      run: { lanes: lanes.map(({ run }) => run) },
    };
  }

  load({ hardware, run }: Checkpoint<CableHardware, CableRun>): void {
    requireVersion(`link '${this.eventTargetId}'`, hardware.version, 3);
    this.sides.forEach((end, i) => end.lane.load(hardware.lanes[i], run.lanes[i]));
  }

  /** What is under way arrives after the time that remains of its way. */
  adopt(hardware: CableHardware): void {
    requireVersion(`link '${this.eventTargetId}'`, hardware.version, 3);
    this.sides.forEach((end, i) => end.adopt(hardware.lanes[i]));
  }
}
