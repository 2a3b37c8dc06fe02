/**
 * One CPU of a bare machine. Nothing leaves the guest: an access goes over the bus and the CPU waits for it, an interrupt is
 * taken at the first boundary at which it can be. How an access waits is told in `BusAccesses`.
 */
import type { Stateful } from '../../machine/bus';
import type { LocalApic } from '../../machine/interrupts/lapic';
import type { CpuSink } from '../../machine/interrupts/sinks';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles, EventTarget } from '../../machine/time/event-queue';
import { Reg, StopReason, type Cpu, type CpuCallouts } from '../../machine/x86/types';
import { Kind } from '../../trace/vocabulary/events';
import type { RowRef } from '../../trace/record/tracer';
import type { InterruptLane, InterruptLaneState } from '../cpu/interrupt-lane';
import { MARK_HYPERCALL, noteMark } from '../cpu/mark';
import { StartUp, type StartUpState } from '../cpu/start-up';
import type { CpuActivity, GuestCpuView } from '../guest';
import type { GuestCpu } from '../guest-machine';
import type { Site } from '../host';
import { BusAccesses, type BusAccessesState, type BusUser } from './bus-accesses';
import type { CpuMachine } from './machine-face';

/** Where the CPU is: at code, in the midst of an access, asleep by HLT, waiting for a start-up IPI, off. */
export type BarePlace = 'code' | 'access' | 'halted' | 'waiting' | 'ended';

const Event = { Access: 0, Look: 1, Init: 2, StartUp: 3, Nmi: 4 } as const;
const NMI_VECTOR = 2;

/** Snapshot of a `BareCpu`; the registers are the CPU's own. */
export interface BareCpuState {
  version: 2;
  place: BarePlace;
  looking: boolean;
  row: RowRef;
  accesses: BusAccessesState;
  startUp: StartUpState;
  lane: InterruptLaneState;
  nmiPending: boolean;
  nmiCause: RowRef;
  handedOver: RowRef;
}

