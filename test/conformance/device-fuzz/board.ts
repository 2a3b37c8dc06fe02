/**
 * A board under a hostile guest: a PC without CPUs, one device in its first slot, and everything watched. RAM lies between guard
 * areas; whatever is written there, or is no transaction at all, is a violation, and so is work without end.
 */
import type { BusDevice, DeviceBus, DmaPort, IrqLine } from '../../../src/machine/bus';
import { IOAPIC_VERSION } from '../../../src/machine/interrupts/ioapic';
import { WIRE_OVERHEAD, type Wire } from '../../../src/machine/link/wire';
import type { PhysicalMemory } from '../../../src/machine/memory/physical-memory';
import type { DeviceSpec } from '../../../src/machine/platform/device-models';
import type {
  BoardEnvironment,
  BoardUnit,
  DeviceSocket,
  SocketOptions,
} from '../../../src/machine/platform/environment';
import { PcBoard } from '../../../src/machine/platform/pc-board';
import type { PciDevice } from '../../../src/machine/platform/pci-slots';
import type { Checkpoint, HardwareState, Migratable, RunState } from '../../../src/machine/snapshot';
import type { EventTarget } from '../../../src/machine/time/event-queue';
import { EventQueue, type EventQueueState } from '../../../src/machine/time/queue';
import { Violation, Watch } from './watch';

/** Bytes of RAM. */
export const RAM = 1 << 20;
const GUARD = 1 << 16;
const CANARY = 0xa5;
const untouched = new Uint8Array(GUARD).fill(CANARY);
export const CPUS = 2;
const CYCLES_PER_SECOND = 3e9;
/** Of the link: a gigabit. */
const CYCLES_PER_BYTE = (8 * CYCLES_PER_SECOND) / 1e9;
const PAGE = 4096;

/** What is kept with each region of addresses. */
export interface Tag {
  unit: BoardUnit;
  offset: number;
}

/** What differs from one board to another. */
export interface BoardOptions {
  spec: DeviceSpec | undefined;
  /** Cycles of a DMA transaction. */
  latency: number;
  /** Every so many pages there is one that an IOMMU refuses; 0: none. */
  hole: number;
  /** Where time begins. */
  time: number;
}

interface Transaction {
  address: number;
  length: number;
  tag: number;
  /** Of a write. */
  bytes: Uint8Array | undefined;
  ends: number;
}

interface PortState {
  pending: Transaction[];
}

/** Everything on and around a board, as plain data. */
export interface BoardState {
  time: number;
  cause: number;
  rows: number;
  digest: number;
  queue: EventQueueState;
  units: Record<string, Checkpoint<HardwareState, RunState>>;
  ports: PortState[];
  busyUntil: number;
  ram: Uint8Array;
}

/** DMA of one socket: each transaction ends by an event of its own, in order. */
class WatchedDma implements DmaPort {
  pending: Transaction[] = [];
  device: BusDevice | undefined;
  private readonly target: EventTarget;

  constructor(
    id: string,
    private readonly board: HostileBoard,
    private readonly mayMaster: () => boolean,
  ) {
    this.target = { eventTargetId: `${id}/dma`, onEvent: () => this.end() };
    board.queue.register(this.target);
  }

  read(_requester: number, address: number, length: number, tag: number): void {
    this.begin(address, length, tag, undefined);
  }

  write(_requester: number, address: number, bytes: Uint8Array, tag: number): void {
    this.begin(address, bytes.length, tag, bytes);
  }

  private begin(address: number, length: number, tag: number, bytes: Uint8Array | undefined): void {
    const { board } = this;
    board.watch.transaction(address, length, bytes !== undefined);
    const last = this.pending[this.pending.length - 1];
    const ends = Math.max(board.time + board.options.latency, last?.ends ?? 0);
    this.pending.push({ address, length, tag, bytes, ends });
    board.queue.schedule(ends, this.target, 0);
  }

  private end(): void {
    const { board } = this;
    const { address, length, tag, bytes } = this.pending.shift() as Transaction;
    board.watch.step(board.time);
    board.watch.see(address);
    const fault = this.faultOf(address, length);
    if (!fault && bytes) board.memory.write(address, bytes);
    const read = bytes ? new Uint8Array(0) : fault ? undefined : board.memory.read(address, length);
    this.device?.onDma(tag, fault ?? read ?? 'master-abort');
  }

  private faultOf(address: number, length: number): 'master-abort' | 'blocked' | undefined {
    const { hole } = this.board.options;
    if (!this.mayMaster() || !this.board.memory.contains(address, length)) return 'master-abort';
    return hole > 0 && Math.floor(address / PAGE) % hole === 1 ? 'blocked' : undefined;
  }
}

