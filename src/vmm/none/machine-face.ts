/** What a CPU needs of its machine. */
import type { AddressMap } from '../../machine/address-map';
import type { LocalApic } from '../../machine/interrupts/lapic';
import type { FaultReport } from '../../machine/x86/types';
import type { CpuidAnswer } from '../cpu/cpuid';
import type { CpuFeatures } from '../guest';
import type { BareRegion } from './environment';

/** A bare machine as its CPUs see it. */
export interface CpuMachine {
  /** Position in the scenario. */
  readonly index: number;
  readonly name: string;
  readonly features: CpuFeatures;
  readonly mmio: AddressMap<BareRegion>;
  readonly ports: AddressMap<BareRegion>;
  lapic(cpu: number): LocalApic;
  cpuid(leaf: number, subleaf: number, cpu: number): CpuidAnswer;
  /** The guest can't go on. */
  crashed(report: FaultReport | undefined): void;
}
