/**
 * The ways of one vCPU between guest and host: where it is, the exit that begins, and the entry once the exit's work is done,
 * with all that KVM looks at before it (INIT, interrupts).
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
import { ExitTimeline, type ExitTimelineState } from './exits';
import { FinishedAccesses, type FinishedAccessesState } from '../cpu/finished-accesses';
import { Injection, type InjectionState } from './injection';
import { StartUp, type StartUpState } from '../cpu/start-up';
import type { VcpuVm } from './vm-face';

/** Events scheduled to a vCPU. */
export const VcpuEvent = {
  Enter: 0,
  Lock: 1,
  Access: 2,
  Halt: 3,
  Hypercall: 4,
  Init: 5,
  Shutdown: 6,
} as const;

/**
 * Where a vCPU is: `root` is in KVM or QEMU, between an exit and the next entry; `waiting` for a start-up IPI; `stopped` for
 * a reset of the machine.
 */
export type VcpuPlace = 'guest' | 'root' | 'halted' | 'waiting' | 'stopped' | 'ended';

/** Snapshot of a `WorldSwitch`. */
export interface WorldSwitchState {
  version: 2;
  place: VcpuPlace;
  yieldWanted: boolean;
  kickSent: boolean;
  asleep: boolean;
  entry: { time: Cycles; atBoundary: boolean; faults: boolean };
  finished: FinishedAccessesState;
  startUp: StartUpState;
  exits: ExitTimelineState;
  injection: InjectionState;
}

/** Exits and entries of one vCPU. */
export class WorldSwitch implements Stateful<WorldSwitchState> {
  readonly exits: ExitTimeline;
  readonly injection: Injection;
  readonly finished = new FinishedAccesses();
  readonly startUp = new StartUp();
  place: VcpuPlace = 'root';
  /** An interrupt is being delivered, and its stack is a device: no instruction could be given up, so nothing waits. */
  delivering = false;
  /** The entry that waits for its time; the guest may stand at the boundary behind its instruction, later by that one's cycles. */
  private entry: WorldSwitchState['entry'] = { time: 0, atBoundary: true, faults: false };

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
    this.exits = new ExitTimeline(site, cpu, vm.index, track);
    this.injection = new Injection(site, cpu, vm.index, interruptTrack);
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

  /** The thread has its CPU back, which it had given up before an entry. */
  continueEntry(time: Cycles): void {
    this.cpu.setNow(Math.max(this.cpu.now(), time));
    this.entry.time = Math.max(this.entry.time, time);
    this.enterNow();
  }

  /** The machine was reset: nothing is under way any more, and the registers are as after power-up. */
  reset(): void {
    this.startUp.reset();
    this.cpu.powerUp();
    this.injection.reset();
    this.finished.forget();
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
    this.exits.sleep(time, kind);
    this.site.scheduler.block(this.vcpu.thread, time);
  }

  /** The guest leaves, by its own doing. */
  begin(reason: number, a: number, b: number): void {
    this.place = 'root';
    this.exits.begin(reason, a, b, this.injection.innermost());
  }

