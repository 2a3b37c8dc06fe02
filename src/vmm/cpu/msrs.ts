/**
 * The MSRs that KVM emulates for a guest; those of the core (EFER, segment bases, STAR, PAT …) never come here,
 * and those of the LAPIC are its own.
 */

import type { CpuVendor } from '../../machine/x86/types';

interface Msr {
  name: string;
  low: number;
  high: number;
  /** Writes are accepted, and change nothing that the guest could notice here. */
  writable: boolean;
}

const constant = (name: string, low: number): Msr => ({ name, low, high: 0, writable: false });

/** By index (SDM vol. 4, 2.1). */
const msrs: ReadonlyMap<number, Msr> = new Map<number, Msr>([
  [0x17, constant('IA32_PLATFORM_ID', 0)],
  [0x3a, constant('IA32_FEATURE_CONTROL', 1)], // locked, without VMX
  [0x8b, { name: 'IA32_BIOS_SIGN_ID', low: 0, high: 1, writable: true }],
  [0xfe, constant('IA32_MTRRCAP', 0)],
  [0x179, constant('IA32_MCG_CAP', 0)], // no banks
  [0x17a, { name: 'IA32_MCG_STATUS', low: 0, high: 0, writable: true }],
  [0x2ff, { name: 'IA32_MTRR_DEF_TYPE', low: 0xc06, high: 0, writable: true }],
]);

/** Performance counters that an AMD guest expects without asking CPUID (AMD64 vol. 2, 13.2.1); they count nothing. */
const AMD_EVENT_SELECT = 0xc001_0000;
const AMD_COUNTERS = 4;
const amdMsrs: ReadonlyMap<number, Msr> = new Map<number, Msr>(
  Array.from({ length: AMD_COUNTERS }, (_, i): [number, Msr][] => [
    [AMD_EVENT_SELECT + i, { name: `PERF_EVT_SEL${i}`, low: 0, high: 0, writable: true }],
    [AMD_EVENT_SELECT + AMD_COUNTERS + i, { name: `PERF_CTR${i}`, low: 0, high: 0, writable: true }],
  ]).flat(),
);

function find(index: number, vendor: CpuVendor): Msr | undefined {
  return msrs.get(index) ?? (vendor === 'amd' ? amdMsrs.get(index) : undefined);
}

/** Value of an MSR; undefined: #GP(0). */
export function readMsr(index: number, vendor: CpuVendor): { low: number; high: number } | undefined {
  return find(index, vendor);
}

/** Whether a write is accepted; false: #GP(0). */
export function writeMsr(index: number, vendor: CpuVendor): boolean {
  return find(index, vendor)?.writable ?? false;
}
