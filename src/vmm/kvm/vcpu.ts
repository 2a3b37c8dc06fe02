/**
 * One vCPU under KVM: what makes the guest leave, who serves it, and what is injected when it enters again.
 *
 * KVM maps all of the guest's RAM up front, so the only EPT exits are device accesses: EPT_VIOLATION the first time a page
 * is touched (KVM then installs a special entry), EPT_MISCONFIG from then on.
 */
import type { Region } from '../../machine/address-map';
import type { Stateful } from '../../machine/bus';
import { StopReason, type Cpu, type CpuCallouts } from '../../machine/cpu/types';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/events';
import type { RowRef } from '../../trace/tracer';
import { VmxExit } from '../../trace/vmx-exit-reasons';
import type { Host, Runnable } from '../host';
import { cpuidOf } from './cpuid';
import { ExitTimeline, type ExitTimelineState } from './exits';
import { hypercall } from './hypercalls';
import { Injection, type InjectionState } from './injection';
import { LocalApic } from '../../machine/interrupts/lapic';
import { readMsr, writeMsr } from './msrs';
import type { KvmVm, RegionTag } from './vm';

const PAGE = 4096;

/** Vector of the IPI by which Linux makes a vCPU leave the guest (RESCHEDULE_VECTOR). */
const KICK_VECTOR = 0xfd;

/** Events scheduled to a vCPU. */
const KICK = 0;
const WAKE = 1;
const ENTER = 2;

/** Where a vCPU is; `root` is in KVM or QEMU, between an exit and the next entry. */
type State = 'guest' | 'root' | 'halted' | 'ended';

/** Snapshot of a `KvmVcpu`; the registers are the vCPU's own. */
export interface KvmVcpuState {
  version: 1;
  state: State;
  kickScheduled: boolean;
  entry: EventHandle;
  entryTime: Cycles;
  belowThreshold: boolean;
  touchedPages: Float64Array;
  lastPage: number;
  accessRow: RowRef;
  exits: ExitTimelineState;
  injection: InjectionState;
}

/** A vCPU thread of QEMU in KVM_RUN. */
export class KvmVcpu implements CpuCallouts, Runnable, EventTarget, Stateful<KvmVcpuState> {
  readonly eventTargetId: string;
  readonly exits: ExitTimeline;
  readonly injection: Injection;
  private state: State = 'root';
  private kickScheduled = false;
  /** The event by which an exit ends that something else is due before the end of; 0: there is none. */
  private entry: EventHandle = 0;
  /** When that exit's work is done, in the midst of an instruction whose own cycles come after it. */
  private entryTime: Cycles = 0;
  /** A write of CR8 is under way: what it unmasks the TPR threshold tells of, without a kick. */
  private writingTpr = false;
  private belowThreshold = false;
  /** Pages that KVM has a special EPT entry for, and the one of the last access. */
  private touchedPages = new Set<number>();
  private lastPage = -1;
  /** The register access that is being served. */
  private accessRow: RowRef = 0;

  constructor(
    private readonly host: Host,
    private readonly vm: KvmVm,
    private readonly cpu: Cpu,
  ) {
    const name = `vCPU ${cpu.index}`;
    const { tracer } = host;
    const track = tracer.addTrack({ type: 'vcpu', name, group: vm.name, vm: vm.index });
    const interruptTrack = tracer.addTrack({ type: 'interrupts', name, group: vm.name, vm: vm.index });
    this.exits = new ExitTimeline(host, cpu, vm.index, track);
    this.injection = new Injection(host, cpu, vm.index, interruptTrack);
    this.eventTargetId = `${vm.name}/${name}`;
    host.queue.register(this);
    host.units.keep(this.eventTargetId, this);
    host.addRunnable(this);
    cpu.callouts = this;
  }

  /** First entry. */
  start(): void {
    this.state = 'guest';
    this.exits.enterGuest(this.cpu.now());
  }

  save(): KvmVcpuState {
    const { state, kickScheduled, entry, entryTime, belowThreshold, lastPage, accessRow } = this;
    return {
      version: 1,
      state,
      kickScheduled,
      entry,
      entryTime,
      belowThreshold,
      touchedPages: Float64Array.from(this.touchedPages),
      lastPage,
      accessRow,
      exits: this.exits.save(),
      injection: this.injection.save(),
    };
  }

