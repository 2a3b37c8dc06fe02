/**
 * The host kernel's driver of its IOMMU, with intel-iommu of Linux as its model: a domain for each VM that has devices, tables written
 * entry by entry, invalidation at once (strict) or in batches (deferred), entries for the interrupts of devices, a handler for faults.
 *
 * What it does before the guests run costs nobody any time; afterwards whoever calls is told what it took.
 */
import type { RequesterId, Stateful } from '../../machine/bus';
import { remappableMessage, remappableRedirection } from '../../machine/iommu/interrupts/message-format';
import { Global, Reg } from '../../machine/iommu/layout';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type {
  DmaMapper,
  DomainOwner,
  NestedStage,
  OnDemandPlan,
  RefusedAccess,
} from '../host-bus/dma-mapper';
import {
  LEVEL_ACTIVE_LOW,
  PLAIN_MESSAGES,
  type MessageDomain,
  type PostingTarget,
  type Redirection,
} from '../host-bus/message-domain';
import type { VectorMessage } from '../../machine/pci/msi';
import type { Site } from '../host';
import type { HostIrqTarget, HostVectorPlace } from '../threads/host-vectors';
import { Domain } from './domain';
import { isOfInterrupt, takeFaults } from './fault-records';
import { IOAPIC_REQUESTER, type HostIommu } from './host-iommu';
import { InterruptEntries, type EntryRange, type InterruptEntriesState } from './interrupt-entries';
import { InvalidationRequests, type InvalidationRequestsState } from './invalidation-requests';
import { RootTables } from './root-tables';
import { ScalableTables } from './scalable-tables';
import { SecondStageTables, type PageLevel } from './second-stage-tables';
import { TablePages, type TablePagesState } from './table-pages';

/** How the driver was asked to work. */
export interface IntelIommuPlan {
  /** Levels of the tables: 3, 4 or 5. */
  readonly levels: number;
  /** Largest pages that it makes. */
  readonly largest: PageLevel;
  /** Each unmapping invalidates and waits, or many are invalidated together. */
  readonly unmap: 'strict' | 'deferred';
  /** As `DmaMapper` has it. */
  readonly onDemand: OnDemandPlan | undefined;
}

/** Where its tables are: pages of host memory, zero as yet. */
export interface TableRoom {
  readonly base: number;
  readonly pages: number;
}

/** A message of a function, or of a pin of the IOAPIC, and the vector that it is for. */
interface GivenMessage {
  requester: RequesterId;
  /** Of the function's messages, or the pin. */
  index: number;
  place: HostVectorPlace;
  level: boolean;
}

/** One that has entries of the interrupt-remapping table. */
interface GivenEntries extends GivenMessage {
  entries: EntryRange;
}

/** Snapshot of an `IntelIommu`. */
export interface IntelIommuState {
  version: 1;
  pages: TablePagesState;
  requests: InvalidationRequestsState;
  entries: InterruptEntriesState;
  given: GivenEntries[];
  command: number;
  deferred: number[];
  flush: EventHandle;
}

/** Of the pages of a room, those that are no domain's: root table, a context table a bus, queue, status word, interrupts. */
export const OWN_PAGES = 48;
/** Deferred unmappings are invalidated when there are so many, or after so long (Linux commit 5e0d2a6fc094). */
const MOST_DEFERRED = 250;
/** Of an unmapping that is not deferred: its range, and the wait. */
const UNMAP_DESCRIPTORS = 2;
const LONGEST_DEFERRED_SECONDS = 0.01;
/** More than a function has (MSI-X, 2048), or an IOAPIC pins. */
const MESSAGES = 4096;
const SIZE = 4;
/** The physical CPU that takes fault events. */
const FAULT_CPU = 0;
const bit = (at: number): number => 2 ** at;

