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
import { StopReason, type Cpu, type CpuCallouts } from '../../machine/cpu/types';
import type { LocalApic } from '../../machine/interrupts/lapic';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/events';
import { VmxExit } from '../../trace/vmx-exit-reasons';
import type { CostKey } from '../cost-keys';
import type { Host, Runnable } from '../host';
import { Access, AccessPath, type AccessPathState } from './access-path';
import { ExitTimeline, type ExitTimelineState } from './exits';
import { FinishedAccesses, type FinishedAccessesState } from './finished-accesses';
import { hypercall } from './hypercalls';
import { Injection, type InjectionState } from './injection';
import { StartUp, type StartUpState } from './start-up';
import type { KvmVm } from './vm';

/** Vector of the IPI by which Linux makes a vCPU leave the guest (RESCHEDULE_VECTOR). */
const KICK_VECTOR = 0xfd;

/** Events scheduled to a vCPU. */
const Event = { Kick: 0, Wake: 1, Enter: 2, Access: 3, Halt: 4, Hypercall: 5, Init: 6 } as const;

/** Where a vCPU is: `root` is in KVM or QEMU, between an exit and the next entry; `waiting` for a start-up IPI. */
type State = 'guest' | 'root' | 'halted' | 'waiting' | 'ended';

/** Snapshot of a `KvmVcpu`; the registers are the vCPU's own. */
export interface KvmVcpuState {
  version: 2;
  state: State;
  kickScheduled: boolean;
  belowThreshold: boolean;
  waiting: { kind: number; address: number; size: number; low: number; high: number };
  entry: { time: Cycles; atBoundary: boolean; faults: boolean };
  path: AccessPathState;
  finished: FinishedAccessesState;
  startUp: StartUpState;
  exits: ExitTimelineState;
  injection: InjectionState;
}

