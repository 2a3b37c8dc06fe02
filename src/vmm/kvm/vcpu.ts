/**
 * One vCPU under KVM: what makes the guest leave, who serves it, and what is injected when it enters again.
 *
 * An exit takes time, and other things may be due before its work: then the vCPU stops, and an event brings the work at its
 * own time. How an access waits is told in `AccessExits`, how an exit that touches registers only does, in `RegisterExits`.
 *
 * The vCPU is a thread of QEMU. In QEMU it holds the big lock; what a device model does in the name of the access (DMA, an
 * interrupt line) is the thread's work, and the guest goes on when that is done.
 */
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import type { Disposition, Intercept } from '../../machine/x86/policy';
import type { Cpu, CpuCallouts } from '../../machine/x86/types';
import type { CpuidAnswer } from '../cpu/cpuid';
import type { InterruptLane } from '../cpu/interrupt-lane';
import type { CpuActivity, GuestCpuView } from '../guest';
import type { GuestCpu } from '../guest-machine';
import type { Site } from '../host';
import type { Runnable } from '../threads/island';
import type { LockUser } from '../threads/lock';
import { HostThread, type ThreadBody } from '../threads/thread';
import { Work, type ThreadClock, type WorkState } from '../threads/work';
import { AccessExits, type AccessExitsState } from './access-exits';
import { Arrivals } from './arrivals';
import { DirectAccesses, type DirectAccessesState } from './direct-accesses';
import { GuestRun, type GuestRunState } from './guest-run';
import type { Injection } from './injection';
import { RegisterExits } from './register-exits';
import { TrapExits, type TrapExitsState } from './trap-exits';
import type { VcpuVm } from './vm-face';
import { VcpuEvent } from './vcpu-event';
import { activityAt } from './vcpu-place';
import { WorldSwitch, type WorldSwitchState } from './world-switch';

/** Snapshot of a `KvmVcpu`; the registers are the vCPU's own. */
export interface KvmVcpuState {
  version: 8;
  starting: boolean;
  traps: TrapExitsState;
  accesses: AccessExitsState;
  direct: DirectAccessesState;
  world: WorldSwitchState;
  guest: GuestRunState;
  work: WorkState;
}

