import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { archivedRun, figuresOf } from '../../../../src/extension/runs/run-record';
import { emptyMeta } from '../../../../src/trace/query/store';
import { sampleSummary } from '../../scenario/summary-sample';

const kept = {
  id: '2026-11-22_16-49-19-640',
  fileName: 'b7.trapline.arrow',
  scenario: 'file:///b7.trapline.json',
  title: 'B7',
  ended: '2026-11-22T16:49:20.000Z',
};

describe('the record of a kept run', () => {
  it('comes back from its file as it was', () => {
    const summary = { ...sampleSummary(), wallSeconds: 0.5 };
    const figures = figuresOf({ meta: { ...emptyMeta('x', 2.9e9), state: 'finished' }, summary });
    const record = { ...kept, figures };
    expect(archivedRun(JSON.parse(JSON.stringify(record)))).toEqual(record);
    const exits = Object.values(summary.exits).reduce((sum, count) => sum + count, 0);
    expect(figures).toMatchObject({ exits, cycles: summary.cycles, wallSeconds: 0.5, missed: 0 });
  });

  it('of an older version has no figures, and a record with figures that make no sense loses them', () => {
    expect(archivedRun(kept)).toEqual(kept);
    for (const figures of [{}, { state: 'sleeping' }, 7, null])
      expect(archivedRun({ ...kept, figures })).toEqual(kept);
  });

  it('does not lead out of its folder, and needs a date', () => {
    expect(archivedRun({ ...kept, fileName: '../../x.trapline.arrow' })).toBeUndefined();
    expect(archivedRun({ ...kept, ended: 'yesterday' })).toBeUndefined();
  });

  it('is refused, and nothing is thrown, whatever stands in the file', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(archivedRun(value)).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });
});
