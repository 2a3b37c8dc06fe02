import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatCount,
  formatCountShort,
  formatDuration,
  formatRange,
  formatShare,
  formatTime,
} from '../../../webview/time/format';
import { plainClock, readTime } from '../../../webview/time/clock';
import { roundStep, timeTicks } from '../../../webview/time/ticks';
import {
  MIN_SPAN,
  afterGrowth,
  bringIntoView,
  clampWindow,
  panBy,
  spanOf,
  wholeRun,
  zoomAbout,
} from '../../../webview/time/window';

const GHZ = 1e9;
const plain = (text: string): string => text.replaceAll('\u2009', ' ');

describe('numbers for readers', () => {
  it('chooses units so that three digits of a duration show', () => {
    expect(plain(formatDuration(12_400, GHZ))).toBe('12.4 µs');
    expect(plain(formatDuration(167_000, GHZ))).toBe('167 µs');
    expect(plain(formatDuration(999_999, GHZ))).toBe('1.00 ms');
    expect(plain(formatDuration(7, GHZ))).toBe('7.00 ns');
    expect(plain(formatDuration(0, GHZ))).toBe('0 ns');
    expect(plain(formatDuration(3e9, 3e9))).toBe('1.00 s');
  });

  it('gives a time as many decimals as the resolution needs', () => {
    expect(plain(formatTime(1_204_000, GHZ, 1000))).toBe('1.204 ms');
    expect(plain(formatTime(1_204_567, GHZ, 1))).toBe('1.204 567 ms');
    expect(plain(formatRange(1_204_000, 1_371_000, GHZ))).toBe('1.204 – 1.371 ms (167 µs)');
    expect(plain(formatRange(1_277_067, 1_277_632, GHZ))).toBe('1.277 07 – 1.277 63 ms (565 ns)');
    expect(plain(formatRange(999_000, 1_001_000, GHZ))).toBe('0.999 0 – 1.001 0 ms (2.00 µs)');
    expect(plain(formatRange(0, 2_460_000, GHZ))).toBe('0 – 2.46 ms');
  });

  it('prints counts in four characters and shares without false zeros', () => {
    expect([14, 999, 1000, 9949, 9950, 123_456, 3_400_000].map(formatCountShort)).toEqual([
      '14',
      '999',
      '1.0k',
      '9.9k',
      '10k',
      '123k',
      '3.4M',
    ]);
    expect(plain(formatShare(1, 100_000))).toBe('< 0.1 %');
    expect(plain(formatShare(37, 100))).toBe('37 %');
    expect(plain(formatShare(1, 0))).toBe('0 %');
  });
});

describe('ticks', () => {
  it('steps by 1, 2 or 5 times a power of ten', () => {
    expect([0.9, 1, 1.1, 2, 3, 5, 6].map(roundStep)).toEqual([1, 1, 2, 2, 5, 5, 10]);
  });

  it('are inside the window, evenly spaced, and no two labels are the same', () => {
    const windows = fc.record({
      from: fc.integer({ min: 0, max: 1e12 }),
      span: fc.integer({ min: MIN_SPAN, max: 1e12 }),
    });
    fc.assert(
      fc.property(windows, fc.integer({ min: 300, max: 3000 }), ({ from, span }, width) => {
        const { ticks, step } = timeTicks({ from, to: from + span }, width, plainClock(3e9));
        expect(new Set(ticks.map((tick) => tick.label)).size).toBe(ticks.length);
        expect((step / span) * width).toBeGreaterThan(91.9);
        for (const { value } of ticks) {
          expect(value).toBeGreaterThanOrEqual(from - step * 1e-3);
          expect(value).toBeLessThanOrEqual(from + span + step * 1e-3);
        }
      }),
    );
  });

  it('counts from a base where absolute times would be long', () => {
    const { base, ticks } = timeTicks({ from: 1_234_567_000, to: 1_234_568_000 }, 1000, plainClock(GHZ));
    expect(base).not.toBe('');
    expect(ticks.every(({ label }) => label.startsWith('+'))).toBe(true);
  });
});

describe('clocks', () => {
  const window = { from: 900_000, to: 1_100_000 };

  it('count cycles, or from an event on, before it and after', () => {
    const cycles = timeTicks(window, 1000, { frequencyHz: GHZ, cycles: true, origin: 0 });
    expect(cycles.base).toBe('cycles');
    expect(cycles.ticks.map(({ label, value }) => plain(label) === plain(formatCount(value)))).not.toContain(
      false,
    );
    const since = timeTicks(window, 1000, { frequencyHz: GHZ, cycles: false, origin: 1_000_000 });
    expect(since.ticks.find(({ value }) => value === 1_000_000)?.label[0]).toBe('0');
    for (const { value, label } of since.ticks)
      if (value !== 1_000_000) expect(label[0]).toBe(value < 1_000_000 ? '\u2212' : '+');
    expect(plain(readTime({ frequencyHz: GHZ, cycles: false, origin: 1_000_000 }, 1_012_400, 100))).toBe(
      '+12.4 µs',
    );
    expect(plain(readTime({ frequencyHz: GHZ, cycles: true, origin: 0 }, 1_012_400, 100))).toBe(
      '1 012 400 cycles',
    );
  });
});

describe('windows', () => {
  const end = 1_000_000;
  const window = fc
    .record({ from: fc.integer({ min: 0, max: 900_000 }), span: fc.integer({ min: 100, max: 100_000 }) })
    .map(({ from, span }) => ({ from, to: from + span }));

  it('zooming in keeps the time under the pointer where it is', () => {
    fc.assert(
      fc.property(
        window,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0.4, max: 1, noNaN: true }),
        (w, share, factor) => {
          const at = w.from + share * spanOf(w);
          const zoomed = zoomAbout(w, at, factor, end);
          expect((at - zoomed.from) / spanOf(zoomed)).toBeCloseTo(share, 6);
        },
      ),
    );
  });

  it('never leave the trace and never get shorter than the least', () => {
    const any = fc.double({ min: -1e7, max: 1e7, noNaN: true });
    fc.assert(
      fc.property(any, fc.double({ min: 1e-3, max: 1e7, noNaN: true }), (from, span) => {
        const clamped = clampWindow({ from, to: from + span }, end);
        expect(clamped.from).toBeGreaterThanOrEqual(-1e-6);
        expect(clamped.to).toBeLessThanOrEqual(wholeRun(end).to + 1e-6);
        expect(spanOf(clamped)).toBeGreaterThanOrEqual(MIN_SPAN - 1e-6);
      }),
    );
  });

  it('pan by what was asked, and back again', () => {
    const w = { from: 1000, to: 2000 };
    expect(panBy(panBy(w, 500, end), -500, end)).toEqual(w);
  });

  it('keep the reader’s place while the trace grows, unless they follow its end', () => {
    const w = { from: 100, to: 600 };
    expect(afterGrowth(w, 1000, 5000, false)).toBe(w);
    expect(spanOf(afterGrowth(w, 1000, 5000, true))).toBeCloseTo(500, 6);
    expect(afterGrowth(w, 1000, 5000, true).to).toBeGreaterThan(5000);
    expect(afterGrowth(wholeRun(1000), 1000, 5000, true)).toEqual(wholeRun(5000));
  });

  it('do not move for an event that is well inside', () => {
    const w = { from: 0, to: 1000 };
    expect(bringIntoView(w, 500, 10, end)).toBe(w);
    const moved = bringIntoView(w, 5000, 10, end);
    expect(moved.from).toBeLessThan(5000);
    expect(moved.to).toBeGreaterThan(5010);
  });
});
