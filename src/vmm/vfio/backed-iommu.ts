/** A virtual IOMMU with devices of the host behind it, as it has what the guest tells it carried out by the host's. */
import type { RequesterId } from '../../machine/bus';
import type { IommuObserver } from '../../machine/iommu/observer';
import type { EventTarget, Scheduler } from '../../machine/time/event-queue';
import type { HostDevice } from '../host-bus/host-device';

/** A device of the host on the VM's board. */
export interface BackedFunction {
  readonly host: HostDevice;
  /** Requester ID that it has in the VM. */
  readonly requester: () => RequesterId;
}

/** Who has the unit's work done in its time. */
export type IommuScheduler = Scheduler & { register(target: EventTarget): void };

/** The host's side of it. */
export interface BackedIommu {
  /** Whose time the unit's own work takes; absent: nobody's. */
  readonly scheduler?: IommuScheduler;
  add(fn: BackedFunction): void;
  /** What is told to an observer, and acted upon. */
  observing(inner: IommuObserver): IommuObserver;
  /** The guest has turned translation on or off. */
  switched(): void;
}