/** A CPU and its way to the bus. */
export class BareCpu
  implements CpuCallouts, BusUser, EventTarget, CpuSink, GuestCpu, GuestCpuView, Stateful<BareCpuState>
{
  readonly eventTargetId: string;
  private place: BarePlace = 'waiting';
  /** The span that shows the present place. */
  private row: RowRef = 0;
  private readonly accesses: BusAccesses;
  private readonly starting = new StartUp();
  /** An event is on its way that has the CPU look at what its LAPIC holds. */
  private looking = false;
  private nmiPending = false;
  private nmiCause: RowRef = 0;
  /** What the handler that is being entered hangs on. */
  private handedOver: RowRef = 0;

  /** @param track the CPU's own */
  constructor(
    private readonly site: Site,
    private readonly machine: CpuMachine,
    readonly cpu: Cpu,
    readonly track: number,
    private readonly lane: InterruptLane,
  ) {
    this.accesses = new BusAccesses(site, machine, cpu, lane, this);
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
    this.accesses.forget();
    this.starting.reset();
    this.nmiPending = false;
    cpu.requestInterruptWindow(false);
    cpu.requestNmiWindow(false);
  }

  save(): BareCpuState {
    return {
      version: 2,
      place: this.place,
      looking: this.looking,
      row: this.row,
      accesses: this.accesses.save(),
      startUp: this.starting.save(),
      lane: this.lane.save(),
      nmiPending: this.nmiPending,
      nmiCause: this.nmiCause,
      handedOver: this.handedOver,
    };
  }

  load(saved: BareCpuState): void {
    requireVersion(this.eventTargetId, saved.version, 2);
    this.place = saved.place;
    this.looking = saved.looking;
    this.row = saved.row;
    this.accesses.load(saved.accesses);
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

  get activity(): CpuActivity {
    if (this.place === 'waiting') return 'waiting';
    return this.place === 'code' || this.place === 'access' ? 'running' : 'halted';
  }

  get runnable(): boolean {
    return this.place === 'code';
  }

  get ended(): boolean {
    return this.place === 'ended';
  }

  runUntil(deadline: Cycles): void {
    this.stopped(this.cpu.run(deadline));
  }

  private stopped(reason: StopReason): void {
    switch (reason) {
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
    if (this.looking || this.ended) return;
    this.looking = true;
    this.soon(Event.Look);
  }

  ownTimer(accept: () => void): void {
    accept();
  }

  nmi(): void {
    if (!this.nmiPending) this.nmiCause = this.site.tracer.cause;
    this.nmiPending = true;
    this.interrupt();
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
        return this.accessCame(arg);
      case Event.Look:
        return this.look(time);
      case Event.Init:
        return this.takeInit(time);
      default:
        return this.takeStartUp(time);
    }
  }

  waitForBus(time: Cycles, access: number): void {
    this.place = 'access';
    this.site.island.queue.schedule(time, this, Event.Access, access);
  }

  interruptDelivered(vector: number): void {
    this.lane.delivered(vector, this.handedOver);
  }

  interruptReturned(handler: number): void {
    this.lane.returned(handler);
  }

  // --- call-outs ----------------------------------------------------------------------------------------------------

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

  cpuid(leaf: number, subleaf: number): { eax: number; ebx: number; ecx: number; edx: number } {
    return this.machine.cpuid(leaf, subleaf, this.cpu.index);
  }

  hlt(): void {
    if (!this.wakes()) this.goTo('halted', this.cpu.now());
  }

  /** There is no hypervisor to call; the guest kit's marks are the simulator's own. */
  vmcall(): boolean {
    const { cpu } = this;
    if (cpu.cpl() !== 0 || cpu.getReg(Reg.RAX) !== MARK_HYPERCALL) return false;
    this.lane.atCode();
    noteMark(cpu, this.site.tracer, this.track, cpu.now());
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
    this.lane.atCode();
    this.lapic.timer.tscChanged();
    this.site.island.limitDeadline(this);
  }

  // --- interrupts -----------------------------------------------------------------------------------------------------

  private get lapic(): LocalApic {
    return this.machine.lapic(this.cpu.index);
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
    if (this.place === 'halted' && this.wakes()) {
      this.cpu.setNow(Math.max(this.cpu.now(), time));
      this.goTo('code', this.cpu.now());
    }
    this.askForWindows();
  }

  private askForWindows(): void {
    this.cpu.requestInterruptWindow(this.lapic.highestPending() >= 0);
    this.cpu.requestNmiWindow(this.nmiPending);
  }

  private accessCame(access: number): void {
    if (this.place !== 'access' || !this.accesses.awaits(access)) return;
    this.place = 'code';
    this.stopped(this.accesses.came());
    this.askForWindows();
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
    const { cpu, lane, site } = this;
    this.nmiPending = false;
    site.tracer.cause = this.nmiCause;
    this.handedOver = site.tracer.instant(cpu.now(), lane.track, Kind.IrqAccept, NMI_VECTOR, 0);
    cpu.deliverNmi();
    this.askForWindows();
  }

  private takeInit(time: Cycles): void {
    if (!this.starting.initPending) return;
    const { cpu, lane, accesses, starting } = this;
    cpu.setNow(Math.max(cpu.now(), time));
    cpu.init();
    this.lapic.init();
    lane.reset();
    accesses.forget();
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
    this.cpu.setNow(Math.max(this.cpu.now(), time));
    this.cpu.startUp(page);
    this.goTo('code', this.cpu.now());
  }

  /** A triple fault: the CPU does nothing until the machine is reset, if that follows. */
  private shutDown(): void {
    this.lane.atCode();
    if (this.machine.shutDown(this.cpu.now())) this.goTo('waiting', this.cpu.now());
    else this.crash();
  }

  private crash(): void {
    const { cpu, site, machine } = this;
    this.lane.atCode();
    site.tracer.instant(cpu.now(), this.track, Kind.GuestFault, 0, 0);
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
