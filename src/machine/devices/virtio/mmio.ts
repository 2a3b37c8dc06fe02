/**
 * A virtio device on MMIO (4.2): registers in memory and one interrupt line. Version 2 is that of the specification; a device
 * whose interface is legacy has version 1, whose queues lie in pages (4.2.4).
 */
import type { Inspectable, StateNode, StatePath } from '../../inspect';
import type { BitField } from '../../../trace/vocabulary/kind-row';
import { fieldsByName } from '../../registers';
import { virtioDescriptions } from './descriptions';
import { virtioAt } from './view';
import type { AccessSize, BusDevice, DeviceBus, DmaResult, RegisterBlock } from '../../bus';
import type { NetworkPort } from '../../link/wire';
import type { QueuedDevice } from '../../queued-device';
import { Kind } from '../../../trace/vocabulary/events';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../../snapshot';
import type { VirtioDevice, VirtioHardware, VirtioRun, VirtioTransport } from './device';
import { Feature } from './features';
import {
  MMIO_CONFIG_AT,
  MMIO_MAGIC,
  MMIO_VENDOR,
  Mmio,
  MmioInterrupt,
  MmioLegacy,
  MmioModern,
  MmioVersion,
  NO_REGION,
} from './mmio-layout';
import type { NotifyOffset } from './notify-offset';
import { AddressWord, type QueueSlot } from './queue-slot';
import { RegisterTable, report, type Register } from './register-block';
import type { Outcome } from './status';

/** What the hardware has. */
export interface VirtioMmioHardware extends HardwareState {
  version: 1;
  device: VirtioHardware;
  interruptStatus: number;
  deviceFeature: number;
  driverFeature: number;
  queue: number;
  pageBytes: number;
  aligns: number[];
}

/** Legacy: boundary of the used ring before the driver says another. */
const DEFAULT_ALIGN = 4096;
const QUEUE_BITS = 0xffff;
const NAMES = new Map<number, string>(
  Object.entries({ ...Mmio, ...MmioModern, ...MmioLegacy }).map(([name, at]) => [at, name]),
);
const isPowerOf2 = (value: number): boolean => value > 0 && Number.isInteger(Math.log2(value));

