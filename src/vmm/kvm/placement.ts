/** Where the accesses of a guest to each kind of unit lead under KVM with QEMU, its in-kernel irqchip and timer on. */
import type { UnitClass } from '../../machine/platform/environment';

/**
 * Who answers: KVM in the kernel, QEMU after a user exit, KVM's ring of writes that QEMU performs later, an eventfd that a
 * write signals, or the register itself, which the guest reaches without an exit (and KVM's emulator without QEMU).
 */
export type Placement = 'kernel' | 'user' | 'coalesced' | 'ioeventfd' | 'mapped';

/** By the class of the unit, with all interrupt controllers and the timer in the kernel. */
export const placements: Readonly<Record<UnitClass, Placement>> = {
  lapic: 'kernel',
  ioapic: 'kernel',
  pic: 'kernel',
  pit: 'kernel',
  'pci-config': 'user',
  chipset: 'user',
  uart: 'user',
  memory: 'user',
  iommu: 'user',
  'pci-device': 'user',
  'mmio-device': 'user',
};

/**
 * With only the local APICs in the kernel: QEMU has to have the IOAPIC, whose messages its IOMMU remaps, and with it what KVM can
 * have only together with that (kernel-irqchip=split).
 */
export const splitPlacements: Readonly<Record<UnitClass, Placement>> = {
  ...placements,
  ioapic: 'user',
  pic: 'user',
  pit: 'user',
};
