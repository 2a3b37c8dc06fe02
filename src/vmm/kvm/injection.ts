/**
 * Interrupts on their way into one guest: what KVM decides before each VM entry (inject, or ask for an exit when that becomes
 * possible), what waits in the VM-entry interruption field, and the handlers that run because of it.
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
  version: 2;
  vector: number;
  injectRow: RowRef;
  windowAsked: boolean;
  windowTold: boolean;
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
  /** The vCPU knows of `windowAsked`; it is told once an instruction in its midst is about to be completed. */
  private windowTold = false;
  /** NMIs that have arrived and not been injected: never more than one is kept behind another. */
  private nmis = 0;
  private nmiCause: RowRef = 0;
  private nmiWindowAsked = false;

  /** @param track the vCPU's interrupts, as `CpuInterruptTrace` has it */
  constructor(
    private readonly site: Site,
    private readonly cpu: Cpu,
    vm: number,
    readonly track: number,
  ) {
    this.lane = new InterruptLane(site, cpu, vm, track);
  }

  /** An NMI has arrived. While one is in service or under way, one more is kept (process_nmi of KVM). */
  nmiArrived(): void {
    const limit = this.vector === NMI_VECTOR || !this.nmiPossible(false) ? 1 : 2;
    if (this.nmis === 0) this.nmiCause = this.site.tracer.cause;
    this.nmis = Math.min(this.nmis + 1, limit);
  }

  /** Something waits in the VM-entry interruption field. */
  get pending(): boolean {
    return this.vector >= 0;
  }

  /** Something would be injected now: a vCPU that halts does not sleep, one that sleeps is woken. */
  wakes(lapic: LocalApic): boolean {
    if (this.nmis > 0 && this.nmiPossible(false)) return true;
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
   * possible.
   *
   * @param atBoundary false inside an instruction, which completes before anything can be injected
   * @param faults the instruction ends in an exception, which KVM injects: an interrupt has to wait
   * @returns whether something was injected
   */
  evaluate(lapic: LocalApic, atBoundary: boolean, faults: boolean, time: Cycles): boolean {
    if (this.vector >= 0) return false;
    const { tracer } = this.site;
    if (this.nmis > 0) {
      tracer.cause = this.nmiCause;
      if (this.nmiPossible(atBoundary)) {
        this.nmis -= 1;
        this.wantNmiWindow(false);
        this.vector = NMI_VECTOR;
        this.injectRow = tracer.instant(time, this.track, Kind.NmiInject, 0, 0);
        if (lapic.highestPending() >= 0) this.wantWindow(true, atBoundary);
        return true;
      }
      this.wantNmiWindow(true);
    }
    const vector = lapic.highestPending();
    if (vector < 0) {
      this.wantWindow(false, true);
      return false;
    }
    tracer.cause = this.lane.causeOf(vector);
    // Asked only with a vector at hand: this is every exit's way.
    const possible = atBoundary ? this.cpu.interruptible() : this.cpu.interruptsEnabled() && !faults;
    if (!possible) {
      if (!this.windowAsked) tracer.instant(time, this.track, Kind.IrqWindow, vector, 0);
      this.wantWindow(true, atBoundary);
      return false;
    }
    this.wantWindow(false, true);
    this.vector = lapic.acknowledge();
    this.injectRow = tracer.instant(time, this.track, Kind.IrqInject, this.vector, 0);
    // An interrupt of the 8259A leaves those of the LAPIC as they were.
    if (lapic.highestPending() >= 0) this.wantWindow(true, atBoundary);
    return true;
  }

  /** The interrupt-window exit has come, or the NMI-window exit. */
  windowCame(nmi: boolean): void {
    if (nmi) this.wantNmiWindow(false);
    else this.wantWindow(false, true);
  }

  /** The instruction whose midst the guest was entered in is about to be completed: the vCPU may be told what is wanted. */
  completing(): void {
    if (this.windowAsked && !this.windowTold) this.wantWindow(true, true);
    if (this.vector >= 0) this.cpu.requestAttention();
  }

  /** What is in the VM-entry interruption field takes effect before the next guest instruction. */
  deliver(): void {
    const { vector, cpu } = this;
    if (vector < 0) return;
    const isNmi = vector === NMI_VECTOR;
    if (!(isNmi ? cpu.nmiAllowed() : cpu.interruptible())) {
      // The instruction that exited ended in a fault, whose handler has interrupts off: the vector waits for them.
      if (isNmi) this.wantNmiWindow(true);
      else this.wantWindow(true, true);
      return;
    }
    this.vector = -1;
    if (isNmi) cpu.deliverNmi();
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
    this.wantWindow(false, true);
    this.wantNmiWindow(false);
  }

  save(): InjectionState {
    return {
      version: 2,
      vector: this.vector,
      injectRow: this.injectRow,
      windowAsked: this.windowAsked,
      windowTold: this.windowTold,
      nmis: this.nmis,
      nmiCause: this.nmiCause,
      nmiWindowAsked: this.nmiWindowAsked,
      lane: this.lane.save(),
    };
  }

  /** The vCPU's own snapshot brings back what it was asked to watch for. */
  load(state: InjectionState): void {
    requireVersion('the injection of a vCPU', state.version, 2);
    this.vector = state.vector;
    this.injectRow = state.injectRow;
    this.windowAsked = state.windowAsked;
    this.windowTold = state.windowTold;
    this.nmis = state.nmis;
    this.nmiCause = state.nmiCause;
    this.nmiWindowAsked = state.nmiWindowAsked;
    this.lane.load(state.lane);
  }

  /** Inside an instruction, the shadow of an STI before it ends with it (KVM clears it when it skips the instruction). */
  private nmiPossible(atBoundary: boolean): boolean {
    const { cpu } = this;
    return cpu.nmiAllowed() || (!atBoundary && cpu.interruptsEnabled() && !cpu.interruptible());
  }

  /** `tell` false: in the midst of an instruction, before whose execution the window must not open. */
  private wantWindow(wanted: boolean, tell: boolean): void {
    this.windowAsked = wanted;
    if (wanted === this.windowTold || (wanted && !tell)) return;
    this.windowTold = wanted;
    this.cpu.requestInterruptWindow(wanted);
  }

  private wantNmiWindow(wanted: boolean): void {
    if (wanted === this.nmiWindowAsked) return;
    this.nmiWindowAsked = wanted;
    this.cpu.requestNmiWindow(wanted);
  }
}
