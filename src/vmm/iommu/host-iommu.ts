/**
 * The remapping unit of an island's devices, put into the host: its events on the island's queue, its tables in the host's memory, its
 * own interrupts on their way to the physical CPUs, everything that it does in the trace.
 */
import type { AccessSize, RegisterBlock, RequesterId, Stateful } from '../../machine/bus';
import type { Inspectable, StateNode, StatePath } from '../../machine/inspect';
import {
  InterruptRemapping,
  type InterruptRemappingHardware,
} from '../../machine/iommu/interrupts/interrupt-remapping';
import { iommuDescriptions } from '../../machine/iommu/inspect/descriptions';
import { iommuAt } from '../../machine/iommu/inspect/iommu-view';
import { REGISTER_BYTES } from '../../machine/iommu/layout';
import type { RemappingOptions } from '../../machine/iommu/options';
import { RemappingUnit } from '../../machine/iommu/remapping-unit';
import type { RemappingHardware, RemappingRun } from '../../machine/iommu/state';
import type { TableMemory } from '../../machine/iommu/table-reader';
import type { HostMemory } from '../../machine/memory/host-memory';
import { IOMMU_NAME } from '../../machine/platform/board-iommu';
import { fieldsByName } from '../../machine/registers';
import { requireVersion, type Checkpoint, type RunState } from '../../machine/snapshot';
import type { EventTarget } from '../../machine/time/event-queue';
import type { RowRef, Tracer } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { Costs } from '../cost-keys';
import type { Island } from '../threads/island';
import type { Units } from '../units';
import { InterruptTrace } from './interrupt-trace';
import { iommuReasons, IommuTrace } from './iommu-trace';

/** What the unit can do. */
export interface HostIommuPlan {
  readonly unit: Omit<RemappingOptions, 'costs'>;
  readonly remapsInterrupts: boolean;
}

/** Where it stands. */
export interface HostIommuPlace {
  readonly tracer: Tracer;
  readonly costs: Costs;
  readonly island: Island;
  readonly units: Units;
  readonly memory: HostMemory;
  /** Takes a message of the unit's own, which is not remapped, to the local APICs of the island. */
  readonly deliver: (requester: RequesterId, address: number, data: number) => void;
}

/** Snapshot of a `HostIommu`. */
export interface HostIommuState {
  version: 1;
  unit: Checkpoint<RemappingHardware, RemappingRun>;
  interrupts: Checkpoint<InterruptRemappingHardware, RunState> | undefined;
  messages: { address: number; data: number }[];
  /** -1: it has none yet. */
  track: number;
}

/** An event beside the unit's own, whose numbers are small: a message of the unit arrives. */
const MESSAGE = 0x100;
/** As whom the IOAPIC sends, as firmware tells by the DMAR table of ACPI. */
export const IOAPIC_REQUESTER = 0xf0f8;
/** As whom the unit itself sends: nobody else has the last function of the last bus. */
const OWN_REQUESTER = 0xffff;
const ENTRY_CACHE = 64;
const WORD: AccessSize = 4;

/** The unit, and its registers as software of the host reaches them. */
export class HostIommu implements EventTarget, RegisterBlock, Inspectable, Stateful<HostIommuState> {
  readonly eventTargetId: string;
  readonly unit: RemappingUnit;
  /** -1: nothing has been recorded yet. */
  private known = -1;
  /** Undefined: it remaps no interrupts. */
  readonly interrupts: InterruptRemapping | undefined;
  private readonly posts = new Map<number, (vector: number, row: RowRef) => void>();
  /** Of the unit itself, on their way, oldest first. */
  private messages: { address: number; data: number }[] = [];

  constructor(
    private readonly place: HostIommuPlace,
    readonly plan: HostIommuPlan,
  ) {
    const { tracer, island, costs, units } = place;
    this.eventTargetId = `island${island.index}/iommu`;
    const track = (): number => this.track;
    const now = (): number => island.now();
    const times = { lookup: costs['iommu.lookup'], reference: costs['iommu.reference'] };
    this.interrupts = plan.remapsInterrupts ? this.makeInterrupts() : undefined;
    this.unit = new RemappingUnit(
      {
        clock: {
          now,
          schedule: (delay, kind, arg) => island.queue.schedule(now() + delay, this, kind, arg),
          cancel: (handle) => island.queue.cancel(handle),
        },
        memory: this.tables(),
        send: (address, data) => this.send(address, data),
        observer: new IommuTrace(tracer, now, track, times),
        deviceTlbs: () => undefined,
        interrupts: this.interrupts && { remapper: this.interrupts, extendedMode: true, posting: true },
      },
      { ...plan.unit, costs: unitCosts(costs) },
    );
    island.queue.register(this);
    units.keep(this.eventTargetId, this);
  }

