/**
 * Interrupts on their way into one guest: what KVM decides before each VM entry (inject, or ask for an exit when that becomes
 * possible), what waits in the VM-entry interruption field, what the processor delivers by itself where it virtualises the local
 * APIC, and the handlers that run because of it.
 */
import type { Stateful } from '../../machine/bus';
import type { Cpu } from '../../machine/x86/types';
import type { LocalApic } from '../../machine/interrupts/lapic';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import { Kind } from '../../trace/vocabulary/events';
import { InterruptLane, type InterruptLaneState } from '../cpu/interrupt-lane';
import type { RowRef } from '../../trace/record/tracer';
import type { Site } from '../host';

const NMI_VECTOR = 2;

/** Snapshot of an `Injection`. */
export interface InjectionState {
  version: 4;
  vector: number;
  injectRow: RowRef;
  windowAsked: boolean;
  recognised: boolean;
  nmis: number;
  nmiCause: RowRef;
  nmiWindowAsked: boolean;
  lane: InterruptLaneState;
}

/** Interrupt injection of one vCPU. */
export class Injection implements Stateful<InjectionState> {
  readonly lane: InterruptLane;
  /** What waits in the VM-entry interruption field; 2 is an NMI, -1 nothing. */
  private vector = -1;
  private injectRow: RowRef = 0;
  private windowAsked = false;
  /** The processor has recognised a pending virtual interrupt. */
  private recognised = false;
  /** NMIs that have arrived and not been injected: never more than one is kept behind another. */
  private nmis = 0;
  private nmiCause: RowRef = 0;
  private nmiWindowAsked = false;

  /**
   * @param track the vCPU's interrupts, as `CpuInterruptTrace` has it
   * @param byProcessor vectors of the LAPIC are delivered by the processor (virtual-interrupt delivery), and KVM injects those
   * of the 8259s and NMIs only
   */
  constructor(
    private readonly site: Site,
    private readonly cpu: Cpu,
    vm: number,
    readonly track: number,
    readonly byProcessor: boolean,
  ) {
    this.lane = new InterruptLane(site, cpu, vm, track);
  }

  /** An NMI has arrived. While one is in service or under way, one more is kept (process_nmi of KVM). */
  nmiArrived(): void {
    const limit = this.vector === NMI_VECTOR || !this.nmiPossible() ? 1 : 2;
    if (this.nmis === 0) this.nmiCause = this.site.tracer.cause;
    this.nmis = Math.min(this.nmis + 1, limit);
  }

  /** Something waits in the VM-entry interruption field. */
  get pending(): boolean {
    return this.vector >= 0;
  }

  /** There is nothing to inject, nor to wait for with what was to be injected. */
  idle(lapic: LocalApic): boolean {
    if (this.vector >= 0 || this.nmis > 0 || this.windowAsked || this.nmiWindowAsked) return false;
    return lapic.highestPending() < 0;
  }

  /** Something would be injected now: a vCPU that halts does not sleep, one that sleeps is woken. */
  wakes(lapic: LocalApic): boolean {
    if (this.nmis > 0 && this.nmiPossible()) return true;
    return this.cpu.interruptsEnabled() && lapic.highestPending() >= 0;
  }

  /** An interrupt-window exit has been asked for. */
  get windowWanted(): boolean {
    return this.windowAsked;
  }

  /** Row of the handler that runs now; 0 none. */
  innermost(): RowRef {
    return this.lane.innermost();
  }

  /**
   * What KVM does before each entry: injects an NMI or the highest pending vector, or asks to be told when that becomes
   * possible. Returns whether something was injected.
   */
  evaluate(lapic: LocalApic, time: Cycles): boolean {
    if (this.vector >= 0) return false;
    const { cpu } = this;
    const { tracer } = this.site;
    if (this.nmis > 0) {
      tracer.cause = this.nmiCause;
      if (cpu.nmiAllowed()) {
        this.nmis -= 1;
        this.wantNmiWindow(false);
        this.vector = NMI_VECTOR;
        this.injectRow = tracer.instant(time, this.track, Kind.NmiInject, 0, 0);
        if (this.toInject(lapic) >= 0) this.wantWindow(true);
        this.recognise(lapic);
        return true;
      }
      this.wantNmiWindow(true);
    }
    this.recognise(lapic);
    const vector = this.toInject(lapic);
    if (vector < 0) {
      this.wantWindow(false);
      return false;
    }
    tracer.cause = this.lane.causeOf(vector);
    // Asked only with a vector at hand: this is every exit's way.
    if (!cpu.interruptible()) {
      if (!this.windowAsked) tracer.instant(time, this.track, Kind.IrqWindow, vector, 0);
      this.wantWindow(true);
      return false;
    }
    this.wantWindow(false);
    this.vector = lapic.acknowledge();
    this.injectRow = tracer.instant(time, this.track, Kind.IrqInject, this.vector, 0);
    // An interrupt of the 8259A leaves those of the LAPIC as they were.
    if (this.toInject(lapic) >= 0) this.wantWindow(true);
    this.recognise(lapic);
    return true;
  }

