/**
 * An Ethernet switch: every port is a full-duplex wire to one station. It takes a frame in whole, learns where its sender
 * is, and sends it on to where its destination was heard, or everywhere when that is not known (IEEE 802.1Q, clause 8).
 */
import { requireVersion } from '../snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { Cycles } from '../time/event-queue';
import { addressAt, AddressTable, isGroup, type AddressTableState } from './address-table';
import { Lane, type CarriedFrame, type LaneOptions, type LaneState } from './lane';
import { LinkDrop, type Link, type LinkEnd, type LinkEnvironment } from './link';
import { FRAME_MIN, type FrameReceiver } from './wire';

/** Bytes of frames that wait at one port at most: what small switches have for each port. */
const PORT_BUFFER = 64 * 1024;
/** Stations that are remembered. */
const ADDRESSES = 8192;
/** Ageing time by IEEE 802.1Q, table 8-6. */
const AGEING_SECONDS = 300;
/** 01-80-C2-00-00-00 to -0F. */
const RESERVED_BLOCK = 0x0180c200000;

/** Construction of a `Switch`. */
export interface SwitchOptions extends LinkEnvironment {
  /** The wire of each port. */
  ports: readonly Omit<LaneOptions, 'cyclesPerNanosecond'>[];
  /** Bytes of frames that one port's output queue holds, the frame that is being sent among them. */
  portBuffer?: number;
  addresses?: number;
  ageingSeconds?: number;
}

/** What one port has seen, in frames. */
export interface PortCounters {
  /** From its station. */
  received: number;
  /** To its station. */
  sent: number;
  /** That came from its station, or were to go to it, and were lost. */
  dropped: number;
}

/** One frame in an output queue. */
interface Queued {
  bytes: number;
  /** When its last bit has left, and its place is free. */
  left: Cycles;
}

/** Snapshot of one port. */
interface PortState {
  inward: LaneState;
  outward: LaneState;
  queue: Queued[];
  counters: PortCounters;
}

/** Snapshot of a `Switch`. */
export interface SwitchState {
  version: 1;
  ports: PortState[];
  addresses: AddressTableState;
}

/** What an event of a switch is; its argument is the port. */
const Event = { AtSwitch: 0, AtStation: 1 } as const;

class Port implements LinkEnd {
  receiver: FrameReceiver | undefined;
  /** From the station to the switch, and back. */
  readonly inward: Lane;
  readonly outward: Lane;
  counters: PortCounters = { received: 0, sent: 0, dropped: 0 };
  private queue: Queued[] = [];
  private queuedBytes = 0;

  constructor(
    private readonly owner: Switch,
    private readonly index: number,
    private readonly options: SwitchOptions,
  ) {
    const { name, cyclesPerNanosecond } = options;
    this.inward = new Lane(name, { ...options.ports[index], cyclesPerNanosecond });
    this.outward = new Lane(name, { ...options.ports[index], cyclesPerNanosecond });
  }

  attach(receiver: FrameReceiver): void {
    this.receiver = receiver;
  }

  send(frame: Uint8Array, packet: number): void {
    const { scheduler } = this.options;
    const now = scheduler.now();
    this.carry(now, this.inward.put(now, { frame, packet }).arrival, { frame, packet }, Event.AtSwitch);
  }

  roomIn(bytes: number): Cycles {
    return this.inward.roomIn(this.options.scheduler.now(), bytes);
  }

  occupancy(length: number): Cycles {
    return this.inward.occupancy(length);
  }

  /** Frames are held back for nobody: the station drops what it has no room for. */
  onRoom(): void {}

  /** Puts a frame into the output queue; false when it does not fit. */
  enqueue(now: Cycles, carried: CarriedFrame): boolean {
    while (this.queue.length > 0 && this.queue[0].left <= now) {
      this.queuedBytes -= this.queue[0].bytes;
      this.queue.shift();
    }
    const bytes = carried.frame.length;
    if (this.queuedBytes + bytes > (this.options.portBuffer ?? PORT_BUFFER)) return false;
    const { left, arrival } = this.outward.put(now, carried);
    this.queue.push({ bytes, left });
    this.queuedBytes += bytes;
    this.carry(now, arrival, carried, Event.AtStation);
    return true;
  }

