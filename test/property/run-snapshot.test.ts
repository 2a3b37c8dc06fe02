/** A run is one run, however it is cut: stopped anywhere, saved and restored anywhere, its trace hash is the same. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../src/protocol/run';
import type { RunSnapshot } from '../../src/run/snapshot';
import { randomSource } from '../conformance/native-oracle/generate';
import { freely, inStrides, throughText, type Outcome } from '../support/journeys';
import { jobOf, sample } from '../support/runs';

const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const runs = (usual: number): fc.Parameters<[number]> => ({
  seed: 20261122,
  numRuns: Number(process.env.TRAPLINE_SNAPSHOT_RUNS ?? usual),
});

const samples = [
  'b7-e1000-emulated',
  'hello',
  'timer',
  'uart',
  'mmio-read-loop',
  'hog-interrupts-off',
  'triple-fault',
];
const transports = [
  (snapshot: RunSnapshot) => snapshot,
  (snapshot: RunSnapshot) => structuredClone(snapshot),
  throughText,
];

describe.each(samples)('%s', (name) => {
  let job: RunJob;
  let reference: Outcome;
  beforeAll(async () => {
    job = await jobOf(sample(name));
    reference = freely(job);
    expect(reference.receivedHash).toBe(reference.traceHash);
  });

  it('is the same in slices of any length', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomSource(seed);
        const longest = 10 ** (2 + (random() % 6));
        let single = 0;
        const stride = (): number => {
          // Now and then a stretch of single instructions.
          if (single === 0 && random() % 50 === 0) single = 1 + (random() % 100);
          if (single > 0) single--;
          return single > 0 ? 1 : 1 + (random() % longest);
        };
        expect(inStrides(job, stride)).toEqual(reference);
      }),
      runs(2),
    );
  });

  it('goes on in fresh sessions as if nothing had been', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomSource(seed);
        const longest = Math.ceil(reference.summary.cycles / 4);
        let latest: RunSnapshot | undefined;
        const outcome = inStrides(
          job,
          () => (random() % 3 === 0 ? 1 + (random() % 50) : 1 + (random() % longest)),
          (journey) => {
            if (random() % 3 === 0) journey.takeDelta();
            // On top of the one before, or by itself.
            latest = journey.session.snapshot(random() % 2 === 0 ? latest : undefined);
            if (random() % 4 !== 0) return;
            const transport = transports[random() % transports.length] ?? structuredClone;
            journey.move(latest, transport);
            latest = undefined;
          },
        );
        expect(outcome).toEqual(reference);
      }),
      runs(2),
    );
  });
});