/** A vCPU thread of QEMU in KVM_RUN. */
export class KvmVcpu
  implements
    CpuCallouts,
    Runnable,
    EventTarget,
    ThreadBody,
    ThreadClock,
    LockUser,
    GuestCpu,
    GuestCpuView,
    Stateful<KvmVcpuState>
{
  readonly eventTargetId: string;
  readonly thread: HostThread;
  readonly work: Work;
  /** What somebody else does to this vCPU. */
  readonly arrivals: Arrivals;
  private readonly injection: Injection;
  private readonly world: WorldSwitch;
  private readonly guest: GuestRun;
  private readonly registers: RegisterExits;
  private readonly accesses: AccessExits;
  private readonly direct: DirectAccesses;
  private readonly traps: TrapExits;
  /** The thread's first turn enters the guest. */
  private starting = false;

  constructor(
    private readonly site: Site,
    vm: VcpuVm,
    readonly cpu: Cpu,
  ) {
    this.world = new WorldSwitch(site, vm, cpu, this);
    this.injection = this.world.injection;
    this.traps = new TrapExits(site, vm, cpu, this.world, this);
    this.guest = new GuestRun(site, cpu, this.world, this.traps);
    this.registers = new RegisterExits(site, vm, cpu, this.world, this);
    this.direct = new DirectAccesses(site, vm, cpu, this.world, this.guest, this.traps, this);
    this.arrivals = new Arrivals(site, vm, cpu, this.world, this.guest, this.direct, this);
    this.accesses = new AccessExits(site, vm, cpu, this.world, this.guest, this.direct, this);
    this.eventTargetId = `${vm.name}/vCPU ${cpu.index}`;
    const { island, scheduler, tracer, units } = site;
    this.thread = new HostThread(this.eventTargetId, this.world.exits.track, this);
    this.work = new Work(this.eventTargetId, island, tracer, this, this, vm.stepTargets, () =>
      this.workDone(),
    );
    scheduler.add(this.thread);
    vm.lock.register(this);
    island.queue.register(this);
    units.keep(this.eventTargetId, this);
    island.add(this);
    cpu.callouts = this;
  }

  /** The bootstrap processor's thread wakes up and enters the guest. */
  start(): void {
    this.starting = true;
    this.site.scheduler.start(this.thread);
  }

  /** Any other processor after power-up: it does nothing until somebody starts it. */
  waitForStartUp(): void {
    this.world.waitForStartUp(this.cpu.now());
  }

  /** Ends the guest for good, from within a call-out or between runs. Its thread leaves its physical CPU to others. */
  stop(): void {
    const { world, cpu, site, thread } = this;
    if (world.place !== 'ended') {
      world.place = 'ended';
      cpu.requestAttention();
    }
    site.scheduler.end(thread, Math.max(site.island.now(), cpu.now()));
  }

  /** Other vectors are assigned to the guest. */
  assignedChanged(): void {
    this.world.handOver.exitless?.shadowChanged();
  }

  /** The machine is to be reset: whoever is in the guest or asleep stops, others when they come back from what they are at. */
  stopForReset(): void {
    const { world, cpu, site } = this;
    const now = site.island.now();
    if (world.place === 'guest' || world.place === 'bus') world.kick();
    else if (world.place === 'halted' || world.place === 'polling' || world.place === 'waiting') {
      cpu.setNow(Math.max(cpu.now(), now));
      world.stopForReset(now);
    }
  }

  /** The machine has been reset. */
  reset(time: Cycles): void {
    this.cpu.setNow(Math.max(this.cpu.now(), time));
    this.world.reset();
    this.accesses.reset();
    this.direct.reset();
    this.traps.reset();
    this.starting = false;
  }

  save(): KvmVcpuState {
    return {
      version: 8,
      starting: this.starting,
      traps: this.traps.save(),
      accesses: this.accesses.save(),
      direct: this.direct.save(),
      world: this.world.save(),
      guest: this.guest.save(),
      work: this.work.save(),
    };
  }

  load(saved: KvmVcpuState): void {
    requireVersion(this.eventTargetId, saved.version, 8);
    this.starting = saved.starting;
    this.traps.load(saved.traps);
    this.accesses.load(saved.accesses);
    this.direct.load(saved.direct);
    this.world.load(saved.world);
    this.guest.load(saved.guest);
    this.work.load(saved.work);
  }

  // --- time ---------------------------------------------------------------------------------------------------------

  now(): Cycles {
    return this.cpu.now();
  }

  advance(cycles: Cycles): void {
    this.cpu.advance(cycles);
  }

  /** Others were at work in between: what is recorded from now on is this thread's again. */
  resumed(): void {
    this.world.exits.resume();
  }

  limitDeadline(deadline: Cycles): void {
    this.cpu.limitDeadline(deadline);
  }

  instructions(): number {
    return this.cpu.instructions();
  }

  get activity(): CpuActivity {
    return activityAt(this.world.place);
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

  /** Stands still for a reset, or for ever. */
  get stopped(): boolean {
    return this.world.place === 'stopped' || this.ended;
  }

  // --- interrupts, as the trace shows them --------------------------------------------------------------------------

  get lane(): InterruptLane {
    return this.injection.lane;
  }

  interruptDelivered(vector: number): void {
    this.injection.delivered(vector);
  }

  interruptReturned(handler: number): void {
    this.injection.lane.returned(handler);
  }

  // --- the thread ---------------------------------------------------------------------------------------------------

  dispatched(time: Cycles): void {
    const { world, accesses, cpu } = this;
    if (this.ended) return;
    world.handOver.loaded();
    world.exits.resume();
    if (this.starting) {
      this.starting = false;
      cpu.setNow(Math.max(cpu.now(), time));
      world.start();
    } else if (accesses.waitsForLock) {
      cpu.setNow(Math.max(cpu.now(), time));
      accesses.hasLock();
    } else if (world.asleep) this.arrivals.woken(time);
    else world.continueEntry(time);
  }

  /** KVM looks before each entry whether its CPU is wanted (`xfer_to_guest_mode_handle_work`). */
  preempt(): boolean {
    const { world, site } = this;
    world.yieldWanted = true;
    if (world.place === 'polling')
      site.island.queue.schedule(site.island.now(), this, VcpuEvent.PollEnd, world.polling.halt);
    return world.place === 'guest' || world.place === 'bus';
  }

  interruptPending(): boolean {
    return !this.ended && (this.world.handOver.exitless?.pending() ?? false);
  }

  doorbellRang(): void {
    if (!this.ended) this.arrivals.doorbell();
  }

  hostInterrupt(vector: number): void {
    if (!this.ended) this.arrivals.hostInterrupt(vector);
  }

  // --- events ---------------------------------------------------------------------------------------------------------

  onEvent(kind: number, arg: number, time: Cycles): void {
    if (this.ended) return;
    const { world } = this;
    world.exits.resume();
    switch (kind) {
      case VcpuEvent.Enter:
        return world.enterNow();
      case VcpuEvent.Lock:
        return this.accesses.lockCame(time);
      case VcpuEvent.Access:
        return this.accesses.accessCame();
      case VcpuEvent.Halt:
        return this.registers.haltCame(time);
      case VcpuEvent.Hypercall:
        return this.registers.hypercallCame(time);
      case VcpuEvent.PollEnd:
        return this.registers.pollEnded(time, arg);
      case VcpuEvent.PollFound:
        return this.registers.pollFound(time);
      case VcpuEvent.Block:
        return this.registers.blockCame(time);
      case VcpuEvent.Bus:
        return this.direct.came();
      case VcpuEvent.Trap:
        return this.traps.came(time);
      case VcpuEvent.Bound:
        return this.arrivals.preemptionTimer(() => undefined);
      case VcpuEvent.Shutdown:
        return world.shutDownCame(time);
      default:
        return this.arrivals.initCame();
    }
  }

  // --- call-outs: each is one VM exit, but for CR8, which the TPR shadow serves ---------------------------------------

  mmioRead(address: number, size: number): number {
    return this.accesses.mmioRead(address, size);
  }

  mmioWrite(address: number, size: number, low: number, high: number): void {
    this.accesses.mmioWrite(address, size, low, high);
  }

  portIn(port: number, size: number): number {
    return this.accesses.portIn(port, size);
  }

  portOut(port: number, size: number, value: number): void {
    this.accesses.portOut(port, size, value);
  }

  msrRead(index: number): number | undefined {
    return this.accesses.msrRead(index);
  }

  msrWrite(index: number, low: number, high: number): boolean {
    return this.accesses.msrWrite(index, low, high);
  }

  cpuid(leaf: number, subleaf: number): CpuidAnswer {
    return this.registers.cpuid(leaf, subleaf);
  }

  hlt(): void {
    this.registers.hlt();
  }

  vmcall(): boolean {
    this.registers.vmcall();
    return true;
  }

  cr8Read(): number {
    return this.world.lapic.cr8;
  }

  cr8Write(value: number): void {
    if (this.world.owes) this.world.settle();
    this.arrivals.writeTpr(value);
  }

  intercepted(reason: Intercept, detail: number, low: number, high: number): Disposition {
    return this.registers.intercepted(reason, detail, low, high);
  }

  /** The guest changed its TSC: its deadline is another time of the host. */
  tscChanged(): void {
    this.world.lapic.timer.tscChanged();
  }

  private workDone(): void {
    if (this.ended) return;
    this.world.exits.resume();
    this.accesses.workDone();
  }
}
