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
import type { RequesterId } from '../../machine/bus';
import type { HostDevice } from '../host-bus/host-device';

/** A device of the host on the VM's board. */
export interface NestedFunction {
  readonly host: HostDevice;
  /** Requester ID that it has in the VM. */
  readonly requester: () => RequesterId;
}

/** The devices of one VM. */
export class NestedStages {
  private readonly functions: NestedFunction[] = [];

  /** @param iommu of the VM's board, which comes later */
  constructor(private readonly iommu: () => BoardIommu | undefined) {}

  add(fn: NestedFunction): void {
    this.functions.push(fn);
  }

  /** What is told to an observer, and acted upon. */
  observing(inner: IommuObserver): IommuObserver {
    return {
      hit: (...told) => inner.hit(...told),
      walked: (report) => inner.walked(report),
      faulted: (report) => inner.faulted(report),
      waited: (report) => inner.waited(report),
      invalidated: (report) => {
        inner.invalidated(report);
        this.invalidated(report);
      },
    };
  }

  /** The tables of the functions may be others, or the guest has turned translation on or off. */
  update(): void {
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
