/**
 * Devices of the host behind a virtual IOMMU in caching mode (VT-d specification, 6.1), whose driver has to invalidate also what it makes
 * present: QEMU's intel-iommu walks the guest's second-stage tables for what is invalidated, and has VFIO map and unmap in the host
 * what has changed. Guest-physical addresses in those tables become host-physical ones on the way, so that the host's unit translates
 * in one dimension.
 *
 * While the guest's unit does not translate a device, the device has all of the VM's memory by guest-physical addresses.
 *
 * The host's unit refuses what is not mapped, and its kernel learns of it: VFIO hands no fault of DMA on to QEMU, so that the guest's
 * unit records none.
 */
import type { Stateful } from '../../machine/bus';
import type { Invalidation } from '../../machine/iommu/descriptors';
import type { IommuObserver } from '../../machine/iommu/observer';
import type { StageTables } from '../../machine/iommu/translation';
import type { BoardIommu } from '../../machine/platform/board-iommu';
import type { PhysicalMemory } from '../../machine/memory/physical-memory';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle, EventTarget } from '../../machine/time/event-queue';
import type { RowRef } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import type { QemuProcess } from '../qemu/process';
import type { Step, StepTarget } from '../threads/work';
import type { BackedFunction, BackedIommu, IommuScheduler } from './backed-iommu';
import { ShadowMappings, type ShadowChange, type ShadowMappingsState } from './shadow-mappings';
import { addressesOf, walkRange } from './shadow-walk';

/** Steps of QEMU's threads. */
const Doing = { walk: 0, map: 1, unmap: 2, invalidation: 3, unitEvent: 4 } as const;

/** A handle that is no event's: what a thread does cannot be taken back. */
const BY_THREAD: EventHandle = -1;
const PAGE = 4096;
/** Bits of the function number that each function mask leaves out (10.4.7, FM). */
const FUNCTION_MASKS = [0, 4, 6, 7];

/** One of the devices. */
interface Shadowed extends BackedFunction {
  readonly mappings: ShadowMappings;
  /** It has guest-physical addresses: the guest's unit does not translate it. */
  direct: boolean;
}

/** Snapshot of `ShadowedFunctions`. */
export interface ShadowedFunctionsState {
  version: 1;
  functions: { direct: boolean; mappings: ShadowMappingsState }[];
}

/** Those of one VM. */
export class ShadowedFunctions implements BackedIommu, StepTarget, Stateful<ShadowedFunctionsState> {
  readonly stepTargetId: string;
  readonly scheduler: IommuScheduler;
  private readonly functions: Shadowed[] = [];
  private unit: EventTarget | undefined;

  /**
   * @param vm its name
   * @param memory of the VM
   * @param iommu of the VM's board, which comes later
   */
  constructor(
    vm: string,
    private readonly qemu: QemuProcess,
    private readonly memory: PhysicalMemory,
    private readonly iommu: () => BoardIommu | undefined,
  ) {
    this.stepTargetId = `${vm}/shadowed-functions`;
    qemu.targets.set(this.stepTargetId, this);
    qemu.site.units.keep(this.stepTargetId, this);
    this.scheduler = this.schedulerOf();
  }

  add(fn: BackedFunction): void {
    this.functions.push({ ...fn, mappings: new ShadowMappings(this.memory.size), direct: true });
  }

  observing(inner: IommuObserver): IommuObserver {
    return {
      hit: (...told) => inner.hit(...told),
      walked: (report) => inner.walked(report),
      faulted: (report) => inner.faulted(report),
      waited: (report) => inner.waited(report),
      invalidated: (report, what) => {
        inner.invalidated(report, what);
        this.invalidated(what);
      },
    };
  }

  switched(): void {
    for (const fn of this.functions) this.update(fn);
  }

  // --- steps ------------------------------------------------------------------------------------------------------------

  begin({ kind, a, b, d = 0, cause }: Step, time: Cycles): RowRef {
    const { tracer } = this.qemu.site;
    const row = ROWS[kind];
    const { lane } = this.functions[functionOf(d)]?.host ?? {};
    return row === undefined || !lane ? cause : tracer.instant(time, lane.track, row, a, b);
  }

  finish({ kind, a, b, c, d = 0 }: Step): void {
    if (kind === Doing.unitEvent) this.unit?.onEvent(a, b, this.qemu.site.island.now());
    else if (kind === Doing.map) this.functions[functionOf(d)].host.mapAt(a, c, b, d % 2 === 1);
    else if (kind === Doing.unmap) this.functions[functionOf(d)].host.unmap(a, b);
  }

  // --- snapshots ----------------------------------------------------------------------------------------------------------

  save(): ShadowedFunctionsState {
    const functions = this.functions.map(({ direct, mappings }) => ({ direct, mappings: mappings.save() }));
    return { version: 1, functions };
  }

  load({ version, functions }: ShadowedFunctionsState): void {
    requireVersion('devices of the host behind a virtual IOMMU', version, 1);
    functions.forEach(({ direct, mappings }, index) => {
      this.functions[index].direct = direct;
      this.functions[index].mappings.load(mappings);
    });
  }

  // --- what the guest says ------------------------------------------------------------------------------------------------

