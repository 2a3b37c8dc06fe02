/** Where the accesses of a guest to each kind of unit lead under KVM with QEMU, its in-kernel irqchip and timer on. */
import type { UnitClass } from '../../machine/platform/environment';
import type { UnitLane } from '../board-trace';
import type { ExitWay } from './exit-way';

/** Who answers: KVM in the kernel, QEMU after a user exit, or KVM's ring of writes that QEMU performs later. */
export type Placement = 'kernel' | 'user' | 'coalesced';

/** By the class of the unit. */
export const placements: Readonly<Record<UnitClass, Placement>> = {
  lapic: 'kernel',
  ioapic: 'kernel',
  pic: 'kernel',
  pit: 'kernel',
  'pci-config': 'user',
  chipset: 'user',
  uart: 'user',
  memory: 'user',
  'pci-device': 'user',
};

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
