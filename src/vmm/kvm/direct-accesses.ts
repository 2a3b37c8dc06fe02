/**
 * Accesses that do not leave the guest: to pages that the EPT map, to ports whose bits in the I/O bitmaps are clear, and to what
 * the mode of its interrupts lets it have of its local APIC. The vCPU waits for the bus as a CPU without a VMM does.
 *
 * Other things may be due before the access is done: then the vCPU stops, its instruction is given up, and an event brings the
 * access at its own time; executed anew, the instruction gets the answer from memory. What makes the vCPU leave the guest
 * meanwhile waits for the end of the instruction.
 */
import type { Region } from '../../machine/address-map';
import type { Stateful } from '../../machine/bus';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import type { Cpu } from '../../machine/x86/types';
import type { RowRef } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import { Access } from '../cpu/access-callouts';
import type { Site } from '../host';
import { ApicAccesses } from './apic-accesses';
import type { Runnable } from '../threads/island';
import type { GuestRun } from './guest-run';
import type { KvmRegion } from './region';
import type { TrapExits } from './trap-exits';
import type { VcpuVm } from './vm-face';
import { VcpuEvent } from './vcpu-event';
import type { WorldSwitch } from './world-switch';

/** An access as the guest asks for it. */
interface DirectRequest {
  kind: number;
  address: number;
  size: number;
  low: number;
  high: number;
  /** It is of the local APIC. */
  ofApic: boolean;
}

/** Of their rows in the trace, by the kind of access. */
const rowKinds = [Kind.MmioRead, Kind.MmioWrite, Kind.PioIn, Kind.PioOut] as const;

/** An exit that is made once the instruction is over. */
interface OwedExit {
  reason: number;
  a: number;
  cycles: Cycles;
  cause: RowRef;
}

/** Snapshot of a `DirectAccesses`. */
export interface DirectAccessesState {
  version: 2;
  waiting: DirectRequest;
  exit?: OwedExit;
}

/** Those of one vCPU. */
export class DirectAccesses implements Stateful<DirectAccessesState> {
  private waiting: DirectRequest = { kind: 0, address: 0, size: 0, low: 0, high: 0, ofApic: false };
  private owed: OwedExit | undefined;
  private readonly apic: ApicAccesses;

  /** @param vcpu gets the event, and hands it on to `came` */
  constructor(
    private readonly site: Site,
    private readonly vm: VcpuVm,
    private readonly cpu: Cpu,
    private readonly world: WorldSwitch,
    private readonly guest: GuestRun,
    private readonly traps: TrapExits,
    private readonly vcpu: Runnable & EventTarget,
  ) {
    this.apic = new ApicAccesses(site, vm, cpu, world, traps);
  }

  /** Whether the guest reaches the register itself. Asked at every access. @param region that the register is in */
  covers(kind: number, address: number, size: number, region: Region<KvmRegion> | undefined): boolean {
    if (this.apic.covers(kind, address, size, region)) return true;
    if (kind > Access.PortOut) return false;
    if (kind > Access.MmioWrite) return !this.vm.ioBitmaps.traps(address, size);
    return region?.tag.mapped?.covers(address - region.base) ?? false;
  }

  /** What an access of a port or of a mapped register takes. */
  cyclesOf(kind: number, address: number): Cycles {
    const { costs } = this.site;
    if (kind === Access.PortIn) return costs['bus.portRead'];
    if (kind === Access.PortOut) return costs['bus.portWrite'];
    const mapped = this.vm.mmio.find(address)?.tag.mapped;
    return (kind === Access.MmioRead ? mapped?.read : mapped?.write) ?? 0;
  }