/** The driver of one unit. */
export class IntelIommu
  implements DmaMapper, MessageDomain, HostIrqTarget, EventTarget, Stateful<IntelIommuState>
{
  readonly hostIrqId: string;
  readonly eventTargetId: string;
  readonly onDemand: OnDemandPlan | undefined;
  private readonly pages: TablePages;
  private readonly roots: RootTables | ScalableTables;
  private readonly requests: InvalidationRequests;
  private readonly entries: InterruptEntries;
  /** By name of the VM, and function where each has a domain of its own. */
  private readonly domains = new Map<string, { domain: Domain; owner: DomainOwner }>();
  private readonly domainOf = new Map<RequesterId, Domain>();
  private readonly refused = new Map<RequesterId, (access: RefusedAccess) => void>();
  /** By function and message. */
  private readonly given = new Map<number, GivenEntries>();
  /** Bits of the global command register that are on. */
  private command = 0;
  /** Domains of unmappings that are not invalidated yet, one for each. */
  private deferred: number[] = [];
  private flush: EventHandle = 0;

  constructor(
    private readonly site: Site,
    private readonly iommu: HostIommu,
    private readonly plan: IntelIommuPlan,
    room: TableRoom,
  ) {
    const name = `island${site.island.index}/intel-iommu`;
    this.hostIrqId = this.eventTargetId = name;
    this.onDemand = plan.onDemand;
    this.pages = new TablePages(site.memory, room.base, room.pages);
    const { scalableMode } = iommu.plan.unit;
    const Tables = scalableMode ? ScalableTables : RootTables;
    this.roots = new Tables(this.pages, this.own(), plan.levels);
    this.requests = new InvalidationRequests(
      iommu,
      this.pages,
      this.own(InvalidationRequests.PAGES),
      this.own(),
      scalableMode,
    );
    this.entries = new InterruptEntries(this.pages, this.own(InterruptEntries.PAGES));
    site.island.queue.register(this);
    site.scheduler.interrupts.vectors.register(this);
    site.units.keep(name, this);
    this.start();
  }

  // --- DMA ------------------------------------------------------------------------------------------------------------------

  attach(requester: RequesterId, owner: DomainOwner): void {
    const name = owner.apart ? `${owner.name}/${requester}` : owner.name;
    const known = this.domains.get(name)?.domain;
    const domain = known ?? this.addDomain(name, owner);
    this.domainOf.set(requester, domain);
    this.roots.set(requester, domain.id, domain.tables.root);
    if (!known && !this.plan.onDemand) domain.map(0, owner.base, owner.size);
  }

  map(requester: RequesterId, iova: number, address: number, length: number, writable = true): Cycles {
    this.domainOf.get(requester)?.map(iova, address, length, writable);
    // What was not present no cache of this unit has (caching mode is off, 6.1).
    return this.site.costs['iommu.map'];
  }

  unmap(requester: RequesterId, iova: number, length: number): Cycles {
    const domain = this.domainOf.get(requester);
    const { costs } = this.site;
    if (!domain) return 0;
    domain.unmap(iova, length);
    if (this.isDeferred) {
      this.defer(domain.id);
      return costs['iommu.unmap'];
    }
    const before = this.requests.count;
    this.requests.range(domain.id, iova, length);
    this.requests.submit();
    return costs['iommu.unmap'] + (this.requests.count - before) * costs['iommu.invalidate'];
  }

  get invalidationCycles(): Cycles {
    return this.isDeferred ? 0 : UNMAP_DESCRIPTORS * this.site.costs['iommu.invalidate'];
  }

  nest(requester: RequesterId, stage: NestedStage | 'refused' | undefined): void {
    const domain = this.domainOf.get(requester);
    const { roots, requests } = this;
    if (!domain || !(roots instanceof ScalableTables)) return;
    const { id, tables } = domain;
    if (stage) roots.nest(requester, { domain: id, root: tables.root }, stage);
    else roots.set(requester, id, tables.root);
    requests.pasids(id);
    requests.firstStage(id);
    requests.submit();
  }

  flushNested(requester: RequesterId): void {
    const domain = this.domainOf.get(requester);
    if (!domain || !(this.roots instanceof ScalableTables)) return;
    this.requests.firstStage(domain.id);
    this.requests.submit();
  }

  onRefused(requester: RequesterId, told: (access: RefusedAccess) => void): void {
    this.refused.set(requester, told);
  }

  /** Unmappings have waited long enough. */
  onEvent(): void {
    this.flush = 0;
    this.flushDeferred();
  }

  // --- interrupts -------------------------------------------------------------------------------------------------------------

  compose(requester: RequesterId, index: number, place: HostVectorPlace, count: number): VectorMessage {
    if (!this.iommu.interrupts) return PLAIN_MESSAGES.compose(requester, index, place, count);
    return remappableMessage(this.give({ requester, index, place, level: false }, count), 0);
  }

  redirect(pin: number, place: HostVectorPlace): Redirection {
    if (!this.iommu.interrupts) return PLAIN_MESSAGES.redirect(pin, place);
    const entry = this.give({ requester: IOAPIC_REQUESTER, index: pin, place, level: true }, 1);
    const { low, high } = remappableRedirection(entry, { vector: place.vector, level: true, masked: false });
    return { low: low | LEVEL_ACTIVE_LOW, high };
  }

  release(requester: RequesterId, index: number): void {
    const key = keyOf(requester, index);
    const given = this.given.get(key);
    if (!given) return;
    const { first, count } = given.entries;
    this.given.delete(key);
    this.entries.giveBack(given.entries);
    for (let entry = first; entry < first + count; entry++) this.requests.interruptEntry(entry);
    this.requests.submit();
  }

  postTo(requester: RequesterId, index: number, target: PostingTarget | undefined): boolean {
    const given = this.given.get(keyOf(requester, index));
    if (!given || (target && !('descriptor' in target))) return false;
    const { entries, place, level } = given;
    if (target) this.entries.post(entries.first, requester, target);
    else this.entries.remap(entries.first, requester, place, level);
    this.requests.interruptEntry(entries.first);
    this.requests.submit();
    return true;
  }

  /** The unit tells of faults. */
  onHostIrq(): void {
    const { tracer } = this.site;
    const before = tracer.cause;
    for (const { requester, about, reason, write } of takeFaults(
      this.iommu,
      this.iommu.plan.unit.faultRecords,
    )) {
      tracer.cause = this.iommu.note(Kind.IommuFaultRead, about, reason);
      if (!isOfInterrupt(reason)) this.refused.get(requester)?.({ iova: about, write });
      tracer.cause = before;
    }
  }

  // --- snapshots --------------------------------------------------------------------------------------------------------------

  save(): IntelIommuState {
    return {
      version: 1,
      pages: this.pages.save(),
      requests: this.requests.save(),
      entries: this.entries.save(),
      given: [...this.given.values()].map((each) => ({ ...each })),
      command: this.command,
      deferred: [...this.deferred],
      flush: this.flush,
    };
  }

  /** The tables are in memory, the timer in the event queue. */
  load(state: IntelIommuState): void {
    requireVersion("the driver of the host's IOMMU", state.version, 1);
    this.pages.load(state.pages);
    this.requests.load(state.requests);
    this.entries.load(state.entries);
    this.given.clear();
    for (const each of state.given) this.given.set(keyOf(each.requester, each.index), { ...each });
    this.command = state.command;
    this.deferred = [...state.deferred];
    this.flush = state.flush;
  }

  // --- the unit ---------------------------------------------------------------------------------------------------------------

  /** As intel_iommu_init does it: tables, queue, interrupts, faults, and translation last. */
  private start(): void {
    const { interrupts } = this.iommu;
    this.write(Reg.RootTable, this.roots.address);
    this.turnOn(Global.setRootTable, false);
    this.write(Reg.QueueAddress, this.requests.address);
    this.turnOn(Global.queuedInvalidation, true);
    this.requests.contexts();
    this.requests.everything();
    if (interrupts) {
      this.write(Reg.InterruptTable, this.entries.address);
      this.turnOn(Global.setInterruptTable, false);
      this.requests.interruptEntry();
    }
    this.requests.submit();
    if (interrupts) this.turnOn(Global.interruptRemapping, true);
    const place = this.site.scheduler.interrupts.vectors.give(FAULT_CPU, 1, this, 0);
    if (place) this.takeFaultEvents(place);
    this.turnOn(Global.translation, true);
  }

  /** The unit's own messages are not remapped (5.1.6). */
  private takeFaultEvents(place: HostVectorPlace): void {
    const message = PLAIN_MESSAGES.compose(IOAPIC_REQUESTER, 0, place, 1);
    this.iommu.write(Reg.FaultEvent + 4, SIZE, message.data);
    this.iommu.write(Reg.FaultEvent + 8, SIZE, message.address);
    this.iommu.write(Reg.FaultEvent, SIZE, 0);
  }

  /** Gives a command; one that keeps being on stays among the bits of those that come later. */
  private turnOn(at: number, keeps: boolean): void {
    this.iommu.write(Reg.GlobalCommand, SIZE, this.command + bit(at));
    if (keeps) this.command += bit(at);
  }

  /** A register of 64 bits. */
  private write(offset: number, value: number): void {
    this.iommu.write(offset, SIZE, value % 2 ** 32);
    this.iommu.write(offset + 4, SIZE, Math.floor(value / 2 ** 32));
  }

  private own(pages = 1): number {
    const address = this.pages.take(pages);
    if (address === undefined) throw new RangeError(`the IOMMU needs ${OWN_PAGES} pages for its own tables`);
    return address;
  }

  private addDomain(name: string, owner: DomainOwner): Domain {
    const { plan, pages, site } = this;
    const tables = new SecondStageTables(pages, this.own(), plan.levels, plan.largest);
    const domain = new Domain(site.tracer, site.island, this.domains.size + 1, tables, owner);
    this.domains.set(name, { domain, owner });
    site.iovaSpaces.set(domain.track, tables);
    return domain;
  }

  private get isDeferred(): boolean {
    return this.plan.unmap === 'deferred';
  }

  private defer(domain: number): void {
    const { island, frequencyHz } = this.site;
    this.deferred.push(domain);
    if (this.deferred.length >= MOST_DEFERRED) return this.flushDeferred();
    if (this.flush !== 0) return;
    const after = Math.round(LONGEST_DEFERRED_SECONDS * frequencyHz);
    this.flush = island.queue.schedule(island.now() + after, this, 0);
  }

  private flushDeferred(): void {
    this.site.island.queue.cancel(this.flush);
    this.flush = 0;
    for (const domain of new Set(this.deferred)) this.requests.domain(domain);
    this.deferred = [];
    this.requests.submit();
  }

  /** Fills as many entries; the first one's index. Where none are left it is one that is never present: its requests are faults. */
  private give(message: GivenMessage, count: number): number {
    const entries = this.entries.take(count);
    if (!entries) return InterruptEntries.NOBODYS;
    const { requester, index, place, level } = message;
    this.given.set(keyOf(requester, index), { ...message, entries });
    for (let at = 0; at < count; at++) {
      const vector = place.vector + at;
      this.entries.remap(entries.first + at, requester, { cpu: place.cpu, vector }, level);
    }
    return entries.first;
  }
}

function keyOf(requester: RequesterId, index: number): number {
  return requester * MESSAGES + index;
}
