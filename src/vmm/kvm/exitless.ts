/**
 * Exitless interrupts (Gordon et al., "ELI: Bare-Metal Performance for I/O Virtualization", ASPLOS 2012): the guest runs with
 * external-interrupt exiting off, on a shadow of its IDT. There the vectors of devices that are assigned to it are as in its own
 * IDT, and all others are not present. So a vector that comes to the physical CPU is the guest's without an exit, or raises #NP,
 * which leaves, and KVM has the host's handler run. End of interrupt goes to the physical local APIC, by the x2APIC's MSR.
 *
 * While KVM has interrupts of its own for the guest (those of emulated devices), it is as by injection: external interrupts
 * leave, as does the end of what was injected. So it is before the guest has loaded IDTR.
 *
 * A guest with interrupts off holds back all vectors of its physical CPU. The VMX-preemption timer has it leave after a slice of the
 * host's scheduler, if nothing else does, so that the host has its CPU again.
 */
import type { Stateful } from '../../machine/bus';
import type { LocalApic } from '../../machine/interrupts/lapic';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventHandle, EventTarget } from '../../machine/time/event-queue';
import type { RowRef } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { Cpu } from '../../machine/x86/types';
import type { Site } from '../host';
import type { LockUser } from '../threads/lock';
import type { ExitTimeline } from './exits';
import type { Injection } from './injection';
import { ShadowIdt, type ShadowIdtState } from './shadow-idt';
import { VcpuEvent } from './vcpu-event';
import { inGuest, type VcpuPlace } from './vcpu-place';
import type { VcpuVm } from './vm-face';

const NOT_PRESENT = 11;
/** Error code of an exception for a gate of the IDT, raised by an event from outside (SDM vol. 3, 6.13). */
const IDT_EXTERNAL = 3;

/** The vCPU, as its exitless interrupts need it. */
export interface ExitlessWorld {
  readonly place: VcpuPlace;
  readonly injection: Injection;
  /** Its own. */
  readonly lapic: LocalApic;
  readonly exits: ExitTimeline;
  boundaryExit(reason: number, a: number, cycles: Cycles, cause: RowRef, work?: () => void): void;
}

/** Snapshot of an `Exitless`. */
export interface ExitlessState {
  version: 2;
  cause: RowRef;
  bound: EventHandle;
  shadow: ShadowIdtState;
}

/** The interrupts of one vCPU that are its physical CPU's. */
export class Exitless implements Stateful<ExitlessState> {
  /** Row that brought what is pending. */
  private cause: RowRef = 0;
  private readonly shadow: ShadowIdt;
  /** LIDT has left the guest, and is about to be executed. Never between two runs, so that no snapshot has it. */
  private tableComes = false;
  /** End of the preemption timer; 0: the guest does not run. */
  private bound: EventHandle = 0;
  private readonly assigned: ReadonlySet<number>;

  /** @param vcpu gets the event */
  constructor(
    private readonly site: Site,
    vm: VcpuVm,
    private readonly cpu: Cpu,
    private readonly world: ExitlessWorld,
    private readonly vcpu: EventTarget & LockUser,
  ) {
    this.assigned = vm.assignedVectors;
    this.shadow = new ShadowIdt(cpu, vm.memory, vm.guard, vm.assignedVectors, () => this.shadowChanged());
  }

  /** From its call-out: the guest leaves for LIDT. */
  tableWillCome(): void {
    this.tableComes = true;
    this.cpu.requestAttention();
  }

  /** The instruction for which the guest has left is over, and its exit is not yet. @param time of KVM's work */
  instructionOver(time: Cycles): void {
    if (!this.tableComes) return;
    this.tableComes = false;
    this.site.island.standAt(time);
    this.world.exits.causeExit();
    this.shadow.read();
  }

  /** Other gates may be present in the shadow IDT: the guest's table is another, or the vectors that are assigned are. */
  shadowChanged(): void {
    const { site, world, cpu, shadow } = this;
    if (!shadow.usable) return;
    const [{ tracer, island }, base] = [site, Number(cpu.idtr.base)];
    const { cause } = tracer;
    tracer.instant(island.now(), world.injection.track, Kind.IdtShadow, base, shadow.size);
    tracer.cause = cause;
  }

