import { describe, expect, it } from 'vitest';
import { gapBox } from '../../../webview/lanes/gap-box';
import { gapLabel } from '../../../src/trace/vocabulary/gaps';

describe('a gap on the timeline', () => {
  const window = { from: 100, to: 200 };

  it('reaches from where it begins to its end, or to the end of the trace', () => {
    expect(gapBox({ from: 150, to: 175, why: 'cut' }, 175, window, 1000)).toEqual({ left: 500, width: 250 });
    expect(gapBox({ from: 150, why: 'limit' }, 180, window, 1000)).toEqual({ left: 500, width: 300 });
  });

  it('is cut at the edges, and not there outside', () => {
    expect(gapBox({ from: 50, why: 'limit' }, 500, window, 1000)).toEqual({ left: 0, width: 1000 });
    expect(gapBox({ from: 10, to: 90, why: 'cut' }, 500, window, 1000)).toBeUndefined();
    expect(gapBox({ from: 300, why: 'limit' }, 500, window, 1000)).toBeUndefined();
  });

  it('is seen however narrow, and beyond the end where a run was cut off', () => {
    expect(gapBox({ from: 150, to: 150.01, why: 'cut' }, 500, window, 1000)?.width).toBe(3);
    expect(gapBox({ from: 150, why: 'lost' }, 150, window, 1000)).toEqual({ left: 500, width: 500 });
  });

  it('has a name', () => {
    expect(gapLabel({ from: 0, why: 'limit', limit: 10_000_000 }).replaceAll('\u2009', ' ')).toBe(
      'not recorded: the limit of 10 000 000 events was reached',
    );
  });
});
