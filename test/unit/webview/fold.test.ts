import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Folding, foldsFor, timeScale } from '../../../webview/time/fold';
import type { TimeWindow } from '../../../webview/time/window';

/** Stretches in order of time, none touching the next, and the end of a run behind them. */
const idle = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 100_000 })), { maxLength: 90 })
  .map((pairs) => {
    let at = 0;
    const stretches = pairs.map(([gap, length]): TimeWindow => {
      const from = at + gap;
      at = from + length;
      return { from, to: at };
    });
    return { stretches, end: at + 1000 };
  });
const share = fc.double({ min: 0, max: 1, noNaN: true });

describe('folded time', () => {
  it('goes one way and back, and never runs backwards', () => {
    fc.assert(
      fc.property(idle, share, share, ({ stretches, end }, a, b) => {
        const folding = new Folding(foldsFor(stretches, end));
        const [first, second] = [a * end, b * end].sort((x, y) => x - y) as [number, number];
        for (const time of [first, second])
          expect(Math.abs(folding.toTime(folding.toShown(time)) - time)).toBeLessThanOrEqual(1e-6 * end);
        expect(folding.toShown(first)).toBeLessThanOrEqual(folding.toShown(second) + 1e-6);
        expect(folding.toShown(second) - folding.toShown(first)).toBeLessThanOrEqual(second - first + 1e-6);
      }),
    );
  });

  it('leaves busy time as long as it is: what is not folded and what the folds show is all there is', () => {
    fc.assert(
      fc.property(idle, ({ stretches, end }) => {
        const folds = foldsFor(stretches, end);
        const folding = new Folding(folds);
        const unfolded = folding.stretches({ from: 0, to: end }).reduce((sum, s) => sum + s.to - s.from, 0);
        const shown = folds.reduce((sum, fold) => sum + fold.shown, 0);
        expect(folding.toShown(end)).toBeCloseTo(unfolded + shown, 2);
      }),
    );
  });

  it('on screen, x and time are each other’s inverse', () => {
    fc.assert(
      fc.property(idle, share, ({ stretches, end }, at) => {
        const scale = timeScale({ from: 0, to: end }, 10, 1000, new Folding(foldsFor(stretches, end)));
        const x = 10 + at * 1000;
        expect(scale.toX(scale.toTime(x))).toBeCloseTo(x, 4);
      }),
    );
  });
});
