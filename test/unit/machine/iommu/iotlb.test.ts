/** The IOTLB's size and associativity: where hits end as the working set grows, and what large pages do to that. */
import { describe, expect, it } from 'vitest';
import type { CacheShape } from '../../../../src/machine/iommu/options';
import { SetCache } from '../../../../src/machine/iommu/set-cache';
import { Tables, UnitWorld } from '../../../support/vtd/world';

const NIC = 0x0308;
const ROUNDS = 4;

/** Hits of all accesses but those of the first round, which goes over so many pages of 4 KiB one after the other, as the others do. */
function hitRate(shape: CacheShape, pages: number, level: 1 | 2): number {
  const host = new UnitWorld({ iotlb: shape });
  const tables = new Tables(host);
  const root = tables.page();
  const top = tables.page();
  tables.context(root, NIC, BigInt(top) | 1n, 2n);
  const step = level === 1 ? 1 : 512;
  for (let page = 0; page < pages; page += step)
    tables.map(top, 4, page * 4096, BigInt(0x40000000 + page * 4096), 3n, level);
  host.turnOn(root);
  for (let round = 0; round < ROUNDS; round++) {
    if (round === 1) host.hits.length = 0;
    for (let page = 0; page < pages; page++) host.unit.translate(NIC, page * 4096, 4, false);
  }
  return host.hits.length / ((ROUNDS - 1) * pages);
}

describe('the IOTLB', () => {
  it.each([
    { sets: 1, ways: 64 },
    { sets: 16, ways: 4 },
    { sets: 64, ways: 1 },
  ])('serves a working set of its size, and none of one twice as large: %o', (shape) => {
    const size = shape.sets * shape.ways;
    expect(hitRate(shape, size, 1)).toBe(1);
    // What is next is always what has been used least recently.
    expect(hitRate(shape, 2 * size, 1)).toBe(0);
  });

  it('serves half of what is half as much again where each page has one place', () => {
    // Of 96 pages 32 have a place of 64 alone, and 64 share 32 of them.
    expect(hitRate({ sets: 64, ways: 1 }, 96, 1)).toBeCloseTo(32 / 96);
  });

  it('reaches further with large pages', () => {
    const shape = { sets: 1, ways: 4 };
    expect(hitRate(shape, 4 * 512, 2)).toBe(1);
    // Each of 8 large pages is missed once a round.
    expect(hitRate(shape, 8 * 512, 2)).toBeCloseTo(1 - 1 / 512);
    expect(hitRate(shape, 512, 1)).toBe(0);
  });

  it('can be left out', () => {
    expect(hitRate({ sets: 1, ways: 0 }, 1, 1)).toBe(0);
  });
});

describe('a set-associative cache', () => {
  const contents = (cache: SetCache<string>): (string | undefined)[] =>
    [0, 2, 4, 1].map((page) => cache.save().sets[page % 2].find((entry) => entry.page === page)?.value);

  it('throws out of a full set what has been used least recently', () => {
    const cache = new SetCache<string>({ sets: 2, ways: 2 });
    cache.insert(0, 1, 0, 'a');
    cache.insert(0, 1, 2, 'b');
    cache.insert(0, 1, 1, 'c');
    expect(cache.find(0, 1, 0)).toBe('a');
    cache.insert(0, 1, 4, 'd');
    expect(contents(cache)).toEqual(['a', undefined, 'd', 'c']);
  });

  it('tells spaces and levels apart, and replaces what it has', () => {
    const cache = new SetCache<string>({ sets: 1, ways: 4 });
    cache.insert(0, 1, 0, 'a');
    cache.insert(1, 1, 0, 'b');
    cache.insert(0, 2, 0, 'c');
    cache.insert(0, 1, 0, 'd');
    expect([cache.find(0, 1, 0), cache.find(1, 1, 0), cache.find(0, 2, 0), cache.find(0, 3, 0)]).toEqual([
      'd',
      'b',
      'c',
      undefined,
    ]);
    expect([cache.drop(({ level }) => level === 1), cache.size]).toEqual([2, 1]);
  });
});