  load(saved: KvmVcpuState): void {
    requireVersion(this.eventTargetId, saved.version, 1);
    this.state = saved.state;
    this.kickScheduled = saved.kickScheduled;
    this.entry = saved.entry;
    this.entryTime = saved.entryTime;
    this.belowThreshold = saved.belowThreshold;
    this.touchedPages = new Set(saved.touchedPages);
    this.lastPage = saved.lastPage;
    this.accessRow = saved.accessRow;
    this.exits.load(saved.exits);
    this.injection.load(saved.injection);
  }

  // --- time ---------------------------------------------------------------------------------------------------------

  now(): Cycles {
    return this.cpu.now();
  }

  advance(cycles: Cycles): void {
    this.cpu.advance(cycles);
  }

  limitDeadline(deadline: Cycles): void {
    this.cpu.limitDeadline(deadline);
  }

  instructions(): number {
    return this.cpu.instructions();
  }

  get runnable(): boolean {
    return this.state === 'guest';
  }

  get ended(): boolean {
    return this.state === 'ended';
  }

  runUntil(deadline: Cycles): void {
    this.deliverPending();
    const reason = this.cpu.run(deadline);
    switch (reason) {
      case StopReason.InterruptWindow:
        this.injection.wantWindow(false);
        this.boundaryExit(VmxExit.INTERRUPT_WINDOW, 0, 0, this.injection.innermost());
        break;
      case StopReason.Shutdown:
        this.begin(VmxExit.TRIPLE_FAULT, 0, 0);
        this.crash();
        break;
      case StopReason.Unsupported:
        this.crash();
        break;
      default:
        break;
    }
    if (this.belowThreshold && this.state === 'guest') {
      this.belowThreshold = false;
      this.boundaryExit(VmxExit.TPR_BELOW_THRESHOLD, 0, 0, this.injection.innermost());
    }
    this.deliverPending();
  }

  /** Ends the guest for good, from within a call-out or between runs. */
  stop(): void {
    this.state = 'ended';
    this.cpu.requestAttention();
  }

  // --- interrupts ---------------------------------------------------------------------------------------------------

  /** The LAPIC's output to this vCPU: somebody must look at it, wherever the vCPU is. */
  interruptRequested(): void {
    const { host } = this;
    if (this.state === 'halted') {
      // A vCPU that halted with interrupts off is not woken by one (kvm_arch_vcpu_runnable).
      if (!this.interruptsOn()) return;
      this.state = 'root';
      host.queue.schedule(host.now(), this, WAKE);
    } else if (this.state === 'guest' && !this.kickScheduled && !this.writingTpr) {
      this.kickScheduled = true;
      host.queue.schedule(host.now() + host.costs['irq.kick'], this, KICK);
    }
  }

  onEvent(kind: number, _arg: number, time: Cycles): void {
    const { host } = this;
    if (kind === ENTER) {
      this.entry = 0;
      if (this.state === 'ended') return;
      host.inContext(this, () => this.enter(true, false, this.entryTime));
      host.tracer.place = 0;
      return;
    }
    if (kind === WAKE) {
      if (this.state === 'ended') return;
      this.cpu.setNow(Math.max(this.cpu.now(), time));
      const cause = host.tracer.cause;
      host.inContext(this, () => {
        this.exits.wake(host.costs['kvm.wake']);
        this.finish(true);
      });
      host.tracer.cause = cause;
      return;
    }
    this.kickScheduled = false;
    const { cause } = host.tracer;
    // What the last entry injects comes before the kick that finds the vCPU in the guest.
    this.deliverPending();
    // The vCPU may have left by itself since the IPI was sent, and looked at its LAPIC then.
    if (
      this.state === 'guest' &&
      !this.injection.pending &&
      !this.injection.windowWanted &&
      this.lapic.highestPending() >= 0
    ) {
      host.inContext(this, () =>
        this.boundaryExit(
          VmxExit.EXTERNAL_INTERRUPT,
          KICK_VECTOR,
          host.costs['kvm.externalInterrupt'],
          cause,
        ),
      );
    }
  }

  interruptDelivered(vector: number): void {
    this.injection.delivered(vector);
  }

  interruptReturned(): void {
    this.injection.returned();
  }

  // --- call-outs: each is one VM exit, but for CR8, which the TPR shadow serves ---------------------------------------

  mmioRead(address: number, size: number): number {
    const region = this.memoryExit(address);
    this.beginAccess(region, address, Kind.MmioRead, 0);
    const value = this.vm.mmio.read(address, size);
    this.cpu.resultHigh = this.vm.mmio.resultHigh;
    this.endRead(region, address, value);
    this.exits.setArgs(this.exitArgument(region, address), value);
    this.finish(false);
    return value;
  }

