/**
 * The IOMMU of AMD of an island's devices, put into the host: its events on the island's queue, its tables in the host's memory, its own
 * interrupts and its doorbells on their way to the physical CPUs, everything that it does in the trace. It does not translate DMA.
 */
import type { AccessSize, RegisterBlock, Stateful } from '../../machine/bus';
import type { CommandBufferRun } from '../../machine/iommu/amd/command-buffer';
import { AmdInterruptUnit, type AmdInterruptHardware } from '../../machine/iommu/amd/interrupt-unit';
import { amdDescriptions } from '../../machine/iommu/amd/inspect/descriptions';
import { amdRegisterNames } from '../../machine/iommu/amd/layout';
import type { Inspectable, StateNode, StatePath } from '../../machine/inspect';
import { fieldsByName } from '../../machine/registers';
import { requireVersion, type Checkpoint } from '../../machine/snapshot';
import type { EventTarget } from '../../machine/time/event-queue';
import type { RowRef } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { GuestApics } from '../host-bus/message-domain';
import { amdReasons, AmdTrace } from './amd-trace';
import type { HostIommuPlace } from './host-iommu';

/** That the host has one. */
export interface HostAmdIommuPlan {
  readonly model: 'amd-vi';
}

/** Where it stands. */
export interface HostAmdIommuPlace extends HostIommuPlace {
  /** Rings the doorbell of a physical CPU, which takes it at once. */
  readonly doorbell: (hostApicId: number) => void;
}

/** A message or a doorbell of the unit, on its way. */
type Underway = { address: number; data: number } | { hostApicId: number };

/** Snapshot of a `HostAmdIommu`. */
export interface HostAmdIommuState {
  version: 1;
  unit: Checkpoint<AmdInterruptHardware, CommandBufferRun>;
  underway: [number: number, what: Underway][];
  next: number;
  /** -1: it has none yet. */
  track: number;
}

/** Events beside the unit's own: something of the unit arrives, which the argument is the number of. */
const ARRIVAL = 0x100;
/** As whom the IOAPIC sends, as firmware tells by the IVRS table of ACPI. */
export const AMD_IOAPIC_REQUESTER = 0x00a0;
/** As whom the unit itself sends. */
const OWN_REQUESTER = 0x0002;
const CACHE_ENTRIES = 64;
const WORD: AccessSize = 4;

/** The unit, and its registers as software of the host reaches them. */
export class HostAmdIommu implements EventTarget, RegisterBlock, Inspectable, Stateful<HostAmdIommuState> {
  readonly eventTargetId: string;
  readonly unit: AmdInterruptUnit;
  private readonly posts = new Map<number, (vector: number, row: RowRef) => void>();
  private readonly underway = new Map<number, Underway>();
  private next = 0;
  /** -1: nothing has been recorded yet. */
  private known = -1;
  private software: GuestApics | undefined;

  constructor(private readonly place: HostAmdIommuPlace) {
    const { tracer, island, costs, units, memory } = place;
    this.eventTargetId = `island${island.index}/amd-iommu-unit`;
    const now = (): number => island.now();
    this.unit = new AmdInterruptUnit({
      memory,
      clock: {
        now,
        schedule: (delay, kind, arg) => island.queue.schedule(now() + delay, this, kind, arg),
        cancel: (handle) => island.queue.cancel(handle),
      },
      observer: new AmdTrace(tracer, now, () => this.track, this.posts),
      send: (address, data, after) => this.begin({ address, data }, after + costs['irq.ioapic']),
      doorbell: (hostApicId, after) => this.begin({ hostApicId }, after + costs['irq.doorbell']),
      cacheEntries: CACHE_ENTRIES,
      costs: {
        lookup: costs['iommu.lookup'],
        reference: costs['iommu.reference'],
        post: costs['iommu.post'],
        command: costs['iommu.invalidate'],
      },
    });
    island.queue.register(this);
    units.keep(this.eventTargetId, this);
  }

  /** Its driver, for KVM; undefined: there is none yet. */
  get guestApics(): GuestApics | undefined {
    return this.software;
  }

  /** The kernel's driver has come up. */
  drivenBy(driver: GuestApics): void {
    this.software = driver;
  }

  /** Whoever has a backing page is told of the row that shows a request there: what follows hangs on it. */
  onPosted(backingPage: number, told: (vector: number, row: RowRef) => void): void {
    this.posts.set(backingPage, told);
  }

  /** @see AmdInterruptUnit, whose registers these are; each access is a row of the unit's track */
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
    return this.unit.inspect(path);
  }

  /** A row of the unit's track, at the present instant. */
  note(kind: number, a: number, b: number): RowRef {
    const { tracer, island } = this.place;
    return tracer.instant(island.now(), this.track, kind, a, b);
  }

  onEvent(kind: number, number: number): void {
    if (kind !== ARRIVAL) return this.unit.onEvent();
    const arrived = this.underway.get(number);
    this.underway.delete(number);
    if (!arrived) return;
    const { place } = this;
    if ('hostApicId' in arrived) return place.doorbell(arrived.hostApicId);
    place.tracer.cause = this.note(Kind.Msi, arrived.address, arrived.data);
    place.deliver(OWN_REQUESTER, arrived.address, arrived.data);
  }

  save(): HostAmdIommuState {
    return {
      version: 1,
      unit: this.unit.save(),
      underway: [...this.underway].map(([number, what]) => [number, { ...what }]),
      next: this.next,
      track: this.known,
    };
  }

  /** The event queue's own snapshot brings the arrivals back. */
  load(state: HostAmdIommuState): void {
    requireVersion("the host's IOMMU", state.version, 1);
    this.unit.load(state.unit);
    this.underway.clear();
    for (const [number, what] of state.underway) this.underway.set(number, { ...what });
    this.next = state.next;
    this.known = state.track;
  }

  private begin(what: Underway, after: number): void {
    const { island } = this.place;
    const number = this.next++;
    this.underway.set(number, what);
    island.queue.schedule(island.now() + after, this, ARRIVAL, number);
  }

  private get track(): number {
    return this.known >= 0 ? this.known : (this.known = this.addTrack());
  }

  private addTrack(): number {
    const { tracer, island } = this.place;
    const registers = Object.fromEntries(
      [...amdRegisterNames].map(([offset, name]) => [String(offset), name]),
    );
    const name = island.index === 0 ? 'IOMMU' : `IOMMU ${island.index}`;
    const fields = fieldsByName(amdDescriptions, amdRegisterNames.values());
    const rest = { group: 'host', vm: -1, registers, fields, reasons: amdReasons };
    return tracer.addTrack({ type: 'iommu', name, ...rest });
  }
}
