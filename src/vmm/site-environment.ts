/** What the boards of all VMMs are alike in: the clock, the queue, the lanes and the snapshots of the site they stand at. */
import type { IrqLine } from '../machine/bus';
import type { TscToHostTime } from '../machine/interrupts/lapic-timer';
import type { CpuSink, FabricObserver } from '../machine/interrupts/sinks';
import { DmaMemory } from '../machine/memory/dma-memory';
import { chained, linearTranslation } from '../machine/memory/dma-translation';
import type { PhysicalMemory } from '../machine/memory/physical-memory';
import type { BoardIommu } from '../machine/platform/board-iommu';
import type {
  BoardEnvironment,
  BoardEvents,
  BoardUnit,
  DeviceSocket,
  SocketOptions,
} from '../machine/platform/environment';
import type { Migratable } from '../machine/snapshot';
import type { Cycles } from '../machine/time/event-queue';
import type { EventQueue } from '../machine/time/queue';
import type { Cpu } from '../machine/x86/types';
import type { BoardTrace } from './board-trace';
import type { Site } from './host';

/** What an environment is made of. */
export interface SiteEnvironmentParts {
  site: Site;
  /** The guest's name. */
  name: string;
  memory: PhysicalMemory;
  /** Where it stands in the host's. */
  memoryBase: number;
  cpus: readonly CpuSink[];
  /** The CPUs themselves, in the same order: their TSCs are what deadlines are compared with. */
  processors: readonly Cpu[];
  trace: BoardTrace;
  /** Undefined: the board has none. */
  iommu: BoardIommu | undefined;
  /** Level of one source at one global system interrupt of the board, which does not exist yet when this is made. */
  setPin: (gsi: number, source: string, asserted: boolean) => void;
  events: BoardEvents;
}

/** Configuration accesses are shown on a lane of their own. */
const CONFIG_SPACE: BoardUnit = {
  class: 'pci-config',
  name: 'PCI config',
  registers: () => ({ '0': 'CONFIG_ADDRESS', '1': 'RESET_CONTROL', '4': 'CONFIG_DATA' }),
};

/** `BoardEnvironment` but for what an access and a device's work are. */
export abstract class SiteEnvironment<T> implements BoardEnvironment<T> {
  readonly name: string;
  readonly cyclesPerSecond: number;
  readonly memory: PhysicalMemory;
  readonly iommu: BoardIommu | undefined;
  /** Memory as the devices reach it, and as it is without an IOMMU. */
  protected readonly dma: DmaMemory;
  protected readonly untranslated: DmaMemory;
  readonly scheduler: EventQueue;
  readonly cpus: readonly CpuSink[];
  readonly observer: FabricObserver;
  readonly events: BoardEvents;

  constructor(private readonly parts: SiteEnvironmentParts) {
    const { site, name, memory, memoryBase, cpus, trace, events, iommu } = parts;
    this.name = name;
    this.cyclesPerSecond = site.frequencyHz;
    this.memory = memory;
    this.iommu = iommu;
    const own = linearTranslation(memoryBase, memory.size);
    this.untranslated = new DmaMemory(site.memory, own);
    this.dma = iommu ? new DmaMemory(site.memory, chained(iommu.unit, own)) : this.untranslated;
    this.scheduler = site.island.queue;
    this.cpus = cpus;
    this.observer = trace;
    this.events = events;
  }

  abstract tag(unit: BoardUnit, offset: number): T;
  abstract socket(unit: BoardUnit, options: SocketOptions): DeviceSocket;

  toHostTime(cpu: number): TscToHostTime {
    const processor = this.parts.processors[cpu];
    if (!processor) throw new RangeError(`${this.name} has no CPU ${cpu}`);
    return (low, high) => processor.timeOfTsc((BigInt(high) << 32n) | BigInt(low));
  }

  now(): Cycles {
    return this.parts.site.island.now();
  }

  keep(name: string, unit: Migratable): void {
    this.parts.site.units.keep(name, unit);
  }

  configAccess(requester: number | undefined, isWrite: boolean, offset: number, value: number): void {
    this.parts.trace.configAccess(CONFIG_SPACE, requester, isWrite, offset, value);
  }

  /** A line of the board's own small devices, whose level changes at once. */
  line(gsi: number, source: string): IrqLine {
    return { set: (asserted) => this.parts.setPin(gsi, source, asserted) };
  }
}