  /** The legs to a handler in KVM, and that one's. */
  kernel(work: CostKey): void {
    const { costs } = this.site;
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + costs[work]);
  }

  /** A whole exit between two instructions. `cycles` are those of its handler in KVM, `work` is what that one does. */
  boundaryExit(reason: number, a: number, cycles: Cycles, cause: RowRef, work?: () => void): void {
    const { costs } = this.site;
    this.place = 'root';
    this.exits.begin(reason, a, 0, cause);
    work?.();
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + cycles);
    this.finish(true, false);
  }

  /**
   * The exit's work is done. What is due before that has not happened yet: it may bring an interrupt, which then needs no
   * kick, for the vCPU is not in the guest. So the entry waits for it.
   *
   * @param atBoundary false inside an instruction, which completes before anything can be injected
   * @param faults the instruction ends in an exception, which KVM injects: an interrupt has to wait
   */
  finish(atBoundary: boolean, faults: boolean): void {
    const now = this.cpu.now();
    if (this.mayEnter(now)) this.enter(atBoundary, faults, now);
    else if (this.place === 'root') this.enterLater(atBoundary, faults, now);
  }

  /** The machine is reset: a vCPU that is not in the guest stands still until then. */
  stopForReset(time: Cycles): void {
    this.place = 'stopped';
    this.asleep = false;
    this.exits.endForGood();
    this.site.scheduler.block(this.vcpu.thread, time);
    this.vm.stoppedForReset();
  }

  /** As `finish` for an instruction that touches registers only: it completes at once, whenever the guest is entered. */
  finishAt(time: Cycles): void {
    if (this.mayEnter(time)) {
      this.enter(false, false, time);
      this.injection.completing();
    } else if (this.place === 'root') {
      this.enterLater(true, false, time);
      this.cpu.requestAttention();
    }
    this.finished.forget();
  }

  /** The entry that has waited: for its time, or for the CPU that the thread had given up. */
  enterNow(): void {
    if (this.vm.resetting) {
      this.stopForReset(this.entry.time);
      return;
    }
    if (this.yieldWanted) {
      this.yieldWanted = false;
      this.site.scheduler.yield(this.vcpu.thread, this.entry.time);
      return;
    }
    this.enter(this.entry.atBoundary, this.entry.faults, this.entry.time);
  }

  /** Registers, LAPIC and everything under way are as after INIT. The bootstrap processor goes on, others wait. */
  resetByInit(): void {
    this.cpu.init();
    this.lapic.init();
    this.injection.reset();
    this.finished.forget();
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
      version: 2,
      place: this.place,
      yieldWanted: this.yieldWanted,
      kickSent: this.kickSent,
      asleep: this.asleep,
      entry: { ...this.entry },
      finished: this.finished.save(),
      startUp: this.startUp.save(),
      exits: this.exits.save(),
      injection: this.injection.save(),
    };
  }

  load(saved: WorldSwitchState): void {
    requireVersion('exits and entries of a vCPU', saved.version, 2);
    this.place = saved.place;
    this.yieldWanted = saved.yieldWanted;
    this.kickSent = saved.kickSent;
    this.asleep = saved.asleep;
    this.entry = { ...saved.entry };
    this.finished.load(saved.finished);
    this.startUp.load(saved.startUp);
    this.exits.load(saved.exits);
    this.injection.load(saved.injection);
  }

  private mayEnter(time: Cycles): boolean {
    if (this.place === 'ended') {
      this.exits.endForGood();
      return false;
    }
    if (this.delivering) return true;
    if (this.startUp.initPending || this.yieldWanted || this.vm.resetting) return false;
    return !this.site.island.mustWait(this.vcpu, time);
  }

  private enterLater(atBoundary: boolean, faults: boolean, time: Cycles): void {
    this.entry.time = time;
    this.entry.atBoundary = atBoundary;
    this.entry.faults = faults;
    this.site.island.queue.schedule(time, this.vcpu, VcpuEvent.Enter);
  }

  /** The way back into the guest, from a time on. */
  private enter(atBoundary: boolean, faults: boolean, time: Cycles): void {
    const { cpu, site } = this;
    if (this.startUp.initPending && !this.delivering) {
      this.resetByInit();
      if (cpu.index !== 0) {
        this.waitForStartUp(time);
        this.startIfReady();
        return;
      }
      atBoundary = true;
      faults = false;
    }
    const inject = this.injection.evaluate(this.lapic, atBoundary, faults, time);
    this.exits.end(time, site.costs['entry.hardware'] + (inject ? site.costs['kvm.inject'] : 0));
    this.place = 'guest';
    this.kickSent = false;
    if (atBoundary) this.finished.forget();
    else this.finished.entered(cpu.now());
    site.tracer.cause = this.injection.innermost();
    site.island.limitDeadline(this.vcpu);
  }
}
