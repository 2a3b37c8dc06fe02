/**
 * Accesses of a guest to its local APIC that make no exit, or one behind the instruction, as the rules of its interrupts have it.
 * What they do is done to the one local APIC that the vCPU has, whoever serves it.
 */
import type { Region } from '../../machine/address-map';
import { ApicMsr, Lapic, LAPIC_BASE } from '../../machine/interrupts/lapic-registers';
import type { Cycles } from '../../machine/time/event-queue';
import type { Cpu } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import { Access } from '../cpu/access-callouts';
import type { Site } from '../host';
import type { AccessAnswer, AccessRequest } from './access-path';
import { apicRules, type ApicRules } from './apic-rules';
import type { AvicIpis } from './avic-ipis';
import { SvmReason } from './processor';
import type { KvmRegion } from './region';
import type { TrapExits } from './trap-exits';
import type { VcpuVm } from './vm-face';
import type { WorldSwitch } from './world-switch';

/** An access as the guest asks for it. */
type ApicRequest = Pick<AccessRequest, 'kind' | 'address' | 'size' | 'low' | 'high'>;

const DONE: AccessAnswer = { low: 0, high: 0, known: true };
const REFUSED: AccessAnswer = { low: 0, high: 0, known: false };

/** Those of one vCPU. Keeps nothing from one access to the next. */
export class ApicAccesses {
  private readonly rules: ApicRules | undefined;

  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    private readonly cpu: Cpu,
    private readonly world: WorldSwitch,
    private readonly traps: TrapExits,
  ) {
    this.rules = apicRules[vm.interrupts];
  }

  /** Whether an access is one of them. Asked at every access. @param kind as of `Access`. @param region that of its register */
  covers(kind: number, address: number, size: number, region: Region<KvmRegion> | undefined): boolean {
    const { rules } = this;
    if (!rules) return false;
    if (kind <= Access.MmioWrite) return this.coversPage(rules, kind, address, size, region);
    return kind >= Access.MsrRead && this.coversMsr(rules, kind, address);
  }

  /** What one of them takes. */
  get cycles(): Cycles {
    return this.rules ? this.site.costs[this.rules.cost] : 0;
  }

  /** The access itself, at the present instant. */
  perform(request: ApicRequest): AccessAnswer {
    const { rules, vm, cpu } = this;
    if (!rules) return REFUSED;
    // A vector that comes of it is the processor's doing.
    vm.servedFor = cpu.index;
    const answer =
      request.kind <= Access.MmioWrite ? this.performPage(rules, request) : this.performMsr(rules, request);
    vm.servedFor = -1;
    return answer;
  }

  /** The page is where KVM has the APIC-access page. An access wider than 32 bits is an exit, as is a write less wide. */
  private coversPage(
    { page }: ApicRules,
    kind: number,
    address: number,
    size: number,
    region: Region<KvmRegion> | undefined,
  ): boolean {
    if (!page || region?.tag.memory.reason !== VmxExit.APIC_ACCESS || region.base !== LAPIC_BASE)
      return false;
    const { lapic } = this.world;
    if (!lapic.mmioEnabled || lapic.pageAddress !== LAPIC_BASE) return false;
    const offset = address - LAPIC_BASE;
    const within = offset & 15;
    if (kind === Access.MmioRead) return within + size <= 4 && page.reads.has(offset - within);
    if (offset === Lapic.IcrLow && this.vm.avic && !this.vm.avic.covers) return false;
    return within === 0 && size === 4 && page.writes.has(offset);
  }

  private coversMsr(rules: ApicRules, kind: number, index: number): boolean {
    const { lapic } = this.world;
    if (index < ApicMsr.X2First || index > ApicMsr.X2Last || !lapic.x2apic) return false;
    const offset = offsetOf(index);
    if (kind === Access.MsrRead) return rules.msrs.reads.has(offset);
    return rules.msrs.writes.has(offset) && (offset !== Lapic.Eoi || rules.endsItself(lapic));
  }

  private performPage(rules: ApicRules, { kind, address, size, low }: ApicRequest): AccessAnswer {
    const { lapic } = this.world;
    const offset = address - LAPIC_BASE;
    if (kind === Access.MmioRead) {
      const value = lapic.read(offset, size as 1 | 2 | 4);
      this.row(Kind.MmioRead, offset, value);
      return { low: value, high: 0, known: true };
    }
    if (offset === Lapic.Eoi) {
      this.row(Kind.MmioWrite, offset, low);
      this.end(rules);
    } else if (offset === Lapic.IcrLow && this.vm.avicIpis) this.send(this.vm.avicIpis, low);
    else if (rules.page?.serves(offset, low)) {
      this.row(Kind.MmioWrite, offset, low);
      lapic.write(offset, 4, low);
    } else if (rules.page)
      this.traps.ask({ reason: rules.page.exitBehind(offset), work: 'write', offset, value: low });
    return DONE;
  }

  private performMsr(rules: ApicRules, { kind, address, low, high }: ApicRequest): AccessAnswer {
    const { lapic } = this.world;
    if (kind === Access.MsrRead) {
      const value = lapic.msrRead(address);
      return { low: value ?? 0, high: lapic.resultHigh, known: value !== undefined };
    }
    if (offsetOf(address) !== Lapic.Eoi) return lapic.msrWrite(address, low, high) ? DONE : REFUSED;
    if (low !== 0 || high !== 0) return REFUSED;
    this.end(rules);
    return DONE;
  }

  /** An IPI: the processor sends it by the tables of the AVIC, as far as these go. */
  private send(ipis: AvicIpis, command: number): void {
    const { cpu, traps } = this;
    let left = ipis.refused(cpu.index, command);
    if (!left) {
      this.row(Kind.MmioWrite, Lapic.IcrLow, command);
      left = ipis.send(cpu.index, command);
    }
    if (left) traps.ask({ reason: SvmReason.IncompleteIpi, work: 'ipi', command, left });
  }

  /** EOI virtualisation (SDM vol. 3, 30.1.4): behind the end of a level there is an exit, for the IOAPIC of the VM. */
  private end(rules: ApicRules): void {
    const { lapic, handOver } = this.world;
    if (handOver.exitless) return handOver.exitless.end();
    if (!rules.endsLevels && lapic.isLevel(lapic.highestInService()))
      return this.traps.ask({ reason: rules.eoiExit, work: 'write', offset: Lapic.Eoi, value: 0 });
    const vector = lapic.endService();
    if (vector >= 0 && lapic.isLevel(vector)) this.traps.ask({ reason: rules.eoiExit, work: 'eoi', vector });
  }

  private row(kind: number, offset: number, value: number): void {
    const lane = this.vm.mmio.find(LAPIC_BASE)?.tag.lane;
    const { tracer } = this.site;
    if (lane) tracer.cause = tracer.instant(this.cpu.now(), lane.track, kind, offset, value);
  }
}

/** The register that an MSR from 800H on is. */
function offsetOf(msr: number): number {
  return (msr - ApicMsr.X2First) * 16;
}