  mmioWrite(address: number, size: number, low: number, high: number): void {
    const region = this.memoryExit(address);
    this.exits.setArgs(this.exitArgument(region, address), low);
    this.beginAccess(region, address, Kind.MmioWrite, low);
    this.vm.mmio.write(address, size, low, high);
    this.endAccess(region);
    this.finish(false);
  }

  portIn(port: number, size: number): number {
    this.begin(VmxExit.IO_INSTRUCTION, port, 0);
    this.kernel('kvm.pio');
    const region = this.vm.ports.find(port);
    this.beginAccess(region, port, Kind.PioIn, 0);
    const value = this.vm.ports.read(port, size);
    this.endRead(region, port, value);
    this.exits.setArgs(port, value);
    this.finish(false);
    return value;
  }

  portOut(port: number, size: number, value: number): void {
    this.begin(VmxExit.IO_INSTRUCTION, port, value);
    this.kernel('kvm.pio');
    const region = this.vm.ports.find(port);
    this.beginAccess(region, port, Kind.PioOut, value);
    this.vm.ports.write(port, size, value);
    this.endAccess(region);
    this.finish(false);
  }

  msrRead(index: number): number | undefined {
    this.begin(VmxExit.MSR_READ, index, 0);
    this.kernel('kvm.msr');
    const own = LocalApic.ownsMsr(index);
    const kept = readMsr(index);
    const low = own ? this.lapic.msrRead(index) : kept?.low;
    this.cpu.resultHigh = own ? this.lapic.resultHigh : (kept?.high ?? 0);
    this.exits.setArgs(index, low ?? 0);
    this.finish(false, low === undefined);
    return low;
  }

  msrWrite(index: number, low: number, high: number): boolean {
    this.begin(VmxExit.MSR_WRITE, index, low);
    this.kernel('kvm.msr');
    const known = LocalApic.ownsMsr(index) ? this.lapic.msrWrite(index, low, high) : writeMsr(index);
    this.finish(false, !known);
    return known;
  }

  cpuid(leaf: number, subleaf: number): { eax: number; ebx: number; ecx: number; edx: number } {
    this.begin(VmxExit.CPUID, leaf, subleaf);
    this.kernel('kvm.cpuid');
    const answer = cpuidOf(leaf, subleaf, this.cpu.index, this.host.frequencyHz);
    this.finish(false);
    return answer;
  }

  hlt(): void {
    this.begin(VmxExit.HLT, 0, 0);
    this.kernel('kvm.halt');
    const vector = this.lapic.highestPending();
    if (vector >= 0 && this.interruptsOn()) {
      this.finish(false);
      return;
    }
    this.exits.sleep();
    this.state = 'halted';
  }

  vmcall(): boolean {
    this.begin(VmxExit.VMCALL, Number(this.cpu.getReg(0) & 0xffffffffn), 0);
    this.kernel('kvm.hypercall');
    hypercall(this.cpu, this.host, this.exits.track);
    this.finish(false);
    return true;
  }

  cr8Read(): number {
    return this.lapic.cr8;
  }

  cr8Write(value: number): void {
    this.writingTpr = true;
    this.lapic.cr8 = value;
    this.writingTpr = false;
    this.belowThreshold =
      !this.injection.windowWanted && !this.kickScheduled && this.lapic.highestPending() >= 0;
    if (this.belowThreshold) this.cpu.requestAttention();
  }

  // --- the way through an exit ----------------------------------------------------------------------------------------

  private get lapic(): LocalApic {
    return this.vm.irqchip.lapicFor(this.cpu.index);
  }

  private interruptsOn(): boolean {
    return this.cpu.interruptsEnabled();
  }

  private begin(reason: number, a: number, b: number): void {
    if (this.entry !== 0) {
      // The instruction exits once more (a read, then a write): its first exit ends here.
      this.host.queue.cancel(this.entry);
      this.entry = 0;
      this.enter(false, false, this.cpu.now());
    }
    this.state = 'root';
    this.exits.begin(reason, a, b, this.injection.innermost());
  }

