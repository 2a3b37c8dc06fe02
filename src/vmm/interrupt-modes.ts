/**
 * How interrupts reach the guest of a VMM, by the name that a scenario has for it: what is to be known before anything is built.
 * Exits for each interrupt of a device whose vector comes to a guest that runs: 2 by `inject`, 1 by `direct-eoi` and `apicv`, none by
 * `posted`, by `avic` and, for a device that is assigned to the guest, by `eli`.
 */
import type { CpuVendor } from '../machine/x86/types';

/** What a mode asks of the VM. */
export interface InterruptModeFacts {
  /** Whose processors have it; absent: both. */
  readonly vendor?: CpuVendor;
  /** Interface of the local APIC that it is about; absent: either. */
  readonly apic?: 'xapic' | 'x2apic';
}

/** The modes. */
export const interruptModes = {
  /** KVM injects at VM entry, and each end of interrupt is an exit. */
  inject: {},
  /** The same, but the MSR bitmap lets the guest write the x2APIC's EOI register itself. */
  'direct-eoi': { apic: 'x2apic' },
  /** The processor virtualises the local APIC: it delivers what KVM has handed over at an entry, and serves its registers. */
  apicv: { vendor: 'intel' },
  /** The same, and what is handed over to a vCPU that runs reaches it without an exit. */
  posted: { vendor: 'intel' },
  /** The guest takes vectors of its physical CPU by itself, from a shadow of its IDT. */
  eli: { vendor: 'intel', apic: 'x2apic' },
  /** AMD's virtualisation of the local APIC: a doorbell in place of a notification. */
  avic: { vendor: 'amd', apic: 'xapic' },
} as const satisfies Record<string, InterruptModeFacts>;

/** What a scenario has in `vms[].interrupts`. */
export type InterruptMode = keyof typeof interruptModes;

/** All of them. */
export const interruptModeNames = Object.keys(interruptModes) as InterruptMode[];