  /** Something is pending at the physical CPU. False: the kernel takes it. */
  pending(): boolean {
    if (!this.takes) return false;
    this.cause = this.site.tracer.cause;
    this.recognise();
    return true;
  }

  /** The guest goes on: what is pending at the physical CPU interrupts it as soon as it can be. */
  recognise(): void {
    const { world } = this;
    if (world.place === 'guest') world.injection.awaitGuest(this.takes && this.hasPending);
  }

  /** The guest can be interrupted: by a vector of its own, or it leaves. */
  deliver(): void {
    const { world, cpu, site } = this;
    world.injection.awaitGuest(false);
    const { physical, position } = this;
    if (!physical || physical.highestPending() < 0) return;
    const vector = physical.acknowledge();
    if (this.shadow.has(vector)) {
      world.injection.deliverPhysical(vector, this.cause);
      this.recognise();
      return;
    }
    const cycles = site.costs['kvm.exception'] + site.costs['kvm.externalInterrupt'];
    site.scheduler.interrupts.handleAt(cpu.now(), position, vector);
    world.boundaryExit(VmxExit.EXCEPTION_NMI, NOT_PRESENT, cycles, this.cause, () =>
      world.exits.setArgs(NOT_PRESENT, vector * 8 + IDT_EXTERNAL),
    );
  }

  /** The guest has written EOI: for the physical local APIC, as nothing that KVM has injected is in service. */
  end(): void {
    const { site, world } = this;
    const vector = this.physical?.highestInService() ?? -1;
    if (vector < 0) return;
    const { tracer, island } = site;
    tracer.cause = tracer.instant(island.now(), world.injection.track, Kind.IrqEoi, vector, 0);
    this.physical?.eoi();
  }

  /** The guest is entered. */
  entered(): void {
    const { site, cpu, vcpu } = this;
    const { queue } = site.island;
    queue.cancel(this.bound);
    this.bound = queue.schedule(cpu.now() + site.costs['sched.slice'], vcpu, VcpuEvent.Bound);
  }

  /** The guest has left: the kernel takes what it had not been able to. */
  left(): void {
    const { site, cpu, position } = this;
    site.island.queue.cancel(this.bound);
    this.bound = 0;
    this.world.injection.awaitGuest(false);
    if (this.hasPending) site.scheduler.interrupts.lookAt(cpu.now(), position);
  }

  /**
   * The thread gives its CPU up: what the guest has in service there goes on as if KVM had injected it, so that its end leaves,
   * wherever the vCPU is by then.
   */
  unloaded(): void {
    const { physical, world, assigned } = this;
    if (!physical) return;
    for (
      let vector = physical.highestInService();
      assigned.has(vector);
      vector = physical.highestInService()
    ) {
      physical.eoi();
      world.lapic.take(vector);
      world.lapic.acknowledge();
    }
  }

  /** INIT or a reset. */
  reset(): void {
    this.tableComes = false;
    this.shadow.clear();
  }

  save(): ExitlessState {
    return { version: 2, cause: this.cause, bound: this.bound, shadow: this.shadow.save() };
  }

  load(state: ExitlessState): void {
    requireVersion('the exitless interrupts of a vCPU', state.version, 2);
    this.cause = state.cause;
    this.bound = state.bound;
    this.shadow.load(state.shadow);
  }

  /** External-interrupt exiting is off, and the guest runs. */
  private get takes(): boolean {
    const { place, injection, lapic } = this.world;
    if (!this.shadow.usable) return false;
    return inGuest(place) && !injection.pending && !injection.windowWanted && lapic.highestInService() < 0;
  }

  private get hasPending(): boolean {
    return (this.physical?.highestPending() ?? -1) >= 0;
  }

  private get position(): number {
    return this.site.scheduler.apicIdOf(this.vcpu.thread);
  }

  /** The local APIC of the physical CPU that the thread has; undefined: it has none. */
  private get physical(): LocalApic | undefined {
    const { position } = this;
    return position < 0 ? undefined : this.site.scheduler.interrupts.fabric.lapic(position);
  }
}
