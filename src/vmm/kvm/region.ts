/** A region of a guest's addresses or ports under KVM. */
import type { UnitLane } from '../board-trace';
import type { ExitWay } from './exit-way';
import type { Placement } from './placement';

/** What KVM keeps with each region of guest-physical addresses or ports. */
export interface KvmRegion {
  readonly placement: Placement;
  /** The unit's. */
  readonly lane: UnitLane;
  /** How an access by memory and one by ports get there. */
  readonly memory: ExitWay;
  readonly port: ExitWay;
  /** Added to the offset in the trace, where one device has several blocks. */
  readonly offset: number;
  /** Whether a write at an offset is coalesced (KVM_REGISTER_COALESCED_MMIO). */
  readonly coalesces: ((offset: number) => boolean) | undefined;
}
