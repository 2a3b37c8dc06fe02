/**
 * Accesses of a guest to its local APIC that make no exit, as the rules of its interrupts have it. What they do is done to the one
 * local APIC that the vCPU has, whoever serves it.
 */
import { ApicMsr, Lapic } from '../../machine/interrupts/lapic-registers';
import type { Cycles } from '../../machine/time/event-queue';
import { Access } from '../cpu/access-callouts';
import type { Site } from '../host';
import type { AccessAnswer, AccessRequest } from './access-path';
import { apicRules, type ApicRules } from './apic-rules';
import type { VcpuVm } from './vm-face';
import type { WorldSwitch } from './world-switch';

/** The registers that MSRs from 800H on are. */
const offsetOf = (msr: number): number => (msr - ApicMsr.X2First) * 16;

/** Those of one vCPU. Keeps nothing from one access to the next. */
export class ApicAccesses {
  private readonly rules: ApicRules | undefined;

  constructor(
    private readonly site: Site,
    vm: VcpuVm,
    private readonly world: WorldSwitch,
  ) {
    this.rules = apicRules[vm.interrupts];
  }

  /** Whether an access is one of them. Asked at every access to an MSR. @param kind as of `Access` */
  covers(kind: number, address: number): boolean {
    const { rules } = this;
    if (!rules || kind < Access.MsrRead || address < ApicMsr.X2First || address > ApicMsr.X2Last)
      return false;
    const { lapic } = this.world;
    const offset = offsetOf(address);
    if (!lapic.x2apic) return false;
    if (kind === Access.MsrRead) return rules.msrs.reads.has(offset);
    return rules.msrs.writes.has(offset) && (offset !== Lapic.Eoi || rules.endsItself(lapic));
  }

  /** What one of them takes. */
  get cycles(): Cycles {
    return this.rules ? this.site.costs[this.rules.cost] : 0;
  }

  /** The access itself, at the present instant. */
  perform({
    kind,
    address,
    low,
    high,
  }: Pick<AccessRequest, 'kind' | 'address' | 'low' | 'high'>): AccessAnswer {
    const { lapic } = this.world;
    if (kind === Access.MsrWrite) return { low: 0, high: 0, known: lapic.msrWrite(address, low, high) };
    const value = lapic.msrRead(address);
    return { low: value ?? 0, high: lapic.resultHigh, known: value !== undefined };
  }
}
