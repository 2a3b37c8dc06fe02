/**
 * Interrupts on their way into one guest: what KVM decides before each VM entry (inject, or ask for an interrupt window), the
 * vector that waits in the VM-entry interruption field, and the handlers that run because of it.
 */
import type { Stateful } from '../../machine/bus';
import type { Cpu } from '../../machine/cpu/types';
import type { LocalApic } from '../../machine/interrupts/lapic';
import { requireVersion } from '../../machine/snapshot';
import type { Cycles } from '../../machine/time/event-queue';
import { Kind } from '../../trace/events';
import type { RowRef } from '../../trace/tracer';
import type { Host } from '../host';

const VECTORS = 256;

/** Snapshot of an `Injection`. */
export interface InjectionState {
  version: 1;
  /** By vector. */
  causeOfVector: Uint32Array;
  handlers: RowRef[];
  vector: number;
  injectRow: RowRef;
  windowAsked: boolean;
}

/** Interrupt injection of one vCPU. */
export class Injection implements Stateful<InjectionState> {
  /** Row that brought each vector into the LAPIC, so that the injection hangs on it. */
  private readonly causeOfVector = new Array<RowRef>(VECTORS).fill(0);
  /** Handlers that have begun and not returned, innermost last. */
  private handlers: RowRef[] = [];
  private vector = -1;
  private injectRow: RowRef = 0;
  private windowAsked = false;

  /** @param track the vCPU's interrupts */
  constructor(
    private readonly host: Host,
    private readonly cpu: Cpu,
    private readonly vm: number,
    readonly track: number,
  ) {}

  /** The LAPIC has taken a vector: notes why, for the injection that will follow. */
  accepted(vector: number): void {
    const { tracer } = this.host;
    this.causeOfVector[vector] = tracer.instant(this.host.now(), this.track, Kind.IrqAccept, vector, 0);
    tracer.cause = this.causeOfVector[vector];
  }

  /** A vector waits in the VM-entry interruption field. */
  get pending(): boolean {
    return this.vector >= 0;
  }

  /** An interrupt-window exit has been asked for. */
  get windowWanted(): boolean {
    return this.windowAsked;
  }

  /** Row of the handler that runs now; 0 none. Asked at every exit; reading an empty array at -1 would be slow. */
  innermost(): RowRef {
    const depth = this.handlers.length;
    return depth === 0 ? 0 : this.handlers[depth - 1];
  }

  /**
   * What KVM does before each entry: injects the highest pending vector, or asks to be told when that becomes possible.
   *
   * @param atBoundary false inside an instruction, which completes before anything can be injected
   * @param faults the instruction ends in an exception, which KVM injects: an interrupt has to wait
   * @returns whether a vector was injected
   */
  evaluate(lapic: LocalApic, atBoundary: boolean, faults: boolean, time: Cycles): boolean {
    if (this.vector >= 0) return false;
    const vector = lapic.highestPending();
    if (vector < 0) {
      this.wantWindow(false);
      return false;
    }
    const { tracer } = this.host;
    tracer.cause = this.causeOfVector[vector] ?? 0;
    // Asked only with a vector at hand: this is every exit's way.
    const possible = atBoundary ? this.cpu.interruptible() : this.cpu.interruptsEnabled() && !faults;
    if (!possible) {
      if (!this.windowAsked) tracer.instant(time, this.track, Kind.IrqWindow, vector, 0);
      this.wantWindow(true);
      return false;
    }
    this.wantWindow(false);
    this.vector = lapic.acknowledge();
    this.injectRow = tracer.instant(time, this.track, Kind.IrqInject, this.vector, 0);
    return true;
  }

  /** Asks the vCPU to leave the guest when it can take an interrupt, or no longer. */
  wantWindow(wanted: boolean): void {
    if (wanted === this.windowAsked) return;
    this.windowAsked = wanted;
    this.cpu.requestInterruptWindow(wanted);
  }

  /** The vector in the VM-entry interruption field takes effect before the next guest instruction. */
  deliver(): void {
    if (this.vector < 0) return;
    if (!this.cpu.interruptible()) {
      // The instruction that exited ended in a fault, whose handler has interrupts off: the vector waits for them.
      this.wantWindow(true);
      return;
    }
    const { vector } = this;
    this.vector = -1;
    this.cpu.deliverInterrupt(vector);
    this.host.tracer.cause = this.innermost();
  }

  /** The vCPU has entered the handler of a vector. */
  delivered(vector: number): void {
    const { tracer } = this.host;
    const now = this.cpu.now();
    tracer.place = tracer.internPlace(this.vm, this.cpu.ripLow, this.cpu.ripHigh);
    tracer.cause = this.injectRow;
    tracer.cause = tracer.instant(now, this.track, Kind.IrqDeliver, vector, 0);
    this.handlers.push(tracer.open(now, this.track, Kind.Handler, vector, 0));
  }

  /** The innermost handler has returned. */
  returned(): void {
    const row = this.handlers.pop();
    if (row !== undefined) this.host.tracer.close(row, this.cpu.now());
  }
  save(): InjectionState {
    return {
      version: 1,
      causeOfVector: Uint32Array.from(this.causeOfVector),
      handlers: [...this.handlers],
      vector: this.vector,
      injectRow: this.injectRow,
      windowAsked: this.windowAsked,
    };
  }

  /** The vCPU's own snapshot has the window it was asked for. */
  load(state: InjectionState): void {
    requireVersion('the injection of a vCPU', state.version, 1);
    state.causeOfVector.forEach((row, vector) => (this.causeOfVector[vector] = row));
    this.handlers = [...state.handlers];
    this.vector = state.vector;
    this.injectRow = state.injectRow;
    this.windowAsked = state.windowAsked;
  }
}
