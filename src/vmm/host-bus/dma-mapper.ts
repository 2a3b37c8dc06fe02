/** Who makes memory reachable for devices of the host: the driver of its IOMMU, or nobody where there is none. */
import type { RequesterId } from '../../machine/bus';
import type { Cycles } from '../../machine/time/event-queue';

/** A VM that functions of the host work for, and where its memory stands in the host's. */
export interface DomainOwner {
  /** Index of the VM. */
  readonly vm: number;
  readonly name: string;
  readonly base: number;
  readonly size: number;
  /** Each function has addresses of its own; absent: all of the VM have the same. */
  readonly apart?: boolean;
}

/** An access of a function that was refused. */
export interface RefusedAccess {
  /** Address of the page, as the function has it. */
  readonly iova: number;
  readonly write: boolean;
}

/** How memory is mapped on demand. */
export interface OnDemandPlan {
  /** Pages of 4 KiB that are mapped at a time at most: for another, the one that was mapped first is unmapped. */
  readonly mostPages: number;
}

/** First-stage tables of a guest. */
export interface NestedStage {
  /** Guest-physical address of the topmost table. */
  readonly root: number;
  /** 4 or 5. */
  readonly levels: number;
}

/** The host's side of DMA (iommu_attach_device, iommu_map and iommu_unmap of Linux), of one function at a time. */
export interface DmaMapper {
  /** The function works for a VM from now on, as others may: all of them have the same addresses. */
  attach(requester: RequesterId, owner: DomainOwner): void;
  /**
   * From now on the functions of a VM reach host-physical memory at addresses of their own.
   * @param iova first address that the functions have, of whole pages
   * @param address host-physical
   * @param length bytes
   * @param writable false: to read only
   * @returns cycles that this takes the caller
   */
  map(requester: RequesterId, iova: number, address: number, length: number, writable?: boolean): Cycles;
  /**
   * What was mapped so is to be reachable no more; when it is not depends on how translations are invalidated.
   * @returns cycles that this takes the caller
   */
  unmap(requester: RequesterId, iova: number, length: number): Cycles;
  /** Of what unmapping takes, what goes by until nothing is remembered of it. */
  readonly invalidationCycles: Cycles;
  /**
   * From now on what a function addresses is translated by first-stage tables of its guest, and what those say by what is mapped;
   * undefined: by what is mapped alone; 'refused': nothing is reachable.
   */
  nest(requester: RequesterId, stage: NestedStage | 'refused' | undefined): void;
  /** The guest has changed its first-stage tables: nothing of them may be remembered. */
  flushNested(requester: RequesterId): void;
  /** Memory is mapped only when a device has asked for it in vain; undefined: all of a VM's when a function is attached. */
  readonly onDemand: OnDemandPlan | undefined;
  /** Has somebody told of each access of a function that was refused, once the kernel knows of it. */
  onRefused(requester: RequesterId, told: (access: RefusedAccess) => void): void;
}

/** Without an IOMMU functions reach all of memory at its own addresses, and nothing changes that. */
export const NOTHING_TO_MAP: DmaMapper = {
  attach: () => undefined,
  map: () => 0,
  unmap: () => 0,
  invalidationCycles: 0,
  nest: () => undefined,
  flushNested: () => undefined,
  onDemand: undefined,
  onRefused: () => undefined,
};
