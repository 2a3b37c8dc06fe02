/**
 * Exits behind an instruction (trap-like, SDM vol. 3, 30.4.3.3): the processor has served the guest's access to its local APIC as
 * far as it can, and leaves the rest to KVM before the next instruction.
 */
import type { Stateful } from '../../machine/bus';
import { Lapic } from '../../machine/interrupts/lapic-registers';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import type { Cpu } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import type { Site } from '../host';
import type { Runnable } from '../threads/island';
import type { LeftIpi } from './avic-ipis';
import type { VcpuVm } from './vm-face';
import { VcpuEvent } from './vcpu-event';
import type { WorldSwitch } from './world-switch';

/** One such exit, and what KVM does then. */
export type Trap = { reason: number } & (
  | { work: 'write'; offset: number; value: number }
  /** The end of a level-triggered interrupt. */
  | { work: 'eoi'; vector: number }
  /** An IPI that the processor could not send as a whole. */
  | { work: 'ipi'; command: number; left: LeftIpi }
);

/** Snapshot of `TrapExits`. */
export interface TrapExitsState {
  version: 2;
  trap?: Trap;
}

/** Those of one vCPU. */
export class TrapExits implements Stateful<TrapExitsState> {
  private trap: Trap | undefined;

  /** @param vcpu gets the event, and hands it on to `came` */
  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    private readonly cpu: Cpu,
    private readonly world: WorldSwitch,
    private readonly vcpu: Runnable & EventTarget,
  ) {}

  /** An exit has to be made behind the present instruction. */
  get due(): boolean {
    return this.trap !== undefined;
  }

  /** Has an exit made behind the present instruction. */
  ask(trap: Trap): void {
    this.trap = trap;
    this.cpu.requestAttention();
  }

  /** At the boundary: the guest leaves. */
  make(): void {
    const { trap, world, site, cpu } = this;
    if (!trap) return;
    const { costs, island } = site;
    if (trap.work === 'eoi') world.begin(trap.reason, trap.vector, 0);
    else if (trap.work === 'ipi') world.begin(trap.reason, trap.command, exitInfo2(trap.left));
    else world.begin(trap.reason, trap.offset, trap.value);
    world.exits.kernel(costs['exit.hardware'] + costs['kvm.dispatch'] + costs['kvm.apic']);
    const now = cpu.now();
    if (island.mustWait(this.vcpu, now)) island.queue.schedule(now, this.vcpu, VcpuEvent.Trap);
    else this.came(now);
  }

  /** The time of KVM's work has come. */
  came(time: Cycles): void {
    const { trap, world, site } = this;
    if (!trap) return;
    this.trap = undefined;
    site.island.standAt(time);
    world.exits.causeExit();
    if (trap.work === 'eoi') world.lapic.broadcastEoi(trap.vector);
    else if (trap.work === 'ipi') this.finishIpi(trap.command, trap.left, time);
    else this.write(trap.offset, trap.value, time);
    world.finish(time);
  }

  /** The machine has been reset. */
  reset(): void {
    this.trap = undefined;
  }

  save(): TrapExitsState {
    return { version: 2, ...(this.trap && { trap: { ...this.trap } }) };
  }

  load(state: TrapExitsState): void {
    requireVersion('the trap-like exits of a vCPU', state.version, 2);
    this.trap = state.trap && { ...state.trap };
  }

  /** KVM does what of an IPI the processor has left: all of it, or what the tables do not carry. */
  private finishIpi(command: number, left: LeftIpi, time: Cycles): void {
    if (left.refused) this.write(Lapic.IcrLow, command, time);
    else this.vm.avicIpis?.complete(this.cpu.index, command, left);
  }

  private write(offset: number, value: number, time: Cycles): void {
    const { world, site } = this;
    const { lapic } = world;
    const lane = this.vm.mmio.find(lapic.pageAddress)?.tag.lane;
    if (lane) site.tracer.cause = site.tracer.instant(time, lane.track, Kind.MmioWrite, offset, value);
    lapic.write(offset, 4, value);
  }
}

/** EXITINFO2 of AVIC_INCOMPLETE_IPI: why in bits 63 to 32, and an index of the tables in the low ones (AMD64 vol. 2, 15.29.9.1). */
function exitInfo2({ failure, index }: LeftIpi): number {
  return failure * 2 ** 32 + index;
}
