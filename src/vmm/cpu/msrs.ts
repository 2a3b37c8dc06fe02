/**
 * The MSRs of a CPU besides those of the core (EFER, segment bases, STAR, PAT …), which never come here, and those of the LAPIC,
 * which are its own.
 */

import type { Checkpoint, Migratable, RunState } from '../../machine/snapshot';
import { Mtrrs, type MtrrHardware } from '../../machine/x86/mtrr';
import type { CpuVendor } from '../../machine/x86/types';
import type { GuestPlan } from '../guest';
import type { Units } from '../units';

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
  [0x179, constant('IA32_MCG_CAP', 0)], // no banks
  [0x17a, { name: 'IA32_MCG_STATUS', low: 0, high: 0, writable: true }],
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

/** The MSRs of one CPU that neither the core nor its LAPIC keeps. */
export class CpuMsrs implements Migratable<MtrrHardware> {
  private readonly mtrrs: Mtrrs;

  /** @param byFirmware as for `Mtrrs` */
  constructor(
    private readonly vendor: CpuVendor,
    byFirmware: boolean,
  ) {
    this.mtrrs = new Mtrrs(byFirmware);
  }

  /** Value of an MSR; undefined: #GP(0). */
  read(index: number): { low: number; high: number } | undefined {
    return this.mtrrs.read(index) ?? find(index, this.vendor);
  }

  /** Whether a write is accepted; false: #GP(0). */
  write(index: number, low: number, high: number): boolean {
    return this.mtrrs.write(index, low, high) || (find(index, this.vendor)?.writable ?? false);
  }

  /** The machine was reset. INIT is no such thing. */
  powerUp(): void {
    this.mtrrs.powerUp();
  }

  save(): Checkpoint<MtrrHardware, RunState> {
    return this.mtrrs.save();
  }

  load(state: Checkpoint<MtrrHardware, RunState>): void {
    this.mtrrs.load(state);
  }

  adopt(hardware: MtrrHardware): void {
    this.mtrrs.adopt(hardware);
  }
}

/** Those of all CPUs of a guest, kept as units of the run. */
export function msrsOf({ name, core, features, boot }: GuestPlan, units: Units): readonly CpuMsrs[] {
  return core.cpus.map(({ index }) => {
    const msrs = new CpuMsrs(features.vendor, boot.start.mode !== 'reset');
    units.keep(`${name}/msrs${index}`, msrs);
    return msrs;
  });
}