  /**
   * The processor looks for a pending virtual interrupt (SDM vol. 3, 30.2.1): at an entry, when the task priority falls, at an
   * end of interrupt, and when the guest sends one to itself.
   */
  recognise(lapic: LocalApic): void {
    if (!this.byProcessor) return;
    this.lookForWindows(this.windowAsked, !lapic.externalPending && lapic.highestPending() >= 0);
  }

  /** Something else than KVM's waits for the guest to be able to take an interrupt. */
  awaitGuest(wanted: boolean): void {
    this.lookForWindows(this.windowAsked, wanted);
  }

  /** A vector of the physical CPU goes to the guest's handler. */
  deliverPhysical(vector: number, cause: RowRef): void {
    this.injectRow = cause;
    this.cpu.deliverInterrupt(vector);
  }

  /**
   * The guest can take what the processor has recognised (30.2.2). False: an 8259 has asked since, whose vector is KVM's to
   * inject.
   */
  deliverRecognised(lapic: LocalApic): boolean {
    const external = lapic.externalPending;
    this.lookForWindows(this.windowAsked, false);
    if (external || lapic.highestPending() < 0) return !external;
    const vector = lapic.acknowledge();
    this.injectRow = this.lane.causeOf(vector);
    this.cpu.deliverInterrupt(vector);
    this.recognise(lapic);
    return true;
  }

  /** The interrupt-window exit has come, or the NMI-window exit. */
  windowCame(nmi: boolean): void {
    if (nmi) this.wantNmiWindow(false);
    else this.wantWindow(false);
  }

  /** What is in the VM-entry interruption field takes effect before the next guest instruction. */
  deliver(): void {
    const { vector, cpu } = this;
    if (vector < 0) return;
    this.vector = -1;
    if (vector === NMI_VECTOR) cpu.deliverNmi();
    else cpu.deliverInterrupt(vector);
    if (this.nmis > 0) this.wantNmiWindow(true);
    this.site.tracer.cause = this.innermost();
  }

  /** The vCPU has entered the handler of a vector that an entry has injected. */
  delivered(vector: number): void {
    this.lane.delivered(vector, this.injectRow);
  }

  /** INIT: nothing is pending, no handler runs. */
  reset(): void {
    this.lane.reset();
    this.vector = -1;
    this.nmis = 0;
    this.lookForWindows(false, false);
    this.wantNmiWindow(false);
  }

  save(): InjectionState {
    return {
      version: 4,
      vector: this.vector,
      injectRow: this.injectRow,
      windowAsked: this.windowAsked,
      recognised: this.recognised,
      nmis: this.nmis,
      nmiCause: this.nmiCause,
      nmiWindowAsked: this.nmiWindowAsked,
      lane: this.lane.save(),
    };
  }

  /** The vCPU's own snapshot brings back what it was asked to watch for. */
  load(state: InjectionState): void {
    requireVersion('the injection of a vCPU', state.version, 4);
    this.vector = state.vector;
    this.injectRow = state.injectRow;
    this.windowAsked = state.windowAsked;
    this.recognised = state.recognised;
    this.nmis = state.nmis;
    this.nmiCause = state.nmiCause;
    this.nmiWindowAsked = state.nmiWindowAsked;
    this.lane.load(state.lane);
  }

  /** For one that halts: the shadow of an STI before it ends with the HLT. */
  private nmiPossible(): boolean {
    const { cpu } = this;
    return cpu.nmiAllowed() || (cpu.interruptsEnabled() && !cpu.interruptible());
  }

  /** The vector that KVM would inject; -1: none. */
  private toInject(lapic: LocalApic): number {
    return this.byProcessor && !lapic.externalPending ? -1 : lapic.highestPending();
  }

  private wantWindow(wanted: boolean): void {
    this.lookForWindows(wanted, this.recognised);
  }

  /** KVM wants an exit when the guest can take an interrupt, the processor has one to deliver then, or both: the exit comes first. */
  private lookForWindows(asked: boolean, recognised: boolean): void {
    const before = this.windowAsked || this.recognised;
    this.windowAsked = asked;
    this.recognised = recognised;
    if ((asked || recognised) !== before) this.cpu.requestInterruptWindow(!before);
  }

  private wantNmiWindow(wanted: boolean): void {
    if (wanted === this.nmiWindowAsked) return;
    this.nmiWindowAsked = wanted;
    this.cpu.requestNmiWindow(wanted);
  }
}
