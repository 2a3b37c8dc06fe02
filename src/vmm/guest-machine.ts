/** What is alike in every guest of whatever VMM: its CPUs and memory, its start, its resets and its end. */
import type { Stateful } from '../machine/bus';
import type { PhysicalMemory } from '../machine/memory/physical-memory';
import { requireVersion } from '../machine/snapshot';
import { mergeMissing } from '../machine/x86/missing';
import type { FaultReport, MissingInstruction } from '../machine/x86/types';
import { bootGuest } from './boot';
import type { GuestEnd, GuestPlan } from './guest';

/** Snapshot of a `GuestMachine`; its parts have snapshots of their own. */
export interface GuestMachineState {
  version: 1;
  end?: GuestEnd;
}

/** One CPU's thread or board, as far as its guest's life goes. */
export interface GuestCpu {
  /** The guest begins or, after a reset, begins again. */
  start(): void;
  /** Does nothing until another CPU starts it up. */
  waitForStartUp(): void;
  /** The guest will never run again. */
  stop(): void;
}

/** The life of one guest. */
export class GuestMachine implements Stateful<GuestMachineState> {
  readonly memory: PhysicalMemory;
  private ended: GuestEnd | undefined;

  /** @param cpus in the order of the core's */
  constructor(
    readonly plan: GuestPlan,
    private readonly cpus: () => readonly GuestCpu[],
  ) {
    this.memory = plan.core.memory;
  }

  get end(): GuestEnd | undefined {
    return this.ended;
  }

  /** Loads the guest and lets CPU 0 go; the others wait to be started by it. */
  boot(): void {
    const [first] = this.plan.core.cpus;
    if (!first) throw new Error(`${this.plan.name} has no CPU`);
    bootGuest(this.memory, first, this.plan.boot);
    const [bootstrap, ...others] = this.cpus();
    bootstrap?.start();
    for (const cpu of others) cpu.waitForStartUp();
  }

  /** The guest asked for its own end (QEMU's isa-debug-exit). */
  exited(code: number): void {
    this.finish({ how: 'exited', code });
  }

  /** The guest switched off its machine. */
  stopped(what: string): void {
    this.finish({ how: 'stopped', what });
  }

  /** The guest can't go on. */
  crashed(report: FaultReport | undefined): void {
    this.finish({ how: 'crashed', report });
  }

  /** As `Guest.missingInstructions`. */
  get missingInstructions(): MissingInstruction[] {
    return mergeMissing(this.plan.core.cpus.map((cpu) => cpu.missingInstructions()));
  }

  /** As `Guest.instructions`. */
  get instructions(): number {
    return this.plan.core.cpus.reduce((sum, cpu) => sum + cpu.instructions(), 0);
  }

  /** As `Guest.rips`. */
  get rips(): bigint[] {
    return this.plan.core.cpus.map(
      ({ ripLow, ripHigh }) => (BigInt(ripHigh >>> 0) << 32n) | BigInt(ripLow >>> 0),
    );
  }

  save(): GuestMachineState {
    return { version: 1, ...(this.ended && { end: this.ended }) };
  }

  load(state: GuestMachineState): void {
    requireVersion('a guest', state.version, 1);
    this.ended = state.end;
  }

  private finish(end: GuestEnd): void {
    this.ended ??= end;
    for (const cpu of this.cpus()) cpu.stop();
  }
}
