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
import type { CostKey } from '../cost-keys';
import type { Host, Runnable } from '../host';
import { ExitTimeline, type ExitTimelineState } from './exits';
import { FinishedAccesses, type FinishedAccessesState } from './finished-accesses';
import { Injection, type InjectionState } from './injection';
import { StartUp, type StartUpState } from './start-up';
import type { KvmVm } from './vm';

/** Events scheduled to a vCPU. */
export const VcpuEvent = { Kick: 0, Wake: 1, Enter: 2, Access: 3, Halt: 4, Hypercall: 5, Init: 6 } as const;

/** Where a vCPU is: `root` is in KVM or QEMU, between an exit and the next entry; `waiting` for a start-up IPI. */
export type VcpuPlace = 'guest' | 'root' | 'halted' | 'waiting' | 'ended';

/** Snapshot of a `WorldSwitch`. */
export interface WorldSwitchState {
  version: 1;
  place: VcpuPlace;
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

  /** @param vcpu whose ways these are: it gets the events, and hands `VcpuEvent.Enter` on to `enterNow` */
  constructor(
    private readonly host: Host,
    private readonly vm: KvmVm,
    private readonly cpu: Cpu,
    private readonly vcpu: Runnable & EventTarget,
  ) {
    const { tracer } = host;
    const common = { name: `vCPU ${cpu.index}`, group: vm.name, vm: vm.index };
    const track = tracer.addTrack({ type: 'vcpu', ...common });
    const interruptTrack = tracer.addTrack({ type: 'interrupts', ...common });
    this.exits = new ExitTimeline(host, cpu, vm.index, track);
    this.injection = new Injection(host, cpu, vm.index, interruptTrack);
  }

  /** The vCPU's own LAPIC. */
  get lapic(): LocalApic {
    return this.vm.irqchip.lapicFor(this.cpu.index);
  }

  /** First entry of the bootstrap processor. */
  start(): void {
    this.place = 'guest';
    this.exits.enterGuest(this.cpu.now());
  }

  /** Sleeps from a time on until somebody starts it up. */
  waitForStartUp(time: Cycles): void {
    this.place = 'waiting';
    this.exits.sleep(time, Kind.WaitSipi);
  }

  /** A vCPU that waits goes on if its start-up IPI has come. */
  startIfReady(): void {
    if (this.place === 'waiting' && this.startUp.ready) this.wakeSoon();
  }

  /** A vCPU that sleeps goes on, by an event of this time. */
  wakeSoon(): void {
    this.place = 'root';
    this.host.queue.schedule(this.host.now(), this.vcpu, VcpuEvent.Wake);
  }

  /** The guest leaves, by its own doing. */
  begin(reason: number, a: number, b: number): void {
    this.place = 'root';
    this.exits.begin(reason, a, b, this.injection.innermost());
  }

  /** The legs to a handler in KVM, and that one's. */
  kernel(work: CostKey): void {
    const { costs } = this.host;
    this.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + costs[work]);
  }

  /** A whole exit between two instructions. `cycles` are those of its handler in KVM. */
  boundaryExit(reason: number, a: number, cycles: Cycles, cause: RowRef): void {
    const { costs } = this.host;
    this.place = 'root';
    this.exits.begin(reason, a, 0, cause);
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

  /** The entry that has waited. */
  enterNow(): void {
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

  /** The guest can't go on, and its VM with it. */
  crash(): void {
    this.place = 'ended';
    const report = this.cpu.faultReport();
    const { tracer } = this.host;
    tracer.place = tracer.internPlace(this.vm.index, this.cpu.ripLow, this.cpu.ripHigh);
    tracer.instant(this.cpu.now(), this.exits.track, Kind.GuestFault, 0, 0);
    this.exits.endForGood();
    this.vm.crashed(report);
  }

  save(): WorldSwitchState {
    return {
      version: 1,
      place: this.place,
      entry: { ...this.entry },
      finished: this.finished.save(),
      startUp: this.startUp.save(),
      exits: this.exits.save(),
      injection: this.injection.save(),
    };
  }

  load(saved: WorldSwitchState): void {
    requireVersion('exits and entries of a vCPU', saved.version, 1);
    this.place = saved.place;
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
    return this.delivering || (!this.startUp.initPending && !this.host.mustWait(this.vcpu, time));
  }

  private enterLater(atBoundary: boolean, faults: boolean, time: Cycles): void {
    this.entry.time = time;
    this.entry.atBoundary = atBoundary;
    this.entry.faults = faults;
    this.host.queue.schedule(time, this.vcpu, VcpuEvent.Enter);
  }

  /** The way back into the guest, from a time on. */
  private enter(atBoundary: boolean, faults: boolean, time: Cycles): void {
    const { cpu, host } = this;
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
    this.exits.end(time, host.costs['entry.hardware'] + (inject ? host.costs['kvm.inject'] : 0));
    this.place = 'guest';
    if (atBoundary) this.finished.forget();
    else this.finished.entered(cpu.now());
    host.tracer.cause = this.injection.innermost();
    host.limitDeadline(this.vcpu);
  }
}
