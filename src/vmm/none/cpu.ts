/**
 * One CPU of a bare machine. Nothing leaves the guest: an access goes over the bus and the CPU waits for it, an interrupt is
 * taken at the first boundary at which it can be.
 *
 * An access takes time, and other things may be due before it is done: then the CPU stops, its instruction is given up, and
 * an event brings the access at its own time; executed anew, the instruction gets the answer from memory (`FinishedAccesses`).
 */
import type { Region } from '../../machine/address-map';
import type { Stateful } from '../../machine/bus';
import { LocalApic } from '../../machine/interrupts/lapic';
import type { CpuSink } from '../../machine/interrupts/sinks';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import { Reg, StopReason, type Cpu, type CpuCallouts } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import { Access, AccessCallouts } from '../cpu/access-callouts';
import { FinishedAccesses, type FinishedAccessesState } from '../cpu/finished-accesses';
import type { InterruptLane, InterruptLaneState } from '../cpu/interrupt-lane';
import { MARK_HYPERCALL, noteMark } from '../cpu/mark';
import { StartUp, type StartUpState } from '../cpu/start-up';
import type { GuestCpu } from '../guest-machine';
import type { Site } from '../host';
import type { Runnable } from '../threads/island';
import type { BareRegion } from './environment';
import type { CpuMachine } from './machine-face';

/** Where the CPU is: at code, in the midst of an access, asleep by HLT, waiting for a start-up IPI, off. */
export type BarePlace = 'code' | 'access' | 'halted' | 'waiting' | 'ended';

const Event = { Access: 0, Look: 1, Init: 2, StartUp: 3, Nmi: 4 } as const;
const NMI_VECTOR = 2;

/** Snapshot of a `BareCpu`; the registers are the CPU's own. */
export interface BareCpuState {
  version: 1;
  place: BarePlace;
  looking: boolean;
  accesses: number;
  row: RowRef;
  waiting: { kind: number; address: number; size: number; low: number; high: number };
  finished: FinishedAccessesState;
  startUp: StartUpState;
  lane: InterruptLaneState;
  nmiPending: boolean;
  nmiCause: RowRef;
  handedOver: RowRef;
}

