/** What a device's part of the comparison consists of: one file in `devices/` has all of it, and `devices.ts` lists it. */
import type { DeviceSpec } from '../../../src/machine/platform/device-models';
import type { Random } from './random';
import type { Operation, Step } from './script';

/** A difference that is known, and what decides it. */
export interface Difference {
  /** What QEMU does. */
  qemu: string;
  /** What Trapline does, and what the specification says. */
  trapline: string;
  /** Document and section that decide. */
  section: string;
}

/** What may differ in one step, and by which known difference. */
export interface Allowance {
  /** Name in the device's table. */
  difference: string;
  /** Bits of a number that may differ; `any` for all of it, and for bytes of RAM. */
  value?: number | 'any';
  /** Bytes of RAM that may differ: their places in what was read. */
  bytes?: readonly number[];
  /** Interrupt inputs that may differ. */
  lines?: number;
}

/** Follows a script from its first step on; told of each step, it says what may differ in it. */
export type Judge = (step: Step) => readonly Allowance[];

/** One device. */
export interface QtestDevice {
  /** As `--device` names it. */
  name: string;
  /** QEMU's arguments for it. */
  qemu: readonly string[];
  /** Trapline's PCI devices, from slot 3 on. */
  models: readonly DeviceSpec[];
  /** Its scripts have time pass by `settle`. */
  timed?: boolean;
  /** Interrupt inputs that are compared, a bit for each. */
  lines: number;
  differences: Readonly<Record<string, Difference>>;
  /** Differences that no script comes to, for what follows them would differ too. */
  avoided?: readonly Difference[];
  /** What every script begins with: devices are as at power-on then. Shrinking leaves it whole. */
  prologue: readonly Operation[];
  /**
   * Begins the rest of a script: each call of what it returns gives the next turn, operations that belong together. Shrinking
   * leaves out whole turns.
   */
  begin(random: Random): () => readonly Operation[];
  /** A new judge, for a new script. */
  judge(): Judge;
}
