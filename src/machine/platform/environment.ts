/**
 * What a board needs of whoever puts it up: a bare machine for itself, or a VMM for one of its VMs. The board knows what
 * stands where; the environment knows what an access costs, where its trace goes and who executes a device's work.
 */
import type { BitField } from '../../trace/vocabulary/kind-row';
import type { BusDevice, DeviceBus, IrqLine } from '../bus';
import type { CpuSink, FabricObserver } from '../interrupts/sinks';
import type { TscToHostTime } from '../interrupts/lapic-timer';
import type { PhysicalMemory } from '../memory/physical-memory';
import type { Migratable } from '../snapshot';
import type { Cycles, EventTarget, Scheduler } from '../time/event-queue';
import type { BoardIommu } from './board-iommu';

/** Kinds of units by which a VMM decides where the accesses to them lead (KVM serves interrupt controllers and timer itself). */
export type UnitClass =
  | 'lapic'
  | 'ioapic'
  | 'pic'
  | 'pit'
  | 'pci-config'
  | 'chipset'
  | 'uart'
  | 'memory'
  | 'iommu'
  | 'pci-device'
  | 'mmio-device';

/** One unit of the board as the trace shows it. */
export interface BoardUnit {
  class: UnitClass;
  /** Name of its lane: `PIC`, `e1000`, `e1000.1`. Unique on its board. */
  name: string;
  /**
   * Names of its registers by offset in the trace (a region's `offset` added), for tooltips. A socket comes before its device,
   * and the record is filled when that is there: it is always the same one.
   */
  registers: () => Record<string, string>;
  /** Bit fields of registers by their names, likewise; absent: none are described. */
  fields?: () => Record<string, readonly BitField[]>;
  /** Why the device drops packets, by number. */
  reasons?: Readonly<Record<string, string>>;
  /** Offsets at which writes may wait for a later access (QEMU's coalesced MMIO); absent: none. */
  coalesces?: ((offset: number) => boolean) | undefined;
  /** A stretch of BAR 0 that is plain memory: an access does nothing but read or write it. Absent: there is none. */
  plain?: PlainMemory | undefined;
}

/** A stretch of a device's registers, by its first offset and its bytes. */
export interface PlainMemory {
  readonly offset: number;
  readonly size: number;
}

/** What stands behind a device's DMA and its pin. */
export interface SocketOptions {
  /**
   * Global system interrupt that the device's wire leads to; undefined: it has none. Asked anew at each change of the wire: a PCI
   * function's goes where the chipset's interrupt router leads it at the time.
   */
  readonly gsi: number | undefined;
  /** Whether the device may read and write memory: bit 2 of a PCI function's command register. */
  busMaster: () => boolean;
  /** Between the device's pin and the wire: a PCI function's interrupt-disable bit. Absent: the pin is the wire. */
  gate?: IrqLine;
  /** The host's kernel shall work on the device's queues, where there is such a thing (vhost). */
  dataPlaneInKernel?: boolean;
  /** Nanoseconds for which it then looks for more work before it rests (`DeviceBus.polling`); absent: 0. */
  busyPollNs?: number;
  /**
   * Where it is emulated, an IOMMU of its machine is not for it: a virtio device that does not offer VIRTIO_F_ACCESS_PLATFORM
   * (Virtual I/O Device specification 1.2, section 6).
   */
  bypassesIommu?: boolean;
}

/** Where the data plane of a device is plugged in, which somebody else works on than on its registers. */
export interface DataSocket {
  readonly bus: DeviceBus;
  /** Connects the data plane, once it exists, with its bus. */
  plug(dataPlane: BusDevice): void;
}

/** A place on the board that one device is plugged into. */
export interface DeviceSocket {
  readonly bus: DeviceBus;
  /** The wire behind the gate, to the interrupt controllers. */
  readonly wire: IrqLine;
  /** Connects the device, once it exists, with its bus. */
  plug(device: BusDevice): void;
  /** Absent: whoever serves the registers works on the queues as well. */
  readonly data?: DataSocket | undefined;
}

/** What the guest does to its machine as a whole. */
export interface BoardEvents {
  /** A byte from COM1. */
  serial(byte: number): void;
  /** The guest has ended itself with a code (QEMU's isa-debug-exit). */
  exited(code: number): void;
  /** The machine was switched off; `how` completes a sentence that begins with the machine's name. */
  poweredOff(how: string): void;
  /** The machine is to be reset, by this way: the keyboard controller, port 92H, port CF9H, a triple fault. */
  reset(how: string): void;
}

/**
 * What slots with devices need of whoever puts them up.
 * @typeParam T what the environment keeps with each region of addresses, for its own use at an access
 */
export interface SlotEnvironment<T> {
  /** Unique in the run, stands before the names of all units that are saved: `vm0`. */
  readonly name: string;
  /** What is kept with a region of a unit; `offset` is added to register offsets in the trace. */
  tag(unit: BoardUnit, offset: number): T;
  socket(unit: BoardUnit, options: SocketOptions): DeviceSocket;
  /** A configuration access, for the trace: of a function by requester ID, or of nobody (undefined). */
  configAccess(requester: number | undefined, isWrite: boolean, offset: number, value: number): void;
}

/** What a whole board needs. @typeParam T as `SlotEnvironment` has it */
export interface BoardEnvironment<T> extends SlotEnvironment<T> {
  readonly cyclesPerSecond: number;
  readonly memory: PhysicalMemory;
  readonly scheduler: Scheduler & { register(target: EventTarget): void };
  /** One per CPU. */
  readonly cpus: readonly CpuSink[];
  readonly observer: FabricObserver;
  /** Of each CPU's TSC, where that is not the host's; whoever changes one tells its LAPIC's timer (`tscChanged`). */
  toHostTime?(cpu: number): TscToHostTime;
  readonly events: BoardEvents;
  now(): Cycles;
  /** Makes a unit part of every snapshot, by a name that is unique in the run. */
  keep(name: string, unit: Migratable): void;
  /** The remapping unit of the board, which its devices' DMA goes through already; absent: there is none. */
  readonly iommu?: BoardIommu | undefined;
  /** A line of the board outside PCI (test device, RTC) changes: the environment charges it and sets the fabric's pin. */
  line(gsi: number, source: string): IrqLine;
}