/** A CPU and its way to the bus. */
export class BareCpu
  extends AccessCallouts
  implements CpuCallouts, Runnable, EventTarget, CpuSink, GuestCpu, Stateful<BareCpuState>
{
  readonly eventTargetId: string;
  private place: BarePlace = 'waiting';
  /** The span that shows the present place. */
  private row: RowRef = 0;
  private waiting: BareCpuState['waiting'] = { kind: 0, address: 0, size: 0, low: 0, high: 0 };
  protected readonly finished = new FinishedAccesses();
  private readonly starting = new StartUp();
  /** An event is on its way that has the CPU look at what its LAPIC holds. */
  private looking = false;
  /** Accesses that had to wait so far: tells an event for one from an event for another. */
  private accesses = 0;
  private nmiPending = false;
  private nmiCause: RowRef = 0;
  /** What the handler that is being entered hangs on. */
  private handedOver: RowRef = 0;

  /** @param track the CPU's own */
  constructor(
    private readonly site: Site,
    private readonly machine: CpuMachine,
    cpu: Cpu,
    readonly track: number,
    private readonly lane: InterruptLane,
  ) {
    super(cpu);
    this.eventTargetId = `${machine.name}/CPU ${cpu.index}`;
    site.island.queue.register(this);
    site.units.keep(this.eventTargetId, this);
    site.island.add(this);
    cpu.callouts = this;
  }

  start(): void {
    this.goTo('code', this.cpu.now());
  }

  waitForStartUp(): void {
    this.goTo('waiting', this.cpu.now());
  }

  stop(): void {
    if (this.place === 'ended') return;
    this.goTo('ended', this.cpu.now());
    this.cpu.requestAttention();
  }

  /** The machine was reset at a time. */
  reset(time: Cycles): void {
    const { cpu, lane } = this;
    cpu.setNow(Math.max(cpu.now(), time));
    cpu.powerUp();
    lane.reset();
    this.finished.forget();
    this.starting.reset();
    this.nmiPending = false;
    cpu.requestInterruptWindow(false);
    cpu.requestNmiWindow(false);
  }

  save(): BareCpuState {
    return {
      version: 1,
      place: this.place,
      looking: this.looking,
      accesses: this.accesses,
      row: this.row,
      waiting: { ...this.waiting },
      finished: this.finished.save(),
      startUp: this.starting.save(),
      lane: this.lane.save(),
      nmiPending: this.nmiPending,
      nmiCause: this.nmiCause,
      handedOver: this.handedOver,
    };
  }

  load(saved: BareCpuState): void {
    requireVersion(this.eventTargetId, saved.version, 1);
    this.place = saved.place;
    this.looking = saved.looking;
    this.accesses = saved.accesses;
    this.row = saved.row;
    this.waiting = { ...saved.waiting };
    this.finished.load(saved.finished);
    this.starting.load(saved.startUp);
    this.lane.load(saved.lane);
    this.nmiPending = saved.nmiPending;
    this.nmiCause = saved.nmiCause;
    this.handedOver = saved.handedOver;
  }

  // --- time ---------------------------------------------------------------------------------------------------------

  now(): Cycles {
    return this.cpu.now();
  }

  limitDeadline(deadline: Cycles): void {
    this.cpu.limitDeadline(deadline);
  }

  instructions(): number {
    return this.cpu.instructions();
  }

  get runnable(): boolean {
    return this.place === 'code';
  }

  get ended(): boolean {
    return this.place === 'ended';
  }

  runUntil(deadline: Cycles): void {
    const { cpu } = this;
    switch (cpu.run(deadline)) {
      case StopReason.InterruptWindow:
        return this.takeInterrupt();
      case StopReason.NmiWindow:
        return this.takeNmi();
      case StopReason.Shutdown:
        return this.shutDown();
      case StopReason.Unsupported:
        return this.crash();
      default:
    }
  }

  // --- what arrives ---------------------------------------------------------------------------------------------------

  interrupt(): void {
    this.lookSoon();
  }

  ownTimer(accept: () => void): void {
    accept();
  }

  nmi(): void {
    if (!this.nmiPending) this.nmiCause = this.site.tracer.cause;
    this.nmiPending = true;
    this.lookSoon();
  }

  init(): void {
    this.starting.requestInit();
    this.soon(Event.Init);
  }

  startUp(page: number): void {
    this.starting.request(page);
    if (this.place === 'waiting' && this.starting.ready) this.soon(Event.StartUp);
  }

  onEvent(kind: number, arg: number, time: Cycles): void {
    if (this.ended) return;
    switch (kind) {
      case Event.Access:
        if (this.place === 'access' && arg === this.accesses) this.accessCame();
        return;
      case Event.Look:
        return this.look(time);
      case Event.Init:
        return this.takeInit(time);
      default:
        return this.takeStartUp(time);
    }
  }

  interruptDelivered(vector: number): void {
    this.lane.delivered(vector, this.handedOver);
  }

  interruptReturned(handler: number): void {
    this.lane.returned(handler);
  }

  // --- call-outs; those for accesses are in `AccessCallouts` ---------------------------------------------------------

  cpuid(leaf: number, subleaf: number): { eax: number; ebx: number; ecx: number; edx: number } {
    return this.machine.cpuid(leaf, subleaf, this.cpu.index);
  }

  hlt(): void {
    if (!this.wakes()) this.goTo('halted', this.cpu.now());
  }

  /** There is no hypervisor to call; the guest kit's marks are the simulator's own. */
  vmcall(): boolean {
    const { cpu, site } = this;
    if (cpu.cpl() !== 0 || cpu.getReg(Reg.RAX) !== MARK_HYPERCALL) return false;
    site.tracer.place = site.tracer.internPlace(this.machine.index, cpu.ripLow, cpu.ripHigh);
    site.tracer.cause = this.lane.innermost();
    noteMark(cpu, site.tracer, this.track, cpu.now());
    cpu.setReg(Reg.RAX, 0n);
    return true;
  }

  cr8Read(): number {
    return this.lapic.cr8;
  }

  cr8Write(value: number): void {
    this.site.island.standAt(this.cpu.now());
    this.lapic.cr8 = value;
    this.site.island.limitDeadline(this);
  }

  /** The guest changed its TSC: its deadline is another time of the host. */
  tscChanged(): void {
    const { tracer } = this.site;
    tracer.place = tracer.internPlace(this.machine.index, this.cpu.ripLow, this.cpu.ripHigh);
    tracer.cause = this.lane.innermost();
    this.lapic.timer.tscChanged();
    this.site.island.limitDeadline(this);
  }

  // --- accesses -------------------------------------------------------------------------------------------------------

  private get lapic(): LocalApic {
    return this.machine.lapic(this.cpu.index);
  }

  protected access(kind: number, address: number, size: number, low: number, high: number): number {
    const { cpu, finished, site, waiting } = this;
    if (finished.recall(kind, address, cpu.now())) return finished.low;
    cpu.advance(site.costs[this.costOf(kind, address)]);
    waiting.kind = kind;
    waiting.address = address;
    waiting.size = size;
    waiting.low = low;
    waiting.high = high;
    const now = cpu.now();
    if (site.island.mustWait(this, now)) {
      this.place = 'access';
      this.accesses += 1;
      site.island.queue.schedule(now, this, Event.Access, this.accesses);
      finished.rewind();
      cpu.abandonInstruction();
      return 0;
    }
    this.perform();
    if (this.ended) cpu.abandonInstruction();
    else site.island.limitDeadline(this);
    return finished.low;
  }

  private costOf(kind: number, address: number): 'bus.read' | 'bus.write' | BareRegion['read'] {
    if (kind === Access.MmioRead) return this.machine.mmio.find(address)?.tag.read ?? 'bus.read';
    if (kind === Access.MmioWrite) return this.machine.mmio.find(address)?.tag.write ?? 'bus.write';
    if (kind === Access.PortIn) return 'bus.portRead';
    return kind === Access.PortOut ? 'bus.portWrite' : 'bus.apic';
  }

  /** The access that had to wait: its instruction is executed again and finds it done. */
  private accessCame(): void {
    this.place = 'code';
    this.perform();
    this.finished.rewind();
  }

  private perform(): void {
    const { site, cpu, finished, waiting, machine } = this;
    const { kind, address, size, low, high } = waiting;
    site.island.standAt(cpu.now());
    site.tracer.place = site.tracer.internPlace(machine.index, cpu.ripLow, cpu.ripHigh);
    site.tracer.cause = this.lane.innermost();
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
    const { lapic } = this;
    if (!LocalApic.ownsMsr(index)) return this.machine.msrs(this.cpu.index).read(index);
    const low = lapic.msrRead(index);
    return low === undefined ? undefined : { low, high: lapic.resultHigh };
  }

  private writeMsr(index: number, low: number, high: number): boolean {
    if (LocalApic.ownsMsr(index)) return this.lapic.msrWrite(index, low, high);
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

  // --- interrupts -----------------------------------------------------------------------------------------------------

  private lookSoon(): void {
    if (this.looking || this.ended) return;
    this.looking = true;
    this.soon(Event.Look);
  }

  /** By an event of the present: whoever brings it may be in the midst of an instruction, this CPU's own or another's. */
  private soon(kind: number): void {
    this.site.island.queue.schedule(this.site.island.now(), this, kind);
  }

  /** Something would be taken now: HLT does not sleep, or ends. */
  private wakes(): boolean {
    const { cpu } = this;
    if (this.nmiPending && cpu.nmiAllowed()) return true;
    return cpu.interruptsEnabled() && this.lapic.highestPending() >= 0;
  }

  private look(time: Cycles): void {
    this.looking = false;
    const { cpu } = this;
    if (this.place === 'halted' && this.wakes()) {
      cpu.setNow(Math.max(cpu.now(), time));
      this.goTo('code', cpu.now());
    }
    this.askForWindows();
  }

  private askForWindows(): void {
    this.cpu.requestInterruptWindow(this.lapic.highestPending() >= 0);
    this.cpu.requestNmiWindow(this.nmiPending);
  }

  private takeInterrupt(): void {
    const { cpu, lane, site, lapic } = this;
    site.island.standAt(cpu.now());
    if (lapic.highestPending() >= 0) {
      const vector = lapic.acknowledge();
      this.handedOver = lane.causeOf(vector);
      cpu.deliverInterrupt(vector);
    }
    this.askForWindows();
  }

  private takeNmi(): void {
    this.nmiPending = false;
    this.handedOver = this.nmiCause;
    this.site.tracer.cause = this.nmiCause;
    this.handedOver = this.site.tracer.instant(
      this.cpu.now(),
      this.lane.track,
      Kind.IrqAccept,
      NMI_VECTOR,
      0,
    );
    this.cpu.deliverNmi();
    this.askForWindows();
  }

  private takeInit(time: Cycles): void {
    if (!this.starting.initPending) return;
    const { cpu, lane, finished, starting } = this;
    cpu.setNow(Math.max(cpu.now(), time));
    cpu.init();
    this.lapic.init();
    lane.reset();
    finished.forget();
    this.nmiPending = false;
    starting.initDone(cpu.index !== 0);
    this.goTo(cpu.index === 0 ? 'code' : 'waiting', cpu.now());
    this.askForWindows();
    if (starting.ready) this.soon(Event.StartUp);
  }

  private takeStartUp(time: Cycles): void {
    if (this.place !== 'waiting') return;
    const page = this.starting.take();
    if (page < 0) return;
    const { cpu } = this;
    cpu.setNow(Math.max(cpu.now(), time));
    cpu.startUp(page);
    this.goTo('code', cpu.now());
  }

  /** A triple fault: the CPU does nothing until the machine is reset, if that follows. */
  private shutDown(): void {
    const { cpu, site, machine, lane } = this;
    site.tracer.cause = lane.innermost();
    site.tracer.place = site.tracer.internPlace(machine.index, cpu.ripLow, cpu.ripHigh);
    if (machine.shutDown(cpu.now())) this.goTo('waiting', cpu.now());
    else this.crash();
  }

  private crash(): void {
    const { cpu, site, machine } = this;
    const { tracer } = site;
    tracer.cause = this.lane.innermost();
    tracer.place = tracer.internPlace(machine.index, cpu.ripLow, cpu.ripHigh);
    tracer.instant(cpu.now(), this.track, Kind.GuestFault, 0, 0);
    machine.crashed(cpu.faultReport());
  }

  // --- what the timeline shows ----------------------------------------------------------------------------------------

  private goTo(place: BarePlace, time: Cycles): void {
    const { tracer } = this.site;
    this.place = place;
    tracer.close(this.row, time);
    tracer.cause = 0;
    this.row = place === 'ended' ? 0 : tracer.open(time, this.track, this.kindOf(place), 0, 0);
  }

  private kindOf(place: BarePlace): number {
    if (place === 'halted') return Kind.Halted;
    if (place === 'waiting') return Kind.WaitSipi;
    return this.cpu.cpl() === 3 ? Kind.GuestUser : Kind.GuestKernel;
  }

  privilegeChanged(): void {
    if (this.place === 'code') this.goTo('code', this.cpu.now());
  }
}
