/**
 * One vCPU under KVM: what makes the guest leave, who serves it, and what is injected when it enters again.
 *
 * An exit takes time, and other things may be due before its work: then the vCPU stops, and an event brings the work at its
 * own time. An access that waits gives its instruction up; once it is done the instruction is executed anew, and what it has
 * done already is answered from memory (`FinishedAccesses`). What touches registers only waits at the boundary behind it. An
 * instruction with several accesses is KVM's emulator's: one exit (`Emulation`).
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
import type { GuestCpu } from '../guest-machine';
import type { Site } from '../host';
import type { Runnable } from '../threads/island';
import type { LockUser } from '../threads/lock';
import { HostThread, type ThreadBody } from '../threads/thread';
import { Work, type ThreadClock, type WorkState } from '../threads/work';
import { Access, AccessPath, type AccessRequest } from './access-path';
import { Arrivals } from './arrivals';
import type { FinishedAccesses } from '../cpu/finished-accesses';
import type { Emulation } from './emulation';
import { GuestRun, type GuestRunState } from './guest-run';
import type { Injection } from './injection';
import { RegisterExits } from './register-exits';
import type { VcpuVm } from './vm-face';
import { VcpuEvent, WorldSwitch, type WorldSwitchState } from './world-switch';

const PAGE = 4096;

/** What the thread goes on with when it has a CPU again, or when a step of its work is over. */
type Pending = 'nothing' | 'start' | 'entry' | 'lock' | 'coalesced' | 'device';

