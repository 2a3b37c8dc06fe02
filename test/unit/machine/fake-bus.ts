/**
 * A small world for one device: RAM, an event queue, a trace kept as a list, an interrupt line, and a DMA port whose
 * transactions take as long as the test says.
 */
import type {
  BusDevice,
  BusyPolling,
  DeviceBus,
  DeviceTrace,
  DmaFault,
  DmaPort,
  IrqLine,
  MsiPort,
  RequesterId,
} from '../../../src/machine/bus';
import { EventQueue, type EventQueueState } from '../../../src/machine/time/queue';
import type { EventTarget } from '../../../src/machine/time/event-queue';
import { Kind } from '../../../src/trace/vocabulary/events';

export interface Note {
  row: number;
  time: number;
  duration: number;
  kind: number;
  a: number;
  b: number;
  cause: number;
}

export const CYCLES_PER_NANOSECOND = 3;

/** More events than any test needs: a device that goes round and round is found. */
const MOST_EVENTS = 200_000;

/** Clock, queue and trace of a test. */
export class World {
  time = 0;
  /** Events fired. */
  events = 0;
  readonly tracer = { cause: 0, place: 0 };
  readonly queue = new EventQueue(this.tracer, { now: () => this.time });
  readonly notes: Note[] = [];

  readonly trace: DeviceTrace = this.makeTrace();

  /** Lets time pass, firing what becomes due, each event at its own time. */
  advanceTo(time: number): void {
    while (this.queue.nextTime() <= time) {
      this.events += 1;
      if (this.events > MOST_EVENTS) throw new Error('the device never comes to rest');
      this.time = Math.max(this.time, this.queue.nextTime());
      this.queue.fireDue(this.time);
    }
    this.time = time;
    this.tracer.cause = 0;
  }

  /** Until no event is left. */
  drain(limit = 1e12): void {
    while (this.queue.nextTime() <= limit) this.advanceTo(this.queue.nextTime());
  }

  ofKind(kind: number): Note[] {
    return this.notes.filter((note) => note.kind === kind);
  }

  /** The notes that led to a note, nearest first. */
  chain(note: Note): Note[] {
    const out: Note[] = [];
    for (let row = note.cause; row !== 0; row = this.notes[row - 1].cause) out.push(this.notes[row - 1]);
    return out;
  }

  save(): { time: number; cause: number; queue: EventQueueState } {
    return { time: this.time, cause: this.tracer.cause, queue: this.queue.save() };
  }

  load(state: { time: number; cause: number; queue: EventQueueState }): void {
    this.time = state.time;
    this.tracer.cause = state.cause;
    this.queue.load(state.queue);
  }

  /** Adds a row and makes it the cause of what follows. */
  note(duration: number, kind: number, a: number, b: number): number {
    const row = this.notes.length + 1;
    this.notes.push({ row, time: this.time, duration, kind, a, b, cause: this.tracer.cause });
    this.tracer.cause = row;
    return row;
  }

  private makeTrace(): DeviceTrace {
    const { tracer } = this;
    return {
      get cause() {
        return tracer.cause;
      },
      set cause(row: number) {
        tracer.cause = row;
      },
      instant: (kind, a, b) => void this.note(0, kind, a, b),
      span: (duration, kind, a, b) => void this.note(duration, kind, a, b),
    };
  }
}

/** A transaction that has not ended. */
export interface Transaction {
  requester: RequesterId;
  address: number;
  length: number;
  tag: number;
  /** Of a write. */
  bytes?: Uint8Array;
  row: number;
  ends: number;
}

/** The DMA port: each transaction ends by an event of its own, `latency` cycles after its begin, in order. */
export class FakeDma implements DmaPort {
  /** Cycles of the next transactions; 0: by the next event. */
  latency = 0;
  /** Why a transaction is refused, beside an address outside memory. */
  refuse: (address: number, length: number, isWrite: boolean) => DmaFault | undefined = () => undefined;
  /** Every write that was done. */
  readonly writes: { address: number; length: number }[] = [];
  pending: Transaction[] = [];
  device: Pick<BusDevice, 'onDma'> | undefined;
  private readonly target: EventTarget;

  constructor(
    private readonly world: World,
    private readonly memory: Uint8Array,
    id: string,
  ) {
    this.target = { eventTargetId: `${id}/dma`, onEvent: () => this.end() };
    world.queue.register(this.target);
  }

  read(requester: RequesterId, address: number, length: number, tag: number): void {
    this.begin({ requester, address, length, tag });
  }

