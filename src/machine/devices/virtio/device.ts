/**
 * A virtio device without its transport (sections 2 and 3 of the specification): status, features, configuration and the life of
 * its queues. A transport maps registers to the methods here; a type does what the device is for; an engine for each queue moves
 * the buffers. Whatever a driver does, nothing here throws.
 *
 * The device has two buses. Its registers and configuration interrupts are the work of `control`, QEMU; the queues and the type
 * are the work of `data`, which is the same one or that of a worker of the kernel (vhost). The latter calls `dataPlane` back.
 */
import { Kind } from '../../../trace/vocabulary/events';
import type { AccessSize, BusDevice, DeviceBus, DmaResult } from '../../bus';
import {
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../../snapshot';
import { ConfigurationSpace, type ConfigurationHardware } from './configuration';
import { QUEUE_TAG_STEP, type DeviceQueue, type QueueHost, type TypeHost, type Virtqueue } from './contract';
import type { VirtioNotifier, VirtioType } from './contract';
import { CountedDma, busWithDma } from './counted-dma';
import { Feature, hasFeature } from './features';
import { Negotiation, type NegotiationHardware } from './negotiation';
import { VIRTIO_DEFAULTS, offersOf, type VirtioOptions } from './options';
import { Ending, QueueSlot, type QueueSlotHardware, type QueueSlotRun } from './queue-slot';
import { Status, type Outcome } from './status';

/** Makes the engine of one queue. */
export type QueueFactory = (index: number, size: number, host: QueueHost) => Virtqueue;

/** How the driver reaches the device, and the device the driver. */
export interface VirtioTransport extends VirtioNotifier {
  /** PCI requester ID of the device's transactions; 0 on a transport without. */
  readonly requester: number;
  /** The device is being reset: no event has a vector, no interrupt waits. */
  deviceReset(): void;
  /** One queue has been reset: its events have no vector. */
  queueReset(queue: number): void;
}

/** What a device is made of. */
export interface VirtioParts {
  readonly control: DeviceBus;
  /** Absent: `control` does the data plane's work too. */
  readonly data?: DeviceBus | undefined;
  /** The type; the host's queues are there once it has been made. */
  readonly type: (host: TypeHost) => VirtioType;
  readonly queue: QueueFactory;
  readonly options?: Partial<VirtioOptions>;
}

/** What the hardware has. */
export interface VirtioHardware extends HardwareState {
  version: 1;
  negotiation: NegotiationHardware;
  configuration: ConfigurationHardware;
  resetting: boolean;
  live: boolean;
  queues: QueueSlotHardware[];
  type: HardwareState;
}

/** What the run has of it. */
export interface VirtioRun extends RunState {
  queues: QueueSlotRun[];
  type: RunState;
}

const NO_TRANSPORT: VirtioTransport = {
  requester: 0,
  usedBuffers: () => undefined,
  configurationChanged: () => undefined,
  deviceReset: () => undefined,
  queueReset: () => undefined,
};
/** In a `VirtioNeedsReset` row: no queue's fault. */
export const NO_QUEUE = 0xffff;

/** The device; its transport tells it what the driver does. */
export class VirtioDevice implements Migratable<VirtioHardware, VirtioRun> {
  readonly options: VirtioOptions;
  readonly control: DeviceBus;
  readonly data: DeviceBus;
  readonly type: VirtioType;
  readonly configuration: ConfigurationSpace;
  readonly queues: readonly QueueSlot[];
  private readonly negotiation: Negotiation;
  private transport = NO_TRANSPORT;
  private resetting = false;
  /** The type and the queues are at work. */
  private live = false;

  /** @throws RangeError when the type has more queues than tags can tell apart, or features that no register has a place for */
  constructor(parts: VirtioParts) {
    const engines: DeviceQueue[] = [];
    this.control = parts.control;
    this.data = parts.data ?? parts.control;
    this.options = { ...VIRTIO_DEFAULTS, ...parts.options };
    this.type = parts.type(this.typeHost(engines));
    const { type, options } = this;
    const specs = type.queueSpecs;
    if (specs.length > QUEUE_TAG_STEP) {
      throw new RangeError(`a virtio device with ${specs.length} queues: at most ${QUEUE_TAG_STEP}`);
    }
    this.negotiation = new Negotiation(offersOf(options, type.features), (has) => type.accepts(has));
    this.configuration = new ConfigurationSpace(type);
    this.queues = specs.map(({ size }, index) => {
      const dma = new CountedDma(this.data.dma);
      return new QueueSlot(size, parts.queue(index, size, this.queueHost(dma)), dma);
    });
    engines.push(...this.queues.map(({ engine }) => engine));
  }

  /** What the data plane's bus calls back. */
  readonly dataPlane: BusDevice = {
    onEvent: (kind, arg) => this.type.onEvent(kind, arg),
    onDma: (tag, result) => this.onDma(tag, result),
  };

  /** Connects the transport, once it exists. */
  attach(transport: VirtioTransport): void {
    this.transport = transport;
  }

  // --- features and status ----------------------------------------------------------------------------------------------

  /** Word of the features that are offered to a driver of this specification. */
  offered(word: number): number {
    return this.negotiation.offers.modern[word] ?? 0;
  }

  /** Whether a feature is offered to a driver of this specification. */
  offers(feature: number): boolean {
    return hasFeature(this.negotiation.offers.modern, feature);
  }

  /** Features that are offered to a legacy driver. */
  get legacyOffered(): number {
    return this.negotiation.offers.legacy[0];
  }

  /** Word of the features that the driver has written. */
  accepted(word: number): number {
    return this.negotiation.written(word);
  }

  accept(word: number, value: number): Outcome {
    return this.resetting ? 'ignored' : this.negotiation.accept(word, value);
  }

  /** As a legacy driver does, which has no FEATURES_OK. */
  acceptLegacy(value: number): Outcome {
    if (this.resetting || this.live) return 'ignored';
    return this.negotiation.acceptLegacy(value);
  }

  /** Whether a feature has been negotiated. */
  has(feature: number): boolean {
    return !this.resetting && this.negotiation.has(feature);
  }

  /** The status, which is 0 when a reset is done, and not before. */
  get status(): number {
    return this.negotiation.status;
  }

  writeStatus(value: number): Outcome {
    return this.statusWritten(value, (bits) => this.negotiation.advance(bits));
  }

  /** As a legacy driver does. */
  writeLegacyStatus(value: number): Outcome {
    return this.statusWritten(value, (bits) => this.negotiation.advanceLegacy(bits));
  }

  /** Reset of the bus: the device waits for nothing that it had begun. */
  busReset(): void {
    for (const { dma } of this.queues) dma.forget();
    this.reset();
  }

  // --- configuration ----------------------------------------------------------------------------------------------------

  /** The driver writes the type's configuration (2.5). */
  writeConfiguration(offset: number, size: AccessSize, value: number): Outcome {
    return this.resetting ? 'ignored' : this.configuration.write(offset, size, value, false);
  }

  /** As a legacy driver does, which may before it negotiates (3.1.2). */
  writeLegacyConfiguration(offset: number, size: AccessSize, value: number): Outcome {
    return this.resetting ? 'ignored' : this.configuration.write(offset, size, value, true);
  }

  // --- queues -----------------------------------------------------------------------------------------------------------

  /** Powers of 2 for a split queue, any size for a packed one, and never more than the largest (4.1.4.3.2, 2.7, 2.8.10.1). */
  setQueueSize(queue: number, size: number): Outcome {
    const slot = this.settable(queue);
    if (!slot) return 'ignored';
    const power = (size & (size - 1)) === 0;
    if (size < 1 || size > slot.most || (!power && !this.has(Feature.RING_PACKED))) return 'misused';
    slot.size = size;
    return 'done';
  }

  /** @param word an `AddressWord`, or the one behind it */
  setQueueAddress(queue: number, word: number, value: number): Outcome {
    const slot = this.settable(queue);
    if (!slot) return 'ignored';
    slot.words[word] = value;
    return 'done';
  }

  /** The queue is set up: from DRIVER_OK on the device works on it. */
  enableQueue(queue: number): Outcome {
    const slot = this.settable(queue);
    if (!slot) return 'ignored';
    slot.enabled = true;
    if (this.live) {
      slot.engine.start(slot.layout);
      this.look(queue);
    }
    return 'done';
  }

  /** A legacy queue is set up by the number of its first page, and taken out of use by 0 (2.7.2). */
  placeQueue(queue: number, page: number, pageBytes: number, align: number): Outcome {
    if (page === 0) return this.stopQueue(queue);
    const slot = this.settable(queue);
    if (!slot) return 'ignored';
    this.negotiation.legacy = true;
    slot.placeAtPage(page, pageBytes, align);
    return this.enableQueue(queue);
  }

  /**
   * Takes a queue out of use: it still reads as enabled while something of it is under way. One that is not in use stays as it
   * is, which is no mistake: drivers make sure of that before they set a queue up.
   */
  stopQueue(queue: number): Outcome {
    return this.settable(queue) ? 'done' : this.endQueue(queue, Ending.stop);
  }

  /** Resets one queue, with RING_RESET (2.6.1). */
  resetQueue(queue: number): Outcome {
    return this.has(Feature.RING_RESET) ? this.endQueue(queue, Ending.reset) : 'ignored';
  }

  /** Whether the reset of a queue goes on. */
  queueResetting(queue: number): boolean {
    return this.queues[queue]?.ending === Ending.reset;
  }

  /**
   * The driver has notified the queue: at once when a register's write gets here, later when somebody waits for an eventfd.
   * @param data what was written, which means something with NOTIFICATION_DATA alone (2.9); undefined: not known
   */
  kicked(queue: number, data: number | undefined): Outcome {
    const slot = this.queues[queue];
    const broken = (this.status & Status.DEVICE_NEEDS_RESET) !== 0;
    if (!slot?.usable || broken || (!this.live && !this.negotiation.legacy)) return 'ignored';
    this.data.trace.instant(Kind.VirtqKick, queue, 0);
    // Legacy drivers use the device before DRIVER_OK (3.1.2).
    if (!this.live) this.goLive();
    if (!this.live) return 'done';
    slot.engine.kicked(this.has(Feature.NOTIFICATION_DATA) ? data : undefined);
    this.look(queue);
    return 'done';
  }

  // --- state ------------------------------------------------------------------------------------------------------------

  save(): Checkpoint<VirtioHardware, VirtioRun> {
    const { resetting, live, negotiation, configuration } = this;
    const slots = this.queues.map((slot) => slot.save());
    const type = this.type.save();
    return {
      hardware: {
        version: 1,
        negotiation: negotiation.save(),
        configuration: configuration.save(),
        resetting,
        live,
        queues: slots.map(({ hardware }) => hardware),
        type: type.hardware,
      },
      run: { queues: slots.map(({ run }) => run), type: type.run },
    };
  }

  load({ hardware, run }: Checkpoint<VirtioHardware, VirtioRun>): void {
    this.loadHardware(hardware);
    this.type.load({ hardware: hardware.type, run: run.type });
    this.queues.forEach((slot, index) => slot.load(hardware.queues[index], run.queues[index]));
  }

  /** What was under way has no end here: the engines begin it anew, and a reset that waited for it is done. */
  adopt(hardware: VirtioHardware): void {
    this.loadHardware(hardware);
    this.type.adopt(hardware.type);
    this.queues.forEach((slot, index) => slot.adopt(hardware.queues[index]));
    this.settle();
  }

  private loadHardware(hardware: VirtioHardware): void {
    requireVersion('a virtio device', hardware.version, 1);
    this.negotiation.load(hardware.negotiation);
    this.configuration.load(hardware.configuration);
    this.resetting = hardware.resetting;
    this.live = hardware.live;
  }

  // --- life of the device -----------------------------------------------------------------------------------------------

  private statusWritten(value: number, advance: (bits: number) => Outcome): Outcome {
    if (value === 0) this.reset();
    else if (this.resetting) return 'ignored';
    else {
      const outcome = advance(value);
      if ((this.status & Status.DRIVER_OK) !== 0) this.goLive();
      return outcome;
    }
    return 'done';
  }

  private goLive(): void {
    if (this.live || (this.status & Status.DEVICE_NEEDS_RESET) !== 0) return;
    this.live = true;
    this.eachUsable((slot) => slot.engine.start(slot.layout));
    if (!this.live) return;
    this.type.started();
    this.eachUsable((_slot, index) => this.look(index));
  }

  private eachUsable(what: (slot: QueueSlot, index: number) => void): void {
    this.queues.forEach((slot, index) => {
      if (this.live && slot.usable) what(slot, index);
    });
  }

  /** Something may be in a queue. */
  private look(queue: number): void {
    if (this.live && this.queues[queue].usable) this.type.notified(queue);
  }

  /** All is as it was, and the status is 0 once nothing is under way. */
  private reset(): void {
    this.halt();
    for (const slot of this.queues) slot.clear();
    this.negotiation.forget();
    this.transport.deviceReset();
    this.resetting = true;
    this.settle();
  }

  /** Queues and type forget what they were at. */
  private halt(): void {
    this.live = false;
    for (const { engine } of this.queues) engine.reset();
    this.type.stopped();
  }

  /** The device cannot go on before it is reset (2.1.2). */
  private fail(why: number, queue: number): void {
    if (this.resetting || (this.status & Status.DEVICE_NEEDS_RESET) !== 0) return;
    const { trace } = this.data;
    const { cause } = trace;
    trace.instant(Kind.VirtioNeedsReset, why, queue);
    this.negotiation.needsReset();
    this.halt();
    this.notifyConfiguration(this.data);
    trace.cause = cause;
  }

  /** @param via the bus of whoever has found it out */
  private notifyConfiguration(via: DeviceBus): void {
    if ((this.status & Status.DRIVER_OK) !== 0) this.transport.configurationChanged(via);
  }

  private settable(queue: number): QueueSlot | undefined {
    const slot = this.queues[queue];
    return slot?.idle && !this.resetting ? slot : undefined;
  }

  private endQueue(queue: number, ending: number): Outcome {
    const slot = this.queues[queue];
    if (!slot?.usable || this.resetting) return 'ignored';
    slot.engine.reset();
    if (this.live) this.type.queueStopped(queue);
    slot.ending = ending;
    this.settle();
    return 'done';
  }

  /** What waited for transactions to end, and they have. */
  private settle(): void {
    this.queues.forEach((slot, index) => {
      if (slot.ending === Ending.none || !slot.dma.quiet) return;
      if (slot.ending === Ending.reset) {
        this.transport.queueReset(index);
        slot.clear();
      } else slot.rest();
    });
    if (!this.resetting || this.queues.some(({ dma }) => !dma.quiet)) return;
    this.resetting = false;
    this.negotiation.reset();
  }

  private onDma(tag: number, result: DmaResult): void {
    const slot = this.queues[tag % QUEUE_TAG_STEP];
    if (!slot) return;
    slot.dma.ended(tag);
    slot.engine.onDma(tag, result);
    this.settle();
  }

  // --- what type and queues get -----------------------------------------------------------------------------------------

  private typeHost(queues: readonly DeviceQueue[]): TypeHost {
    return {
      bus: this.data,
      queues,
      has: (feature) => this.has(feature),
      configurationChanged: () => {
        this.configuration.changed();
        this.notifyConfiguration(this.control);
      },
      needsReset: (why) => this.fail(why, NO_QUEUE),
    };
  }

  private queueHost(dma: CountedDma): QueueHost {
    return {
      bus: busWithDma(this.data, dma),
      requester: () => this.transport.requester,
      has: (feature) => this.has(feature),
      onChain: (queue, chain) => this.type.onChain(queue, chain),
      onTransfer: (queue, tag, bytes) => this.type.onTransfer(queue, tag, bytes),
      onPolled: (queue) => this.look(queue),
      notifyDriver: (queue) => {
        if (this.live) this.transport.usedBuffers(queue, this.data);
      },
      broken: (queue, why) => this.fail(why, queue),
    };
  }
}
