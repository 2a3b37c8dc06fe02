/** A virtio device on PCI (4.1): a function with the structures of this specification, and the legacy interface if it is transitional. */
import type { Inspectable, StateNode, StatePath } from '../../../inspect';
import type { BitField } from '../../../../trace/vocabulary/kind-row';
import { fieldsByName } from '../../../registers';
import { virtioDescriptions } from '../descriptions';
import { virtioAt } from '../view';
import type { NetworkPort } from '../../../link/wire';
import type { AccessSize, BusDevice, DeviceBus, DmaResult, RegisterBlock } from '../../../bus';
import { barTraceOffset, type BarSpec } from '../../../pci/bars';
import { PciFunction, type PciIdentity } from '../../../pci/function';
import { MsixVectors } from '../../../pci/msix';
import type { QueuedDevice } from '../../../queued-device';
import { requireVersion, type Checkpoint, type HardwareState, type Migratable } from '../../../snapshot';
import type { VirtioDevice, VirtioHardware, VirtioRun, VirtioTransport } from '../device';
import { Feature } from '../features';
import { RegisterTable, report } from '../register-block';
import type { NotifyOffset } from '../notify-offset';
import { addCapabilities } from './capabilities';
import { NOTHING_SELECTED, commonRegisters, type Selection } from './common';
import { PciInterrupts, type PciInterruptsHardware } from './interrupts';
import {
  Bar,
  Legacy,
  MODERN_BAR_BYTES,
  MODERN_DEVICE_BASE,
  MSIX_TABLE,
  NOTIFY_MULTIPLIER,
  STRUCTURE_BYTES,
  SUBSYSTEM_ID,
  Structure,
  TRANSITIONAL_DEVICE_IDS,
  VIRTIO_VENDOR,
} from './layout';
import { LegacyBlock, legacyBarBytes } from './legacy';
import { NotifyBlock } from './notify';

/** What the hardware has, beside the function's configuration space, which is the root complex's. */
export interface VirtioPciHardware extends HardwareState {
  version: 1;
  device: VirtioHardware;
  interrupts: PciInterruptsHardware;
  selected: Selection;
}

const MODERN = { index: Bar.modern, kind: 'memory64' } as const;
const LEGACY = { index: Bar.legacy, kind: 'io' } as const;
/** Of the registers that a queue is notified by, in both interfaces. */
const NOTIFY_BYTES = 2;

