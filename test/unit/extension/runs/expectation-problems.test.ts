/** What a run has not kept, at the lines of its scenario. */
import { describe, expect, it } from 'vitest';
import { expectationProblems } from '../../../../src/extension/runs/expectation-problems';
import { emptyMeta } from '../../../../src/trace/query/store';
import { summarise, type Summary } from '../../../../src/trace/query/summary';
import type { TraceMeta } from '../../../../src/trace/model';

const FILE = '/work/scenarios/x.trapline.json';
const TEXT = [
  '{',
  '  // how long',
  '  "stop": { "afterMs": 5 },',
  '  "expect": {',
  '    "packets.rx": 64,',
  '    "exits.HLT": { "atMost": 3 }',
  '  }',
  '}',
].join('\n');

const META: TraceMeta = {
  ...emptyMeta('x', 1e9),
  tracks: [{ id: 0, type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 }],
  places: [{ id: 1, vm: 0, rip: '0x10', file: '/work/drivers/x.c', line: 12 }],
};

function problems(more: Partial<Summary>) {
  const summary = { ...summarise(META, 500), ...more };
  return expectationProblems(FILE, TEXT, { meta: META, summary });
}

describe('problems of a run', () => {
  it('stand at the expectation, with the event that broke it and its line', () => {
    const event = { row: 40, cycles: 2000, track: 0, place: 1, what: 'excess' } as const;
    const [problem, ...others] = problems({
      expectations: [
        { figure: 'packets.rx', expected: '64', actual: 64, held: true },
        { figure: 'exits.HLT', expected: 'at most 3', actual: 4, held: false, event },
      ],
    });
    expect(others).toEqual([]);
    const line = TEXT.split('\n').findIndex((each) => each.includes('exits.HLT')) + 1;
    expect(problem).toMatchObject({ file: FILE, line, endLine: line, severity: 'error', row: 40 });
    expect(problem.message).toContain('exits.HLT is 4, expected at most 3: event 40 at');
    expect(problem.related).toMatchObject([{ file: '/work/drivers/x.c', line: 12 }]);
  });

  it('of guests that had not ended stand at the time that was up, with where their vCPUs stood', () => {
    const [problem] = problems({
      unfinished: 'vm0, CPU 0 at x.c:7',
      standing: [
        { vm: 'vm0', cpu: 0, rip: '0x20', file: '/work/drivers/x.c', line: 7 },
        { vm: 'vm0', cpu: 1, rip: '0x30' },
      ],
    });
    const line = TEXT.split('\n').findIndex((each) => each.includes('"stop"')) + 1;
    expect(problem).toMatchObject({ line, row: 499 });
    expect(problem.related).toEqual([
      { file: '/work/drivers/x.c', line: 7, message: 'vm0, CPU 0 stood here.' },
    ]);
  });
});
