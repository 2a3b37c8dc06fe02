/**
 * One vCPU under KVM: what makes the guest leave, who serves it, and what is injected when it enters again.
 *
 * KVM maps all of the guest's RAM up front, so the only EPT exits are device accesses: EPT_VIOLATION the first time a page
 * is touched (KVM then installs a special entry), EPT_MISCONFIG from then on.
 *
 * An exit takes time, and other things may be due before its work: then the vCPU stops, and an event brings the work at its
 * own time. An access that waits gives its instruction up; once the guest has been entered again the instruction is executed
 * anew, and what it has done already is answered from memory (`FinishedAccesses`). HLT and hypercalls touch registers only
 * and wait at the boundary behind them.
 */
import type { Stateful } from '../../machine/bus';
import type { Cpu, CpuCallouts } from '../../machine/x86/types';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { Host, Runnable } from '../host';
import { Access, AccessPath, type AccessPathState } from './access-path';
import { Arrivals, type ArrivalsState } from './arrivals';
import type { FinishedAccesses } from './finished-accesses';
import { GuestRun, type GuestRunState } from './guest-run';
import { hypercall } from './hypercalls';
import type { Injection } from './injection';
import type { KvmVm } from './vm';
import { VcpuEvent, WorldSwitch, type WorldSwitchState } from './world-switch';

/** Snapshot of a `KvmVcpu`; the registers are the vCPU's own. */
export interface KvmVcpuState {
  version: 3;
  waiting: { kind: number; address: number; size: number; low: number; high: number };
  path: AccessPathState;
  world: WorldSwitchState;
  guest: GuestRunState;
  arrivals: ArrivalsState;
}

/** A vCPU thread of QEMU in KVM_RUN. */
export class KvmVcpu implements CpuCallouts, Runnable, EventTarget, Stateful<KvmVcpuState> {
  readonly eventTargetId: string;
  /** What somebody else does to this vCPU. */
  readonly arrivals: Arrivals;
  readonly injection: Injection;
  private readonly world: WorldSwitch;
  private readonly guest: GuestRun;
  private readonly path: AccessPath;
  private readonly finished: FinishedAccesses;
  /** The access that waits for its time. */
  private waiting: KvmVcpuState['waiting'] = { kind: 0, address: 0, size: 0, low: 0, high: 0 };

  constructor(
    private readonly host: Host,
    private readonly vm: KvmVm,
    private readonly cpu: Cpu,
  ) {
    this.world = new WorldSwitch(host, vm, cpu, this);
    this.injection = this.world.injection;
    this.finished = this.world.finished;
    this.guest = new GuestRun(host, cpu, this.world);
    this.arrivals = new Arrivals(host, cpu, this.world, this.guest, this);
    this.path = new AccessPath(host, vm, cpu, this.world.exits);
    this.eventTargetId = `${vm.name}/vCPU ${cpu.index}`;
    host.queue.register(this);
    host.units.keep(this.eventTargetId, this);
    host.addRunnable(this);
    cpu.callouts = this;
  }

  /** First entry of the bootstrap processor. */
  start(): void {
    this.world.start();
  }

  /** Any other processor after power-up: it does nothing until somebody starts it. */
  waitForStartUp(): void {
    this.world.waitForStartUp(this.cpu.now());
  }

  save(): KvmVcpuState {
    return {
      version: 3,
      waiting: { ...this.waiting },
      path: this.path.save(),
      world: this.world.save(),
      guest: this.guest.save(),
      arrivals: this.arrivals.save(),
    };
  }

  load(saved: KvmVcpuState): void {
    requireVersion(this.eventTargetId, saved.version, 3);
    this.waiting = { ...saved.waiting };
    this.path.load(saved.path);
    this.world.load(saved.world);
    this.guest.load(saved.guest);
    this.arrivals.load(saved.arrivals);
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
    return this.world.place === 'guest';
  }

  get ended(): boolean {
    return this.world.place === 'ended';
  }

  runUntil(deadline: Cycles): void {
    this.guest.until(deadline);
  }

  /** Ends the guest for good, from within a call-out or between runs. */
  stop(): void {
    this.world.place = 'ended';
    this.cpu.requestAttention();
  }

  // --- events ---------------------------------------------------------------------------------------------------------

  onEvent(kind: number, _arg: number, time: Cycles): void {
    if (kind === VcpuEvent.Kick) this.arrivals.kickCame();
    if (this.ended) return;
    const { tracer } = this.host;
    const { cause } = tracer;
    if (kind !== VcpuEvent.Kick) this.world.exits.resume();
    this.host.inContext(this, () => this.serve(kind, time, cause));
    tracer.place = 0;
    tracer.cause = cause;
  }

