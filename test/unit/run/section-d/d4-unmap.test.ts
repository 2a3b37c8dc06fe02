/** Row D4: strict and deferred unmapping, by what they cost and by what a device still reaches. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { invalidationNumber } from '../../../../src/trace/vocabulary/invalidation';
import { countedRun, endOf, mark, ofKind, type CountedRun } from '../../../support/section-a';

const PAGE = 4096;
const PINNED = 4;
const PAGES = 8;
const ROUNDS = 8;
const BEGIN = 1;
const END = 2;

const pageOf = (address: number): number => Math.floor(address / PAGE) * PAGE;

/** Accesses by the IOTLB to pages that are not mapped at the time, each with the unmapping. */
function stale(run: CountedRun): { hit: TraceEvent; unmapped: TraceEvent }[] {
  const gone = new Map<number, TraceEvent>();
  const found: { hit: TraceEvent; unmapped: TraceEvent }[] = [];
  for (const row of run.rows) {
    if (row.kind === Kind.IommuMap) gone.delete(row.a);
    else if (row.kind === Kind.IommuUnmap) gone.set(row.a, row);
    const unmapped = row.kind === Kind.IommuHit ? gone.get(pageOf(row.a)) : undefined;
    if (unmapped) found.push({ hit: row, unmapped });
  }
  return found;
}

/** When an unmapping is out of reach: the end of the next invalidation of the IOTLB of its domain; Infinity: not in this run. */
function outOfReach(run: CountedRun, { start }: TraceEvent, scope: 'page' | 'domain'): number {
  const what = invalidationNumber({ cache: 'iotlb', scope, by: 'queue', domain: 1 });
  const next = ofKind(run, Kind.IommuInvalidate).find((row) => row.a === what && row.start >= start);
  return next ? endOf(next) : Infinity;
}

describe('D4: unmapping', () => {
  let strict: CountedRun;
  let deferred: CountedRun;

  beforeAll(async () => {
    strict = await countedRun('d4-unmap-strict');
    deferred = await countedRun('d4-unmap-deferred');
  });

  it('delivers everything, with no more pages mapped than may be', () => {
    for (const run of [strict, deferred]) {
      expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
      expect(run.longs('unmap_log')[1]).toBe(PAGES * ROUNDS);
      let mapped = 0;
      for (const { kind } of run.rows) {
        if (kind === Kind.IommuMap) mapped += 1;
        else if (kind === Kind.IommuUnmap) mapped -= 1;
        // The new page is there before the old one goes.
        expect(mapped).toBeLessThanOrEqual(PINNED + 1);
      }
    }
  });

  it('strict: each is invalidated at once, and nothing is reached afterwards', () => {
    const unmappings = ofKind(strict, Kind.IommuUnmap);
    expect(unmappings.length).toBeGreaterThan(0);
    const { costs } = strict.end.meta;
    const transfers = strict.rows.filter(({ kind }) => kind === Kind.DmaRead || kind === Kind.DmaWrite);
    for (const unmapping of unmappings) {
      const end = outOfReach(strict, unmapping, 'page');
      const soonest = unmapping.start + costs['iommu.invalidate'];
      // What was translated before comes to memory first (VT-d specification, 6.5.3: drain).
      const underWay = transfers.filter((row) => row.start <= soonest && endOf(row) > soonest).map(endOf);
      expect([soonest, ...underWay]).toContain(end);
    }
    for (const { hit, unmapped } of stale(strict))
      expect(hit.start).toBeLessThan(outOfReach(strict, unmapped, 'page'));
    // By turns over more pages than are mapped, each page is gone when its turn comes: every word costs at least one repetition.
    const faults = ofKind(strict, Kind.IommuFault).filter(({ start }) => start > mark(strict, BEGIN).start);
    expect(faults.length).toBe(strict.longs('unmap_log')[2]);
    expect(faults.length).toBeGreaterThanOrEqual(PAGES * ROUNDS);
  });

  it('deferred: what is unmapped is reached until the batch is invalidated', () => {
    const reached = stale(deferred);
    expect(reached.length).toBeGreaterThan(0);
    for (const { hit, unmapped } of reached)
      expect(hit.start).toBeLessThan(outOfReach(deferred, unmapped, 'domain'));
    // Once a page was reached, the IOTLB keeps it: only the first round repeats anything.
    const faults = ofKind(deferred, Kind.IommuFault).filter(
      ({ start }) => start > mark(deferred, BEGIN).start,
    );
    expect(new Set(faults.map(({ a }) => pageOf(a))).size).toBe(PAGES);
    expect(faults.length).toBe(deferred.longs('unmap_log')[2]);
  });

  it('deferral is the faster', () => {
    const time = (run: CountedRun): number => mark(run, END).start - mark(run, BEGIN).start;
    expect(time(deferred)).toBeLessThan(time(strict));
  });
});