/** The board. */
export class HostileBoard {
  time: number;
  readonly watch = new Watch();
  readonly queue: EventQueue;
  readonly pc: PcBoard<Tag>;
  readonly device: PciDevice | undefined;
  readonly memory: PhysicalMemory;
  /** RAM as its guest has it. */
  readonly ram: Uint8Array;
  readonly view: DataView;
  /** Gets each frame that the device sends, and each byte of the console. */
  outside: { frame(frame: Uint8Array): void; serial(byte: number): void } = {
    frame: () => undefined,
    serial: () => undefined,
  };
  private readonly whole: Uint8Array;
  private readonly tracer = { cause: 0, place: 0 };
  private rows = 0;
  private readonly ports: WatchedDma[] = [];
  private readonly kept = new Map<string, Migratable>();
  /** The link is free of frames of the device from then on. */
  private busyUntil = 0;
  private resetAsked = false;

  constructor(readonly options: BoardOptions) {
    this.time = options.time;
    this.whole = new Uint8Array(RAM + 2 * GUARD);
    this.whole.fill(CANARY, 0, GUARD);
    this.whole.fill(CANARY, GUARD + RAM);
    this.ram = this.whole.subarray(GUARD, GUARD + RAM);
    this.view = new DataView(this.whole.buffer, GUARD, RAM);
    this.memory = this.makeMemory();
    this.queue = new EventQueue(this.tracer, { now: () => this.time });
    this.pc = new PcBoard<Tag>(this.environment(), {
      apicBusHz: 1e9,
      cmdline: 'console=ttyS0',
      startSeconds: 0,
      testDevices: true,
      serialInput: [{ after: new Uint8Array(0), delay: 3000, send: new Uint8Array(40).fill(65) }],
      x2apic: true,
      ioapicVersion: IOAPIC_VERSION.withEoi,
      cpuSignature: 0x306a9,
      cpuFeatures: 0x201,
    });
    const device = options.spec && this.pc.addDevice(options.spec);
    this.device = device && 'pci' in device ? device : undefined;
    this.device?.network?.connect(this.wire());
    this.pc.powerOn();
  }

  /** Lets time pass. It passes more slowly for a device that has very much to do. */
  pass(cycles: number): void {
    const end = this.time + cycles;
    while (this.queue.nextTime() <= end) {
      if (this.watch.busy) return;
      this.time = Math.max(this.time, this.queue.nextTime());
      this.watch.step(this.time);
      this.queue.fireDue(this.time);
    }
    this.time = end;
    this.tracer.cause = 0;
  }

  /** The end of an operation: what it asked of the machine as a whole is done. */
  settle(): void {
    this.tracer.cause = 0;
    if (!this.resetAsked) return;
    this.resetAsked = false;
    this.pc.reset();
    this.pc.powerOn();
  }

  /** Looks at what lies around RAM. */
  inspect(): void {
    for (const at of [0, GUARD + RAM])
      if (Buffer.compare(this.whole.subarray(at, at + GUARD), untouched) !== 0)
        throw new Violation('the guard area beside RAM was written');
  }

  /** Of everything that has happened and of what is in memory. */
  digest(): number {
    const { watch } = this;
    for (const word of new Uint32Array(this.whole.buffer, GUARD, RAM / 4)) if (word !== 0) watch.see(word);
    watch.see(this.time);
    return watch.digest;
  }

  save(): BoardState {
    return structuredClone({
      time: this.time,
      cause: this.tracer.cause,
      rows: this.rows,
      digest: this.watch.digest,
      queue: this.queue.save(),
      units: Object.fromEntries([...this.kept].map(([name, unit]) => [name, unit.save()])),
      ports: this.ports.map(({ pending }) => ({ pending })),
      busyUntil: this.busyUntil,
      ram: this.ram.slice(),
    });
  }

  /** Goes on as the board that was saved, in its own run. */
  load(state: BoardState): this {
    this.ram.set(state.ram);
    this.time = state.time;
    this.tracer.cause = state.cause;
    this.rows = state.rows;
    this.watch.digest = state.digest;
    this.queue.load(state.queue);
    state.ports.forEach(({ pending }, index) => (this.ports[index].pending = pending));
    this.busyUntil = state.busyUntil;
    for (const [name, unit] of this.kept) unit.load(state.units[name]);
    return this;
  }

  /** Goes on as another board's hardware, on this host at its own time. */
  adopt(from: HostileBoard): this {
    this.ram.set(from.ram);
    this.pc.adopt(structuredClone(from.pc.hardware()));
    return this;
  }

  private makeMemory(): PhysicalMemory {
    const contains = (address: number, length: number): boolean => address >= 0 && address + length <= RAM;
    const within = (address: number, length: number): void => {
      if (!Number.isInteger(address) || !contains(address, length))
        throw new Violation(`memory of ${length} bytes at ${address} was accessed`);
    };
    return {
      size: RAM,
      contains,
      read: (address, length) => {
        within(address, length);
        return this.ram.slice(address, address + length);
      },
      // By its place in the whole, so that what comes past the check meets a guard area.
      write: (address, bytes) => {
        within(address, bytes.length);
        this.whole.set(bytes, GUARD + address);
      },
    };
  }

