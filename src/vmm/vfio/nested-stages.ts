/**
 * A virtual IOMMU over the host's: first-stage tables that a guest writes for a device it was given are nested in the second stage of
 * its VM, and the host's unit walks both (QEMU's intel-iommu with first-stage translation over iommufd). QEMU learns of a change
 * by the invalidations that the guest has to ask for, and by translation being turned on or off.
 *
 * What is refused in the first stage the host's unit refuses, and its kernel learns of: no fault is handed on to the guest. A guest
 * that has second-stage tables instead, which nothing can nest, has its device cut off.
 */
import type { InvalidationReport, IommuObserver } from '../../machine/iommu/observer';
import type { BoardIommu } from '../../machine/platform/board-iommu';
import type { RowRef } from '../../trace/record/tracer';
import type { QemuProcess } from '../qemu/process';
import type { Step, StepTarget } from '../threads/work';
import type { BackedFunction, BackedIommu } from './backed-iommu';

/** Descriptors by which the host's unit is told: PASID-table entry, translations, and the wait for them. */
export const HOST_DESCRIPTORS = 3;

/** The devices of one VM. */
export class NestedStages implements BackedIommu, StepTarget {
  readonly stepTargetId: string;
  private readonly functions: BackedFunction[] = [];

  /**
   * @param vm its name
   * @param iommu of the VM's board, which comes later
   */
  constructor(
    vm: string,
    private readonly qemu: QemuProcess,
    private readonly iommu: () => BoardIommu | undefined,
  ) {
    this.stepTargetId = `${vm}/nested-stages`;
    qemu.targets.set(this.stepTargetId, this);
  }

  add(fn: BackedFunction): void {
    this.functions.push(fn);
  }

  observing(inner: IommuObserver): IommuObserver {
    return {
      hit: (...told) => inner.hit(...told),
      walked: (report) => inner.walked(report),
      faulted: (report) => inner.faulted(report),
      waited: (report) => inner.waited(report),
      invalidated: (report, what) => {
        inner.invalidated(report, what);
        this.invalidated(report);
      },
    };
  }

  /** The guest has turned translation on or off: QEMU tells the host's kernel, which is waited for, by the thread that serves the register. */
  switched(): void {
    const { lock, site } = this.qemu;
    const { tracer, costs } = site;
    if (!lock.owner) return this.update();
    const cycles = this.functions.length * HOST_DESCRIPTORS * costs['iommu.invalidate'];
    const { cause } = tracer;
    lock.owner.work.add({ target: this.stepTargetId, cycles, kind: 0, a: 0, b: 0, c: 0, cause });
  }

  begin({ cause }: Step): RowRef {
    return cause;
  }

  finish(): void {
    this.update();
  }

  /** The tables of the functions may be others. */
  private update(): void {
    const unit = this.iommu()?.unit;
    if (!unit) return;
    for (const { host, requester } of this.functions) {
      const found = unit.translationOf(requester());
      if (found === 'off') host.nest(undefined);
      else host.nest(found?.first ?? 'refused');
    }
  }

  private invalidated({ cache }: InvalidationReport): void {
    if (cache === 'context' || cache === 'pasid') this.update();
    else if (cache === 'iotlb') for (const { host } of this.functions) host.flushNested();
  }
}
