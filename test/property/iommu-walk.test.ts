/** Whatever tables, invalidations and accesses there are: the remapping unit allows and refuses what an independent walker does. */
import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { FaultReason } from '../../src/machine/iommu/fault-reasons';
import { HostileSession, noCounts } from '../support/vtd/session';

const STEPS = 150;
/** Faults that need what the sessions do not have, or hardly ever: device TLBs; memory that ends within a walk. */
const ELSEWHERE: readonly number[] = [FaultReason.TranslationTypeBlocked, FaultReason.DeviceTlbDisabled];

describe('a remapping unit with hostile tables', () => {
  it('agrees with a walker of its own on every access', () => {
    const counts = noCounts();
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const session = new HostileSession(seed, counts);
        for (let step = 0; step < STEPS; step++) session.step();
      }),
      { numRuns: 80 },
    );
    for (const count of ['allowed', 'refused', 'stale', 'hits', 'walks', 'nested', 'queueErrors'] as const)
      expect(counts[count], count).toBeGreaterThan(100);
    const met = Object.values(FaultReason).filter((reason) => counts.reasons.has(reason));
    expect(met.length).toBeGreaterThan((Object.values(FaultReason).length - ELSEWHERE.length) * 0.75);
  });
});
