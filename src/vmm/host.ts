/** The host that everything runs on: its costs, its physical CPUs, and the islands into which what runs on it falls. */
import type { Stateful } from '../machine/bus';
import type { StateNode, StatePath } from '../machine/inspect';
import { DataSlot } from '../machine/memory/data-slot';
import { HostMemory } from '../machine/memory/host-memory';
import { requireVersion } from '../machine/snapshot';
import type { Cycles } from '../machine/time/event-queue';
import type { Tracer } from '../trace/record/tracer';
import type { Costs } from './cost-keys';
import { Island, type IslandState } from './threads/island';
import { StopSignal } from './threads/stop-signal';
import { ThreadScheduler } from './threads/scheduler';
import { AMD_IOAPIC_REQUESTER, HostAmdIommu, type HostAmdIommuPlan } from './iommu/host-amd-iommu';
import { HostIommu, IOAPIC_REQUESTER, type HostIommuPlan, type HostIommuPlace } from './iommu/host-iommu';
import { Stops } from './stops';
import { Units } from './units';

/** How `Host.run` came back; see `IslandState`. */
export type HostState = IslandState;

/** Addresses of devices, as the mappings of one domain translate them. */
export interface IovaSpace {
  /** Host-physical address of one, without a trace of the question; undefined: it is not mapped. */
  translate(iova: number): number | undefined;
}

/** What a unit that stands somewhere on the host needs of it. */
export interface Site {
  readonly tracer: Tracer;
  readonly costs: Costs;
  /** Cycles per second of the TSC. */
  readonly frequencyHz: number;
  /** All that has a state, for snapshots. */
  readonly units: Units;
  /** Of the whole host: the RAM of each guest is a slot of it. */
  readonly memory: HostMemory;
  readonly island: Island;
  /** Of the island's physical CPUs. */
  readonly scheduler: ThreadScheduler;
  /** Of its devices, of Intel; undefined: there is none. */
  readonly iommu: HostIommu | undefined;
  /** Likewise of AMD. */
  readonly amdIommu: HostAmdIommu | undefined;
  /** Of the whole host, by the domain's track: whoever makes a domain puts it there. */
  readonly iovaSpaces: Map<number, IovaSpace>;
  /** Of the whole host: whoever puts up a guest makes it known there. */
  readonly stops: Stops;
}

/** Snapshot of a `Host`; what stands on it has snapshots of its own. */
export interface HostClockState {
  version: 2;
  over: (IslandState | 'no')[];
}

/** Data of the VMM: what they are is of no account, but that a reader of memory recognises them. */
const OWN_DATA = "the VMM's data  ";
const OWN_DATA_BYTES = 64 * 4096;

/** Bounds of a window of time within an island (see `Island`), in cycles. */
const SHORTEST_WINDOW: Cycles = 50;
const LONGEST_WINDOW: Cycles = 1_000;
/**
 * Islands take turns by windows of this many cycles: no more than a turn apart, so that a stop finds all of them near one
 * moment, and long enough that a turn costs more than the change to the next.
 */
const ISLAND_WINDOW: Cycles = 1_000_000;

/** One physical computer. */
export class Host implements Stateful<HostClockState> {
  readonly units = new Units();
  readonly memory = new HostMemory();
  private readonly signal = new StopSignal();
  readonly stops = new Stops(this.signal);
  /** By track of the domain. */
  private readonly iovaSpaces = new Map<number, IovaSpace>();
  private readonly sites: Site[] = [];
  /** By island: how it came to its end; 'no' while it goes on. */
  private over: (IslandState | 'no')[] = [];

  /** @param frequencyHz cycles per second of the TSC */
  constructor(
    readonly tracer: Tracer,
    readonly costs: Costs,
    readonly frequencyHz: number,
  ) {
    // Its state alone: what it shows is the whole tree.
    this.units.keep('host', { save: () => this.save(), load: (state: HostClockState) => this.load(state) });
  }

  /** Puts data of the host's kernel and of the VMM behind what is in memory: nobody else may touch them. */
  addOwnData(): void {
    const data = new DataSlot(OWN_DATA_BYTES);
    data.write(
      0,
      Uint8Array.from({ length: OWN_DATA_BYTES }, (_, at) => OWN_DATA.charCodeAt(at % OWN_DATA.length)),
    );
    this.memory.append(data);
    this.units.keep('host/data', data);
  }