  save(): PortState {
    return {
      inward: this.inward.save(),
      outward: this.outward.save(),
      queue: this.queue.map((each) => ({ ...each })),
      counters: { ...this.counters },
    };
  }

  load({ inward, outward, queue, counters }: PortState): void {
    this.inward.load(inward);
    this.outward.load(outward);
    this.queue = queue.map((each) => ({ ...each }));
    this.queuedBytes = queue.reduce((sum, { bytes }) => sum + bytes, 0);
    this.counters = { ...counters };
  }

  /** Shows the way as a span that the arrival hangs on, and leaves the cause as it was. */
  private carry(now: Cycles, arrival: Cycles, { frame, packet }: CarriedFrame, event: number): void {
    const { scheduler, trace } = this.options;
    const cause = trace.cause;
    trace.span(arrival - now, Kind.LinkTransit, frame.length, packet);
    scheduler.schedule(arrival, this.owner, event, this.index);
    trace.cause = cause;
  }
}

/** A switch with as many ports as it has stations. */
export class Switch implements Link {
  readonly eventTargetId: string;
  readonly ends: readonly LinkEnd[];
  private readonly ports: readonly Port[];
  private readonly addresses: AddressTable;

  /** @throws RangeError for a rate or a latency that cannot be */
  constructor(private readonly options: SwitchOptions) {
    this.eventTargetId = options.name;
    this.ports = options.ports.map((_, index) => new Port(this, index, options));
    this.ends = this.ports;
    const ageing = (options.ageingSeconds ?? AGEING_SECONDS) * 1e9 * options.cyclesPerNanosecond;
    this.addresses = new AddressTable(options.addresses ?? ADDRESSES, ageing);
  }

  /** What a port has seen so far. */
  counters(port: number): Readonly<PortCounters> {
    return this.ports[port].counters;
  }

  onEvent(kind: number, port: number): void {
    if (kind === Event.AtSwitch) return this.arrive(port, this.options.scheduler.now());
    const { receiver, outward, counters } = this.ports[port];
    const arrived = outward.take();
    if (!arrived) return;
    counters.sent += 1;
    receiver?.receive(arrived.frame);
  }

  save(): SwitchState {
    return { version: 1, ports: this.ports.map((port) => port.save()), addresses: this.addresses.save() };
  }

  /** The event queue's own snapshot brings the arrivals back. */
  load(state: SwitchState): void {
    requireVersion(`switch '${this.eventTargetId}'`, state.version, 1);
    this.ports.forEach((port, index) => port.load(state.ports[index]));
    this.addresses.load(state.addresses);
  }

  /** A whole frame has come in. */
  private arrive(from: number, now: Cycles): void {
    const carried = this.ports[from].inward.take();
    if (!carried) return;
    this.ports[from].counters.received += 1;
    const { frame } = carried;
    if (frame.length < FRAME_MIN) return this.drop(from, frame, LinkDrop.Fragment);
    const source = addressAt(frame, 6);
    if (isGroup(source)) return this.drop(from, frame, LinkDrop.GroupSource);
    this.addresses.learn(source, from, now);
    const destination = addressAt(frame, 0);
    if (Math.floor(destination / 16) === RESERVED_BLOCK) return this.drop(from, frame, LinkDrop.Reserved);
    const known = isGroup(destination) ? undefined : this.addresses.portOf(destination, now);
    if (known === from) return this.drop(from, frame, LinkDrop.SamePort);
    if (known !== undefined) return this.forward(known, carried, now);
    for (let to = 0; to < this.ports.length; to++) if (to !== from) this.forward(to, carried, now);
  }

  private forward(to: number, carried: CarriedFrame, now: Cycles): void {
    if (!this.ports[to].enqueue(now, carried)) this.drop(to, carried.frame, LinkDrop.BufferFull);
  }

  /** @param port whose counter it is */
  private drop(port: number, frame: Uint8Array, reason: number): void {
    const { trace } = this.options;
    const cause = trace.cause;
    this.ports[port].counters.dropped += 1;
    trace.instant(Kind.PacketDrop, frame.length, reason);
    trace.cause = cause;
  }
}
