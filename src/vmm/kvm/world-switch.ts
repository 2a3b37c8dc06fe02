/**
 * The ways of one vCPU between guest and host: where it is, the exit that begins, and the entry once the exit's work is done,
 * with all that KVM looks at before it (INIT, interrupts).
 *
 * The guest is entered between two instructions only: KVM completes the one that exited, or skips it. Whether an instruction
 * has more to ask shows no sooner than at the boundary behind it. Until then its entry is owed: where nothing stands against it,
 * its cycles are charged beforehand, and taken back when the instruction does ask for more.
 */
import type { Stateful } from '../../machine/bus';
import type { Cpu } from '../../machine/x86/types';
import type { LocalApic } from '../../machine/interrupts/lapic';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import type { LockUser } from '../threads/lock';
import type { CostKey } from '../cost-keys';
import { qemuLocks } from '../qemu/process';
import type { Site } from '../host';
import type { Runnable } from '../threads/island';
import { apicRules } from './apic-rules';
import { policyOf } from './cpu-policy';
import { DebugRegisters, type DebugRegistersState } from './debug-registers';
import { Emulation, type EmulationState } from './emulation';
import { ExitTimeline, type ExitTimelineState } from './exits';
import { FinishedAccesses, type FinishedAccessesState } from '../cpu/finished-accesses';
import { HandOver, type HandOverState } from './hand-over';
import { HaltPolling, type HaltPollingState } from './halt-polling';
import { Injection, type InjectionState } from './injection';
import { StartUp, type StartUpState } from '../cpu/start-up';
import { VcpuEvent } from './vcpu-event';
import { inGuest, type VcpuPlace } from './vcpu-place';
import type { VcpuVm } from './vm-face';

/** Snapshot of a `WorldSwitch`. */
export interface WorldSwitchState {
  version: 6;
  place: VcpuPlace;
  yieldWanted: boolean;
  kickSent: boolean;
  asleep: boolean;
  entryTime: Cycles;
  finished: FinishedAccessesState;
  debugRegisters: DebugRegistersState;
  emulation: EmulationState;
  polling: HaltPollingState;
  startUp: StartUpState;
  exits: ExitTimelineState;
  injection: InjectionState;
  handOver: HandOverState;
}

/** Exits and entries of one vCPU. */
export class WorldSwitch implements Stateful<WorldSwitchState> {
  readonly exits: ExitTimeline;
  readonly injection: Injection;
  readonly finished = new FinishedAccesses();
  readonly startUp = new StartUp();
  readonly debugRegisters: DebugRegisters;
  readonly emulation: Emulation;
  readonly polling: HaltPolling;
  readonly handOver: HandOver;
  private at: VcpuPlace = 'root';
  /** An interrupt is being delivered: nothing that leaves the guest meanwhile could be given up. */
  delivering = false;
  /** When the entry that waits for its time is made; the guest stands behind its instruction, later by that one's cycles. */
  private entryTime: Cycles = 0;
  /** When the owed entry is made; -1: none is owed. Never between two runs, so that no snapshot has it. */
  private owedTime: Cycles = -1;
  /** What has been charged for it. */
  private owedCycles: Cycles = 0;

  /** The scheduler wants the vCPU's CPU for another thread: given up before the next entry. */
  yieldWanted = false;
  /** An IPI is on its way that makes the vCPU leave the guest; of no account once it has left and entered again. */
  kickSent = false;
  /** The thread's next turn ends its sleep. */
  asleep = false;