  /** Whoever takes a vector from a posted-interrupt descriptor is told of the row that shows its post: what follows hangs on it. */
  onPosted(descriptor: number, told: (vector: number, row: RowRef) => void): void {
    this.posts.set(descriptor, told);
  }

  /** @see RemappingUnit, whose registers these are; each access is a row of the unit's track */
  read(offset: number, size: AccessSize = WORD): number {
    const value = this.unit.read(offset, size);
    this.note(Kind.MmioRead, offset, value);
    return value;
  }

  write(offset: number, size: AccessSize, value: number): void {
    const { tracer } = this.place;
    const before = tracer.cause;
    tracer.cause = this.note(Kind.MmioWrite, offset, value);
    this.unit.write(offset, size, value);
    tracer.cause = before;
  }

  registerName(offset: number): string | undefined {
    return this.unit.registerName(offset);
  }

  inspect(path: StatePath): StateNode | undefined {
    const { interrupts } = this;
    return iommuAt({ unit: this.unit, ...(interrupts && { interrupts }), space: 'host' }, path);
  }

  /** A row of the unit's track, at the present instant. */
  note(kind: number, a: number, b: number): number {
    const { tracer, island } = this.place;
    return tracer.instant(island.now(), this.track, kind, a, b);
  }

  onEvent(kind: number): void {
    if (kind !== MESSAGE) return this.unit.onEvent(kind);
    const message = this.messages.shift();
    if (!message) return;
    const { address, data } = message;
    this.place.tracer.cause = this.note(Kind.Msi, address, data);
    this.place.deliver(OWN_REQUESTER, address, data);
  }

  save(): HostIommuState {
    return {
      version: 1,
      unit: this.unit.save(),
      interrupts: this.interrupts?.save(),
      messages: this.messages.map((each) => ({ ...each })),
      track: this.known,
    };
  }

  /** The event queue's own snapshot brings the arrivals back. */
  load(state: HostIommuState): void {
    requireVersion("the host's IOMMU", state.version, 1);
    this.unit.load(state.unit);
    if (state.interrupts) this.interrupts?.load(state.interrupts);
    this.messages = state.messages.map((each) => ({ ...each }));
    this.known = state.track;
  }

  private makeInterrupts(): InterruptRemapping {
    const { tracer, island, costs } = this.place;
    return new InterruptRemapping({
      memory: this.tables(),
      posting: true,
      x2apic: true,
      hostAddressWidth: this.plan.unit.hostAddressWidth,
      cacheEntries: ENTRY_CACHE,
      costs: {
        cacheHit: costs['iommu.lookup'],
        tableRead: costs['iommu.lookup'] + costs['iommu.reference'],
        descriptorUpdate: costs['iommu.post'],
      },
      fault: (fault) => this.unit.interruptFault(fault),
      observer: new InterruptTrace(
        tracer,
        () => island.now(),
        () => this.track,
        this.posts,
      ),
    });
  }

  /** Memory as the unit reaches it: its accesses are its own to whoever watches. */
  private tables(): TableMemory {
    const { memory } = this.place;
    const by = this.name;
    return {
      read: (address, length) => memory.read(address, length, by),
      look: (address, length) => memory.look(address, length),
      write: (address, bytes) => memory.write(address, bytes, by),
    };
  }

  /** What the trace calls the unit. */
  private get name(): string {
    const { index } = this.place.island;
    return index === 0 ? IOMMU_NAME : `${IOMMU_NAME} ${index}`;
  }

  /** A message is a write to the local APICs and takes the way of one. */
  private send(address: number, data: number): void {
    const { island, costs } = this.place;
    this.messages.push({ address, data });
    island.queue.schedule(island.now() + costs['irq.ioapic'], this, MESSAGE);
  }

  private get track(): number {
    return this.known >= 0 ? this.known : (this.known = this.addTrack());
  }

  private addTrack(): number {
    const { tracer } = this.place;
    const { name } = this;
    const registers: Record<string, string> = {};
    for (let offset = 0; offset < REGISTER_BYTES; offset += WORD) {
      const name = this.unit.registerName(offset);
      if (name !== undefined) registers[String(offset)] = name;
    }
    const fields = fieldsByName(iommuDescriptions, Object.values(registers));
    const reasons = iommuReasons;
    return tracer.addTrack({ type: 'iommu', name, group: 'host', vm: -1, registers, fields, reasons });
  }
}

function unitCosts(costs: Costs): RemappingOptions['costs'] {
  return {
    lookup: costs['iommu.lookup'],
    reference: costs['iommu.reference'],
    command: costs['iommu.invalidate'],
    descriptor: costs['iommu.invalidate'],
    // No device of the host has a TLB of its own.
    deviceInvalidation: 0,
    deviceTimeout: 0,
  };
}
