/**
 * Time goes one way, whatever way one takes through it: at each moment that is gone to, registers, RAM and rows are those of the
 * straight way, devices come back whole, and the run goes on with the trace of one that was never disturbed.
 */
import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunJob } from '../../src/protocol/run';
import { randomSource } from '../conformance/native-oracle/generate';
import { Walk, expectSame, seen } from '../support/control-walk';
import { freely, type Outcome } from '../support/journeys';
import { randomGuest } from '../support/random-guest';
import { jobOf, sample } from '../support/runs';

const MIB = 1024 * 1024;
const WIDE = process.env.TRAPLINE_SOAK !== undefined;

const FEW = ['b7-e1000-emulated', 'smp-ipi', 'timer', 'a3-dma', 'd7-2d', 'c1-virtio-blk'];

/** All sample scenarios, but for those of so many VMs that one restore takes seconds. */
function all(): string[] {
  const ending = '.trapline.json';
  return readdirSync(dirname(sample('spin')))
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .filter((name) => !name.startsWith('d10-scale'));
}

/** Stops at some moments on the way, goes to and fro between them and to the end. */
function walk(job: RunJob, reference: Outcome, random: () => number, moments: number, steps: number): void {
  const traveller = new Walk(job, { checkpointBytes: random() % 3 === 0 ? MIB : undefined });
  const { run } = traveller;
  const places = [seen(run, MIB)];
  for (let part = 1; part <= moments; part++) {
    const cycles = Math.floor((reference.summary.cycles * part) / (moments + 1));
    run.forward({ kind: 'cycles', cycles });
    if (random() % 2 === 0) run.stepInstruction(random() % run.cpus.length);
    places.push(seen(run, MIB));
    if (random() % 2 === 0) traveller.takeDeltas();
  }
  for (let step = 0; step < steps; step++) {
    const place = places[random() % places.length] ?? seen(run, MIB);
    if (random() % 3 === 0)
      run.at({ kind: 'moment', moment: place.moment }, (there) => expectSame(there, place, MIB));
    else {
      run.seek({ kind: 'moment', moment: place.moment });
      expectSame(run, place, MIB);
    }
    if (random() % 3 === 0) {
      const cpu = random() % run.cpus.length;
      const { moment } = run;
      if (run.stepBack(cpu, 1 + (random() % 5)).reason === 'goal') {
        expect(run.moment.instructions).toBeLessThan(moment.instructions);
      }
    }
    if (random() % 4 === 0) traveller.takeDeltas();
  }
  expect(traveller.end()).toEqual(reference);
}

describe('time travel', () => {
  describe.each(WIDE ? all() : FEW)('through %s', (name) => {
    let job: RunJob;
    let reference: Outcome;
    beforeAll(async () => {
      job = await jobOf(sample(name));
      reference = freely(job);
    });

    it('comes back to the same, and goes on as the same run', () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) =>
          walk(job, reference, randomSource(seed), WIDE ? 12 : 5, WIDE ? 30 : 8),
        ),
        { seed: 20261122, numRuns: 1 },
      );
    });
  });

  it.each([1, 2] as const)('through random guests of %i vCPU', (vcpus) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        const job = randomGuest(seed, vcpus);
        walk(job, freely(job), randomSource(seed), 4, 6);
      }),
      { seed: 20261122, numRuns: 2 },
    );
  });
});
