/**
 * Memory of a VM that is mapped for an assigned device page by page, each when the device has asked for it in vain: what a VMM would
 * have to do to hand out memory that it has not pinned. The kernel tells of the fault, QEMU's main loop maps the page.
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import type { OnDemandPlan } from '../host-bus/dma-mapper';
import type { HostDevice } from '../host-bus/host-device';
import type { QemuProcess } from '../qemu/process';
import type { Step, StepTarget } from '../threads/work';
import type { JobTarget } from '../threads/worker';

/** What is mapped at a time. */
const PAGE = 4096;

/** Steps of the main loop. */
const Doing = { map: 0, unmapped: 1 } as const;

/** Snapshot of an `OnDemandMemory`. */
export interface OnDemandMemoryState {
  version: 1;
  asked: number[];
  mapped: number[];
}

/** That of one device. */
export class OnDemandMemory implements JobTarget, StepTarget, Stateful<OnDemandMemoryState> {
  readonly jobTargetId: string;
  readonly stepTargetId: string;
  /** Pages that QEMU is to map. */
  private readonly asked = new Set<number>();
  /** Pages that are mapped, in the order in which they were. */
  private mapped: number[] = [];

  /** @param id unique in the run */
  constructor(
    private readonly host: HostDevice,
    private readonly qemu: QemuProcess,
    id: string,
    private readonly plan: OnDemandPlan,
  ) {
    this.jobTargetId = this.stepTargetId = id;
    qemu.mainLoop.register(this);
    qemu.targets.set(id, this);
    qemu.site.units.keep(id, this);
    host.onRefused(({ iova }) => this.refused(iova));
  }

  onJob(_kind: number, iova: number): void {
    this.add(Doing.map, this.qemu.site.costs['vfio.map'], iova);
  }

  begin({ kind, a: iova, cause }: Step, time: number): RowRef {
    if (kind !== Doing.map) return cause;
    return this.qemu.site.tracer.instant(time, this.host.lane.track, Kind.VfioMap, iova, PAGE);
  }

  /** The page is mapped; the one that has to go for it goes now, and the thread waits for that as long as it takes. */
  finish({ kind, a: iova }: Step): void {
    if (kind !== Doing.map) return;
    this.host.map(iova, PAGE);
    this.asked.delete(iova);
    this.mapped.push(iova);
    const oldest = this.mapped.length > this.plan.mostPages ? this.mapped.shift() : undefined;
    if (oldest !== undefined) this.add(Doing.unmapped, this.host.unmap(oldest, PAGE), oldest);
  }

  save(): OnDemandMemoryState {
    return { version: 1, asked: [...this.asked], mapped: [...this.mapped] };
  }

  load({ version, asked, mapped }: OnDemandMemoryState): void {
    requireVersion('memory that is mapped on demand', version, 1);
    this.asked.clear();
    for (const page of asked) this.asked.add(page);
    this.mapped = [...mapped];
  }

  /** A device may ask several times before the page is there; for what is no memory of its VM it asks in vain for good. */
  private refused(iova: number): void {
    const { domain } = this.host;
    if (!domain || iova + PAGE > domain.size || this.asked.has(iova) || this.mapped.includes(iova)) return;
    this.asked.add(iova);
    this.qemu.mainLoop.post(this, 0, iova);
  }

  private add(kind: number, cycles: Cycles, iova: number): void {
    const { site, mainLoop } = this.qemu;
    const { cause } = site.tracer;
    mainLoop.work.add({ target: this.stepTargetId, cycles, kind, a: iova, b: 0, c: 0, cause });
  }
}
