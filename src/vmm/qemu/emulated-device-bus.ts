/**
 * The bus that a device model sees inside QEMU: DMA is a copy by whichever QEMU thread runs the model, its interrupt pin is
 * an ioctl into KVM's interrupt controller, its timers run in the I/O thread.
 */
import type { DeviceBus, DeviceTrace, Stateful } from '../../machine/bus';
import type { PhysicalMemory } from '../../machine/memory/physical-memory';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { Host } from '../host';
import { TrackTrace } from '../track-trace';
import type { IoThread, JobTarget } from './io-thread';

/** Where a device stands. */
export interface DevicePlace {
  /** Unique in the run: `vm0/e1000`. */
  id: string;
  vm: number;
  /** Heading in the explorer. */
  group: string;
  /** Shown at the lane. */
  name: string;
  registers: Record<string, string>;
  /** Why the device drops packets, by number. */
  reasons?: Readonly<Record<string, string>>;
  /** Input of the interrupt controller that the device's pin is wired to. */
  gsi: number;
}

/** What the bus needs of the VM. */
export interface InterruptLines {
  /** A level change of one source at one input, by a QEMU thread's ioctl, at the present time. */
  setPin(gsi: number, source: string, asserted: boolean): void;
}

/** Event kinds of the pin: its level. */
const LOW = 0;
const HIGH = 1;

/** Snapshot of an `EmulatedDeviceBus`. */
export interface EmulatedDeviceBusState {
  version: 1;
  /** -1: the device has not accessed memory yet. */
  dmaTrack: number;
  asserted: boolean;
  pinGeneration: number;
}

/** `DeviceBus` of one device emulated by QEMU. */
export class EmulatedDeviceBus implements DeviceBus, JobTarget, Stateful<EmulatedDeviceBusState> {
  /** As in `DevicePlace`. */
  readonly id: string;
  readonly jobTargetId: string;
  readonly track: number;
  readonly trace: DeviceTrace;
  readonly cyclesPerNanosecond: number;
  private dmaTrack = -1;
  private readonly timers: EventTarget;
  private readonly lines: EventTarget;
  private asserted = false;
  /** Counts what vCPU threads did to the pin: what the I/O thread did before is of no effect any more. */
  private pinGeneration = 0;
  /** The model's timer entry; set once the device exists. */
  onTimer: (kind: number, arg: number) => void = () => undefined;
  /** Whether the device may read and write memory: bit 2 of a PCI function's command register. */
  busMaster: () => boolean = () => true;
  /** Where the pin leads: to the wire, or first to the device's PCI function. */
  drivePin: (asserted: boolean) => void = (asserted) => this.wireChanged(asserted);

  constructor(
    private readonly host: Host,
    private readonly memory: PhysicalMemory,
    private readonly thread: IoThread,
    private readonly interrupts: InterruptLines,
    private readonly place: DevicePlace,
  ) {
    const { tracer } = host;
    const { vm, group, name, registers, reasons } = place;
    this.id = place.id;
    this.jobTargetId = `${place.id}/timers`;
    this.track = tracer.addTrack({
      type: 'device',
      name,
      group,
      vm,
      registers,
      ...(reasons && { reasons }),
    });
    this.cyclesPerNanosecond = host.frequencyHz / 1e9;
    this.trace = new TrackTrace(host, this.track);
    this.timers = {
      eventTargetId: `${place.id}/timers`,
      onEvent: (kind, arg) => thread.post(this, kind, arg),
    };
    thread.register(this);
    this.lines = {
      eventTargetId: `${place.id}/intx`,
      onEvent: (kind, arg) => {
        if (arg === this.pinGeneration) interrupts.setPin(place.gsi, place.id, kind === HIGH);
      },
    };
    host.queue.register(this.timers);
    host.queue.register(this.lines);
    host.units.keep(`${place.id}/bus`, this);
  }

  /** A timer of the device has expired, and the I/O thread has come to it. */
  onJob(kind: number, arg: number): void {
    this.onTimer(kind, arg);
  }

  now(): Cycles {
    return this.host.now();
  }

  schedule(delay: Cycles, kind: number, arg?: number): EventHandle {
    return this.host.queue.schedule(this.host.now() + delay, this.timers, kind, arg);
  }

  cancel(handle: EventHandle): void {
    this.host.queue.cancel(handle);
  }

  dmaRead(address: number, length: number): Uint8Array | undefined {
    if (!this.busMaster() || !this.memory.contains(address, length)) return undefined;
    this.dma(Kind.DmaRead, address, length);
    return this.memory.read(address, length);
  }

  dmaWrite(address: number, bytes: Uint8Array): boolean {
    if (!this.busMaster() || !this.memory.contains(address, bytes.length)) return false;
    this.dma(Kind.DmaWrite, address, bytes.length);
    this.memory.write(address, bytes);
    return true;
  }

  /** The pin as the device drives it; a PCI function's interrupt-disable bit may stand between it and the wire. */
  setInterruptLine(asserted: boolean): void {
    this.drivePin(asserted);
  }

  /**
   * The wire at the interrupt controller. In a vCPU thread the ioctl is done here and now. The I/O thread runs ahead of the
   * event that woke it, so its ioctl takes effect by an event at the thread's own time; a vCPU that has meanwhile changed
   * the pin has seen what that was about, and the ioctl on its way would undo it.
   */
  readonly wireChanged = (asserted: boolean): void => {
    if (asserted === this.asserted) return;
    this.asserted = asserted;
    const { host, place } = this;
    const { tracer } = host;
    const before = tracer.cause;
    tracer.cause = tracer.instant(
      host.now(),
      this.track,
      asserted ? Kind.IrqRaise : Kind.IrqLower,
      place.gsi,
      0,
    );
    host.advance(host.costs['irq.ioctl']);
    if (this.thread.atWork) {
      host.queue.schedule(host.now(), this.lines, asserted ? HIGH : LOW, this.pinGeneration);
    } else {
      this.pinGeneration += 1;
      this.interrupts.setPin(place.gsi, place.id, asserted);
    }
    tracer.cause = before;
  };

  save(): EmulatedDeviceBusState {
    const { dmaTrack, asserted, pinGeneration } = this;
    return { version: 1, dmaTrack, asserted, pinGeneration };
  }

  load(state: EmulatedDeviceBusState): void {
    requireVersion('a device bus', state.version, 1);
    this.dmaTrack = state.dmaTrack;
    this.asserted = state.asserted;
    this.pinGeneration = state.pinGeneration;
  }

  private dma(kind: number, address: number, length: number): void {
    const { host } = this;
    if (this.dmaTrack < 0) {
      const { vm, group, name } = this.place;
      this.dmaTrack = host.tracer.addTrack({ type: 'dma', name, group, vm });
    }
    const cycles =
      host.costs['device.dmaSetup'] + Math.ceil(length / 64) * host.costs['device.dmaPer64Bytes'];
    host.tracer.cause = host.tracer.span(host.now(), cycles, this.dmaTrack, kind, address, length);
    host.advance(cycles);
  }
}
