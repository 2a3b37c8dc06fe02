/** Every sample scenario runs and is what it says it is: its own expectations are the test. */
import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jobOf, runJob, sample } from '../support/runs';

/** Samples that are not meant to end by themselves. */
const ENDLESS = new Set(['spin']);
/** Long ones that a test of their own (rows C7 and D10) holds to their expectations. */
const ELSEWHERE = /^(c7-.*|d10-scale-64)$/;
/** Samples that are meant to crash. */
const CRASHING = new Set(['triple-fault']);

const names = readdirSync(dirname(sample('any')))
  .filter((file) => file.endsWith('.trapline.json'))
  .map((file) => basename(file, '.trapline.json'));

describe('sample', () => {
  it('scenarios are there', () => {
    expect(names).toContain('b7-e1000-emulated');
  });

  for (const name of names.filter((each) => !ENDLESS.has(each) && !ELSEWHERE.test(each))) {
    it(`${name} holds all it expects`, async () => {
      const { end } = runJob(await jobOf(sample(name)));
      expect(end.meta.state).toBe(CRASHING.has(name) ? 'crashed' : 'finished');
      expect(end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
      expect(end.summary.expectations.length).toBeGreaterThan(0);
    });
  }
});
