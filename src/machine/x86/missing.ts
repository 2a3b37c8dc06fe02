/** Instructions that a guest tried and a vCPU does not have. */
import { Mnemonic } from 'iced-x86';
import { vectorSetOf } from './decode/instruction-sets';
import type { MissingInstruction } from './types';

/** Kinds kept: a guest that executes random bytes must not fill the memory. */
export const MISSING_MAX = 64;

/** The list of one vCPU, in the order in which the kinds were met. */
export class MissingInstructions {
  private entries = new Map<string, MissingInstruction>();

  /** Counts an attempt; `mnemonic` is the number that `iced-x86` gives it. */
  note(mnemonic: number, rip: bigint): void {
    const name = (Mnemonic[mnemonic] ?? 'unknown').toLowerCase();
    const known = this.entries.get(name);
    if (known) known.count++;
    else if (this.entries.size < MISSING_MAX)
      this.entries.set(name, { mnemonic: name, rip: `0x${rip.toString(16)}`, count: 1 });
  }

  list(): MissingInstruction[] {
    return [...this.entries.values()].map((entry) => ({ ...entry }));
  }

  load(list: readonly MissingInstruction[]): void {
    this.entries = new Map(list.map((entry) => [entry.mnemonic, { ...entry }]));
  }
}

/** What a compiler is told so that it uses general registers only, and what where the code computes with fractions. */
const REMEDY =
  'compile it with -mgeneral-regs-only or, where it computes with floating-point numbers, with -mno-sse -mno-80387 -msoft-float';

/**
 * The sentence for a guest that was compiled for floating point or vectors; undefined for one that was not.
 * @param where turns an address into a place of the guest's source
 */
export function vectorAdvice(
  list: readonly MissingInstruction[],
  where: (rip: bigint) => string,
): string | undefined {
  for (const { mnemonic, rip } of list) {
    const set = vectorSetOf(mnemonic);
    if (set !== undefined)
      return `This guest was compiled for ${set}, which this machine does not have (first met: ${mnemonic} at RIP ${rip}${where(BigInt(rip))}): ${REMEDY}.`;
  }
  return undefined;
}

/** One list of several vCPUs' lists: counts added up, the first one's RIP kept. */
export function mergeMissing(lists: readonly (readonly MissingInstruction[])[]): MissingInstruction[] {
  const merged = new Map<string, MissingInstruction>();
  for (const entry of lists.flat()) {
    const known = merged.get(entry.mnemonic);
    if (known) known.count += entry.count;
    else merged.set(entry.mnemonic, { ...entry });
  }
  return [...merged.values()].slice(0, MISSING_MAX);
}