  /** As vtd_context_device_invalidate, vtd_iotlb_domain_invalidate, vtd_iotlb_page_invalidate_notify and their like. */
  private invalidated(what: Invalidation): void {
    for (const fn of this.functions) {
      if (what.cache === 'context') {
        const counts = what.scope === 'device' ? ~FUNCTION_MASKS[what.functionMask] : 0;
        const other = what.scope === 'device' ? fn.requester() ^ what.requester : 0;
        if ((other & counts) === 0) this.update(fn);
      } else if (what.cache === 'iotlb' && !fn.direct) this.follow(fn, what);
    }
  }

  private follow(fn: Shadowed, what: Invalidation & { cache: 'iotlb' }): void {
    const found = this.iommu()?.unit.translationOf(fn.requester());
    const tables = found === 'off' ? undefined : found?.second;
    if (!found || found === 'off' || !tables) return;
    if (what.scope !== 'global' && what.domain !== found.domain) return;
    if (what.scope !== 'page') return this.walk(fn, tables, 0, addressesOf(tables.levels));
    const length = 2 ** what.range.mask * PAGE;
    const from = what.range.address - (what.range.address % length);
    this.walk(fn, tables, from, from + length);
  }

  /** The device may be translated by other tables, or by none (vtd_switch_address_space). */
  private update(fn: Shadowed): void {
    const found = this.iommu()?.unit.translationOf(fn.requester());
    const direct = found === 'off' || found?.kind === 'pass-through';
    if (direct !== fn.direct) this.changeTo(fn, direct);
    if (direct) return;
    const tables = found?.second;
    if (tables) this.walk(fn, tables, 0, addressesOf(tables.levels));
    else this.unmapAll(fn);
  }

  /** The memory region that VFIO listens to is another: what was mapped by the one before goes first. */
  private changeTo(fn: Shadowed, direct: boolean): void {
    const { size } = this.memory;
    fn.direct = direct;
    if (!direct) return this.perform(fn, { map: false, iova: 0, length: size });
    this.unmapAll(fn);
    this.perform(fn, { map: true, iova: 0, length: size, address: 0, writable: true });
  }

  private unmapAll(fn: Shadowed): void {
    const unit = this.iommu()?.unit;
    if (!unit || fn.mappings.size === 0) return;
    fn.mappings.clear();
    this.perform(fn, { map: false, iova: 0, length: 2 ** unit.options.addressWidth });
  }

  private walk(fn: Shadowed, { root, levels }: StageTables, from: number, end: number): void {
    const { memory, qemu } = this;
    const changes: ShadowChange[] = [];
    const tables = {
      root,
      levels,
      // As many tables as there are pages to hold them.
      most: memory.size / PAGE,
      read: (address: number, length: number) =>
        memory.contains(address, length) ? memory.read(address, length) : undefined,
    };
    const count = walkRange(tables, from, end, (entry) => changes.push(...fn.mappings.take(entry)));
    this.addStep(fn, Doing.walk, count * qemu.site.costs['device.dmaSetup'], from, count);
    for (const change of changes) this.perform(fn, change);
  }

  /** One ioctl. What is unmapped no device reaches any more at its return. */
  private perform(fn: Shadowed, change: ShadowChange): void {
    const { costs } = this.qemu.site;
    const { iova, length } = change;
    if (change.map) {
      this.addStep(fn, Doing.map, costs['vfio.map'], iova, length, change.address, change.writable);
      return;
    }
    this.addStep(fn, Doing.unmap, costs['vfio.unmap'], iova, length);
    this.addStep(fn, Doing.invalidation, fn.host.invalidationCycles, iova, length);
  }

  /** A step of the thread that holds QEMU's lock, which serves the register. Without one, as at a reset, it is done at once. */
  private addStep(
    fn: Shadowed,
    kind: number,
    cycles: Cycles,
    a: number,
    b: number,
    c = 0,
    writable = false,
  ): void {
    const { lock, site } = this.qemu;
    const d = this.functions.indexOf(fn) * 2 + (writable ? 1 : 0);
    const { cause } = site.tracer;
    const step = { target: this.stepTargetId, cycles, kind, a, b, c, d, cause };
    if (lock.owner) return lock.owner.work.add(step);
    site.tracer.cause = this.begin(step, site.island.now());
    this.finish(step);
    site.tracer.cause = cause;
  }

  /** The unit is software of the thread that serves its registers: what takes it time are steps of that thread, among the others. */
  private schedulerOf(): IommuScheduler {
    const { qemu } = this;
    const { queue } = qemu.site.island;
    return {
      now: () => queue.now(),
      cancel: (handle) => {
        if (handle !== BY_THREAD) queue.cancel(handle);
      },
      register: (target) => {
        this.unit = target;
        queue.register(target);
      },
      schedule: (time, target, kind, arg = 0) => {
        const { owner } = qemu.lock;
        if (!owner) return queue.schedule(time, target, kind, arg);
        const { cause } = qemu.site.tracer;
        const step = { target: this.stepTargetId, cycles: time - queue.now(), kind: Doing.unitEvent };
        owner.work.add({ ...step, a: kind, b: arg, c: 0, cause });
        return BY_THREAD;
      },
    };
  }
}

/** Rows of the steps that have one. */
const ROWS: Readonly<Record<number, number>> = {
  [Doing.walk]: Kind.VfioShadow,
  [Doing.map]: Kind.VfioMap,
  [Doing.unmap]: Kind.VfioUnmap,
};

function functionOf(d: number): number {
  return Math.floor(d / 2);
}
