/**
 * The TLB, the jump cache and the translated code cannot be seen (`core/tables.ts`): guests that change present page-table
 * entries without INVLPG, by stores of either vCPU and by a device, behave the same however they are run.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomSource } from '../conformance/native-oracle/generate';
import { executeTables, type TableManner } from '../unit/machine/x86/table-machine';

const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const runs = (usual: number): fc.Parameters<[number]> => ({
  seed: 20250312,
  numRuns: Number(process.env.TRAPLINE_CPU_RUNS ?? usual),
});
const END = 4000;
const free: TableManner = { jit: false, slice: () => Infinity };
const compiled: TableManner = { jit: { threshold: 1, batch: 1 }, slice: () => Infinity };

/** Cycles that a vCPU runs before it is the other's turn. */
const turnOf = (seed: number): number => 20 + (seed % 700);

function slices(seed: number, longest: number): () => number {
  const random = randomSource(seed);
  return () => 1 + (random() % longest);
}

function now(seed: number, often: number): () => boolean {
  const random = randomSource(seed ^ 0x1234);
  return () => random() % often === 0;
}

function same(name: string, usual: number, manner: (seed: number) => TableManner): void {
  it(name, () => {
    let faults = 0;
    fc.assert(
      fc.property(seeds, (seed) => {
        const reference = executeTables(seed, turnOf(seed), END, free);
        expect(executeTables(seed, turnOf(seed), END, manner(seed))).toEqual(reference);
        faults += reference.log.split('out 34 14').length - 1;
      }),
      runs(usual),
    );
    // What the fixed seed draws comes to faults; a soak may end after a guest without one.
    if (process.env.TRAPLINE_SOAK === undefined) expect(faults).toBeGreaterThan(usual);
  });
}

describe('guests that change their page tables behave as when run free', () => {
  same('one instruction at a time', 3, () => ({ ...free, slice: () => 1 }));
  same('in slices, by the general paths', 3, (seed) => ({ fastPaths: false, slice: slices(seed, 40) }));
  same('compiled', 3, () => compiled);
  same('compiled, in slices', 3, (seed) => ({ ...compiled, slice: slices(seed, 200) }));
  same('with translations forgotten between slices', 3, (seed) => ({
    ...free,
    slice: slices(seed, 60),
    forget: now(seed, 3),
  }));
  same('moved to fresh machines by save and load', 3, (seed) => ({
    ...free,
    slice: slices(seed, 300),
    move: now(seed, 8),
  }));
});
