/** Row D4: hits and walks of working sets, against the size of the IOTLB and of the pages; references of each walk. */
import { describe, expect, it } from 'vitest';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, mark, ofKind, type CountedRun } from '../../../support/section-a';
import { redone } from '../../../support/walks';

const PAGE = 4096;
const LEAST = 16;
const MOST = 96;
const ROUNDS = 3;
const SET = 1;
const END = 2;
const SETS = Array.from({ length: MOST / LEAST }, (_, index) => (index + 1) * LEAST);
/** The first device of the host: 00:03.0. */
const EDU = 3 << 3;

interface Counts {
  hits: number;
  walks: number;
}

/**
 * What a set-associative cache that throws out the least recently used does with the working sets, one after the other, written
 * out: for each set of the cache a list of pages, the last used last.
 */
function expected(entries: number, ways: number, pageBytes: number, first: number): Counts[] {
  const cache = Array.from({ length: entries / ways }, (): number[] => []);
  return SETS.map((pages) => {
    const counts = { hits: 0, walks: 0 };
    for (let access = 0; access < ROUNDS * pages; access++) {
      const page = Math.floor((first + (access % pages) * PAGE) / pageBytes);
      const set = cache[page % cache.length];
      const at = set.indexOf(page);
      if (at >= 0) {
        set.splice(at, 1);
        counts.hits += 1;
      } else counts.walks += 1;
      set.push(page);
      if (set.length > ways) set.shift();
    }
    return counts;
  });
}

function found(run: CountedRun): Counts[] {
  return SETS.map((pages, index) => {
    const from = mark(run, SET, pages).start;
    const to = (index + 1 < SETS.length ? mark(run, SET, SETS[index + 1]) : mark(run, END)).start;
    const within = (kind: number): number =>
      ofKind(run, kind).filter(({ start }) => start >= from && start < to).length;
    return { hits: within(Kind.IommuHit), walks: within(Kind.IommuWalk) };
  });
}

const changed = (from: string, to: string) => (text: string) => {
  expect(text).toContain(from);
  return text.replace(from, to);
};

describe('D4', () => {
  it('hits as long as the IOTLB holds the working set, and walks beyond: 64 entries', async () => {
    const run = await countedRun('d4-iotlb');
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
    const [first] = run.longs('iotlb_log');
    const counts = found(run);
    expect(counts).toEqual(expected(64, 4, PAGE, first));
    // The knee: of 64 pages those of the working set before are known already; of 80, all share their set with four others.
    expect(counts[3]).toEqual({ hits: ROUNDS * 64 - LEAST, walks: LEAST });
    expect(counts[5].hits).toBe(0);
    // What a walk takes is in its transfer.
    const { costs } = run.end.meta;
    const durations = new Map<number, Set<number>>(
      [Kind.IommuHit, Kind.IommuWalk].map((kind) => [kind, new Set()]),
    );
    for (const { cause, duration } of ofKind(run, Kind.DmaRead))
      durations.get(run.rows[cause].kind)?.add(duration);
    const [hit] = durations.get(Kind.IommuHit) ?? [];
    expect([...(durations.get(Kind.IommuWalk) ?? [])].map((duration) => duration - hit)).toEqual(
      [6, 1].map((references) => references * costs['iommu.reference']),
    );
  });

  it('reads four entries of pages in a cold walk, and one where the level above is cached', async () => {
    const run = await countedRun('d4-iotlb');
    const walks = ofKind(run, Kind.IommuWalk);
    const base = ofKind(run, Kind.MemorySlot)[0].b;
    const [cold, ...warm] = walks;
    for (const walk of walks) {
      const dma = run.rows.find(({ kind, cause }) => kind === Kind.DmaRead && cause === walk.row);
      const again = redone(run, walk, EDU, dma?.a ?? -1);
      expect(walk.a).toBe(again.references);
      expect(again.to).toBe(base + (dma?.a ?? -1));
      expect(again.others).toBe(walk === cold ? 2 : 0);
    }
    expect(cold.a).toBe(4);
    expect(new Set(warm.map(({ a }) => a))).toEqual(new Set([1]));
    expect(run.end.summary.iommu.walkReferences).toBe(4 + warm.length);
  });

  it.each([
    ['32 entries', '"iotlbEntries": 64', '"iotlbEntries": 32', 32, 4, PAGE],
    ['128 entries', '"iotlbEntries": 64', '"iotlbEntries": 128', 128, 4, PAGE],
    ['pages of 2 MiB', '"4k"', '"2m"', 64, 4, 2 * 2 ** 20],
  ] as const)('moves the knee: %s', async (_name, from, to, entries, ways, pageBytes) => {
    const run = await countedRun('d4-iotlb', changed(from, to));
    const [first] = run.longs('iotlb_log');
    expect(found(run)).toEqual(expected(entries, ways, pageBytes, first));
  });

  it.each([
    ['3', 3],
    ['5', 5],
  ] as const)('walks as many levels as the tables have: %s', async (_name, levels) => {
    const run = await countedRun('d4-iotlb', changed('"pages": "4k"', `"pages": "4k", "levels": ${levels}`));
    const [cold] = ofKind(run, Kind.IommuWalk);
    expect([cold.a, cold.b]).toEqual([levels, levels]);
  });
});