  /** A cable that brings nothing by itself and takes a frame as fast as the link is. */
  private wire(): Wire {
    return {
      send: (frame, packet) => {
        if (frame.length === 0 || frame.length > 1 << 16)
          throw new Violation(`a frame of ${frame.length} bytes`);
        this.watch.see(frame.length);
        this.watch.see(packet);
        this.outside.frame(frame);
        const bytes = frame.length + WIRE_OVERHEAD.preamble + WIRE_OVERHEAD.fcs + WIRE_OVERHEAD.gap;
        this.busyUntil = Math.max(this.busyUntil, this.time) + Math.round(bytes * CYCLES_PER_BYTE);
      },
      roomIn: (bytes) => Math.max(0, this.busyUntil - Math.round(bytes * CYCLES_PER_BYTE) - this.time),
      onRoom: () => this.watch.see(1),
    };
  }

  private environment(): BoardEnvironment<Tag> {
    const { watch } = this;
    const tell =
      (what: number) =>
      (value = 0): void => {
        watch.see(what);
        watch.see(value);
      };
    return {
      name: 'pc',
      cyclesPerSecond: CYCLES_PER_SECOND,
      memory: this.memory,
      scheduler: {
        now: () => this.time,
        register: (target) => this.queue.register(target),
        schedule: (time, ...more) => {
          watch.delay(time - this.time);
          watch.step(this.time);
          return this.queue.schedule(time, ...more);
        },
        cancel: (handle) => this.queue.cancel(handle),
      },
      cpus: Array.from({ length: CPUS }, (_, cpu) => ({
        interrupt: () => tell(10)(cpu),
        ownTimer: (accept: () => void) => accept(),
        nmi: () => tell(11)(cpu),
        init: () => tell(12)(cpu),
        startUp: (page: number) => tell(13)(page),
      })),
      observer: {
        message: (_source, vector, deliver) => {
          tell(14)(vector);
          deliver();
        },
        ipi: (_sender, _message, send) => send(),
        accepted: (_cpu, vector) => tell(15)(vector),
        ended: (_cpu, vector) => tell(16)(vector),
      },
      events: {
        serial: (byte) => {
          tell(17)(byte);
          this.outside.serial(byte);
        },
        exited: (code) => tell(18)(code >>> 0),
        poweredOff: () => tell(19)(),
        reset: () => {
          tell(20)();
          this.resetAsked = true;
        },
      },
      now: () => this.time,
      keep: (name, unit) => void this.kept.set(name, unit),
      tag: (unit, offset) => ({ unit, offset }),
      socket: (unit, options) => this.socket(unit, options),
      configAccess: () => undefined,
      line: (gsi, source) => ({ set: (asserted) => this.pc.fabric.setPin(gsi, source, asserted) }),
    };
  }

  private socket(unit: BoardUnit, options: SocketOptions): DeviceSocket {
    const { name } = unit;
    const wire: IrqLine = {
      set: (asserted) => {
        if (options.gsi !== undefined) this.pc.fabric.setPin(options.gsi, name, asserted);
      },
    };
    const control = this.plane(name, options, wire);
    const data = options.dataPlaneInKernel ? this.plane(`${name}/data`, options, wire) : undefined;
    return { ...control, wire, ...(data && { data }) };
  }

  /** One bus of a device. */
  private plane(
    name: string,
    options: SocketOptions,
    wire: IrqLine,
  ): { bus: DeviceBus; plug: (device: BusDevice) => void } {
    const { queue, watch } = this;
    const port = new WatchedDma(name, this, options.busMaster);
    this.ports.push(port);
    const target: EventTarget = {
      eventTargetId: name,
      onEvent: (kind, arg) => {
        watch.step(this.time);
        port.device?.onEvent(kind, arg);
      },
    };
    queue.register(target);
    const bus: DeviceBus = {
      now: () => this.time,
      schedule: (delay, kind, arg) => {
        watch.delay(delay);
        return queue.schedule(this.time + delay, target, kind, arg);
      },
      cancel: (handle) => queue.cancel(handle),
      dma: port,
      irq: options.gate ?? wire,
      msi: { send: (...message) => void this.pc.fabric.msi(...message) },
      trace: this.trace(),
      cyclesPerNanosecond: CYCLES_PER_SECOND / 1e9,
    };
    return { bus, plug: (device) => void (port.device = device) };
  }

  private trace(): DeviceBus['trace'] {
    const { tracer, watch } = this;
    const note = (duration: number, kind: number, a: number, b: number): void => {
      watch.row(this.time, duration, kind, a, b);
      tracer.cause = ++this.rows;
    };
    return {
      get cause() {
        return tracer.cause;
      },
      set cause(row: number) {
        tracer.cause = row;
      },
      instant: (kind, a, b) => note(0, kind, a, b),
      span: (duration, kind, a, b) => note(duration, kind, a, b),
    };
  }
}
