import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomSource } from '../conformance/native-oracle/generate';
import { loopProgram } from '../unit/machine/x86/loop-programs';
import { execute, randomBytes, randomProgram, type Manner } from '../unit/machine/x86/random-machine';

const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const runs = (usual: number): fc.Parameters<[number]> => ({
  seed: 20240611,
  numRuns: Number(process.env.TRAPLINE_CPU_RUNS ?? usual),
});
const whole: Manner = { fastPaths: true, jit: false, slice: () => Infinity };
/** Everything that is reached by a branch is compiled at once. */
const compiled: Manner = { fastPaths: true, jit: { threshold: 1, batch: 1 }, slice: () => Infinity };
const later: Manner = { ...compiled, jit: { threshold: 7, batch: 3 } };

function slices(seed: number, longest: number): () => number {
  const random = randomSource(seed);
  return () => 1 + (random() % longest);
}

describe('random guests', () => {
  it('takes any bytes as code: every run ends in a stop or goes on in the guest', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const outcome = execute(randomBytes(seed, 600), seed, 3000, whole);
        expect(outcome.instructions).toBeGreaterThan(0);
        expect(outcome.time).toBeGreaterThan(0);
      }),
      runs(60),
    );
  });

  it('shows the same whole, in random slices, one instruction at a time, and by the general paths', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const code = seed % 4 === 0 ? randomBytes(seed, 400) : randomProgram(seed);
        const reference = execute(code, seed, 4000, whole);
        expect(execute(code, seed, 4000, { ...whole, slice: slices(seed, 150) })).toEqual(reference);
        expect(execute(code, seed, 4000, { ...whole, slice: () => 1 })).toEqual(reference);
        expect(execute(code, seed, 4000, { fastPaths: false, slice: slices(seed, 40) })).toEqual(reference);
      }),
      runs(18),
    );
  });

  it('shows the same compiled, whole and in slices', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const code = seed % 4 === 0 ? randomBytes(seed, 400) : randomProgram(seed);
        const reference = execute(code, seed, 4000, whole);
        expect(execute(code, seed, 4000, compiled)).toEqual(reference);
        expect(execute(code, seed, 4000, { ...compiled, slice: slices(seed, 150) })).toEqual(reference);
        expect(execute(code, seed, 4000, { ...compiled, slice: () => 1 })).toEqual(reference);
      }),
      runs(18),
    );
  });

  it('shows the same in compiled loops, whole, in slices, with calls, faults, interrupts and code that changes', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const code = loopProgram(seed);
        const reference = execute(code, seed, 12_000, whole);
        expect(execute(code, seed, 12_000, compiled)).toEqual(reference);
        expect(execute(code, seed, 12_000, { ...compiled, slice: slices(seed, 300) })).toEqual(reference);
        expect(execute(code, seed, 12_000, { ...later, slice: slices(seed, 3000) })).toEqual(reference);
      }),
      runs(25),
    );
  });

  it('goes on in a fresh machine, after save and load, as if nothing had been', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const code = randomProgram(seed);
        const reference = execute(code, seed, 3000, whole);
        const random = randomSource(seed);
        const moved = { ...whole, slice: slices(seed, 200), moveAt: () => random() % 8 === 0 };
        expect(execute(code, seed, 3000, moved)).toEqual(reference);
      }),
      runs(15),
    );
  });
});
