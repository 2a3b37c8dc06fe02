/**
 * What reaches one vCPU from elsewhere (interrupts of its LAPIC, NMI, INIT, start-up IPIs), and how KVM makes the vCPU look at
 * it: one in the guest is kicked out, one that sleeps is woken, one in the host looks before its next entry anyhow.
 */
import type { CpuSink } from '../../machine/interrupts/sinks';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import type { Cpu } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { Site } from '../host';
import { HostVector } from '../threads/host-interrupts';
import type { LockUser } from '../threads/lock';
import type { DirectAccesses } from './direct-accesses';
import type { GuestRun } from './guest-run';
import { VcpuEvent } from './vcpu-event';
import { inGuest } from './vcpu-place';
import type { VcpuVm } from './vm-face';
import type { WorldSwitch } from './world-switch';

/** What arrives at one vCPU. Keeps nothing from one call to the next. */
export class Arrivals implements CpuSink {
  /** Absent where KVM injects: the LAPIC then takes each vector at once, and its output tells of the highest. */
  readonly post?: (vector: number) => void;
  readonly page: Uint32Array | undefined;
  /** What comes now makes the vCPU leave the guest in another way, and needs no kick. */
  private noKick = false;

  /** @param vcpu gets the events, and hands them on to `initCame` */
  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    private readonly cpu: Cpu,
    private readonly world: WorldSwitch,
    private readonly guest: GuestRun,
    private readonly direct: DirectAccesses,
    private readonly vcpu: EventTarget & LockUser,
  ) {
    const { posted } = world.handOver;
    this.page = vm.avic?.registersOf(cpu.index);
    if (world.injection.byProcessor) this.post = (vector) => this.posted(vector);
    // Whoever else posts does not know where the vCPU is.
    if (posted)
      site.scheduler.onPostedWakeUp(() => {
        if (posted.urgent) site.scheduler.hasten(this.vcpu.thread);
        else if (posted.outstanding) this.look();
      });
  }

  identityChanged(): void {
    this.vm.describeApics();
  }

  /** The LAPIC's output to this vCPU. Where the processor delivers its vectors, only the 8259s' are news to KVM. */
  interrupt(): void {
    if (!this.world.injection.byProcessor || this.world.lapic.externalPending) this.look();
  }

  /**
   * KVM hands a vector to the vCPU, which has to leave the guest for it unless interrupts are posted or there is a doorbell; or it
   * comes of what the processor does for its guest.
   */
  private posted(vector: number): void {
    const { world, vm, cpu } = this;
    const byKvm = vm.servedFor < 0;
    const { posted } = world.handOver;
    if (byKvm && posted) return posted.post(vector, () => this.notify());
    world.lapic.take(vector);
    if (vm.servedFor === cpu.index) return;
    if (vm.avic && inGuest(world.place)) this.ring(vector);
    else this.look();
  }

  /** KVM rings the doorbell of the physical CPU that the vCPU has (avic_ring_doorbell). */
  private ring(vector: number): void {
    const { site, world, vcpu } = this;
    const { island, scheduler, tracer, costs } = site;
    const { cause } = tracer;
    const target = scheduler.apicIdOf(vcpu.thread);
    tracer.cause = tracer.instant(island.now(), world.injection.track, Kind.AvicDoorbell, vector, target);
    scheduler.interrupts.ringDoorbell(target, costs['irq.doorbell']);
    tracer.cause = cause;
  }

  /**
   * The doorbell of the vCPU's physical CPU has rung, for whomever: the processor looks into the backing page of the guest that runs
   * there (AMD64 vol. 2, 15.29.8). Between two guests it is lost, as the next entry looks anyhow; KVM, which polls for a halted vCPU,
   * looks by itself.
   */
  doorbell(): void {
    const { world, vm } = this;
    if (!vm.avic) return;
    if (world.place === 'guest') world.handOver.recognise();
    else if (world.place === 'polling') this.look();
  }

  /** There is something in the descriptor: the processor is told, where it runs the guest (kvm_vcpu_trigger_posted_interrupt). */
  private notify(): void {
    const { world, site } = this;
    if (!inGuest(world.place)) return this.look();
    const { island, scheduler, tracer, costs } = site;
    const target = scheduler.apicIdOf(this.vcpu.thread);
    const { track } = world.injection;
    tracer.cause = tracer.instant(island.now(), track, Kind.IrqNotify, HostVector.PostedInterrupt, target);
    scheduler.interrupts.send(target, HostVector.PostedInterrupt, costs['irq.notification']);
  }

  /** Something has come: somebody must look at it, wherever the vCPU is. */
  look(): void {
    const { world } = this;
    if (world.place === 'halted' || world.place === 'polling') {
      // A vCPU that halted with interrupts off is not woken by one (kvm_arch_vcpu_runnable).
      if (!world.startUp.initPending && !world.wakes()) return;
      if (world.place === 'halted') world.wakeSoon();
      else this.found();
    } else if (inGuest(world.place) && !this.noKick) world.kick();
  }

  /**
   * The vCPU's own LAPIC timer has come to its end. While the guest runs, KVM lets the VMX preemption timer count for it,
   * which makes the exit itself (kvm_lapic_switch_to_hv_timer).
   */
  ownTimer(accept: () => void): void {
    this.preemptionTimer(accept);
  }

  /** The VMX-preemption timer has come to its end: the guest leaves, if it runs. @param accept what KVM does then */
  preemptionTimer(accept: () => void): void {
    const { world, site } = this;
    if (world.place === 'guest') this.guest.settle();
    const cycles = site.costs['kvm.preemptionTimer'];
    if (world.place === 'bus') {
      // First the exit, so that the vector needs no kick.
      this.direct.exitAfterwards(VmxExit.PREEMPTION_TIMER, 0, cycles, site.tracer.cause);
      this.withoutKick(accept);
    } else if (world.place !== 'guest') accept();
    else world.boundaryExit(VmxExit.PREEMPTION_TIMER, 0, cycles, site.tracer.cause, accept);
  }

  /** An NMI has come, from another CPU or a pin. */
  nmi(): void {
    if (this.world.place === 'ended') return;
    this.world.injection.nmiArrived();
    this.look();
  }

  /** INIT has come. It is taken by an event: whoever sent it may be in the midst of an instruction. */
  init(): void {
    const { site, world } = this;
    world.startUp.requestInit();
    if (world.place === 'waiting') site.island.queue.schedule(site.island.now(), this.vcpu, VcpuEvent.Init);
    else this.look();
  }

  /** A start-up IPI has come: to nobody but a vCPU that has been reset by INIT and waits, or is about to. */
  startUp(page: number): void {
    this.world.startUp.request(page);
    this.world.startIfReady();
  }

  /**
   * The guest writes CR8, which the TPR shadow serves: no exit, but when the priority falls the processor may deliver what it has
   * held back, or, where KVM injects, leave.
   */
  writeTpr(value: number): void {
    const { injection, lapic } = this.world;
    this.withoutKick(() => (lapic.cr8 = value));
    if (injection.byProcessor) return injection.recognise(lapic);
    this.guest.setBelowThreshold(
      !injection.windowWanted && !this.world.kickSent && lapic.highestPending() >= 0,
    );
  }

  /** KVM, which looks for it, has found something: by an event, as whoever brings it may be in the midst of an instruction. */
  private found(): void {
    const { queue } = this.site.island;
    this.world.place = 'root';
    queue.schedule(this.site.island.now(), this.vcpu, VcpuEvent.PollFound);
  }

  /** What unmasks or takes a vector while an exit is to come anyhow: that of the TPR threshold, or of the timer. */
  private withoutKick(work: () => void): void {
    this.noKick = true;
    work();
    this.noKick = false;
  }

  /** A vector has come to the physical CPU on which the vCPU's thread is: if the guest runs, it leaves. */
  hostInterrupt(vector: number): void {
    const { world, site } = this;
    if (vector === HostVector.PostedInterrupt && this.notified()) return;
    const { cause } = site.tracer;
    const cycles = site.costs['kvm.externalInterrupt'];
    if (world.place === 'bus') this.direct.exitAfterwards(VmxExit.EXTERNAL_INTERRUPT, vector, cycles, cause);
    if (world.place !== 'guest') return;
    // What the last entry injects comes before the vector that finds the vCPU in the guest.
    this.guest.settle();
    if (world.place !== 'guest') return;
    world.boundaryExit(VmxExit.EXTERNAL_INTERRUPT, vector, cycles, cause);
  }

  /** The notification vector has come. In guest mode the processor sees to it, without an exit (SDM vol. 3, 30.6). */
  private notified(): boolean {
    const { world } = this;
    const { handOver, place } = world;
    if (!handOver.posted || !inGuest(place)) return false;
    handOver.take();
    // In the midst of an access, the end of its instruction comes first.
    if (place === 'guest') handOver.recognise();
    return true;
  }

  /** The vCPU's thread runs again at a time: after HLT, or at the page where it is started up. */
  woken(time: Cycles): void {
    const { cpu, world } = this;
    world.asleep = false;
    cpu.setNow(Math.max(cpu.now(), time));
    world.exits.wake(this.site.costs['kvm.wake']);
    world.polling.end(cpu.now());
    const page = world.startUp.take();
    if (page >= 0) cpu.startUp(page);
    world.finish(cpu.now());
  }

  /** INIT of a vCPU that waits for its start-up IPI. */
  initCame(): void {
    this.world.resetByInit();
    this.world.startIfReady();
  }
}
