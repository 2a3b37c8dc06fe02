/** What a local APIC is made with, what it tells the world, and what it is saved as. */
import type { HardwareState, RunState } from '../snapshot';
import type { Cycles, Scheduler } from '../time/event-queue';
import type { LapicTimerHardware, LapicTimerRun, TscToHostTime } from './lapic-timer';
import type { IpiMessage } from './message';

/** What a LAPIC tells the world. */
export interface LapicHost {
  /** The INTR signal to the CPU changed. */
  output(asserted: boolean): void;
  /** A level-triggered interrupt ended: IOAPICs look for it. */
  eoiBroadcast(vector: number): void;
  /** Software sent an inter-processor interrupt. */
  ipi(message: IpiMessage): void;
  /** The local vector table asks for an NMI. */
  nmi?(): void;
  /** The timer has come to its end; `accept` has to be called once, and puts its vector into the IRR. Absent: at once. */
  timerExpired?(accept: () => void): void;
  /** The 8259A, for interrupts of delivery mode ExtINT, by LINT0 or by message: its vector, and its acknowledge cycle. */
  readonly external?: { readonly pendingVector: number; acknowledge(): number };
  /**
   * A vector has come that is to be handed to the CPU by somebody, who has it taken into the IRR by `LocalApic.take`, now or
   * later. Absent: it is taken at once.
   */
  post?(vector: number): void;
  /** A vector entered the IRR (from anywhere, the timer included). */
  accepted?(vector: number, level: boolean): void;
  /** An in-service bit was cleared. */
  ended?(vector: number): void;
  /** IA32_APIC_BASE was written: the page answers at `base` while `mmio`. */
  baseChanged?(base: number, mmio: boolean): void;
  /** What messages find the LAPIC by has been written, or is as after a reset: its ID, LDR or DFR. */
  identityChanged?(): void;
}

/** Construction of a `LocalApic`. */
export interface LocalApicOptions {
  /** Initial APIC ID; below 255 for the xAPIC. */
  id: number;
  /** The bootstrap processor's has IA32_APIC_BASE.BSP set. */
  bootstrap: boolean;
  /** Unique name, for its event target. */
  name: string;
  scheduler: Scheduler;
  /** Cycles of one undivided timer tick. */
  timerCyclesPerTick: number;
  /** Cycles that a period of the timer has at least; absent: it is as software programs it. */
  timerLeastPeriod?: Cycles;
  /** Of the CPU's TSC, which a deadline is compared with; absent: it is the host's. */
  toHostTime?: TscToHostTime | undefined;
  /** Starts in x2APIC mode, as firmware may leave it. */
  x2apic?: boolean;
  /** CPUID tells of x2APIC (the default); without it the mode cannot be entered. */
  x2apicSupported?: boolean;
  /** After a reset LINT0 passes the 8259A's interrupts on, as KVM has it for the bootstrap processor. */
  virtualWire?: boolean;
  /**
   * Words of the page that its registers stand in, which others may write to as well (AMD64 vol. 2, 15.29: a virtual APIC backing
   * page); absent: nobody else reaches them.
   */
  page?: Uint32Array | undefined;
}

/** What the hardware has of a `LocalApic`. */
export interface LocalApicHardware extends HardwareState {
  version: 5;
  base: number;
  /** ID of the xAPIC, which software may have changed. */
  xapicId: number;
  tpr: number;
  ldr: number;
  dfr: number;
  svr: number;
  esr: number;
  errors: number;
  icrLow: number;
  icrHigh: number;
  lvt: number[];
  irr: Uint32Array;
  isr: Uint32Array;
  tmr: Uint32Array;
  output: boolean;
  lint0: boolean;
  extInt: boolean;
  timer: LapicTimerHardware;
}

/** What the run has of it. */
export interface LocalApicRun extends RunState {
  timer: LapicTimerRun;
}

/** What messages find a LAPIC by. */
export interface ApicIdentity {
  /** IA32_APIC_BASE has not disabled it. */
  enabled: boolean;
  /** The ID of its present mode. */
  apicId: number;
  /** Of the xAPIC: the 8 bits of the logical ID. */
  ldr: number;
  /** DFR: the flat model of logical destinations, and not that of clusters. */
  flat: boolean;
}
