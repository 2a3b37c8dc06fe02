import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventRow } from '../../../src/protocol/details';
import { Kind } from '../../../src/trace/vocabulary/events';
import { chainLines, extentOf } from '../../../webview/lanes/chain-tree';

function event(row: number, cause: number, kind: number = Kind.DmaRead, start = row * 10): EventRow {
  return { row, start, duration: 5, kind, name: '', track: '', trackId: 0, text: '', place: '', cause };
}

/** `indented row numbers`, one a line. */
const told = (...args: Parameters<typeof chainLines>): string[] =>
  chainLines(...args).map(({ event: { row }, depth }) => `${'  '.repeat(depth)}${row}`);

describe('a chain', () => {
  it('goes on with the consequence that has most to tell, after its side branches', () => {
    const rows = [event(1, -1), event(2, 1), event(3, 2), event(4, 2), event(5, 3), event(6, 5), event(7, 4)];
    expect(told(rows, 1)).toEqual(['1', '2', '  4', '  7', '3', '5', '6']);
  });

  it('folds the legs of an exit, but never the selected one', () => {
    const rows = [
      event(1, -1, 304),
      event(2, 1, Kind.KvmHandle),
      event(3, 1, Kind.QemuHandle),
      event(4, 1, Kind.MmioWrite),
    ];
    expect(told(rows, 1)).toEqual(['1', '4']);
    expect(chainLines(rows, 1)[0]?.folded).toBe(2);
    expect(told(rows, 3)).toEqual(['1', '  3', '4']);
    expect(told(rows, 1, (row) => row === 1)).toEqual(['1', '  2', '  3', '4']);
  });

  it('tells every event that is no folded leg once, causes before consequences', () => {
    const causes = fc.array(fc.nat(1000), { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(causes, (picks) => {
        const rows = picks.map((pick, i) =>
          event(i, i === 0 ? -1 : (pick % (i + 1)) - 1, pick % 7 === 0 ? Kind.KvmHandle : Kind.DmaRead),
        );
        const unfoldedAll = chainLines(rows, 0, () => true);
        expect(unfoldedAll.map(({ event: { row } }) => row).sort((a, b) => a - b)).toEqual(
          rows.map(({ row }) => row),
        );
        const seen = new Set<number>();
        for (const { event: each, cause, depth, trunk } of unfoldedAll) {
          expect(each.cause < 0 || seen.has(each.cause)).toBe(true);
          expect(cause?.row ?? -1).toBe(each.cause);
          expect(depth > 0 || trunk).toBe(true);
          seen.add(each.row);
        }
      }),
    );
  });

  it('reaches from its first start to its last end', () => {
    expect(extentOf([event(1, -1), event(3, 1), event(2, 1)])).toEqual({ from: 10, to: 35 });
    expect(extentOf([])).toBeUndefined();
  });
});