  /**
   * Makes a part of the host of some physical CPUs.
   * @param cpus their indexes
   * @param plan of the IOMMU of its devices; absent: there is none
   */
  addIsland(cpus: readonly number[], plan?: HostIommuPlan | HostAmdIommuPlan): Site {
    const { tracer, costs, frequencyHz, units, memory, stops, iovaSpaces } = this;
    const window = Math.max(SHORTEST_WINDOW, Math.min(LONGEST_WINDOW, costs['irq.kick']));
    const island = new Island(tracer, this.sites.length, window, costs['instruction.base'], this.signal);
    const place: HostIommuPlace = {
      tracer,
      costs,
      island,
      units,
      memory,
      deliver: (...message) => void scheduler.interrupts.fabric.unitMessage(...message),
    };
    const iommu = plan && 'unit' in plan ? new HostIommu(place, plan) : undefined;
    const doorbell = (cpu: number): void => scheduler.interrupts.ringDoorbell(cpu, 0);
    const amdIommu = plan && 'model' in plan ? new HostAmdIommu({ ...place, doorbell }) : undefined;
    const remapping =
      (iommu?.interrupts && { unit: iommu.unit, ioapicRequester: IOAPIC_REQUESTER }) ??
      (amdIommu && { unit: amdIommu.unit, ioapicRequester: AMD_IOAPIC_REQUESTER });
    const scheduler = new ThreadScheduler(island, tracer, costs, cpus, remapping);
    units.keep(`island${island.index}`, island);
    units.keep(`island${island.index}/events`, island.queue);
    units.keep(`island${island.index}/scheduler`, scheduler);
    units.keep(`island${island.index}/interrupts`, scheduler.interrupts);
    const site: Site = {
      tracer,
      costs,
      frequencyHz,
      units,
      memory,
      island,
      scheduler,
      iommu,
      amdIommu,
      stops,
      iovaSpaces,
    };
    this.sites.push(site);
    this.over.push('no');
    return site;
  }

  /** Where an address that a device names in DMA leads to in host-physical memory; undefined: nowhere. @param track of the domain */
  translateIova(track: number, iova: number): number | undefined {
    return iova >= 0 ? this.iovaSpaces.get(track)?.translate(iova) : undefined;
  }

  /** What the machine looks like inside: see `machine/inspect.ts`. The first step of a path is a guest's name, or a part of the host. */
  inspect(path: StatePath): StateNode | undefined {
    return this.units.inspect(path);
  }

  save(): HostClockState {
    return { version: 2, over: [...this.over] };
  }

  load(state: HostClockState): void {
    requireVersion('the host', state.version, 2);
    this.over = [...state.over];
  }

  /** The time up to which everything has happened. */
  get elapsed(): Cycles {
    return this.sites.reduce((latest, { island }) => Math.max(latest, island.elapsed), 0);
  }

  /** Guest instructions retired so far. */
  get instructions(): number {
    return this.sites.reduce((sum, { island }) => sum + island.instructions, 0);
  }

  /**
   * Runs everything up to `sliceEnd`, or `stopTime`, or until there is nothing more to run. Where the slices lie changes
   * nothing in the trace. Of several islands one may be up to a window behind at the end of a slice. It is also stopped by what
   * is set at `stops`.
   *
   * @param budget guest instructions that all guests together may have retired in the end; met exactly
   */
  run(sliceEnd: Cycles, stopTime: Cycles, budget = Infinity): HostState {
    this.stops.begin();
    try {
      return this.advance(sliceEnd, stopTime, budget);
    } finally {
      this.stops.ran();
    }
  }

  private advance(sliceEnd: Cycles, stopTime: Cycles, budget: number): HostState {
    for (;;) {
      const site = this.whoseTurn();
      if (!site) return this.verdict();
      const { island } = site;
      const left = budget === Infinity ? budget : budget - this.instructions;
      const windowEnd = this.sites.length === 1 ? Infinity : this.windowOf(island) + ISLAND_WINDOW;
      const how = island.run({ sliceEnd: Math.min(sliceEnd, windowEnd), stopTime, budget: left });
      if (how === 'budget' || how === 'stopped') return how;
      if (how !== 'running') this.over[island.index] = how;
      else if (sliceEnd <= windowEnd && island.reached >= sliceEnd) return how;
    }
  }

  /** The island that stands in the earliest window; undefined when all have come to their end. */
  private whoseTurn(): Site | undefined {
    let first: Site | undefined;
    let earliest = Infinity;
    for (const site of this.sites) {
      if (this.over[site.island.index] !== 'no') continue;
      const window = this.sites.length === 1 ? 0 : this.windowOf(site.island);
      if (window >= earliest && first) continue;
      earliest = window;
      first = site;
    }
    return first;
  }

  /** Where the window begins in which an island stands. */
  private windowOf(island: Island): Cycles {
    const { reached } = island;
    return reached === Infinity ? 0 : Math.floor(reached / ISLAND_WINDOW) * ISLAND_WINDOW;
  }

  private verdict(): HostState {
    return (['deadlock', 'timeout'] as const).find((state) => this.over.includes(state)) ?? 'ended';
  }
}
