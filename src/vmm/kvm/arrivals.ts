/**
 * What reaches one vCPU from elsewhere (interrupts of its LAPIC, NMI, INIT, start-up IPIs), and how KVM makes the vCPU look at
 * it: one in the guest is kicked out, one that sleeps is woken, one in the host looks before its next entry anyhow.
 */
import type { Stateful } from '../../machine/bus';
import type { Cpu } from '../../machine/x86/types';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import type { RowRef } from '../../trace/record/tracer';
import { VmxExit } from '../../trace/vocabulary/vmx-exit-reasons';
import type { Host } from '../host';
import type { GuestRun } from './guest-run';
import { VcpuEvent, type WorldSwitch } from './world-switch';

/** Vector of the IPI by which Linux makes a vCPU leave the guest (RESCHEDULE_VECTOR). */
const KICK_VECTOR = 0xfd;

/** Snapshot of `Arrivals`. */
export interface ArrivalsState {
  version: 1;
  kickScheduled: boolean;
}

/** What arrives at one vCPU. */
export class Arrivals implements Stateful<ArrivalsState> {
  private kickScheduled = false;
  /** A write of CR8 is under way: what it unmasks the TPR threshold tells of, without a kick. */
  private writingTpr = false;

  /** @param vcpu gets the events, and hands them on to `kicked`, `woken` and `initCame` */
  constructor(
    private readonly host: Host,
    private readonly cpu: Cpu,
    private readonly world: WorldSwitch,
    private readonly guest: GuestRun,
    private readonly vcpu: EventTarget,
  ) {}

  /** The LAPIC's output to this vCPU, or what an NMI or INIT does: somebody must look at it, wherever the vCPU is. */
  interrupt(): void {
    const { host, world } = this;
    if (world.place === 'halted') {
      // A vCPU that halted with interrupts off is not woken by one (kvm_arch_vcpu_runnable).
      if (world.startUp.initPending || world.injection.wakes(world.lapic)) world.wakeSoon();
    } else if (world.place === 'guest' && !this.kickScheduled && !this.writingTpr) {
      this.kickScheduled = true;
      host.queue.schedule(host.now() + host.costs['irq.kick'], this.vcpu, VcpuEvent.Kick);
    }
  }

  /** An NMI has come, from another CPU or a pin. */
  nmi(): void {
    if (this.world.place === 'ended') return;
    this.world.injection.nmiArrived();
    this.interrupt();
  }

  /** INIT has come. It is taken by an event: whoever sent it may be in the midst of an instruction. */
  init(): void {
    const { host, world } = this;
    world.startUp.requestInit();
    if (world.place === 'waiting') host.queue.schedule(host.now(), this.vcpu, VcpuEvent.Init);
    else this.interrupt();
  }

  /** A start-up IPI has come: to nobody but a vCPU that has been reset by INIT and waits, or is about to. */
  startUp(page: number): void {
    this.world.startUp.request(page);
    this.world.startIfReady();
  }

  /** The guest writes CR8, which the TPR shadow serves: no exit, but one may follow when the priority falls. */
  writeTpr(value: number): void {
    const { injection, lapic } = this.world;
    this.writingTpr = true;
    lapic.cr8 = value;
    this.writingTpr = false;
    this.guest.setBelowThreshold(
      !injection.windowWanted && !this.kickScheduled && lapic.highestPending() >= 0,
    );
  }

  /** The kick is there, whether or not anybody still needs it. */
  kickCame(): void {
    this.kickScheduled = false;
  }

  /** The kick finds the vCPU wherever it is. `cause` is what it was sent for. */
  kicked(cause: RowRef): void {
    const { world } = this;
    // What the last entry injects comes before the kick that finds the vCPU in the guest.
    this.guest.settle();
    // The vCPU may have left by itself since the IPI was sent, and looked at its LAPIC then.
    if (world.place !== 'guest') return;
    if (!world.startUp.initPending && !world.injection.needsExit(world.lapic)) return;
    const cycles = this.host.costs['kvm.externalInterrupt'];
    world.boundaryExit(VmxExit.EXTERNAL_INTERRUPT, KICK_VECTOR, cycles, cause);
  }

  /** The vCPU's thread runs again at a time: after HLT, or at the page where it is started up. */
  woken(time: Cycles): void {
    const { cpu, world } = this;
    cpu.setNow(Math.max(cpu.now(), time));
    world.exits.wake(this.host.costs['kvm.wake']);
    const page = world.startUp.take();
    if (page >= 0) cpu.startUp(page);
    world.finish(true, false);
  }

  /** INIT of a vCPU that waits for its start-up IPI. */
  initCame(): void {
    this.world.resetByInit();
    this.world.startIfReady();
  }

  save(): ArrivalsState {
    return { version: 1, kickScheduled: this.kickScheduled };
  }

  load(saved: ArrivalsState): void {
    requireVersion('what arrives at a vCPU', saved.version, 1);
    this.kickScheduled = saved.kickScheduled;
  }
}
