/** What a CPU needs of its machine. */
import type { AddressMap } from '../../machine/address-map';
import type { LocalApic } from '../../machine/interrupts/lapic';
import type { Cycles } from '../../machine/time/event-queue';
import type { FaultReport } from '../../machine/x86/types';
import type { CpuidAnswer } from '../cpu/cpuid';
import type { CpuMsrs } from '../cpu/msrs';
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
  /** Those that neither core nor LAPIC keeps. */
  msrs(cpu: number): CpuMsrs;
  cpuid(leaf: number, subleaf: number, cpu: number): CpuidAnswer;
  /** A CPU has come to a triple fault. True: that resets the machine, at a time. False: the guest can't go on. */
  shutDown(time: Cycles): boolean;
  /** The guest can't go on. */
  crashed(report: FaultReport | undefined): void;
}
