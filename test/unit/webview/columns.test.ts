/** Bins on the columns of the screen, and what is done so that they look calm. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modeRoles, type LaneBins } from '../../../src/protocol/viewport';
import { Kind } from '../../../src/trace/vocabulary/events';
import { calmCounts, calmShares, STEP } from '../../../webview/lanes/calm';
import { merged } from '../../../webview/lanes/columns';
import { drawnSingly, MOST_SINGLE } from '../../../webview/lanes/crowd';

const MODES = modeRoles.length;
const total = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);

/** Bins as a host gives them: where nothing is counted or covered, nothing is. */
const bin = fc.record({
  count: fc.integer({ min: 0, max: 500 }),
  cover: fc.integer({ min: 0, max: 64 }).map((part) => part / 64),
  fault: fc.constantFrom(0, 0, 0, 1),
});

function binsOf(list: readonly { count: number; cover: number; fault: number }[]): LaneBins {
  return {
    type: 'bins',
    count: Uint32Array.from(list, ({ count }) => count),
    kind: Uint16Array.from(list, ({ fault }) => (fault === 1 ? Kind.IommuFault : Kind.IommuHit)),
    cover: Float32Array.from(list, ({ cover }) => cover),
    row: Float64Array.from(list, ({ count, cover }, i) => (count + cover > 0 ? i : -1)),
    fault: Uint8Array.from(list, ({ fault, count }) => (count > 0 ? fault : 0)),
  };
}

describe('bins brought onto columns', () => {
  const cases = fc.tuple(
    fc.array(bin, { minLength: 1, maxLength: 200 }),
    fc.integer({ min: -4, max: 12 }).map((k) => 2 ** k),
    fc.double({ min: 0.4, max: 2, noNaN: true }),
    fc.integer({ min: 0, max: 1_000_000 }),
  );

  it('lose no event and no covered time, whatever the size of a pixel', () => {
    fc.assert(
      fc.property(cases, ([list, size, ratio, start]) => {
        const bins = binsOf(list);
        const columns = merged(bins, start * size, size, ratio * size);
        const sum = total(bins.count);
        expect(Math.abs(total(columns.count) - sum)).toBeLessThanOrEqual(1e-4 * (1 + sum));
        const time = total(bins.cover) * size;
        expect(Math.abs(total(columns.cover) * columns.pixel - time)).toBeLessThanOrEqual(1e-3 * (1 + time));
        for (const cover of columns.cover) expect(cover).toBeLessThanOrEqual(1 + 1e-4);
      }),
    );
  });

  it('keep every fault, and open on it', () => {
    fc.assert(
      fc.property(cases, ([list, size, ratio, start]) => {
        const bins = binsOf(list);
        const columns = merged(bins, start * size, size, Math.max(1, ratio) * size);
        bins.fault.forEach((fault, i) => {
          if (fault !== 1) return;
          const at = Math.floor(((start + i) * size - columns.from) / columns.pixel + 1e-6);
          const near = [at - 1, at, at + 1].filter((x) => columns.fault[x] === 1);
          expect(near.length).toBeGreaterThan(0);
        });
        columns.fault.forEach((fault, x) => {
          if (fault === 1) expect(bins.fault[columns.row[x] ?? -1]).toBe(1);
        });
      }),
    );
  });

  it('stand at whole multiples of a pixel, so that they do not shimmer when the window moves', () => {
    const bins = binsOf(Array.from({ length: 64 }, (_, i) => ({ count: i, cover: 0, fault: 0 })));
    const all = merged(bins, 0, 8, 11);
    const later = merged({ ...bins, count: bins.count.slice(16), row: bins.row.slice(16) }, 16 * 8, 8, 11);
    const shift = Math.round((later.from - all.from) / 11);
    expect(later.from).toBe(shift * 11);
    // The first column of the later answer is only partly in it.
    for (let x = 1; x < later.count.length; x++)
      expect(later.count[x]).toBeCloseTo(all.count[x + shift] ?? -1, 3);
  });

  it('show the row of the bin that covers most', () => {
    const bins = binsOf([
      { count: 1, cover: 0.25, fault: 0 },
      { count: 1, cover: 1, fault: 0 },
    ]);
    expect([...merged(bins, 0, 8, 16).row]).toEqual([1]);
  });
});

describe('calm modes', () => {
  /** Shares of `width` columns, each of one mode alone. */
  const pure = (columns: readonly number[]): Float32Array => {
    const shares = new Float32Array(columns.length * MODES);
    columns.forEach((mode, x) => (shares[x * MODES + mode] = 1));
    return shares;
  };

  it('keep the time of every mode', () => {
    const column = fc.array(fc.integer({ min: 0, max: 8 }), { minLength: MODES, maxLength: MODES });
    fc.assert(
      fc.property(fc.array(column, { maxLength: 80 }), fc.integer({ min: -9, max: 99 }), (columns, first) => {
        const shares = Float32Array.from(columns.flat(), (part) => part / 64);
        const calm = calmShares(shares, columns.length, MODES, first);
        for (let mode = 0; mode < MODES; mode++) {
          const of = (all: Float32Array): number => total(all.filter((_, i) => i % MODES === mode));
          expect(of(calm)).toBeCloseTo(of(shares), 3);
        }
      }),
    );
  });

  it('turn what changes at every pixel into steps, and leave what is long alone', () => {
    const quick = Array.from({ length: 4 * STEP }, (_, x) => x % 2);
    const long = Array.from({ length: 2 * STEP }, () => 2);
    const calm = calmShares(pure([...quick, ...long]), 6 * STEP, MODES, 0);
    for (let x = 0; x < 4 * STEP; x++) expect([...calm.slice(x * MODES, x * MODES + 2)]).toEqual([0.5, 0.5]);
    for (let x = 4 * STEP; x < 6 * STEP; x++) expect(calm[x * MODES + 2]).toBe(1);
  });
});

it('calm counts keep how many there are, empty columns and what stands out', () => {
  const counts = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(counts, fc.integer({ min: -5, max: 50 }), (list, first) => {
      const calm = calmCounts(list, first);
      expect(total(calm)).toBeCloseTo(total(list), 2);
      list.forEach((count, x) => {
        if (count === 0) expect(calm[x]).toBe(0);
        // No column is raised above twice what was anywhere near it.
        const near = list.slice(Math.max(0, x - 3), x + 4);
        expect(calm[x]).toBeLessThanOrEqual(Math.max(...near) + 1e-4);
      });
      const peak = Math.max(...list);
      if (list.filter((count) => count > 0).every((count) => count === peak || 8 * count < peak))
        expect(Math.max(...calm)).toBeGreaterThan(peak / 2 - 1e-4);
    }),
  );
});

it('no more events are drawn one by one than a frame has time for, the sparsest lanes first', () => {
  const lane = fc.record({ perPixel: fc.double({ min: 0, max: 0.5, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(lane, { maxLength: 40 }), fc.integer({ min: 100, max: 4000 }), (list, width) => {
      const candidates = list.map(({ perPixel }, i) => ({ id: String(i), perPixel, most: 0.25 }));
      const singly = drawnSingly(candidates, width);
      const drawn = candidates.filter(({ id }) => singly.has(id));
      expect(total(drawn.map(({ perPixel }) => perPixel * width))).toBeLessThanOrEqual(MOST_SINGLE + 1e-6);
      const least = Math.min(...candidates.filter(({ id }) => !singly.has(id)).map((c) => c.perPixel));
      for (const { perPixel, most } of drawn) {
        expect(perPixel).toBeLessThanOrEqual(most);
        expect(perPixel).toBeLessThanOrEqual(least);
      }
    }),
  );
});
