/**
 * The way of one register access through KVM: the exit, KVM's leg, who serves it, and the access itself.
 */
import type { Region } from '../../machine/address-map';
import { LocalApic } from '../../machine/interrupts/lapic';
import type { Cpu } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { CostKey } from '../cost-keys';
import { Access } from '../cpu/access-callouts';
import type { Site } from '../host';
import type { ExitTimeline } from './exits';
import { ExitRowTable, sortNumber, type ExitRows } from './exit-rows';
import { signalWays, wayTo, type ExitWay, type SignalWays } from './exit-way';
import type { Ioeventfd } from './ioeventfds';
import type { Placement } from './placement';
import {
  apicQualification,
  eptQualification,
  guardedStoreQualification,
  ioQualification,
} from './qualification';
import type { KvmRegion } from './region';
import type { VcpuVm } from './vm-face';

const PAGE = 4096;

/** One access as the guest asked for it. */
export interface AccessRequest {
  kind: number;
  address: number;
  size: number;
  low: number;
  high: number;
  /** KVM's emulator asks for it, in the midst of an instruction that has left the guest already. */
  further: boolean;
  /** How often it is performed: more than once where KVM reads a port ahead. */
  count: number;
  /** It signals an eventfd, and no register is accessed. */
  signals: boolean;
}

/** What an access came to. */
export interface AccessAnswer {
  low: number;
  high: number;
  /** False when it ends in #GP. */
  known: boolean;
}

/** Answers of writes and of reads that fail. */
const DONE: AccessAnswer = { low: 0, high: 0, known: true };
const REFUSED: AccessAnswer = { low: 0, high: 0, known: false };

