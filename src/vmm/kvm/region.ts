/** A region of a guest's addresses or ports, as KVM knows it. */
import type { Cycles } from '../../machine/time/event-queue';
import type { UnitLane } from '../unit-lanes';
import type { ExitWay } from './exit-way';
import type { Placement } from './placement';

/** Pages of a region that the EPT map: accesses to them do not leave the guest. */
export interface MappedPages {
  /** Whether the page of an offset is one of them. */
  covers(offset: number): boolean;
  /** What an access takes beyond the instruction: nothing where the page is memory. */
  readonly read: Cycles;
  readonly write: Cycles;
  /** They are not in the EPT from the beginning: the first access to each is a violation, at which KVM puts it there. */
  readonly onTouch: boolean;
}

/** What KVM keeps with each region of guest-physical addresses or ports. */
export interface KvmRegion {
  readonly placement: Placement;
  /** Name of the unit. */
  readonly unit: string;
  /** The unit's. */
  readonly lane: UnitLane;
  /** How an access by memory and one by ports get there. */
  readonly memory: ExitWay;
  readonly port: ExitWay;
  /** Added to the offset in the trace, where one device has several blocks. */
  readonly offset: number;
  /** Whether a write at an offset is coalesced (KVM_REGISTER_COALESCED_MMIO). */
  readonly coalesces: ((offset: number) => boolean) | undefined;
  /** Absent: none of its pages is mapped, each access is an exit. */
  readonly mapped?: MappedPages | undefined;
}