/** Snapshot of a `KvmVcpu`; the registers are the vCPU's own. */
export interface KvmVcpuState {
  version: 5;
  waiting: AccessRequest;
  inUser: boolean;
  pending: Pending;
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
  private readonly path: AccessPath;
  private readonly finished: FinishedAccesses;
  private readonly emulation: Emulation;
  /** The access under way. */
  private waiting: AccessRequest = {
    kind: 0,
    address: 0,
    size: 0,
    low: 0,
    high: 0,
    further: false,
    count: 1,
  };
  /** It has gone on to QEMU. */
  private inUser = false;
  private pending: Pending = 'nothing';

  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    private readonly cpu: Cpu,
  ) {
    this.world = new WorldSwitch(site, vm, cpu, this);
    this.injection = this.world.injection;
    this.finished = this.world.finished;
    this.emulation = this.world.emulation;
    this.guest = new GuestRun(site, cpu, this.world);
    this.registers = new RegisterExits(site, vm, cpu, this.world, this);
    this.arrivals = new Arrivals(site, cpu, this.world, this.guest, this);
    this.path = new AccessPath(site, vm, cpu, this.world.exits);
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
    this.pending = 'start';
    this.site.scheduler.wake(this.thread);
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

  /** The machine is to be reset: whoever is in the guest or asleep stops, others when they come back from what they are at. */
  stopForReset(): void {
    const { world, cpu, site } = this;
    const now = site.island.now();
    if (world.place === 'guest') this.arrivals.kick();
    else if (world.place === 'halted' || world.place === 'waiting') {
      cpu.setNow(Math.max(cpu.now(), now));
      world.stopForReset(now);
    }
  }

  /** The machine has been reset. */
  reset(time: Cycles): void {
    this.cpu.setNow(Math.max(this.cpu.now(), time));
    this.world.reset();
    this.pending = 'nothing';
  }

  save(): KvmVcpuState {
    return {
      version: 5,
      waiting: { ...this.waiting },
      inUser: this.inUser,
      pending: this.pending,
      world: this.world.save(),
      guest: this.guest.save(),
      work: this.work.save(),
    };
  }

  load(saved: KvmVcpuState): void {
    requireVersion(this.eventTargetId, saved.version, 5);
    this.waiting = { ...saved.waiting };
    this.inUser = saved.inUser;
    this.pending = saved.pending;
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
    const { pending, world } = this;
    if (this.ended) return;
    this.pending = 'nothing';
    world.exits.resume();
    if (pending === 'start') {
      this.cpu.setNow(Math.max(this.cpu.now(), time));
      world.start();
    } else if (pending === 'lock') {
      this.cpu.setNow(Math.max(this.cpu.now(), time));
      this.serve(() => this.locked());
    } else if (world.asleep) this.arrivals.woken(time);
    else world.continueEntry(time);
  }

  preempt(): void {
    this.world.yieldWanted = true;
  }

  hostInterrupt(vector: number): void {
    if (!this.ended) this.arrivals.hostInterrupt(vector);
  }

  // --- events ---------------------------------------------------------------------------------------------------------

  onEvent(kind: number, _arg: number, time: Cycles): void {
    if (this.ended) return;
    const { world } = this;
    world.exits.resume();
    switch (kind) {
      case VcpuEvent.Enter:
        return world.enterNow();
      case VcpuEvent.Lock:
        return this.serve(() => this.takeLock(time));
      case VcpuEvent.Access:
        return this.serve(() => this.performNow());
      case VcpuEvent.Halt:
        return this.registers.haltCame(time);
      case VcpuEvent.Hypercall:
        return this.registers.hypercallCame(time);
      case VcpuEvent.Shutdown:
        return world.shutDownCame(time);
      default:
        return this.arrivals.initCame();
    }
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

  // --- accesses -------------------------------------------------------------------------------------------------------

  /** One register access of the guest; `finished` has the whole answer. */
  private access(kind: number, address: number, size: number, low: number, high: number): number {
    const { cpu, finished, world, emulation, waiting } = this;
    if (finished.recall(kind, address, cpu.now())) return finished.low;
    if (kind === Access.PortIn && world.owes && this.takeAhead(address)) return finished.low;
    const further = world.owes && emulation.goesOn();
    const joins = further && this.joins(kind, address, size);
    if (further) world.takeBack();
    else if (world.owes) world.settle();
    emulation.begin(!further);
    waiting.kind = kind;
    waiting.address = address;
    waiting.size = size;
    waiting.low = low;
    waiting.high = high;
    waiting.further = further;
    waiting.count = kind === Access.PortIn ? emulation.batch(size) : 1;
    world.place = 'root';
    if (!(joins ? this.performWhenDue() : this.goStraight() ? this.performNow() : this.begin())) {
      this.giveUp();
      return 0;
    }
    // What ended the VM is not completed, whoever did it when.
    if (this.ended) {
      world.exits.endForGood();
      this.giveUp();
    } else world.goOn();
    return finished.low;
  }

  private giveUp(): void {
    this.finished.rewind();
    this.cpu.abandonInstruction();
  }

  /** REP INS: KVM has read the port ahead. */
  private takeAhead(port: number): boolean {
    const { finished, cpu } = this;
    const value = this.emulation.next();
    if (value === undefined) return false;
    finished.note(Access.PortIn, port, value, 0, true);
    finished.entered(cpu.now());
    return true;
  }

  /**
   * An access across a page boundary comes byte by byte, while KVM hands QEMU the bytes of one page together: those behind
   * the first of their page have been part of its user exit.
   */
  private joins(kind: number, address: number, size: number): boolean {
    const { waiting } = this;
    return (
      this.cpu.accessIndex > 0 &&
      kind <= Access.MmioWrite &&
      size === 1 &&
      waiting.size === 1 &&
      waiting.kind === kind &&
      waiting.address === address - 1 &&
      address % PAGE !== 0
    );
  }

  /**
   * The exit and the whole way to the register at once: nobody stands in the way, and nothing is due before the access. False:
   * it has to be gone leg by leg, and nothing has happened yet.
   */
  private goStraight(): boolean {
    const { world, path, cpu, vm, waiting } = this;
    const { island } = this.site;
    const way = waiting.further || world.delivering ? undefined : path.wayOf(waiting);
    if (!way || (way.toUser && !(vm.lock.free && vm.coalesced.empty))) return false;
    const arrival = cpu.now() + way.cycles;
    if (island.mustWait(this, arrival)) return false;
    path.go(way, waiting, this.injection.innermost());
    this.inUser = way.toUser;
    return !way.toUser || vm.lock.acquire(this, arrival);
  }

  /** From the exit to the end of the access's work; false when something else comes first. */
  private begin(): boolean {
    const { world, path, waiting } = this;
    const placement = waiting.further
      ? path.further(waiting)
      : path.begin(waiting, this.injection.innermost());
    if (world.delivering) {
      // KVM gives up as well when the delivery of an event needs an emulated access (KVM_INTERNAL_ERROR_DELIVERY_EV).
      world.crash();
      return false;
    }
    if (placement === 'coalesced') return this.noteDown();
    if (placement === 'kernel') return this.performWhenDue();
    this.inUser = true;
    world.exits.toUser();
    const now = this.cpu.now();
    if (this.site.island.mustWait(this, now)) {
      this.site.island.queue.schedule(now, this, VcpuEvent.Lock);
      return false;
    }
    return this.takeLock(now);
  }

  /** KVM keeps the write for QEMU. */
  private noteDown(): boolean {
    const { vm, site, waiting, finished } = this;
    const { address, size, low, high, kind } = waiting;
    vm.coalesced.push({ address, size, low, high, cause: site.tracer.cause });
    finished.note(kind, address, 0, 0, true);
    return true;
  }

  private takeLock(time: Cycles): boolean {
    this.site.island.standAt(time);
    if (this.vm.lock.acquire(this, time)) return this.locked();
    this.pending = 'lock';
    return false;
  }

  /** In QEMU, with its lock: first what KVM has kept for it, then the access itself. */
  private locked(): boolean {
    const { vm, world, work } = this;
    world.exits.atUser();
    if (!vm.coalesced.empty) {
      vm.coalesced.drainInto(work, this.site.costs['qemu.coalesced']);
      if (!work.run()) {
        this.pending = 'coalesced';
        return false;
      }
    }
    return this.performWhenDue();
  }

  private performWhenDue(): boolean {
    const now = this.cpu.now();
    if (this.site.island.mustWait(this, now)) {
      this.site.island.queue.schedule(now, this, VcpuEvent.Access);
      return false;
    }
    return this.performNow();
  }

  private performNow(): boolean {
    const { site, waiting, finished, world, cpu, emulation } = this;
    site.island.standAt(cpu.now());
    world.exits.causeExit();
    const { low, high, known } = this.path.perform(waiting);
    finished.note(waiting.kind, waiting.address, low, high, known);
    for (let i = 1; i < waiting.count; i++) {
      world.exits.causeExit();
      emulation.keep(this.path.perform(waiting).low);
    }
    if (this.inUser && (waiting.kind === Access.MmioWrite || waiting.kind === Access.PortOut))
      emulation.commit();
    if (!this.work.run()) {
      this.pending = 'device';
      return false;
    }
    this.performed();
    return true;
  }

  /** The device has done all that it does at once: the thread leaves QEMU. */
  private performed(): void {
    if (!this.inUser) return;
    this.inUser = false;
    this.vm.lock.release(this.cpu.now());
    this.world.exits.leaveUser();
  }

  /** A stage that an event or the scheduler has brought: when it has come to the end of the access, the instruction goes on. */
  private serve(stage: () => boolean): void {
    if (!stage()) return;
    const { world } = this;
    if (this.ended) {
      world.exits.endForGood();
      return;
    }
    this.finished.rewind();
    world.owe(this.cpu.now());
    this.guest.finishInstruction();
  }

  private workDone(): void {
    if (this.ended) return;
    const { pending } = this;
    this.pending = 'nothing';
    this.world.exits.resume();
    if (pending === 'coalesced') this.serve(() => this.performWhenDue());
    else {
      this.performed();
      this.serve(() => true);
    }
  }
}