/** A vCPU thread of QEMU in KVM_RUN. */
export class KvmVcpu implements CpuCallouts, Runnable, EventTarget, Stateful<KvmVcpuState> {
  readonly eventTargetId: string;
  readonly exits: ExitTimeline;
  readonly injection: Injection;
  private readonly path: AccessPath;
  private readonly finished = new FinishedAccesses();
  private readonly startUp = new StartUp();
  private state: State = 'root';
  private kickScheduled = false;
  /** The access that waits for its time. */
  private waiting: KvmVcpuState['waiting'] = { kind: 0, address: 0, size: 0, low: 0, high: 0 };
  /** The entry that waits for its time; the guest may stand at the boundary behind its instruction, later by that one's cycles. */
  private entry: KvmVcpuState['entry'] = { time: 0, atBoundary: true, faults: false };
  /** A write of CR8 is under way: what it unmasks the TPR threshold tells of, without a kick. */
  private writingTpr = false;
  private belowThreshold = false;
  /** An interrupt is being delivered, and its stack is a device: no instruction could be given up, so nothing waits. */
  private delivering = false;

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
    this.path = new AccessPath(host, vm, cpu, this.exits);
    this.eventTargetId = `${vm.name}/${name}`;
    host.queue.register(this);
    host.units.keep(this.eventTargetId, this);
    host.addRunnable(this);
    cpu.callouts = this;
  }

  /** First entry of the bootstrap processor. */
  start(): void {
    this.state = 'guest';
    this.exits.enterGuest(this.cpu.now());
  }

  /** Any other processor after power-up: it does nothing until somebody starts it. */
  waitForStartUp(): void {
    this.state = 'waiting';
    this.exits.sleep(this.cpu.now(), Kind.WaitSipi);
  }

  save(): KvmVcpuState {
    const { state, kickScheduled, belowThreshold } = this;
    return {
      version: 2,
      state,
      kickScheduled,
      belowThreshold,
      waiting: { ...this.waiting },
      entry: { ...this.entry },
      path: this.path.save(),
      finished: this.finished.save(),
      startUp: this.startUp.save(),
      exits: this.exits.save(),
      injection: this.injection.save(),
    };
  }

  load(saved: KvmVcpuState): void {
    requireVersion(this.eventTargetId, saved.version, 2);
    this.state = saved.state;
    this.kickScheduled = saved.kickScheduled;
    this.belowThreshold = saved.belowThreshold;
    this.waiting = { ...saved.waiting };
    this.entry = { ...saved.entry };
    this.path.load(saved.path);
    this.finished.load(saved.finished);
    this.startUp.load(saved.startUp);
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
    if (this.injection.pending) this.settle();
    if (this.state === 'guest') this.runTo(deadline);
    if (this.injection.pending) this.settle();
  }

  /** Ends the guest for good, from within a call-out or between runs. */
  stop(): void {
    this.state = 'ended';
    this.cpu.requestAttention();
  }

  /** An instruction in whose midst the guest was entered is completed, then what the entry injected takes effect. */
  private settle(): void {
    const { cpu } = this;
    while (this.state === 'guest' && this.finished.unfinished(cpu.now())) this.runTo(cpu.now() + 1);
    if (this.state !== 'guest') return;
    this.delivering = true;
    this.injection.deliver();
    this.delivering = false;
  }

  private runTo(deadline: Cycles): void {
    switch (this.cpu.run(deadline)) {
      case StopReason.InterruptWindow:
        this.injection.windowCame(false);
        this.boundaryExit(VmxExit.INTERRUPT_WINDOW, 0, 0, this.injection.innermost());
        break;
      case StopReason.NmiWindow:
        this.injection.windowCame(true);
        this.boundaryExit(VmxExit.NMI_WINDOW, 0, 0, this.injection.innermost());
        break;
      case StopReason.Shutdown:
        this.begin(VmxExit.TRIPLE_FAULT, 0, 0);
        this.crash();
        break;
      case StopReason.Unsupported:
        this.host.tracer.cause = this.injection.innermost();
        this.crash();
        break;
      default:
        break;
    }
    if (this.belowThreshold && this.state === 'guest') {
      this.belowThreshold = false;
      this.boundaryExit(VmxExit.TPR_BELOW_THRESHOLD, 0, 0, this.injection.innermost());
    }
  }

  // --- interrupts ---------------------------------------------------------------------------------------------------

  /** The LAPIC's output to this vCPU, or what an NMI or INIT does: somebody must look at it, wherever the vCPU is. */
  interruptRequested(): void {
    const { host } = this;
    if (this.state === 'halted') {
      // A vCPU that halted with interrupts off is not woken by one (kvm_arch_vcpu_runnable).
      if (!this.startUp.initPending && !this.injection.wakes(this.lapic)) return;
      this.state = 'root';
      host.queue.schedule(host.now(), this, Event.Wake);
    } else if (this.state === 'guest' && !this.kickScheduled && !this.writingTpr) {
      this.kickScheduled = true;
      host.queue.schedule(host.now() + host.costs['irq.kick'], this, Event.Kick);
    }
  }

  /** An NMI has come, from another CPU or a pin. */
  nmiRequested(): void {
    if (this.state === 'ended') return;
    this.injection.nmiArrived();
    this.interruptRequested();
  }

  /** INIT has come. It is taken by an event: whoever sent it may be in the midst of an instruction. */
  initRequested(): void {
    this.startUp.requestInit();
    if (this.state === 'waiting') this.host.queue.schedule(this.host.now(), this, Event.Init);
    else this.interruptRequested();
  }

  /** A start-up IPI has come: to nobody but a vCPU that has been reset by INIT and waits, or is about to. */
  startUpRequested(page: number): void {
    this.startUp.request(page);
    this.startIfReady();
  }

  private startIfReady(): void {
    if (this.state !== 'waiting' || !this.startUp.ready) return;
    this.state = 'root';
    this.host.queue.schedule(this.host.now(), this, Event.Wake);
  }

  onEvent(kind: number, _arg: number, time: Cycles): void {
    if (kind === Event.Kick) this.kickScheduled = false;
    if (this.state === 'ended') return;
    const { cause } = this.host.tracer;
    if (kind !== Event.Kick) this.exits.resume();
    this.host.inContext(this, () => {
      switch (kind) {
        case Event.Enter:
          this.enter(this.entry.atBoundary, this.entry.faults, this.entry.time);
          break;
        case Event.Access:
          this.perform();
          this.finished.rewind();
          this.finish(false, !this.finished.known);
          break;
        case Event.Halt:
          this.halt(time);
          break;
        case Event.Hypercall:
          this.serveHypercall(time);
          break;
        case Event.Wake:
          this.wake(time);
          break;
        case Event.Init:
          this.resetByInit();
          this.startIfReady();
          break;
        default:
          this.kicked(cause);
      }
    });
    this.host.tracer.place = 0;
    this.host.tracer.cause = cause;
  }

  private wake(time: Cycles): void {
    this.cpu.setNow(Math.max(this.cpu.now(), time));
    this.exits.wake(this.host.costs['kvm.wake']);
    const page = this.startUp.take();
    if (page >= 0) this.cpu.startUp(page);
    this.finish(true, false);
  }

  private kicked(cause: number): void {
    // What the last entry injects comes before the kick that finds the vCPU in the guest.
    this.settle();
    // The vCPU may have left by itself since the IPI was sent, and looked at its LAPIC then.
    if (this.state !== 'guest') return;
    if (!this.startUp.initPending && !this.injection.needsExit(this.lapic)) return;
    const cycles = this.host.costs['kvm.externalInterrupt'];
    this.boundaryExit(VmxExit.EXTERNAL_INTERRUPT, KICK_VECTOR, cycles, cause);
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
    this.begin(VmxExit.CPUID, leaf, subleaf);
    this.kernel('kvm.cpuid');
    const answer = this.vm.cpuid(leaf, subleaf, this.cpu.index);
    this.finishAt(this.cpu.now());
    return answer;
  }

  hlt(): void {
    this.begin(VmxExit.HLT, 0, 0);
    this.kernel('kvm.halt');
    const now = this.cpu.now();
    if (this.host.mustWait(this, now)) this.host.queue.schedule(now, this, Event.Halt);
    else this.halt(now);
  }

  vmcall(): boolean {
    this.begin(VmxExit.VMCALL, Number(this.cpu.getReg(0) & 0xffffffffn), 0);
    this.kernel('kvm.hypercall');
    const now = this.cpu.now();
    if (this.host.mustWait(this, now)) {
      this.host.queue.schedule(now, this, Event.Hypercall);
      this.cpu.requestAttention();
    } else this.serveHypercall(now);
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

  private begin(reason: number, a: number, b: number): void {
    this.state = 'root';
    this.exits.begin(reason, a, b, this.injection.innermost());
  }

  private kernel(work: CostKey): void {
    const { costs } = this.host;
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + costs[work]);
  }

  /** One register access of the guest; `finished` has the whole answer. */
  private access(kind: number, address: number, size: number, low: number, high: number): number {
    const { cpu, finished, host } = this;
    if (finished.recall(kind, address, cpu.now())) {
      this.injection.completing();
      return finished.low;
    }
    this.state = 'root';
    this.path.begin(kind, address, low, this.injection.innermost());
    const { waiting } = this;
    waiting.kind = kind;
    waiting.address = address;
    waiting.size = size;
    waiting.low = low;
    waiting.high = high;
    const now = cpu.now();
    if (!this.delivering && host.mustWait(this, now)) {
      host.queue.schedule(now, this, Event.Access);
      this.giveUp();
      return 0;
    }
    this.perform();
    this.finish(false, !finished.known);
    // Given up at the entry, all of them will be asked again.
    if (this.state === 'root') this.giveUp();
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
    if (this.startUp.initPending || this.injection.wakes(this.lapic)) {
      this.finishAt(time);
      return;
    }
    this.exits.sleep(time, Kind.Halted);
    this.state = 'halted';
  }

  private serveHypercall(time: Cycles): void {
    hypercall(this.cpu, this.host, this.exits.track, time, (message) =>
      this.vm.irqchip.sendFrom(this.cpu.index, message),
    );
    this.finishAt(time);
  }

  /** An exit between two instructions. `cycles` are those of its handler in KVM. */
  private boundaryExit(reason: number, a: number, cycles: Cycles, cause: number): void {
    this.state = 'root';
    this.exits.begin(reason, a, 0, cause);
    this.exits.kernel(this.host.costs['exit.hardware'] + this.host.costs['kvm.dispatch'] + cycles);
    this.finish(true, false);
  }

  /**
   * The exit's work is done. What is due before that has not happened yet: it may bring an interrupt, which then needs no
   * kick, for the vCPU is not in the guest. So the entry waits for it.
   *
   * @param atBoundary false inside an instruction, which completes before anything can be injected
   * @param faults the instruction ends in an exception, which KVM injects: an interrupt has to wait
   */
  private finish(atBoundary: boolean, faults: boolean): void {
    const now = this.cpu.now();
    if (this.mayEnter(now)) this.enter(atBoundary, faults, now);
    else if (this.state === 'root') this.enterLater(atBoundary, faults, now);
  }

  /** As `finish` for an instruction that touches registers only: it completes at once, whenever the guest is entered. */
  private finishAt(time: Cycles): void {
    if (this.mayEnter(time)) {
      this.enter(false, false, time);
      this.injection.completing();
    } else if (this.state === 'root') {
      this.enterLater(true, false, time);
      this.cpu.requestAttention();
    }
    this.finished.forget();
  }

  private mayEnter(time: Cycles): boolean {
    if (this.state === 'ended') {
      this.exits.endForGood();
      return false;
    }
    return this.delivering || (!this.startUp.initPending && !this.host.mustWait(this, time));
  }

  private enterLater(atBoundary: boolean, faults: boolean, time: Cycles): void {
    this.entry.time = time;
    this.entry.atBoundary = atBoundary;
    this.entry.faults = faults;
    this.host.queue.schedule(time, this, Event.Enter);
  }

  /** The way back into the guest, from a time on. */
  private enter(atBoundary: boolean, faults: boolean, time: Cycles): void {
    const { cpu, host } = this;
    if (this.startUp.initPending && !this.delivering) {
      this.resetByInit();
      if (cpu.index !== 0) {
        this.exits.sleep(time, Kind.WaitSipi);
        this.state = 'waiting';
        this.startIfReady();
        return;
      }
      atBoundary = true;
      faults = false;
    }
    const inject = this.injection.evaluate(this.lapic, atBoundary, faults, time);
    this.exits.end(time, host.costs['entry.hardware'] + (inject ? host.costs['kvm.inject'] : 0));
    this.state = 'guest';
    if (atBoundary) this.finished.forget();
    else this.finished.entered(cpu.now());
    host.tracer.cause = this.injection.innermost();
    host.limitDeadline(this);
  }

  /** Registers, LAPIC and everything under way are as after INIT. The bootstrap processor goes on, others wait. */
  private resetByInit(): void {
    this.cpu.init();
    this.lapic.init();
    this.injection.reset();
    this.finished.forget();
    this.startUp.initDone(this.cpu.index !== 0);
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
