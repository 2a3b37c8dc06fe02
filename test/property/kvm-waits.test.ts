/**
 * What a vCPU of KVM waits for in its own ways (the bus, of an access that does not leave the guest; a look before it sleeps)
 * shows nowhere in the trace, whether it has to wait or not, and is in every snapshot.
 */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { RunJob } from '../../src/protocol/run';
import { Island } from '../../src/vmm/threads/island';
import { randomSource } from '../conformance/native-oracle/generate';
import { freely, inStrides, type Outcome } from '../support/journeys';
import { jobOf, sample } from '../support/runs';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Everything waits for an event. */
const defer = (): unknown => vi.spyOn(Island.prototype, 'mustWait').mockReturnValue(true);

const polling = (text: string): string =>
  text.replace('"name": "vm0",', '"name": "vm0", "haltPolling": { "maxNs": 200000 },');

const cases: [what: string, name: string, change: (text: string) => string][] = [
  ['ports that are passed through', 'b2-io-bitmaps', (text) => text],
  ['a page that is mapped', 'b3-page-own', (text) => text],
  ['halt polling', 'b6-injection', polling],
  ['halt polling of two vCPUs', 'smp-ipi', polling],
];

describe.each(cases)('%s', (_, name, change) => {
  let job: RunJob;
  let reference: Outcome;

  beforeAll(async () => {
    const file = sample(name);
    job = await jobOf(file, change(readFileSync(file, 'utf8')));
    reference = freely(job);
  });

  it('ends well', () => {
    expect(reference.message).toBeUndefined();
    expect(reference.summary.vms[0]?.exitCode).toBe(0);
  });

  it('leaves the same trace when everything waits', () => {
    defer();
    expect(freely(job)).toEqual(reference);
  });

  it('goes on in fresh sessions, also in the midst of a wait', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fffffff }), (seed) => {
        defer();
        const random = randomSource(seed);
        const longest = Math.ceil(reference.summary.cycles / 6);
        const outcome = inStrides(
          job,
          () =>
            random() % 3 === 0 ? { cycles: 1 + (random() % 3_000) } : { cycles: 1 + (random() % longest) },
          (journey) => {
            if (random() % 4 === 0) journey.move(journey.session.snapshot(), structuredClone);
          },
        );
        vi.restoreAllMocks();
        expect(outcome).toEqual(reference);
      }),
      { numRuns: 2 },
    );
  });
});
