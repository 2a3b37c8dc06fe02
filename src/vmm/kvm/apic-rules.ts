/** What of a guest's local APIC it reaches without an exit, by the mode of its interrupts. */
import type { LocalApic } from '../../machine/interrupts/lapic';
import { Lapic } from '../../machine/interrupts/lapic-registers';
import type { CostKey } from '../cost-keys';
import type { InterruptMode } from '../interrupt-modes';

/** Registers by their offsets in the xAPIC page; that of an x2APIC MSR is its number from 800H on, times 16. */
type Registers = ReadonlySet<number>;

/** The rules of one mode. */
export interface ApicRules {
  /** Clear bits in the MSR bitmap: of reads and of writes. */
  readonly msrs: { readonly reads: Registers; readonly writes: Registers };
  /** What an access takes. */
  readonly cost: CostKey;
  /** Whether the guest may end by itself what is in service. */
  endsItself(lapic: LocalApic): boolean;
}

const NONE: Registers = new Set();

/**
 * The IOAPIC of a VM is KVM's: it has to see the end of a level. The hole in the bitmap is closed at the entry that injects one,
 * and opened by the exit that its end makes.
 */
const directEoi: ApicRules = {
  msrs: { reads: NONE, writes: new Set([Lapic.Eoi]) },
  cost: 'bus.apic',
  endsItself: (lapic) => !lapic.isLevel(lapic.highestInService()),
};

/** By mode; absent: every access is an exit. */
export const apicRules: Readonly<Partial<Record<InterruptMode, ApicRules>>> = {
  'direct-eoi': directEoi,
};
