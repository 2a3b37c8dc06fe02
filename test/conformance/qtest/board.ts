/**
 * Trapline's devices for a register script: a PC's board without CPUs, whose time stands still but where a script lets it pass.
 * What the devices have begun by DMA, and what they have put off to the present instant, is over when an operation is.
 */
import type { BusDevice, DeviceBus, DmaPort, IrqLine } from '../../../src/machine/bus';
import { IOAPIC_PINS, IOAPIC_VERSION } from '../../../src/machine/interrupts/ioapic';
import type { NetworkPort, Wire } from '../../../src/machine/link/wire';
import type { PhysicalMemory } from '../../../src/machine/memory/physical-memory';
import type { DeviceSpec } from '../../../src/machine/platform/device-models';
import type { BoardEnvironment, SocketOptions } from '../../../src/machine/platform/environment';
import { PcBoard } from '../../../src/machine/platform/pc-board';
import { EventQueue } from '../../../src/machine/time/queue';
import type { Operation, Outcome } from './script';

const RAM = 16 << 20;
const CYCLES_PER_NANOSECOND = 1;
/** Of one operation: a device that does more never comes to rest. */
const MOST_EVENTS = 1_000_000;
const SETTLE_CYCLES = 2e9 * CYCLES_PER_NANOSECOND;
/** More than what a device takes that is set to take no time: no less than a cycle for each step. */
const REST_CYCLES = 1000 * CYCLES_PER_NANOSECOND;
/** Spurious-interrupt register of a local APIC, and what turns it on. */
const SVR = { at: 0xfee000f0, on: 0x1ff } as const;

/** A device's DMA, which ends when the operation does that began it. */
class InstantDma implements DmaPort {
  private readonly ends: (() => void)[] = [];
  device: BusDevice | undefined;

  constructor(
    private readonly memory: PhysicalMemory,
    private readonly mayMaster: () => boolean,
  ) {}

  read(_requester: number, address: number, length: number, tag: number): void {
    this.ends.push(() => {
      const there = this.mayMaster() && this.memory.contains(address, length);
      this.device?.onDma(tag, there ? this.memory.read(address, length) : 'master-abort');
    });
  }

  write(_requester: number, address: number, bytes: Uint8Array, tag: number): void {
    this.ends.push(() => {
      const there = this.mayMaster() && this.memory.contains(address, bytes.length);
      if (there) this.memory.write(address, bytes);
      this.device?.onDma(tag, there ? new Uint8Array(0) : 'master-abort');
    });
  }

  /** Ends the first transaction; false when there is none. */
  end(): boolean {
    const end = this.ends.shift();
    end?.();
    return end !== undefined;
  }
}

/** Two NICs on one cable, which brings a frame at once and holds it back as long as the other cannot receive. */
class InstantCable {
  private readonly waiting: Uint8Array[][] = [[], []];

  constructor(private readonly ports: readonly [NetworkPort, NetworkPort]) {
    ports.forEach((port, index) => port.connect(this.wire(index)));
  }

  private wire(index: number): Wire {
    return {
      send: (frame) => {
        this.waiting[1 - index].push(frame);
        this.deliver(1 - index);
      },
      roomIn: () => 0,
      onRoom: () => this.deliver(index),
    };
  }

  private deliver(to: number): void {
    const queue = this.waiting[to];
    while (queue.length > 0 && this.ports[to].canReceive(queue[0].length)) {
      const frame = queue.shift();
      if (frame) this.ports[to].receive(frame);
    }
  }
}

/** The board. */
export class ScriptBoard {
  private time = 0;
  private readonly ram = new Uint8Array(RAM);
  private readonly queue: EventQueue;
  private readonly ports: InstantDma[] = [];
  private readonly board: PcBoard<undefined>;

  /** @param devices from slot 3 on; two NICs are joined by a cable */
  constructor(devices: readonly DeviceSpec[]) {
    this.queue = new EventQueue({ cause: 0, place: 0 }, { now: () => this.time });
    this.board = new PcBoard<undefined>(this.environment(), {
      apicBusHz: 1e9,
      cmdline: '',
      startSeconds: 0,
      testDevices: false,
      serialInput: [],
      x2apic: true,
      ioapicVersion: IOAPIC_VERSION.withEoi,
      cpuSignature: 0,
      cpuFeatures: 0,
    });
    const nics = devices.flatMap((spec) => this.board.addDevice(spec).network ?? []);
    if (nics.length === 2) new InstantCable([nics[0], nics[1]]);
    this.board.powerOn();
    // QEMU's devices begin as the bus resets them, not as a firmware leaves them.
    for (const { fn } of this.board.pci.functions()) fn.reset();
    // The IOAPIC's messages are accepted as QEMU takes them to be.
    this.board.memory.write(SVR.at, 4, SVR.on, 0, 0);
  }

