/**
 * An Ethernet switch: every port is a full-duplex wire to one station. It takes a frame in whole, learns where its sender
 * is, and sends it on to where its destination was heard, or everywhere when that is not known (IEEE 802.1Q, clause 8).
 */
import type { Inspectable, StateNode, StatePath } from '../inspect';
import { nodeAt } from '../registers';
import { requireVersion, type Checkpoint, type HardwareState, type RunState } from '../snapshot';
import { Kind } from '../../trace/vocabulary/events';
import type { Cycles, EventHandle } from '../time/event-queue';
import {
  addressAt,
  AddressTable,
  isGroup,
  type AddressTableHardware,
  type AddressTableRun,
} from './address-table';
import { switchNode } from './link-view';
import { Lane, type CarriedFrame, type LaneHardware, type LaneOptions, type LaneRun } from './lane';
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

/** What the hardware has of one port. */
interface PortHardware {
  inward: LaneHardware;
  outward: LaneHardware;
  /** Frames of the output queue: `remaining` cycles until the last bit has left, 0 or less when it has. */
  queue: { bytes: number; remaining: Cycles }[];
  counters: PortCounters;
}

/** What the run has of one port. */
interface PortRun {
  inward: LaneRun;
  outward: LaneRun;
  left: Cycles[];
}

/** What the hardware has of a `Switch`. */
export interface SwitchHardware extends HardwareState {
  version: 2;
  ports: PortHardware[];
  addresses: AddressTableHardware;
}

/** What the run has of it. */
export interface SwitchRun extends RunState {
  ports: PortRun[];
  addresses: AddressTableRun;
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
    const carried = { frame, packet };
    this.inward.put(now, carried, (arrival) => this.carry(now, arrival, carried, Event.AtSwitch));
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
    const left = this.outward.put(now, carried, (arrival) =>
      this.carry(now, arrival, carried, Event.AtStation),
    );
    this.queue.push({ bytes, left });
    this.queuedBytes += bytes;
    return true;
  }

  save(now: Cycles): { hardware: PortHardware; run: PortRun } {
    const [inward, outward] = [this.inward.save(now), this.outward.save(now)];
    const queue = this.queue.map(({ bytes, left }) => ({ bytes, remaining: left - now }));
    const counters = { ...this.counters };
    return {
      hardware: { inward: inward.hardware, outward: outward.hardware, queue, counters },
      run: { inward: inward.run, outward: outward.run, left: this.queue.map(({ left }) => left) },
    };
  }

  load(hardware: PortHardware, run: PortRun): void {
    this.inward.load(hardware.inward, run.inward);
    this.outward.load(hardware.outward, run.outward);
    this.fill(hardware, run.left);
  }

  adopt(hardware: PortHardware, now: Cycles): void {
    const cancel = (event: EventHandle): void => this.options.scheduler.cancel(event);
    this.inward.adopt(hardware.inward, now, (time) => this.comeAt(time, Event.AtSwitch), cancel);
    this.outward.adopt(hardware.outward, now, (time) => this.comeAt(time, Event.AtStation), cancel);
    this.fill(
      hardware,
      hardware.queue.map(({ remaining }) => now + remaining),
    );
  }

  private fill({ queue, counters }: PortHardware, left: readonly Cycles[]): void {
    this.queue = queue.map(({ bytes }, i) => ({ bytes, left: left[i] }));
    this.queuedBytes = queue.reduce((sum, { bytes }) => sum + bytes, 0);
    this.counters = { ...counters };
  }

  /** Shows the way as a span that the arrival hangs on, and leaves the cause as it was. */
  private carry(now: Cycles, arrival: Cycles, { frame, packet }: CarriedFrame, event: number): EventHandle {
    const { trace } = this.options;
    const cause = trace.cause;
    trace.span(arrival - now, Kind.LinkTransit, frame.length, packet);
    const handle = this.comeAt(arrival, event);
    trace.cause = cause;
    return handle;
  }

  private comeAt(time: Cycles, event: number): EventHandle {
    return this.options.scheduler.schedule(time, this.owner, event, this.index);
  }
}

/** A switch with as many ports as it has stations. */
export class Switch implements Link, Inspectable {
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

  inspect(path: StatePath): StateNode | undefined {
    const { ports, addresses } = this.save().hardware;
    return nodeAt(switchNode(this.eventTargetId, ports, addresses), path);
  }

  save(): Checkpoint<SwitchHardware, SwitchRun> {
    const now = this.options.scheduler.now();
    const ports = this.ports.map((port) => port.save(now));
    const addresses = this.addresses.save(now);
    return {
      hardware: {
        version: 2,
        ports: ports.map(({ hardware }) => hardware),
        addresses: addresses.hardware,
      },
      run: { ports: ports.map(({ run }) => run), addresses: addresses.run },
    };
  }

  load({ hardware, run }: Checkpoint<SwitchHardware, SwitchRun>): void {
    requireVersion(`switch '${this.eventTargetId}'`, hardware.version, 2);
    this.ports.forEach((port, index) => port.load(hardware.ports[index], run.ports[index]));
    this.addresses.load(hardware.addresses, run.addresses);
  }

  /** What is under way arrives after the time that remains of its way. */
  adopt(hardware: SwitchHardware): void {
    requireVersion(`switch '${this.eventTargetId}'`, hardware.version, 2);
    const now = this.options.scheduler.now();
    this.ports.forEach((port, index) => port.adopt(hardware.ports[index], now));
    this.addresses.adopt(hardware.addresses, now);
  }

  /** A whole frame has come in. */
  private arrive(from: number, now: Cycles): void {
    const carried = this.ports[from].inward.take();
    if (!carried) return;
    this.ports[from].counters.received += 1;
    const { frame } = carried;
    this.options.tap?.(frame);
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
