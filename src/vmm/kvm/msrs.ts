/**
 * The MSRs that KVM emulates for a guest; those of the core (EFER, segment bases, STAR …) never come here,
 * and those of the LAPIC are its own.
 */

interface Msr {
  name: string;
  low: number;
  high: number;
}

/** By index (SDM vol. 4). Writes are accepted and change nothing that the guest could notice here. */
const msrs: ReadonlyMap<number, Msr> = new Map<number, Msr>([
  [0xfe, { name: 'IA32_MTRRCAP', low: 0, high: 0 }],
  [0x1a0, { name: 'IA32_MISC_ENABLE', low: 1, high: 0 }],
  [0x277, { name: 'IA32_PAT', low: 0x0007_0406, high: 0x0007_0406 }], // power-up value, SDM vol. 3, 11.12.4
  [0x2ff, { name: 'IA32_MTRR_DEF_TYPE', low: 0xc06, high: 0 }],
]);

/** Value of an MSR; undefined: #GP(0). */
export function readMsr(index: number): { low: number; high: number } | undefined {
  return msrs.get(index);
}

/** Whether a write is accepted; false: #GP(0). */
export function writeMsr(index: number): boolean {
  return msrs.has(index);
}
