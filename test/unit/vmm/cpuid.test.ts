/** CPUID by vendor. */
import { expect, it } from 'vitest';
import type { CpuVendor } from '../../../src/machine/x86/types';
import { cpuidOf } from '../../../src/vmm/cpu/cpuid';

it('tells of LOCK MOV CR0 on AMD alone (AMD64 vol. 3, appendix E, AltMovCr8)', () => {
  const ecx = (vendor: CpuVendor): number =>
    cpuidOf(0x8000_0001, 0, {
      apicId: 0,
      vcpus: 1,
      apicEnabled: true,
      x2apic: true,
      vendor,
      hypervisor: undefined,
      frequencyHz: 1e9,
    }).ecx;
  expect(ecx('amd') & 0x10).toBe(0x10);
  expect(ecx('intel') & 0x10).toBe(0);
});
