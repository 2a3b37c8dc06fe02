/** A small number of what `npm run fuzz` does: random bytes as code, in every mode. */
import { expect, it } from 'vitest';
import { coreModule } from '../unit/machine/x86/harness';
import { BATCH, Fuzzer, noOutcomes } from './cpu-fuzz/run';

const BATCHES = 12;
const SEED = 20240613;

it(`takes ${BATCHES * BATCH} random byte sequences as code`, () => {
  const fuzzer = new Fuzzer(coreModule(), SEED);
  const outcomes = noOutcomes();
  for (let batch = 0; batch < BATCHES; batch++) expect(fuzzer.batch(batch, outcomes)).toBeUndefined();
  expect(outcomes.cases).toBe(BATCHES * BATCH);
  // Random bytes must get somewhere: deadlines, halts and shutdowns all come up, from every beginning.
  for (const stop of ['Deadline', 'Halted', 'Shutdown'])
    expect(outcomes.stops[stop]).toBeGreaterThan(outcomes.cases / 1000);
  for (const [name, n] of Object.entries(outcomes.beginnings))
    expect(n, name).toBeGreaterThan(outcomes.cases / 100);
  expect(outcomes.moved).toBeGreaterThan(outcomes.cases / 4);
});
