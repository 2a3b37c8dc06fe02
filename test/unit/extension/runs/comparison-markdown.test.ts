import { describe, expect, it } from 'vitest';
import { comparisonMarkdown } from '../../../../src/extension/runs/comparison-markdown';
import type { Comparison } from '../../../../src/trace/query/compare';

const comparison: Comparison = {
  runs: [
    { name: 'a|b', title: 'An [e1000]', state: 'finished', traceHash: '0123456789abcdef' },
    { name: 'c', title: 'Another', state: 'crashed', traceHash: '' },
  ],
  rows: [
    { figure: 'exits', unit: 'count', values: [1200, 600], ratios: [1, 0.5] },
    { figure: 'exits.HLT', unit: 'count', values: [0, 600], ratios: [null, null] },
    { figure: 'exits.CPUID', unit: 'count', values: [0, 0], ratios: [null, null] },
    { figure: 'latency.send.p50', unit: 'seconds', values: [2.2e-6, null], ratios: [1, null] },
  ],
};

describe('a comparison as Markdown', () => {
  const lines = comparisonMarkdown(comparison).split('\n');

  it('has a table with a column for each run', () => {
    const table = lines.filter((line) => line.startsWith('|'));
    expect(table).toEqual([
      '|  | a\\|b | c |',
      '| :-- | --: | --: |',
      '| VM exits | 1\u2009200 | 600 (×0.5) |'.replace(/[()]/g, '\\$&'),
      '| \u00a0\u00a0\u00a0\u00a0HLT | 0 | 600 |',
      '| driver to wire: p50 | 2.2\u2009µs | – |',
    ]);
  });

  it('says what was compared', () => {
    expect(lines).toContain('- **a\\|b**: An \\[e1000\\] (finished, trace 0123456789abcdef)');
    expect(lines).toContain('- **c**: Another (crashed)');
  });
});