  /** Does one operation and lets the devices come to rest. */
  perform(operation: Operation): Outcome {
    const value = this.act(operation);
    this.settle();
    return { value, lines: this.lines() };
  }

  private act(operation: Operation): number | string {
    const { memory, ports, fabric } = this.board;
    switch (operation.op) {
      case 'in':
        return ports.read(operation.at, operation.size);
      case 'out':
        ports.write(operation.at, operation.size, operation.value);
        return 0;
      case 'read':
        return memory.read(operation.at, operation.size);
      case 'write':
        memory.write(operation.at, operation.size, operation.value);
        return 0;
      case 'load':
        return Buffer.from(this.ram.subarray(operation.at, operation.at + operation.length)).toString('hex');
      case 'store':
        this.ram.set(Buffer.from(operation.bytes, 'hex'), operation.at);
        return 0;
      case 'line': {
        const { of, line, asserted } = operation;
        if (of === 'ioapic') fabric.ioapic.setPin(line, asserted);
        else fabric.pic.setLine(of === 'slave PIC' ? line + 8 : line, asserted);
        return 0;
      }
      case 'rest':
        this.pass(REST_CYCLES);
        return 0;
      case 'settle':
        this.pass(SETTLE_CYCLES);
        return 0;
    }
  }

  private pass(cycles: number): void {
    const end = this.time + cycles;
    for (let next = this.queue.nextTime(); next <= end; next = this.queue.nextTime()) {
      this.time = next;
      this.settle();
    }
    this.time = end;
  }

  private settle(): void {
    for (let events = 0; events < MOST_EVENTS; events++) {
      const moved = this.ports.some((port) => port.end());
      if (moved) continue;
      if (this.queue.nextTime() > this.time) return;
      this.queue.fireDue(this.time);
    }
    throw new Error('a device never comes to rest');
  }

  private lines(): number {
    const { ioapic } = this.board.fabric;
    let lines = 0;
    for (let pin = 0; pin < IOAPIC_PINS; pin++) if (ioapic.pinAsserted(pin)) lines |= 1 << pin;
    return lines;
  }

  private environment(): BoardEnvironment<undefined> {
    const memory: PhysicalMemory = {
      size: RAM,
      contains: (address, length) => address >= 0 && address + length <= RAM,
      read: (address, length) => this.ram.slice(address, address + length),
      write: (address, bytes) => this.ram.set(bytes, address),
    };
    const nothing = (): void => undefined;
    return {
      name: 'pc',
      cyclesPerSecond: CYCLES_PER_NANOSECOND * 1e9,
      memory,
      scheduler: this.queue,
      cpus: [
        { interrupt: nothing, ownTimer: (accept) => accept(), nmi: nothing, init: nothing, startUp: nothing },
      ],
      observer: {
        message: (_source, _vector, deliver) => deliver(),
        ipi: (_sender, _message, send) => send(),
        accepted: nothing,
        ended: nothing,
      },
      events: { serial: nothing, exited: nothing, poweredOff: nothing, reset: nothing },
      now: () => this.time,
      keep: nothing,
      tag: () => undefined,
      socket: (unit, options) => this.socket(unit.name, memory, options),
      configAccess: nothing,
      line: (gsi, source) => ({ set: (asserted) => this.board.fabric.setPin(gsi, source, asserted) }),
    };
  }

  private socket(
    name: string,
    memory: PhysicalMemory,
    options: SocketOptions,
  ): ReturnType<BoardEnvironment<undefined>['socket']> {
    const { queue } = this;
    const port = new InstantDma(memory, options.busMaster);
    this.ports.push(port);
    const target = {
      eventTargetId: name,
      onEvent: (kind: number, arg: number) => port.device?.onEvent(kind, arg),
    };
    queue.register(target);
    const wire: IrqLine = {
      set: (asserted) => {
        if (options.gsi !== undefined) this.board.fabric.setPin(options.gsi, name, asserted);
      },
    };
    const bus: DeviceBus = {
      now: () => this.time,
      schedule: (delay, kind, arg) => queue.schedule(this.time + delay, target, kind, arg),
      cancel: (handle) => queue.cancel(handle),
      dma: port,
      irq: options.gate ?? wire,
      msi: { send: (...message) => void this.board.fabric.msi(...message) },
      trace: { cause: 0, instant: () => undefined, span: () => undefined },
      cyclesPerNanosecond: CYCLES_PER_NANOSECOND,
    };
    return { bus, wire, plug: (device) => void (port.device = device) };
  }
}