  private kernel(
    work: 'kvm.pio' | 'kvm.mmio' | 'kvm.msr' | 'kvm.cpuid' | 'kvm.halt' | 'kvm.hypercall',
  ): void {
    const { costs } = this.host;
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + costs[work]);
  }

  /** Opens the exit of a memory access and charges KVM's part of it. */
  private memoryExit(address: number): Region<RegionTag> | undefined {
    const { costs } = this.host;
    this.vm.irqchip.lapicFor(this.cpu.index);
    const region = this.vm.mmio.find(address);
    const unit = region ? region.tag.unit : 'device';
    let cycles = costs['exit.hardware'] + costs['kvm.dispatch'];
    if (unit === 'lapic') {
      this.begin(VmxExit.APIC_ACCESS, 0, 0);
      cycles += costs['kvm.apic'];
    } else {
      const first = this.touch(address);
      this.begin(first ? VmxExit.EPT_VIOLATION : VmxExit.EPT_MISCONFIG, 0, 0);
      cycles += costs['kvm.mmio'];
      if (unit === 'ioapic') cycles += costs['kvm.ioapic'];
      if (first) cycles += costs['kvm.eptViolation'];
    }
    this.exits.kernel(cycles);
    return region;
  }

  /** Notes that a page has been accessed; true the first time. */
  private touch(address: number): boolean {
    const page = Math.floor(address / PAGE);
    if (page === this.lastPage) return false;
    this.lastPage = page;
    if (this.touchedPages.has(page)) return false;
    this.touchedPages.add(page);
    return true;
  }

  private exitArgument(region: Region<RegionTag> | undefined, address: number): number {
    return region?.tag.unit === 'lapic' ? address % PAGE : address >>> 0;
  }

  /** Goes to whoever the address belongs to: KVM's own interrupt controllers here, everything else in QEMU. */
  private beginAccess(
    region: Region<RegionTag> | undefined,
    address: number,
    kind: number,
    value: number,
  ): void {
    if (!region) {
      this.exits.enterUser();
      return;
    }
    if (!region.tag.inKernel) this.exits.enterUser();
    const { tracer } = this.host;
    const offset = address - region.base + region.tag.offset;
    this.accessRow = tracer.instant(this.cpu.now(), region.tag.track, kind, offset, value);
    tracer.cause = this.accessRow;
  }

  /** The value is known once the device has answered; what it did for the answer hangs on the access all the same. */
  private endRead(region: Region<RegionTag> | undefined, address: number, value: number): void {
    if (region) this.host.tracer.setArgs(this.accessRow, address - region.base + region.tag.offset, value);
    this.endAccess(region);
  }

  private endAccess(region: Region<RegionTag> | undefined): void {
    if (!region || !region.tag.inKernel) this.exits.leaveUser();
  }

  /** An exit between two instructions. `cycles` are those of its handler in KVM. */
  private boundaryExit(reason: number, a: number, cycles: Cycles, cause: RowRef): void {
    this.state = 'root';
    this.exits.begin(reason, a, 0, cause);
    this.exits.kernel(this.host.costs['exit.hardware'] + this.host.costs['kvm.dispatch'] + cycles);
    this.finish(true);
  }

  /**
   * The exit's work is done. What is due before that has not happened yet: it may bring an interrupt, which then needs no
   * kick, for the vCPU is not in the guest. So the entry waits for it.
   *
   * @param atBoundary false inside an instruction, which completes before anything can be injected
   * @param faults the instruction ends in an exception, which KVM injects: an interrupt has to wait
   */
  private finish(atBoundary: boolean, faults = false): void {
    if (this.state === 'ended') {
      this.exits.endForGood();
      return;
    }
    const { cpu, host } = this;
    const now = cpu.now();
    if (host.queue.nextTime() <= now) {
      this.entryTime = now;
      this.entry = host.queue.schedule(now, this, ENTER);
      if (!atBoundary) cpu.requestAttention();
      return;
    }
    this.enter(atBoundary, faults, now);
    if (this.injection.pending && !atBoundary) cpu.requestAttention();
  }

  /** The way back into the guest, from a time on. */
  private enter(atBoundary: boolean, faults: boolean, time: Cycles): void {
    const { host } = this;
    const inject = this.injection.evaluate(this.lapic, atBoundary, faults, time);
    this.exits.end(time, host.costs['entry.hardware'] + (inject ? host.costs['kvm.inject'] : 0));
    this.state = 'guest';
    host.tracer.cause = this.injection.innermost();
    host.limitDeadline(this);
  }

  /** What the last entry injected takes effect, if the guest is about to run. */
  private deliverPending(): void {
    if (this.state === 'guest') this.injection.deliver();
  }

  private crash(): void {
    this.state = 'ended';
    const report = this.cpu.faultReport();
    const { tracer } = this.host;
    tracer.place = tracer.internPlace(this.vm.index, this.cpu.ripLow, this.cpu.ripHigh);
    tracer.instant(this.cpu.now(), this.exits.track, Kind.GuestFault, 0, 0);
    this.exits.endForGood();
    this.vm.crashed(report);
  }
}
