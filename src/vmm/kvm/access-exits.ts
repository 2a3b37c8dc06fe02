/**
 * Exits for register accesses: of devices in memory and at ports, and of MSRs. One access is one exit; an instruction with several
 * is KVM's emulator's, and one exit all the same (`Emulation`).
 *
 * An access takes time, and other things may be due before it is done: then the vCPU stops, its instruction is given up, and
 * an event brings the next stage of the access at its own time. Once it is done the instruction is executed anew, and what it has
 * accessed already is answered from memory (`FinishedAccesses`).
 */
import type { Region } from '../../machine/address-map';
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import type { Cpu } from '../../machine/x86/types';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import { Access, AccessCallouts } from '../cpu/access-callouts';
import type { FinishedAccesses } from '../cpu/finished-accesses';
import type { Site } from '../host';
import type { Runnable } from '../threads/island';
import type { LockUser } from '../threads/lock';
import { AccessPath, type AccessRequest } from './access-path';
import type { DirectAccesses } from './direct-accesses';
import type { Emulation } from './emulation';
import type { ExitWay } from './exit-way';
import type { GuestRun } from './guest-run';
import type { Placement } from './placement';
import { eptQualification } from './qualification';
import type { KvmRegion } from './region';
import type { VcpuVm } from './vm-face';
import { VcpuEvent } from './vcpu-event';
import type { WorldSwitch } from './world-switch';

const PAGE = 4096;

/** What the vCPU's thread waits for in QEMU: its big lock, or the end of its work for kept writes or for a device. */
type Awaited = 'nothing' | 'lock' | 'coalesced' | 'device';

/** Snapshot of an `AccessExits`. */
export interface AccessExitsState {
  version: 2;
  waiting: AccessRequest;
  inUser: boolean;
  awaited: Awaited;
}