  private serve(kind: number, time: Cycles, cause: number): void {
    switch (kind) {
      case VcpuEvent.Enter:
        return this.world.enterNow();
      case VcpuEvent.Access:
        this.perform();
        this.finished.rewind();
        return this.world.finish(false, !this.finished.known);
      case VcpuEvent.Halt:
        return this.halt(time);
      case VcpuEvent.Hypercall:
        return this.serveHypercall(time);
      case VcpuEvent.Wake:
        return this.arrivals.woken(time);
      case VcpuEvent.Init:
        return this.arrivals.initCame();
      default:
        return this.arrivals.kicked(cause);
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
    const low = this.access(Access.MmioRead, address, size, 0, 0);
    this.cpu.resultHigh = this.finished.high;
    return low;
  }

  mmioWrite(address: number, size: number, low: number, high: number): void {
    this.access(Access.MmioWrite, address, size, low, high);
  }

  portIn(port: number, size: number): number {
    return this.access(Access.PortIn, port, size, 0, 0);
  }

  portOut(port: number, size: number, value: number): void {
    this.access(Access.PortOut, port, size, value, 0);
  }

  msrRead(index: number): number | undefined {
    const low = this.access(Access.MsrRead, index, 8, 0, 0);
    this.cpu.resultHigh = this.finished.high;
    return this.finished.known ? low : undefined;
  }

  msrWrite(index: number, low: number, high: number): boolean {
    this.access(Access.MsrWrite, index, 8, low, high);
    return this.finished.known;
  }

  cpuid(leaf: number, subleaf: number): { eax: number; ebx: number; ecx: number; edx: number } {
    this.world.begin(VmxExit.CPUID, leaf, subleaf);
    this.world.kernel('kvm.cpuid');
    const answer = this.vm.cpuid(leaf, subleaf, this.cpu.index);
    this.world.finishAt(this.cpu.now());
    return answer;
  }

  hlt(): void {
    this.world.begin(VmxExit.HLT, 0, 0);
    this.world.kernel('kvm.halt');
    const now = this.cpu.now();
    if (this.host.mustWait(this, now)) this.host.queue.schedule(now, this, VcpuEvent.Halt);
    else this.halt(now);
  }

  vmcall(): boolean {
    this.world.begin(VmxExit.VMCALL, Number(this.cpu.getReg(0) & 0xffffffffn), 0);
    this.world.kernel('kvm.hypercall');
    const now = this.cpu.now();
    if (this.host.mustWait(this, now)) {
      this.host.queue.schedule(now, this, VcpuEvent.Hypercall);
      this.cpu.requestAttention();
    } else this.serveHypercall(now);
    return true;
  }

  cr8Read(): number {
    return this.world.lapic.cr8;
  }

  cr8Write(value: number): void {
    this.arrivals.writeTpr(value);
  }

  // --- accesses, and what HLT and VMCALL do ---------------------------------------------------------------------------

  /** One register access of the guest; `finished` has the whole answer. */
  private access(kind: number, address: number, size: number, low: number, high: number): number {
    const { cpu, finished, host } = this;
    if (finished.recall(kind, address, cpu.now())) {
      this.injection.completing();
      return finished.low;
    }
    this.world.place = 'root';
    this.path.begin(kind, address, low, this.injection.innermost());
    const { waiting } = this;
    waiting.kind = kind;
    waiting.address = address;
    waiting.size = size;
    waiting.low = low;
    waiting.high = high;
    const now = cpu.now();
    if (!this.world.delivering && host.mustWait(this, now)) {
      host.queue.schedule(now, this, VcpuEvent.Access);
      this.giveUp();
      return 0;
    }
    this.perform();
    this.world.finish(false, !finished.known);
    // Given up at the entry, all of them will be asked again. What ended the VM is not completed, whoever did it when.
    if (!this.runnable) this.giveUp();
    else this.injection.completing();
    return finished.low;
  }

  private giveUp(): void {
    this.finished.rewind();
    this.cpu.abandonInstruction();
  }

  private perform(): void {
    const { kind, address, size, low, high } = this.waiting;
    const answer = this.path.perform(kind, address, size, low, high);
    this.finished.note(kind, address, answer, this.path.high, this.path.known);
    this.path.end();
  }

  /** HLT's decision: a vCPU for which something is pending does not sleep. */
  private halt(time: Cycles): void {
    if (this.world.startUp.initPending || this.injection.wakes(this.world.lapic)) {
      this.world.finishAt(time);
      return;
    }
    this.world.exits.sleep(time, Kind.Halted);
    this.world.place = 'halted';
  }

  private serveHypercall(time: Cycles): void {
    hypercall(this.cpu, this.host, this.world.exits.track, time, (message) =>
      this.vm.irqchip.sendFrom(this.cpu.index, message),
    );
    this.world.finishAt(time);
  }
}