/** The accesses of one vCPU. */
export class AccessPath {
  /** The register access that is being served. */
  private accessRow: RowRef = 0;
  /** Row of the access to come, where it is foreseen. */
  private foreseenRow: RowRef = 0;
  private readonly rows: ExitRowTable;
  /** Of all reads, each in its turn: an object of its own for each would be the greater part of what an access allocates. */
  private readonly answer: AccessAnswer = { low: 0, high: 0, known: true };
  /** The ways of accesses that nobody answers: QEMU finds that out. */
  private readonly nowhere: Pick<KvmRegion, 'memory' | 'port'>;
  /** Those of writes that signal an eventfd. */
  private readonly signalled: SignalWays;

  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    private readonly cpu: Cpu,
    private readonly exits: ExitTimeline,
  ) {
    const { costs } = site;
    this.rows = new ExitRowTable(site.tracer, costs, exits.track);
    this.nowhere = {
      memory: wayTo(undefined, 'memory', costs, vm.processor),
      port: wayTo(undefined, 'ports', costs, vm.processor),
    };
    this.signalled = signalWays(costs, vm.processor);
  }

  /** Who answers an access to a register; undefined: nobody, or it is of an MSR. @param kind as of `Access` */
  regionOf(kind: number, address: number): Region<KvmRegion> | undefined {
    if (kind > Access.PortOut) return undefined;
    return kind > Access.MmioWrite ? this.vm.ports.find(address) : this.vm.mmio.find(address);
  }

  /**
   * The way of an access where it is always the same; undefined at the first touch of a page, for a write that KVM may keep
   * for QEMU, and for MSRs. @param region as of `regionOf`
   */
  wayOf(request: AccessRequest, region: Region<KvmRegion> | undefined): ExitWay | undefined {
    const { kind, address } = request;
    const isWrite = kind === Access.MmioWrite || kind === Access.PortOut;
    return isWrite ? this.wayOfWrite(request, region) : this.usualWay(kind, address, region);
  }

  private usualWay(
    kind: number,
    address: number,
    region: Region<KvmRegion> | undefined,
  ): ExitWay | undefined {
    if (kind > Access.PortOut) return undefined;
    const { memory, port } = region?.tag ?? this.nowhere;
    if (kind > Access.MmioWrite) return port;
    return memory.reason === VmxExit.APIC_ACCESS || this.vm.ept.has(address) ? memory : undefined;
  }

  private wayOfWrite(request: AccessRequest, region: Region<KvmRegion> | undefined): ExitWay | undefined {
    const { kind, address } = request;
    const signal = region && this.signalWay(request, region);
    if (signal) return kind === Access.PortOut || this.vm.ept.has(address) ? signal : undefined;
    if (kind === Access.MmioWrite && region?.tag.coalesces) return undefined;
    return this.usualWay(kind, address, region);
  }

  /** Goes a whole way at once; afterwards it is the time at which the access takes place. */
  go(way: ExitWay, request: AccessRequest, region: Region<KvmRegion> | undefined, cause: RowRef): void {
    const { kind, address, low, count } = request;
    const { reason } = way;
    const a = reason === VmxExit.APIC_ACCESS ? address % PAGE : address;
    const qualification = reason === VmxExit.EPT_MISCONFIG ? 0 : this.qualificationOf(reason, request);
    let rows: ExitRows | undefined;
    if (region && count === 1 && !way.signals) {
      const guest = this.exits.guestKind;
      const sort = sortNumber(kind, qualification, guest);
      const known = this.rows.find(region, sort);
      rows = known
        ? known.rows
        : this.rows.add(region, sort, { way, kind, address, a, qualification, guest }).rows;
    }
    this.foreseenRow = this.exits.goThere(way, a, low, cause, qualification, rows);
  }

  /**
   * The guest leaves for an access; afterwards it is the time at which KVM has found out whose it is, which is returned.
   * `cause` as for `ExitTimeline.begin`.
   */
  begin(request: AccessRequest, cause: RowRef): Placement {
    const { kind, address, low } = request;
    if (kind <= Access.MmioWrite) return this.beginMemory(request, cause);
    if (kind <= Access.PortOut) {
      const region = this.vm.ports.find(address);
      const signal = region && this.signalWay(request, region);
      this.exits.begin(VmxExit.IO_INSTRUCTION, address, low, cause);
      const { kernel } = signal ?? (region?.tag ?? this.nowhere).port;
      this.exits.kernel(kernel, this.qualificationOf(VmxExit.IO_INSTRUCTION, request));
      return signal ? 'ioeventfd' : (region?.tag.placement ?? 'user');
    }
    const reason = kind === Access.MsrRead ? VmxExit.MSR_READ : VmxExit.MSR_WRITE;
    this.exits.begin(reason, address, low, cause);
    this.kernel('kvm.msr');
    return 'kernel';
  }

  /** A further access of an instruction that has left the guest: who serves it. The exit keeps its own arguments. */
  further(request: AccessRequest, region: Region<KvmRegion> | undefined): Placement {
    const { kind, address } = request;
    if (!region) return this.vm.guard.covers(address) ? 'kernel' : 'user';
    return this.signalWay(request, region) ? 'ioeventfd' : this.placementOf(region, kind, address);
  }

  /** The access itself, at the present instant. The answer is good until the next one. @param region as of `regionOf` */
  perform(request: AccessRequest, region: Region<KvmRegion> | undefined): AccessAnswer {
    const { vm, cpu } = this;
    if (request.signals) return this.signal(request, region);
    const { kind, address, size, low, high, further } = request;
    switch (kind) {
      case Access.MmioRead:
        return this.readMemory(region, address, size, further);
      case Access.MmioWrite:
        if (!region && vm.guard.covers(address)) {
          vm.guard.store(address, size, low, high);
          return DONE;
        }
        this.begun(region, address, Kind.MmioWrite, low);
        vm.mmio.write(address, size, low, high, cpu.index);
        return DONE;
      case Access.PortIn:
        return this.readPort(region, address, size, further);
      case Access.PortOut:
        this.begun(region, address, Kind.PioOut, low);
        vm.ports.write(address, size, low, 0, cpu.index);
        return DONE;
      case Access.MsrRead:
        return this.readMsr(address);
      default:
        return this.writeMsr(address, low, high) ? DONE : REFUSED;
    }
  }

  private beginMemory(request: AccessRequest, cause: RowRef): Placement {
    const { kind, address, low: value } = request;
    const region = this.vm.mmio.find(address);
    if (!region && this.vm.guard.covers(address)) return this.beginGuarded(request, cause);
    const signal = region && this.signalWay(request, region);
    const { reason, kernel } = signal ?? (region?.tag ?? this.nowhere).memory;
    if (reason === VmxExit.APIC_ACCESS) {
      this.exits.begin(reason, address % PAGE, value, cause);
      this.exits.kernel(kernel, this.qualificationOf(reason, request));
    } else if (this.vm.ept.touch(address)) {
      this.exits.begin(VmxExit.EPT_VIOLATION, address, value, cause);
      const cycles = kernel + this.site.costs['kvm.eptViolation'];
      this.exits.kernel(cycles, this.qualificationOf(VmxExit.EPT_VIOLATION, request));
    } else {
      this.exits.begin(reason, address, value, cause);
      this.exits.kernel(kernel);
    }
    if (signal) return 'ioeventfd';
    return region ? this.placementOf(region, kind, address) : 'user';
  }

  /** A store to RAM that KVM follows: it emulates the instruction (RET_PF_EMULATE of kvm_mmu_page_fault). */
  private beginGuarded({ address, low }: AccessRequest, cause: RowRef): Placement {
    const { costs } = this.site;
    const cycles =
      costs['exit.hardware'] + costs['kvm.dispatch'] + costs['kvm.eptViolation'] + costs['kvm.mmio'];
    this.exits.begin(VmxExit.EPT_VIOLATION, address, low, cause);
    this.exits.kernel(cycles, guardedStoreQualification());
    return 'kernel';
  }

  /** Exit qualification of an access that leaves for a reason; from its call-out. */
  private qualificationOf(reason: number, { kind, address, size }: AccessRequest): number {
    if (reason === VmxExit.EPT_MISCONFIG) return 0;
    const isWrite = kind === Access.MmioWrite;
    if (reason === VmxExit.APIC_ACCESS) return apicQualification(address % PAGE, isWrite);
    if (reason === VmxExit.EPT_VIOLATION) return eptQualification(isWrite);
    const { portForm: form, iterations } = this.cpu;
    const isIn = kind === Access.PortIn;
    return ioQualification({ port: address, size, isIn, form, repeated: iterations > 0 });
  }

  /** How a write signals an eventfd; undefined: it does not, or is no write. */
  private signalWay(request: AccessRequest, region: Region<KvmRegion>): ExitWay | undefined {
    const { kind, address } = request;
    if (kind !== Access.MmioWrite && kind !== Access.PortOut) return undefined;
    const hit = this.eventOf(request, region);
    if (!hit) return undefined;
    const { port, fast, decoded } = this.signalled;
    if (kind === Access.PortOut) return port;
    // The fast way is an EPT misconfiguration's: the first touch of a page is none yet.
    return hit.length === 0 && this.vm.ept.has(address) ? fast : decoded;
  }

  private eventOf(
    { address, size, low, high }: AccessRequest,
    region: Region<KvmRegion> | undefined,
  ): Ioeventfd | undefined {
    return region && this.vm.ioeventfds.find(region.block, address - region.base, size, low, high);
  }

  /** The eventfd is signalled, unless it has been taken back since KVM found it: the write is lost then, as its device stops. */
  private signal(request: AccessRequest, region: Region<KvmRegion> | undefined): AccessAnswer {
    const { address, low } = request;
    const { tracer } = this.site;
    const hit = this.eventOf(request, region);
    if (!region || !hit) return DONE;
    tracer.cause = tracer.instant(this.cpu.now(), region.tag.lane.track, Kind.Ioeventfd, address, low);
    hit.signalled.signal();
    return DONE;
  }

  /** Writes to a coalesced register are noted down by KVM, while its ring has room. */
  private placementOf(region: Region<KvmRegion>, kind: number, address: number): Placement {
    const { placement, coalesces } = region.tag;
    if (kind !== Access.MmioWrite || !coalesces?.(address - region.base)) return placement;
    return this.vm.coalesced.full ? placement : 'coalesced';
  }

  private readMemory(
    region: Region<KvmRegion> | undefined,
    address: number,
    size: number,
    further: boolean,
  ): AccessAnswer {
    const { mmio } = this.vm;
    this.begun(region, address, Kind.MmioRead, 0);
    const index = this.cpu.index;
    const low = region ? mmio.readFrom(region, address, size, index) : mmio.read(address, size, index);
    const high = mmio.resultHigh;
    if (further || !this.exits.answer(low)) {
      this.answered(region, address, low);
      const inPage = region?.tag.memory.reason === VmxExit.APIC_ACCESS;
      if (!further) this.exits.setArgs(inPage ? address % PAGE : address, low);
    }
    return this.read(low, high);
  }

  private readPort(
    region: Region<KvmRegion> | undefined,
    port: number,
    size: number,
    further: boolean,
  ): AccessAnswer {
    this.begun(region, port, Kind.PioIn, 0);
    const low = this.vm.ports.read(port, size, this.cpu.index);
    if (further || !this.exits.answer(low)) {
      this.answered(region, port, low);
      if (!further) this.exits.setArgs(port, low);
    }
    return this.read(low, 0);
  }

  /** The answer of a read. */
  private read(low: number, high: number): AccessAnswer {
    const { answer } = this;
    answer.low = low;
    answer.high = high;
    return answer;
  }

  private readMsr(index: number): AccessAnswer {
    const kept = this.keptMsr(index);
    this.exits.setArgs(index, kept?.low ?? 0);
    return kept ? { ...kept, known: true } : REFUSED;
  }

  /** Of the LAPIC, of the vCPU itself, or one that KVM alone keeps. */
  private keptMsr(index: number): { low: number; high: number } | undefined {
    const { vm, cpu } = this;
    const lapic = vm.lapic(cpu.index);
    const ofLapic = LocalApic.ownsMsr(index);
    const low = ofLapic ? lapic.msrRead(index) : cpu.readMsr(index);
    if (low !== undefined) return { low, high: ofLapic ? lapic.resultHigh : cpu.resultHigh };
    return ofLapic ? undefined : vm.msrs(cpu.index).read(index);
  }

  private writeMsr(index: number, low: number, high: number): boolean {
    const { vm, cpu } = this;
    if (LocalApic.ownsMsr(index)) return vm.lapic(cpu.index).msrWrite(index, low, high);
    if (cpu.readMsr(index) !== undefined) return cpu.writeMsr(index, low, high);
    return vm.msrs(cpu.index).write(index, low, high);
  }

  private kernel(work: CostKey): void {
    const { costs } = this.site;
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + costs[work]);
  }

  /** The register access is an event on its device's track, and the cause of what the device does. */
  private begun(region: Region<KvmRegion> | undefined, address: number, kind: number, value: number): void {
    if (!region) return;
    const { tracer } = this.site;
    if (this.foreseenRow !== 0) this.accessRow = this.foreseenRow;
    else {
      const offset = address - region.base + region.tag.offset;
      this.accessRow = tracer.instant(this.cpu.now(), region.tag.lane.track, kind, offset, value);
    }
    this.foreseenRow = 0;
    tracer.cause = this.accessRow;
  }

  /** The value is known once the device has answered; what it did for the answer hangs on the access all the same. */
  private answered(region: Region<KvmRegion> | undefined, address: number, value: number): void {
    if (region) this.site.tracer.setArgs(this.accessRow, address - region.base + region.tag.offset, value);
  }
}