  write(requester: RequesterId, address: number, bytes: Uint8Array, tag: number): void {
    this.begin({ requester, address, length: bytes.length, tag, bytes });
  }

  private begin(transaction: Omit<Transaction, 'row' | 'ends'>): void {
    const { world } = this;
    const before = world.tracer.cause;
    const last = this.pending[this.pending.length - 1];
    const ends = Math.max(world.time + this.latency, last?.ends ?? 0);
    const kind = transaction.bytes ? Kind.DmaWrite : Kind.DmaRead;
    const row = world.note(ends - world.time, kind, transaction.address, transaction.length);
    this.pending.push({ ...transaction, row, ends });
    world.queue.schedule(ends, this.target, 0);
    world.tracer.cause = before;
  }

  private end(): void {
    const transaction = this.pending.shift();
    if (!transaction) return;
    const { address, length, tag, bytes, row } = transaction;
    const outside = address + length > this.memory.length ? 'master-abort' : undefined;
    const fault = outside ?? this.refuse(address, length, bytes !== undefined);
    this.world.tracer.cause = row;
    if (!fault && bytes) {
      this.memory.set(bytes, address);
      this.writes.push({ address, length });
    }
    const read = bytes ? new Uint8Array(0) : this.memory.slice(address, address + length);
    this.device?.onDma(tag, fault ?? read);
  }
}

/** What is watched, and until when. */
export interface FakeWatch {
  address: number;
  seen: Uint8Array;
  tag: number;
  until: number;
}

/** Polls memory: a look every so often, a number of times. */
export class FakePolling implements BusyPolling {
  static readonly interval = 5;
  static readonly looks = 8;
  device: Pick<BusDevice, 'onDma'> | undefined;
  watches: FakeWatch[] = [];
  private readonly target: EventTarget;

  constructor(
    private readonly world: World,
    private readonly memory: Uint8Array,
    id: string,
  ) {
    this.target = { eventTargetId: `${id}/polling`, onEvent: (_kind, tag) => this.look(tag) };
    world.queue.register(this.target);
  }

  watch(_requester: RequesterId, address: number, seen: Uint8Array, tag: number): void {
    const { interval, looks } = FakePolling;
    this.watches.push({ address, seen, tag, until: this.world.time + looks * interval });
    this.world.queue.schedule(this.world.time + interval, this.target, 0, tag);
  }

  private look(tag: number): void {
    const { world } = this;
    const watch = this.watches.find((each) => each.tag === tag);
    if (!watch) return;
    const { address, seen, until } = watch;
    const bytes = this.memory.slice(address, address + seen.length);
    if (world.time < until && bytes.every((byte, i) => byte === seen[i])) {
      world.queue.schedule(world.time + FakePolling.interval, this.target, 0, tag);
      return;
    }
    this.watches = this.watches.filter((each) => each !== watch);
    this.device?.onDma(tag, bytes);
  }
}

/** The device's bus in that world. */
export class FakeBus implements DeviceBus {
  readonly memory = new Uint8Array(1 << 20);
  readonly cyclesPerNanosecond = CYCLES_PER_NANOSECOND;
  readonly trace: DeviceTrace;
  readonly dma: FakeDma;
  readonly polling: FakePolling | undefined;
  line = false;
  /** Times at which the line rose. */
  readonly rises: number[] = [];
  readonly irq: IrqLine = {
    set: (asserted) => {
      if (asserted && !this.line) this.rises.push(this.now());
      this.line = asserted;
    },
  };
  readonly msi: MsiPort = { send: () => undefined };
  readonly target: EventTarget;
  private device: BusDevice | undefined;

  constructor(
    readonly world: World,
    id = 'device',
    polls = false,
  ) {
    this.trace = world.trace;
    this.dma = new FakeDma(world, this.memory, id);
    this.polling = polls ? new FakePolling(world, this.memory, id) : undefined;
    this.target = { eventTargetId: id, onEvent: (kind, arg) => this.device?.onEvent(kind, arg) };
    world.queue.register(this.target);
  }

  /** Connects the device, once it exists. */
  plug(device: BusDevice): void {
    this.device = device;
    this.dma.device = device;
    if (this.polling) this.polling.device = device;
  }

  now(): number {
    return this.world.time;
  }

  schedule(delay: number, kind: number, arg?: number): number {
    return this.world.queue.schedule(this.now() + delay, this.target, kind, arg);
  }

  cancel(handle: number): void {
    this.world.queue.cancel(handle);
  }
}