/** The exits of one vCPU for its accesses. */
export class AccessExits extends AccessCallouts implements Stateful<AccessExitsState> {
  private readonly path: AccessPath;
  protected readonly finished: FinishedAccesses;
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
    signals: false,
  };
  /** It has gone on to QEMU. */
  private inUser = false;
  private awaited: Awaited = 'nothing';

  /** @param vcpu gets the events, and hands them on to `lockCame` and `accessCame`; the end of its work, to `workDone` */
  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    cpu: Cpu,
    private readonly world: WorldSwitch,
    private readonly guest: GuestRun,
    private readonly direct: DirectAccesses,
    private readonly vcpu: Runnable & EventTarget & LockUser,
  ) {
    super(cpu);
    this.path = new AccessPath(site, vm, cpu, world.exits);
    this.finished = world.finished;
    this.emulation = world.emulation;
  }

  /** The thread sleeps until it has QEMU's lock. */
  get waitsForLock(): boolean {
    return this.awaited === 'lock';
  }

  /** The thread has been woken up with QEMU's lock. */
  hasLock(): void {
    this.awaited = 'nothing';
    this.serve(() => this.locked());
  }

  /** The time at which it wants QEMU's lock. */
  lockCame(time: Cycles): void {
    this.serve(() => this.takeLock(time));
  }

  /** The time of the access itself. */
  accessCame(): void {
    this.serve(() => this.performNow());
  }

  /** What the thread had to do for QEMU is done. */
  workDone(): void {
    const { awaited } = this;
    this.awaited = 'nothing';
    if (awaited === 'coalesced') this.serve(() => this.performWhenDue());
    else {
      this.performed();
      this.serve(() => true);
    }
  }

  /** The machine has been reset: nothing is under way. */
  reset(): void {
    this.awaited = 'nothing';
  }

  save(): AccessExitsState {
    return { version: 2, waiting: { ...this.waiting }, inUser: this.inUser, awaited: this.awaited };
  }

  load(saved: AccessExitsState): void {
    requireVersion('the accesses under way of a vCPU', saved.version, 2);
    this.waiting = { ...saved.waiting };
    this.inUser = saved.inUser;
    this.awaited = saved.awaited;
  }

  private get ended(): boolean {
    return this.world.place === 'ended';
  }

  protected access(kind: number, address: number, size: number, low: number, high: number): number {
    const { cpu, finished, world, emulation, waiting } = this;
    if (finished.recall(kind, address, cpu.now())) return finished.low;
    if (kind === Access.PortIn && world.owes && this.takeAhead(address)) return finished.low;
    const further = world.owes && emulation.goesOn();
    const region = this.path.regionOf(kind, address);
    if (!further && this.direct.covers(kind, address, size, region))
      return this.directly(kind, address, size, low, high, region);
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
    const way = joins ? undefined : this.straightWay(region);
    if (!(way ? this.goStraight(way, region) : joins ? this.join() : this.begin())) {
      this.giveUp();
      return 0;
    }
    if (this.ended) this.giveUpForGood();
    else world.goOn();
    return finished.low;
  }

  /** The access does not leave the guest, unless it is the first to a page that KVM maps only then. */
  private directly(
    kind: number,
    address: number,
    size: number,
    low: number,
    high: number,
    region: Region<KvmRegion> | undefined,
  ): number {
    const { world, direct } = this;
    if (world.owes) world.settle();
    if (region?.tag.mapped?.onTouch && !world.delivering && this.vm.ept.touch(address)) {
      const qualification = eptQualification(kind === Access.MmioWrite);
      world.leave(VmxExit.EPT_VIOLATION, address, low, 'kvm.eptViolation', qualification);
      world.oweRestart(this.cpu.now());
      this.giveUp();
      return 0;
    }
    return direct.access(kind, address, size, low, high);
  }

  private giveUp(): void {
    this.finished.rewind();
    this.cpu.abandonInstruction();
  }

  /** What ended the VM is not completed, whoever did it when. */
  private giveUpForGood(): void {
    this.world.exits.endForGood();
    this.giveUp();
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

  /** The access is a part of the one before. */
  private join(): boolean {
    this.waiting.signals = false;
    return this.performWhenDue();
  }

  /**
   * The whole way to the register, where it can be gone at once: nobody stands in the way, and nothing is due before the access.
   * Undefined: it has to be gone leg by leg. @param region the register's
   */
  private straightWay(region: Region<KvmRegion> | undefined): ExitWay | undefined {
    const { world, vm, waiting } = this;
    const way = waiting.further || world.delivering ? undefined : this.path.wayOf(waiting, region);
    if (!way || (way.toUser && !(vm.lock.free && vm.coalesced.empty))) return undefined;
    return this.site.island.mustWait(this.vcpu, this.cpu.now() + way.cycles) ? undefined : way;
  }

  /** Goes a way that `straightWay` has found, and performs the access. */
  private goStraight(way: ExitWay, region: Region<KvmRegion> | undefined): boolean {
    const { waiting } = this;
    this.path.go(way, waiting, region, this.world.injection.innermost());
    this.inUser = way.toUser;
    waiting.signals = way.signals;
    if (way.toUser) this.vm.lock.acquire(this.vcpu, this.cpu.now());
    return this.performNow(region);
  }

  /** From the exit to the end of the access's work; false when something else comes first. */
  private begin(): boolean {
    const { world, path, waiting } = this;
    const placement = waiting.further ? this.further() : path.begin(waiting, world.injection.innermost());
    if (world.delivering) {
      // KVM gives up as well when the delivery of an event needs an emulated access (KVM_INTERNAL_ERROR_DELIVERY_EV).
      world.crash();
      return false;
    }
    waiting.signals = placement === 'ioeventfd';
    if (placement === 'coalesced') return this.noteDown();
    if (placement !== 'user') return this.performWhenDue();
    this.inUser = true;
    world.exits.toUser();
    const now = this.cpu.now();
    if (this.site.island.mustWait(this.vcpu, now)) {
      this.site.island.queue.schedule(now, this.vcpu, VcpuEvent.Lock);
      return false;
    }
    return this.takeLock(now);
  }

  /** Who serves a further access of KVM's emulator. It reaches mapped pages as the guest does, ports it never does. */
  private further(): Placement {
    const { waiting, direct, cpu, path } = this;
    const { kind, address, size } = waiting;
    const region = path.regionOf(kind, address);
    if (kind > Access.MmioWrite || !direct.covers(kind, address, size, region))
      return path.further(waiting, region);
    cpu.advance(direct.cyclesOf(kind, address));
    return 'mapped';
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
    if (this.vm.lock.acquire(this.vcpu, time)) return this.locked();
    this.awaited = 'lock';
    return false;
  }

  /** In QEMU, with its lock: first what KVM has kept for it, then the access itself. */
  private locked(): boolean {
    const { vm, world } = this;
    const { work } = this.vcpu;
    world.exits.atUser();
    if (!vm.coalesced.empty) {
      vm.coalesced.drainInto(work, this.site.costs['qemu.coalesced']);
      if (!work.run()) {
        this.awaited = 'coalesced';
        return false;
      }
    }
    return this.performWhenDue();
  }

  private performWhenDue(): boolean {
    const now = this.cpu.now();
    if (this.site.island.mustWait(this.vcpu, now)) {
      this.site.island.queue.schedule(now, this.vcpu, VcpuEvent.Access);
      return false;
    }
    return this.performNow();
  }

  private performNow(region = this.path.regionOf(this.waiting.kind, this.waiting.address)): boolean {
    const { site, waiting, finished, world, cpu, emulation } = this;
    site.island.standAt(cpu.now());
    world.exits.causeExit();
    const { low, high, known } = this.path.perform(waiting, region);
    finished.note(waiting.kind, waiting.address, low, high, known);
    for (let i = 1; i < waiting.count; i++) {
      world.exits.causeExit();
      emulation.keep(this.path.perform(waiting, region).low);
    }
    if (this.inUser && (waiting.kind === Access.MmioWrite || waiting.kind === Access.PortOut))
      emulation.commit();
    if (!this.vcpu.work.run()) {
      this.awaited = 'device';
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
}
