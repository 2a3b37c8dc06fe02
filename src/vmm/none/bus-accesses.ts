/**
 * Accesses of a CPU of a bare machine to registers and MSRs: they go over the bus, and the CPU waits for them.
 *
 * An access takes time, and other things may be due before it is done: then the CPU stops, its instruction is given up, and
 * an event brings the access at its own time; executed anew, the instruction gets the answer from memory (`FinishedAccesses`).
 */
import type { Region } from '../../machine/address-map';
import type { Stateful } from '../../machine/bus';
import { LocalApic } from '../../machine/interrupts/lapic';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import { StopReason, type Cpu } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import { Access, AccessCallouts } from '../cpu/access-callouts';
import { FinishedAccesses, type FinishedAccessesState } from '../cpu/finished-accesses';
import type { InterruptLane } from '../cpu/interrupt-lane';
import type { Site } from '../host';
import type { Runnable } from '../threads/island';
import type { BareRegion } from './environment';
import type { CpuMachine } from './machine-face';

/** The CPU whose accesses these are. */
export interface BusUser extends Runnable {
  /** It stops, until an access is due. @param access number of the access, which `came` is told then */
  waitForBus(time: Cycles, access: number): void;
}

/** Snapshot of a `BusAccesses`. */
export interface BusAccessesState {
  version: 1;
  count: number;
  waiting: { kind: number; address: number; size: number; low: number; high: number };
  finished: FinishedAccessesState;
}

/** Those of one CPU. */
export class BusAccesses extends AccessCallouts implements Stateful<BusAccessesState> {
  protected readonly finished = new FinishedAccesses();
  private waiting: BusAccessesState['waiting'] = { kind: 0, address: 0, size: 0, low: 0, high: 0 };
  /** Accesses that had to wait so far: tells an event for one from an event for another. */
  private count = 0;

  constructor(
    private readonly site: Site,
    private readonly machine: CpuMachine,
    cpu: Cpu,
    private readonly lane: InterruptLane,
    private readonly user: BusUser,
  ) {
    super(cpu);
  }

  /** Whether an access is the one that the CPU waits for. */
  awaits(access: number): boolean {
    return access === this.count;
  }

  /**
   * The time of the access that had to wait: its instruction is executed again and finds it done. It goes on to its end, or to its
   * next access, now: interrupts are taken between instructions (SDM vol. 3, 7.6), so the windows are closed, which the caller
   * opens again.
   */
  came(): StopReason {
    const { cpu, finished, user } = this;
    this.perform();
    finished.rewind();
    if (!user.runnable) return StopReason.Attention;
    cpu.requestInterruptWindow(false);
    cpu.requestNmiWindow(false);
    const now = cpu.now();
    const stopped = cpu.run(now + 1, true);
    // Attention that was asked for before the instruction was given up.
    return stopped === StopReason.Attention && cpu.now() === now ? cpu.run(now + 1, true) : stopped;
  }

  /** INIT or a reset: nothing of the instruction counts any more. */
  forget(): void {
    this.finished.forget();
  }

  save(): BusAccessesState {
    const { count, waiting, finished } = this;
    return { version: 1, count, waiting: { ...waiting }, finished: finished.save() };
  }

  load(saved: BusAccessesState): void {
    requireVersion('the accesses of a CPU', saved.version, 1);
    this.count = saved.count;
    this.waiting = { ...saved.waiting };
    this.finished.load(saved.finished);
  }

  protected access(kind: number, address: number, size: number, low: number, high: number): number {
    const { cpu, finished, site, waiting, user } = this;
    if (finished.recall(kind, address, cpu.now())) return finished.low;
    cpu.advance(site.costs[this.costOf(kind, address)]);
    waiting.kind = kind;
    waiting.address = address;
    waiting.size = size;
    waiting.low = low;
    waiting.high = high;
    const now = cpu.now();
    if (site.island.mustWait(user, now)) {
      this.count += 1;
      user.waitForBus(now, this.count);
      finished.rewind();
      cpu.abandonInstruction();
      return 0;
    }
    this.perform();
    if (user.ended) cpu.abandonInstruction();
    else site.island.limitDeadline(user);
    return finished.low;
  }

  private costOf(kind: number, address: number): 'bus.read' | 'bus.write' | BareRegion['read'] {
    if (kind === Access.MmioRead) return this.machine.mmio.find(address)?.tag.read ?? 'bus.read';
    if (kind === Access.MmioWrite) return this.machine.mmio.find(address)?.tag.write ?? 'bus.write';
    if (kind === Access.PortIn) return 'bus.portRead';
    return kind === Access.PortOut ? 'bus.portWrite' : 'bus.apic';
  }

  private perform(): void {
    const { site, cpu, finished, waiting, machine } = this;
    const { kind, address, size, low, high } = waiting;
    site.island.standAt(cpu.now());
    this.lane.atCode();
    switch (kind) {
      case Access.MmioRead:
      case Access.PortIn: {
        const map = kind === Access.MmioRead ? machine.mmio : machine.ports;
        const region = map.find(address);
        const row = this.begun(region, address, kind === Access.MmioRead ? Kind.MmioRead : Kind.PioIn, 0);
        const value = map.read(address, size, cpu.index);
        const rest = map.resultHigh;
        if (region) site.tracer.setArgs(row, address - region.base + region.tag.offset, value);
        finished.note(kind, address, value, rest, true);
        break;
      }
      case Access.MmioWrite:
      case Access.PortOut: {
        const map = kind === Access.MmioWrite ? machine.mmio : machine.ports;
        this.begun(map.find(address), address, kind === Access.MmioWrite ? Kind.MmioWrite : Kind.PioOut, low);
        map.write(address, size, low, high, cpu.index);
        finished.note(kind, address, 0, 0, true);
        break;
      }
      case Access.MsrRead: {
        const value = this.readMsr(address);
        finished.note(kind, address, value?.low ?? 0, value?.high ?? 0, value !== undefined);
        break;
      }
      default:
        finished.note(kind, address, 0, 0, this.writeMsr(address, low, high));
    }
    finished.entered(cpu.now());
    site.tracer.cause = this.lane.innermost();
  }

  private readMsr(index: number): { low: number; high: number } | undefined {
    const lapic = this.machine.lapic(this.cpu.index);
    if (!LocalApic.ownsMsr(index)) return this.machine.msrs(this.cpu.index).read(index);
    const low = lapic.msrRead(index);
    return low === undefined ? undefined : { low, high: lapic.resultHigh };
  }

  private writeMsr(index: number, low: number, high: number): boolean {
    if (LocalApic.ownsMsr(index)) return this.machine.lapic(this.cpu.index).msrWrite(index, low, high);
    return this.machine.msrs(this.cpu.index).write(index, low, high);
  }

  private begun(
    region: Region<BareRegion> | undefined,
    address: number,
    kind: number,
    value: number,
  ): RowRef {
    if (!region) return 0;
    const { tracer } = this.site;
    const offset = address - region.base + region.tag.offset;
    const row = tracer.instant(this.cpu.now(), region.tag.lane.track, kind, offset, value);
    tracer.cause = row;
    return row;
  }
}