/** The function and its registers. */
export class VirtioPci
  implements BusDevice, VirtioTransport, Inspectable, Migratable<VirtioPciHardware, VirtioRun>
{
  readonly pci: PciFunction;
  private readonly interrupts: PciInterrupts;
  private readonly selected: Selection = { ...NOTHING_SELECTED };

  /** @throws RangeError for a transitional device of a type that has no legacy device ID */
  constructor(readonly device: VirtioDevice) {
    const { control, data, queues } = device;
    const { options, configuration } = device;
    // One for each queue, and one for the configuration.
    const vectors = queues.length + 1;
    const msix = new MsixVectors(control.msi, { vectors, bar: Bar.msix, ...MSIX_TABLE }, data.msi);
    this.interrupts = new PciInterrupts(control, msix, vectors, queues.length);
    const transitional = options.interfaces === 'transitional';
    const table: BarSpec = {
      index: Bar.msix,
      kind: 'memory32',
      size: MSIX_TABLE.bytes,
      block: msix.block,
      name: 'MSI-X table',
    };
    this.pci = new PciFunction(identityOf(device, transitional), [
      ...(transitional ? [this.legacyBar()] : []),
      table,
      this.modernBar(),
    ]);
    msix.addTo(this.pci);
    addCapabilities(this.pci, control.trace, queues.length, configuration.size);
    device.attach(this);
  }

  get network(): NetworkPort | undefined {
    return this.device.type.network;
  }

  /** The work on its queues, which may be somebody else's. */
  get queued(): QueuedDevice {
    const { device, pci } = this;
    const doorbells = this.notifyOffsets().flatMap(({ bar, ...doorbell }) =>
      pci.bars.filter(({ index }) => index === bar).map(({ block }) => ({ block, ...doorbell })),
    );
    return {
      dataPlane: device.dataPlane,
      doorbells,
      doorbellsHaveData: device.offers(Feature.NOTIFICATION_DATA),
      kicked: (queue) => void device.kicked(queue, undefined),
    };
  }

  get requester(): number {
    return this.pci.requester;
  }

  usedBuffers(queue: number, via: DeviceBus): void {
    this.interrupts.usedBuffers(queue, via);
  }

  configurationChanged(via: DeviceBus): void {
    this.interrupts.configurationChanged(via);
  }

  deviceReset(): void {
    this.interrupts.reset();
    Object.assign(this.selected, NOTHING_SELECTED);
  }

  queueReset(queue: number): void {
    this.interrupts.unmapQueue(queue);
  }

  onEvent(kind: number, arg: number): void {
    this.device.dataPlane.onEvent(kind, arg);
  }

  onDma(tag: number, result: DmaResult): void {
    this.device.dataPlane.onDma(tag, result);
  }

  /** RST# of the bus. */
  busReset(): void {
    this.device.busReset();
  }

  /** Where the driver notifies each queue: a VMM may have these writes signal eventfds instead of asking the device. */
  notifyOffsets(): readonly NotifyOffset[] {
    const { options, queues } = this.device;
    const modern = queues.map((_slot, queue): NotifyOffset => {
      const offset = Structure.notify + NOTIFY_MULTIPLIER * queue;
      return { bar: Bar.modern, offset, bytes: NOTIFY_BYTES, queue, shared: false };
    });
    if (options.interfaces !== 'transitional') return modern;
    const { QUEUE_NOTIFY: offset } = Legacy;
    const legacy = queues.map((_slot, queue): NotifyOffset => ({
      bar: Bar.legacy,
      offset,
      bytes: NOTIFY_BYTES,
      queue,
      shared: true,
    }));
    return [...modern, ...legacy];
  }

  inspect(path: StatePath): StateNode | undefined {
    const registers = commonRegisters(this.device, this.interrupts, this.selected);
    return virtioAt(this.device, this.requester, registers, path);
  }

  /** Fields of its registers by name, for a trace's track. */
  registerFields(): Record<string, readonly BitField[]> {
    return fieldsByName(virtioDescriptions, Object.values(this.registerNames()));
  }

  /** Names of its registers by offset in the trace. */
  registerNames(): Record<string, string> {
    const names = this.pci.bars
      .filter(({ index }) => index !== Bar.msix)
      .flatMap((bar) => Array.from({ length: bar.size }, (_, at) => [bar, at] as const))
      .flatMap(([bar, at]) => {
        const name = bar.block.registerName(at);
        return name === undefined ? [] : [[String(barTraceOffset(bar) + at), name] as const];
      });
    return Object.fromEntries(names);
  }

  save(): Checkpoint<VirtioPciHardware, VirtioRun> {
    const device = this.device.save();
    return {
      hardware: {
        version: 1,
        device: device.hardware,
        interrupts: this.interrupts.save(),
        selected: { ...this.selected },
      },
      run: device.run,
    };
  }

  load({ hardware, run }: Checkpoint<VirtioPciHardware, VirtioRun>): void {
    this.loadRegisters(hardware);
    this.device.load({ hardware: hardware.device, run });
  }

  /** The function's configuration and the memory have to be there already. */
  adopt(hardware: VirtioPciHardware): void {
    this.loadRegisters(hardware);
    this.interrupts.drive();
    this.device.adopt(hardware.device);
  }

  private loadRegisters(hardware: VirtioPciHardware): void {
    requireVersion('a virtio device on PCI', hardware.version, 1);
    this.interrupts.load(hardware.interrupts);
    Object.assign(this.selected, hardware.selected);
  }

  private legacyBar(): BarSpec {
    const { device, interrupts, selected } = this;
    const block = new LegacyBlock(device, interrupts, selected, barTraceOffset(LEGACY));
    return { ...LEGACY, size: legacyBarBytes(device.configuration.size), block, name: 'legacy registers' };
  }

  private modernBar(): BarSpec {
    const { device, interrupts, selected } = this;
    const { trace } = device.control;
    const base = barTraceOffset(MODERN);
    const isr = { at: 0, size: 1, name: 'ISR_STATUS', read: () => interrupts.readIsr() } as const;
    const structures = new Map<number, RegisterBlock>([
      [
        Structure.common,
        new RegisterTable(commonRegisters(device, interrupts, selected), trace, base + Structure.common),
      ],
      [Structure.isr, new RegisterTable([isr], trace, base + Structure.isr)],
      [Structure.device, configurationBlock(device, base + Structure.device)],
      [Structure.notify, new NotifyBlock(device, base + Structure.notify)],
    ]);
    return {
      ...MODERN,
      size: MODERN_BAR_BYTES,
      prefetchable: true,
      block: blockOfPages(structures),
      name: 'virtio structures',
    };
  }
}

function identityOf(device: VirtioDevice, transitional: boolean): PciIdentity {
  const { deviceId, classCode } = device.type;
  const legacyId = TRANSITIONAL_DEVICE_IDS[deviceId];
  if (transitional && legacyId === undefined) {
    throw new RangeError(`virtio device ${deviceId} has no legacy interface: leave it out`);
  }
  return {
    vendorId: VIRTIO_VENDOR,
    deviceId: transitional ? legacyId : MODERN_DEVICE_BASE + deviceId,
    revision: transitional ? 0 : 1,
    classCode,
    subsystemVendorId: VIRTIO_VENDOR,
    subsystemId: transitional ? deviceId : SUBSYSTEM_ID,
    interruptPin: 1,
  };
}

/** The type's configuration, of any width (4.1.3.1: the fields have different ones). */
function configurationBlock(device: VirtioDevice, traceOffset: number): RegisterBlock {
  const { configuration } = device;
  return {
    read: (offset, size) => configuration.read(offset, size),
    write: (offset, size, value) => {
      const outcome = device.writeConfiguration(offset, size, value);
      report(device.control.trace, outcome, traceOffset + offset, value);
    },
    registerName: (offset) => (offset < configuration.size ? `CONFIG_${offset.toString(16)}` : undefined),
  };
}

/** Structures of a page each, as one block. */
function blockOfPages(structures: ReadonlyMap<number, RegisterBlock>): RegisterBlock {
  const within = (offset: number): number => offset % STRUCTURE_BYTES;
  const pageOf = (offset: number): RegisterBlock | undefined => structures.get(offset - within(offset));
  return {
    read: (offset: number, size: AccessSize, initiator) =>
      pageOf(offset)?.read(within(offset), size, initiator) ?? 0,
    write: (offset, size, value, initiator) => pageOf(offset)?.write(within(offset), size, value, initiator),
    registerName: (offset) => pageOf(offset)?.registerName(within(offset)),
  };
}