  /** @param vcpu whose ways these are: it gets the events, and hands `VcpuEvent.Enter` on to `enterNow` */
  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    private readonly cpu: Cpu,
    private readonly vcpu: Runnable & EventTarget & LockUser,
  ) {
    const { tracer } = site;
    const common = { name: `vCPU ${cpu.index}`, group: vm.name, vm: vm.index };
    const track = tracer.addTrack({ type: 'vcpu', ...common, locks: qemuLocks });
    const interruptTrack = tracer.addTrack({ type: 'interrupts', ...common });
    this.exits = new ExitTimeline(site, cpu, vm.index, track, vm.processor);
    this.injection = new Injection(
      site,
      cpu,
      vm.index,
      interruptTrack,
      apicRules[vm.interrupts]?.delivers ?? false,
    );
    this.debugRegisters = new DebugRegisters(cpu, policyOf(vm.interrupts));
    this.emulation = new Emulation(cpu);
    this.handOver = new HandOver(site, vm, cpu, this, vcpu);
    this.polling = new HaltPolling(vm.haltPollNs, site.frequencyHz);
  }

  /** The vCPU's own LAPIC. */
  get lapic(): LocalApic {
    return this.vm.lapic(this.cpu.index);
  }

  /** First entry of the bootstrap processor. */
  start(): void {
    this.place = 'guest';
    this.exits.enterGuest(this.cpu.now());
  }

  /** Where the vCPU is. */
  get place(): VcpuPlace {
    return this.at;
  }

  set place(place: VcpuPlace) {
    const [before, after] = [inGuest(this.at), inGuest(place)];
    this.at = place;
    if (before && !after) this.handOver.exitless?.left();
    else if (after && !before) this.handOver.exitless?.entered();
  }

  /** Something would be taken now: a vCPU that halts does not sleep, one that sleeps is woken. */
  wakes(): boolean {
    this.handOver.take();
    return this.injection.wakes(this.lapic);
  }

  /** The thread has its CPU back, which it had given up before an entry. */
  continueEntry(time: Cycles): void {
    this.cpu.setNow(Math.max(this.cpu.now(), time));
    this.entryTime = Math.max(this.entryTime, time);
    this.enterNow();
  }

  /** The machine was reset: nothing is under way any more, and the registers are as after power-up. */
  reset(): void {
    this.startUp.reset();
    this.cpu.powerUp();
    this.injection.reset();
    this.handOver.reset();
    this.finished.forget();
    this.debugRegisters.reset();
    this.owedTime = -1;
    this.yieldWanted = this.kickSent = this.asleep = false;
    this.place = 'root';
  }

  /** Sleeps from a time on until somebody starts it up. */
  waitForStartUp(time: Cycles): void {
    this.sleep(time, Kind.WaitSipi, 'waiting');
  }

  /** A vCPU that waits goes on if its start-up IPI has come. */
  startIfReady(): void {
    if (this.place === 'waiting' && this.startUp.ready) this.wakeSoon();
  }

  /** A vCPU that sleeps goes on as soon as its thread has a CPU. */
  wakeSoon(): void {
    this.place = 'root';
    this.site.scheduler.wake(this.vcpu.thread);
  }

  /** The vCPU's thread has nothing to do from a time on. */
  sleep(time: Cycles, kind: number, place: VcpuPlace): void {
    this.place = place;
    this.asleep = true;
    this.handOver.blocked();
    this.exits.sleep(time, kind);
    this.site.scheduler.block(this.vcpu.thread, time);
  }

  /** Makes a vCPU in the guest leave it: by an IPI to the physical CPU on which it runs. */
  kick(): void {
    if (this.kickSent) return;
    this.kickSent = true;
    this.site.scheduler.kick(this.vcpu.thread);
  }

  /** The guest leaves, by its own doing. */
  begin(reason: number, a: number, b: number): void {
    this.place = 'root';
    this.exits.begin(reason, a, b, this.injection.innermost());
  }

  /**
   * From a call-out at which nothing but KVM is at work: the guest leaves, and its handler is at it.
   * @param qualification exit qualification that it reads
   */
  leave(reason: number, a: number, b: number, handler?: CostKey, qualification = 0): void {
    const { costs } = this.site;
    if (this.owes) this.settle();
    this.emulation.end();
    this.begin(reason, a, b);
    const work = handler ? costs[handler] : 0;
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + work, qualification);
  }

  /** From a call-out: the exit's work is done, and the core goes on with the instruction. */
  goOn(): void {
    this.owe(this.cpu.now());
    if (this.place !== 'guest') this.cpu.requestAttention();
  }

  /** A whole exit between two instructions. `cycles` are those of its handler in KVM, `work` is what that one does. */
  boundaryExit(reason: number, a: number, cycles: Cycles, cause: RowRef, work?: () => void): void {
    const { costs } = this.site;
    this.place = 'root';
    this.exits.begin(reason, a, 0, cause);
    work?.();
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + cycles);
    this.finish(this.cpu.now());
  }

  /**
   * The exit's work is done, at a boundary. What is due before `time` has not happened yet: it may bring an interrupt, which
   * then needs no kick, for the vCPU is not in the guest. So the entry waits for it.
   */
  finish(time: Cycles): void {
    if (this.mayEnter(time)) this.enter(time);
    else {
      this.entryTime = time;
      this.site.island.queue.schedule(time, this.vcpu, VcpuEvent.Enter);
    }
  }

  /**
   * The exit's work is done, and its instruction goes on: the entry at `time` is owed. Unless the guest is to be entered at
   * that time in any case, it is not in the guest until the entry is settled at the boundary.
   */
  owe(time: Cycles): void {
    this.owedTime = time;
    this.owedCycles = 0;
    if (this.injection.idle(this.lapic) && !this.handOver.outstanding && this.mayEnter(time)) {
      this.owedCycles = this.site.costs['entry.hardware'];
      this.cpu.advance(this.owedCycles);
      this.place = 'guest';
      this.debugRegisters.entered();
      this.site.island.limitDeadline(this.vcpu);
    }
    this.finished.entered(this.cpu.now());
  }

  /** The exit's work is done, and its instruction, of which nothing has happened, is to be executed in the guest. */
  oweRestart(time: Cycles): void {
    this.owedTime = time;
    this.owedCycles = 0;
  }

  /** An entry is owed. */
  get owes(): boolean {
    return this.owedTime >= 0;
  }

  /** The instruction goes on in KVM: it is not the time to enter the guest. */
  takeBack(): void {
    this.cpu.advance(-this.owedCycles);
    this.owedTime = -1;
    this.place = 'root';
  }

  /** The instruction is over: the owed entry is made, or waits for its time. */
  settle(): void {
    const { owedTime, owedCycles, place } = this;
    this.handOver.exitless?.instructionOver(owedTime);
    this.takeBack();
    if (place === 'guest') this.resume(owedTime, owedCycles);
    else this.finish(owedTime);
  }

  /** The machine is reset: a vCPU that is not in the guest stands still until then. */
  stopForReset(time: Cycles): void {
    this.place = 'stopped';
    this.asleep = false;
    this.exits.endForGood();
    this.site.scheduler.block(this.vcpu.thread, time);
    this.vm.stoppedForReset();
  }

  /** The entry that has waited: for its time, or for the CPU that the thread had given up. */
  enterNow(): void {
    const { entryTime } = this;
    if (this.vm.resetting) this.stopForReset(entryTime);
    else if (this.yieldWanted) {
      this.yieldWanted = false;
      this.handOver.preempted();
      this.site.scheduler.yield(this.vcpu.thread, entryTime);
    } else this.enter(entryTime);
  }

  /** Registers, LAPIC and everything under way are as after INIT. The bootstrap processor goes on, others wait. */
  resetByInit(): void {
    this.cpu.init();
    this.lapic.init();
    this.injection.reset();
    this.handOver.reset();
    this.finished.forget();
    this.debugRegisters.reset();
    this.startUp.initDone(this.cpu.index !== 0);
  }

  /** A triple fault: QEMU resets the machine, or the guest ends here. */
  shutDown(): void {
    if (!this.vm.resetsOnTripleFault) {
      this.crash();
      return;
    }
    const { costs, island } = this.site;
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch']);
    this.exits.toUser();
    island.queue.schedule(this.cpu.now(), this.vcpu, VcpuEvent.Shutdown);
  }

  /** QEMU has the exit of a triple fault. */
  shutDownCame(time: Cycles): void {
    this.vm.tripleFault();
    this.stopForReset(time);
  }

  /** The guest can't go on, and its VM with it. */
  crash(): void {
    this.place = 'ended';
    const report = this.cpu.faultReport();
    const { tracer } = this.site;
    tracer.place = tracer.internPlace(this.vm.index, this.cpu.ripLow, this.cpu.ripHigh);
    tracer.instant(this.cpu.now(), this.exits.track, Kind.GuestFault, 0, 0);
    this.exits.endForGood();
    this.vm.crashed(report);
  }

  save(): WorldSwitchState {
    return {
      version: 6,
      place: this.place,
      yieldWanted: this.yieldWanted,
      kickSent: this.kickSent,
      asleep: this.asleep,
      entryTime: this.entryTime,
      finished: this.finished.save(),
      debugRegisters: this.debugRegisters.save(),
      emulation: this.emulation.save(),
      polling: this.polling.save(),
      startUp: this.startUp.save(),
      exits: this.exits.save(),
      injection: this.injection.save(),
      handOver: this.handOver.save(),
    };
  }

  load(saved: WorldSwitchState): void {
    requireVersion('exits and entries of a vCPU', saved.version, 6);
    this.at = saved.place;
    this.yieldWanted = saved.yieldWanted;
    this.kickSent = saved.kickSent;
    this.asleep = saved.asleep;
    this.entryTime = saved.entryTime;
    this.finished.load(saved.finished);
    this.debugRegisters.load(saved.debugRegisters);
    this.emulation.load(saved.emulation);
    this.polling.load(saved.polling);
    this.startUp.load(saved.startUp);
    this.exits.load(saved.exits);
    this.injection.load(saved.injection);
    this.handOver.load(saved.handOver);
  }

  private mayEnter(time: Cycles): boolean {
    if (this.startUp.initPending || this.yieldWanted || this.vm.resetting) return false;
    return !this.site.island.mustWait(this.vcpu, time);
  }

  /** The way back into the guest, from a time on. */
  private enter(time: Cycles): void {
    const { site } = this;
    if (this.startUp.initPending) {
      this.resetByInit();
      if (this.cpu.index !== 0) {
        this.waitForStartUp(time);
        this.startIfReady();
        return;
      }
    }
    if (this.handOver.outstanding) {
      site.island.standAt(time);
      this.handOver.take();
    }
    const inject = this.injection.evaluate(this.lapic, time);
    this.resume(time, site.costs['entry.hardware'] + (inject ? site.costs['kvm.inject'] : 0));
    site.island.limitDeadline(this.vcpu);
  }

  /** The guest has the CPU again, so many cycles after a time. */
  private resume(time: Cycles, cycles: Cycles): void {
    this.exits.end(time, cycles);
    this.place = 'guest';
    this.kickSent = false;
    this.debugRegisters.entered();
    this.site.tracer.cause = this.injection.innermost();
  }
}
