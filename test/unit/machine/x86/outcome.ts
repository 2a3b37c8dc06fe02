/** What one instruction comes to: HLT after it, or the vector of the exception it raises. */
import { StopReason, type CpuHardware } from '../../../../src/machine/x86/types';
import type { Bench } from './harness';
import { alter, modeBench, untilHandler, type Entry } from './mode-bench';

export const HLT = 0xf4;
export const LONG: Entry = { mode: 'long' };
export const PROTECTED: Entry = { mode: 'protected' };
export const USER: Entry = { mode: 'long', cpl: 3 };
/** No exception came: HLT was reached. */
export const NONE = -1 - StopReason.Halted;
export const [UD, GP] = [6, 13];

/** The machine afterwards, the vector or NONE, and the state before. */
export interface Result {
  b: Bench;
  vector: number;
  before: CpuHardware;
}

/** Runs `code` and HLT with RAX set; the vector of the exception it raises, or NONE. */
export function outcome(
  code: number[],
  entry: Entry,
  rax = 0n,
  change?: (b: Bench, state: CpuHardware) => void,
): Result {
  const b = modeBench([...code, HLT], entry);
  b.cpu.setReg(0, rax);
  if (change) alter(b, (state) => change(b, state));
  const before = b.cpu.save().hardware;
  const vector = untilHandler(b, 10);
  return { b, vector, before };
}
