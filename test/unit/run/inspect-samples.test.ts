/** The inside of every sample, from its beginning to its end: all of it can be opened, and the run is as without. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunSession } from '../../../src/run/session';
import { jobOf, root, runJob, sample } from '../../support/runs';
import { walkTree } from '../../support/state-tree';

const ENDING = '.trapline.json';
const all = readdirSync(join(root, 'media/workspace/scenarios'))
  .filter((name) => name.endsWith(ENDING))
  .map((name) => name.slice(0, -ENDING.length));
/** With everything that shows itself, among them: devices, IOMMUs of host and guest, posted interrupts, virtual functions. */
const FEW = [
  'b8-nvme',
  'b8-edu',
  'd7-2d',
  'd9-sriov',
  'e6-posted-iommu',
  'c1-virtio-mmio',
  'a10-firmware',
  'e7-avic',
];
/** Moments at which the tree is opened. */
const LOOKS = 4;
const MOST_NODES = 20_000;

async function undisturbed(name: string): Promise<void> {
  const job = await jobOf(sample(name));
  const plain = runJob(job).end;
  const { traceHash } = plain.meta;
  const session = new RunSession(job);
  const step = Math.max(1, Math.floor(plain.summary.cycles / (LOOKS + 1)));
  for (let look = 1; look <= LOOKS; look++) {
    const goesOn = session.runTo(look * step);
    expect(walkTree(session.machine.host, undefined, { most: MOST_NODES })).toBeGreaterThan(100);
    if (!goesOn) break;
  }
  session.runTo(Number.MAX_SAFE_INTEGER);
  expect(session.end().end.meta.traceHash).toBe(traceHash);
}

describe('the inside of a sample', () => {
  it.each(FEW)('of %s is opened at any moment and stays as it is', undisturbed, 120_000);

  it('of any', async () => {
    await fc.assert(fc.asyncProperty(fc.constantFrom(...all), undisturbed), { numRuns: 1 });
  }, 120_000);
});