  /** From a call-out: an access that `covers`, with the guest in the midst of its instruction. */
  access(kind: number, address: number, size: number, low: number, high: number): number {
    const { cpu, world, site, waiting } = this;
    if (world.delivering) {
      // The delivery of an event touches a device: nothing of it could be given up.
      world.crash();
      return this.giveUp();
    }
    const ofApic = this.apic.covers(kind, address, size, this.vm.mmio.find(address));
    cpu.advance(ofApic ? this.apic.cycles : this.cyclesOf(kind, address));
    waiting.kind = kind;
    waiting.address = address;
    waiting.size = size;
    waiting.low = low;
    waiting.high = high;
    waiting.ofApic = ofApic;
    const now = cpu.now();
    if (site.island.mustWait(this.vcpu, now)) {
      world.place = 'bus';
      site.island.queue.schedule(now, this.vcpu, VcpuEvent.Bus);
      return this.giveUp();
    }
    this.performNow();
    if (world.place === 'ended') return this.giveUp();
    site.island.limitDeadline(this.vcpu);
    return world.finished.low;
  }

  /** The time of an access that had to wait: its instruction is executed anew and finds it done. */
  came(): void {
    const { world } = this;
    if (world.place !== 'bus') return;
    this.performNow();
    world.finished.rewind();
    if (world.place !== 'bus') return;
    world.place = 'guest';
    this.guest.finishInstruction();
    if (world.place === 'guest') world.handOver.recognise();
    const { owed } = this;
    if (owed && world.place === 'guest') {
      this.owed = undefined;
      world.boundaryExit(owed.reason, owed.a, owed.cycles, owed.cause);
    }
  }

  /** Something makes the vCPU leave the guest while it waits for the bus: the first such exit is made behind the instruction. */
  exitAfterwards(reason: number, a: number, cycles: Cycles, cause: RowRef): void {
    this.owed ??= { reason, a, cycles, cause };
  }

  /** The machine has been reset: nothing is under way. */
  reset(): void {
    this.owed = undefined;
  }

  save(): DirectAccessesState {
    return { version: 2, waiting: { ...this.waiting }, ...(this.owed && { exit: { ...this.owed } }) };
  }

  load(saved: DirectAccessesState): void {
    requireVersion('the direct accesses of a vCPU', saved.version, 2);
    this.waiting = { ...saved.waiting };
    this.owed = saved.exit && { ...saved.exit };
  }

  private giveUp(): number {
    this.world.finished.rewind();
    this.cpu.abandonInstruction();
    return 0;
  }

  private performNow(): void {
    const { site, vm, cpu, world } = this;
    site.island.standAt(cpu.now());
    site.tracer.place = site.tracer.internPlace(vm.index, cpu.ripLow, cpu.ripHigh);
    site.tracer.cause = world.injection.innermost();
    this.perform();
    world.finished.entered(cpu.now());
    site.tracer.cause = world.injection.innermost();
  }

  /** The access itself. What it makes the processor deliver waits for the end of the instruction. */
  private perform(): void {
    const { world, waiting } = this;
    if (!waiting.ofApic) return this.performOnBus();
    const { low, high, known } = this.apic.perform(waiting);
    world.finished.note(waiting.kind, waiting.address, low, high, known);
    if (world.place === 'guest' && !this.traps.due) world.handOver.recognise();
  }

  /** With its row in the trace. */
  private performOnBus(): void {
    const { vm, cpu, world } = this;
    const { tracer } = this.site;
    const { kind, address, size, low, high } = this.waiting;
    const map = kind > Access.MmioWrite ? vm.physicalPorts : vm.mmio;
    const region = map.find(address);
    const offset = region ? address - region.base + region.tag.offset : 0;
    const row = region ? tracer.instant(cpu.now(), region.tag.lane.track, rowKinds[kind], offset, low) : 0;
    if (region) tracer.cause = row;
    if (kind === Access.MmioWrite || kind === Access.PortOut) {
      map.write(address, size, low, high, cpu.index);
      world.finished.note(kind, address, 0, 0, true);
      return;
    }
    const value = map.read(address, size, cpu.index);
    if (region) tracer.setArgs(row, offset, value);
    world.finished.note(kind, address, value, map.resultHigh, true);
  }
}