/** The device's registers, as a block of `MMIO_BYTES`, which is what its bus calls back too. */
export class VirtioMmio
  implements RegisterBlock, BusDevice, VirtioTransport, Inspectable, Migratable<VirtioMmioHardware, VirtioRun>
{
  /** Its transactions have no requester ID. */
  readonly requester = 0;
  private readonly all: readonly Register[];
  private readonly table: RegisterTable;
  private interruptStatus = 0;
  private deviceFeature = 0;
  private driverFeature = 0;
  private queue = 0;
  /** Legacy: 0 until the driver has told. A reset by the driver leaves it, as drivers expect. */
  private pageBytes = 0;
  /** Legacy, of each queue. */
  private aligns: number[];

  /** @throws RangeError for a transitional device: on MMIO a device has one version */
  constructor(readonly device: VirtioDevice) {
    const { interfaces } = device.options;
    if (interfaces === 'transitional') {
      throw new RangeError('a virtio device on MMIO is modern or legacy: transitional ones are on PCI');
    }
    const own = interfaces === 'legacy' ? this.legacyRegisters() : this.modernRegisters();
    this.all = [...this.registers(), ...own];
    this.table = new RegisterTable(this.all, device.control.trace, 0);
    this.aligns = device.queues.map(() => DEFAULT_ALIGN);
    device.attach(this);
  }

  get network(): NetworkPort | undefined {
    return this.device.type.network;
  }

  /** The work on its queues, which may be somebody else's. */
  get queued(): QueuedDevice {
    const { device } = this;
    const doorbells = this.notifyOffsets().map(({ offset, bytes, queue, shared }) => ({
      ...{ block: this, offset, bytes, queue, shared },
    }));
    return {
      dataPlane: device.dataPlane,
      doorbells,
      doorbellsHaveData: device.offers(Feature.NOTIFICATION_DATA),
      kicked: (queue) => void device.kicked(queue, undefined),
    };
  }

  /** Registers are read whole; the configuration by any width. */
  read(offset: number, size: AccessSize): number {
    if (offset < MMIO_CONFIG_AT) return this.table.read(offset, size);
    return this.device.configuration.read(offset - MMIO_CONFIG_AT, size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset < MMIO_CONFIG_AT) this.table.write(offset, size, value);
    else {
      const { device, legacy } = this;
      const at = offset - MMIO_CONFIG_AT;
      const outcome = legacy
        ? device.writeLegacyConfiguration(at, size, value)
        : device.writeConfiguration(at, size, value);
      report(device.control.trace, outcome, offset, value);
    }
  }

  registerName(offset: number): string | undefined {
    const within = offset - MMIO_CONFIG_AT;
    if (within < 0) return this.table.registerName(offset);
    return within < this.device.configuration.size ? `CONFIG_${within.toString(16)}` : undefined;
  }

  inspect(path: StatePath): StateNode | undefined {
    return virtioAt(this.device, 0, this.all, path);
  }

  /** Fields of its registers by name, for a trace's track. */
  registerFields(): Record<string, readonly BitField[]> {
    return fieldsByName(
      virtioDescriptions,
      this.all.map(({ name }) => name),
    );
  }

  usedBuffers(queue: number, via: DeviceBus): void {
    const { trace } = via;
    const { cause } = trace;
    trace.instant(Kind.VirtqInterrupt, queue, 0);
    this.interrupt(MmioInterrupt.usedBuffers, via);
    trace.cause = cause;
  }

  configurationChanged(via: DeviceBus): void {
    this.interrupt(MmioInterrupt.configuration, via);
  }

  deviceReset(): void {
    this.acknowledge(this.interruptStatus);
    this.deviceFeature = this.driverFeature = this.queue = 0;
    this.aligns.fill(DEFAULT_ALIGN);
  }

  queueReset(): void {
    // A queue has no interrupt of its own.
  }

  onEvent(kind: number, arg: number): void {
    this.device.dataPlane.onEvent(kind, arg);
  }

  onDma(tag: number, result: DmaResult): void {
    this.device.dataPlane.onDma(tag, result);
  }

  /** Reset of the machine. */
  busReset(): void {
    this.pageBytes = 0;
    this.device.busReset();
  }

  /** All queues are notified by one register. */
  notifyOffsets(): readonly NotifyOffset[] {
    return this.device.queues.map((_slot, queue) => ({
      bar: 0,
      offset: Mmio.QUEUE_NOTIFY,
      bytes: 4,
      queue,
      shared: true,
    }));
  }

  save(): Checkpoint<VirtioMmioHardware, VirtioRun> {
    const { interruptStatus, deviceFeature, driverFeature, queue, pageBytes, aligns } = this;
    const device = this.device.save();
    const registers = { interruptStatus, deviceFeature, driverFeature, queue, pageBytes };
    return {
      hardware: { version: 1, device: device.hardware, ...registers, aligns: [...aligns] },
      run: device.run,
    };
  }

  load({ hardware, run }: Checkpoint<VirtioMmioHardware, VirtioRun>): void {
    this.loadRegisters(hardware);
    this.device.load({ hardware: hardware.device, run });
  }

  adopt(hardware: VirtioMmioHardware): void {
    this.loadRegisters(hardware);
    this.device.control.irq.set(this.interruptStatus !== 0);
    this.device.adopt(hardware.device);
  }

  private loadRegisters(hardware: VirtioMmioHardware): void {
    requireVersion('a virtio device on MMIO', hardware.version, 1);
    this.interruptStatus = hardware.interruptStatus;
    this.deviceFeature = hardware.deviceFeature;
    this.driverFeature = hardware.driverFeature;
    this.queue = hardware.queue;
    this.pageBytes = hardware.pageBytes;
    this.aligns = [...hardware.aligns];
  }

  private interrupt(bit: number, via: DeviceBus): void {
    this.interruptStatus |= bit;
    via.irq.set(true);
  }

  private acknowledge(bits: number): void {
    this.interruptStatus &= ~bits;
    if (this.interruptStatus === 0) this.device.control.irq.set(false);
  }

  /** With NOTIFICATION_DATA the queue is in the low half (4.2.3.3). */
  private notified(value: number): Outcome {
    const { device } = this;
    return device.kicked(device.has(Feature.NOTIFICATION_DATA) ? value & QUEUE_BITS : value, value);
  }

  private get slot(): QueueSlot | undefined {
    return this.device.queues[this.queue];
  }

  // --- registers --------------------------------------------------------------------------------------------------------

  private readable(at: number, read: () => number): Register {
    return { at, size: 4, name: NAMES.get(at) ?? '', read };
  }

  private writable(at: number, write: (value: number) => Outcome | void, read?: () => number): Register {
    const done = (value: number): Outcome => write(value) ?? 'done';
    return { at, size: 4, name: NAMES.get(at) ?? '', write: done, ...(read && { read }) };
  }

  private get legacy(): boolean {
    return this.device.options.interfaces === 'legacy';
  }

  private registers(): Register[] {
    const { device, legacy } = this;
    return [
      this.readable(Mmio.MAGIC_VALUE, () => MMIO_MAGIC),
      this.readable(Mmio.VERSION, () => (legacy ? MmioVersion.legacy : MmioVersion.modern)),
      this.readable(Mmio.DEVICE_ID, () => device.type.deviceId),
      this.readable(Mmio.VENDOR_ID, () => MMIO_VENDOR),
      this.readable(Mmio.DEVICE_FEATURES, () => this.offeredWord()),
      this.writable(Mmio.DEVICE_FEATURES_SEL, (value) => void (this.deviceFeature = value)),
      this.writable(Mmio.DRIVER_FEATURES, (value) => this.acceptWord(value)),
      this.writable(Mmio.DRIVER_FEATURES_SEL, (value) => void (this.driverFeature = value)),
      this.writable(Mmio.QUEUE_SEL, (value) => void (this.queue = value)),
      this.readable(Mmio.QUEUE_SIZE_MAX, () => this.slot?.most ?? 0),
      this.writable(Mmio.QUEUE_SIZE, (value) => device.setQueueSize(this.queue, value)),
      this.writable(Mmio.QUEUE_NOTIFY, (value) => this.notified(value)),
      this.readable(Mmio.INTERRUPT_STATUS, () => this.interruptStatus),
      this.writable(Mmio.INTERRUPT_ACK, (value) => this.acknowledge(value)),
      this.writable(
        Mmio.STATUS,
        (value) => (legacy ? device.writeLegacyStatus(value) : device.writeStatus(value)),
        () => device.status,
      ),
    ];
  }

  private offeredWord(): number {
    const { device, legacy, deviceFeature } = this;
    if (legacy) return deviceFeature === 0 ? device.legacyOffered : 0;
    return device.offered(deviceFeature);
  }

  private acceptWord(value: number): Outcome {
    const { device, legacy, driverFeature } = this;
    if (!legacy) return device.accept(driverFeature, value);
    if (driverFeature === 0) return device.acceptLegacy(value);
    return value === 0 ? 'done' : 'ignored';
  }

  private modernRegisters(): Register[] {
    const { device } = this;
    const address = (at: number, word: number): Register[] =>
      [0, 1].map((half) => ({
        at: at + 4 * half,
        size: 4,
        name: `${NAMES.get(at) ?? ''}${half === 0 ? '_LOW' : '_HIGH'}`,
        write: (value) => device.setQueueAddress(this.queue, word + half, value),
      }));
    const absent = (at: number): Register[] =>
      [0, 4].map((half) => ({
        at: at + half,
        size: 4,
        name: `${NAMES.get(at) ?? ''}${half === 0 ? '_LOW' : '_HIGH'}`,
        read: () => NO_REGION,
      }));
    return [
      this.writable(
        MmioModern.QUEUE_READY,
        (value) => this.setReady(value),
        () => Number(this.slot?.enabled ?? false),
      ),
      ...address(MmioModern.QUEUE_DESC, AddressWord.descriptors),
      ...address(MmioModern.QUEUE_DRIVER, AddressWord.driver),
      ...address(MmioModern.QUEUE_DEVICE, AddressWord.device),
      // No region of shared memory is there, whichever is selected.
      this.writable(MmioModern.SHM_SEL, () => 'done'),
      ...absent(MmioModern.SHM_LEN),
      ...absent(MmioModern.SHM_BASE),
      this.writable(
        MmioModern.QUEUE_RESET,
        (value) => (value === 1 ? device.resetQueue(this.queue) : 'misused'),
        () => Number(device.queueResetting(this.queue)),
      ),
      this.readable(MmioModern.CONFIG_GENERATION, () => device.configuration.generation),
    ];
  }

  /** What reads back tells when the queue is out of use (4.2.2.2). */
  private setReady(value: number): Outcome {
    const { device, queue } = this;
    if (value > 1) return 'misused';
    return value === 1 ? device.enableQueue(queue) : device.stopQueue(queue);
  }

  private legacyRegisters(): Register[] {
    return [
      this.writable(MmioLegacy.GUEST_PAGE_SIZE, (value) => {
        if (!isPowerOf2(value)) return 'misused';
        this.pageBytes = value;
        return 'done';
      }),
      this.writable(MmioLegacy.QUEUE_ALIGN, (value) => {
        if (!isPowerOf2(value) || !this.slot) return 'misused';
        this.aligns[this.queue] = value;
        return 'done';
      }),
      this.writable(
        MmioLegacy.QUEUE_PFN,
        (value) => this.placeQueue(value),
        () => this.slot?.page ?? 0,
      ),
    ];
  }

  private placeQueue(page: number): Outcome {
    const { device, queue, pageBytes, aligns } = this;
    if (page !== 0 && pageBytes === 0) return 'misused';
    return device.placeQueue(queue, page, pageBytes, aligns[queue] ?? DEFAULT_ALIGN);
  }
}
