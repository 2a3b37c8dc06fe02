import { describe, expect, it } from 'vitest';
import { failuresOf, positionAt, terminalText } from '../../../../src/extension/tests/failures';
import type { RunEnd } from '../../../../src/protocol/run';
import { emptyMeta } from '../../../../src/trace/query/store';
import type { Summary } from '../../../../src/trace/query/summary';
import type { RunState } from '../../../../src/trace/model';
import { sampleSummary } from '../../scenario/summary-sample';

const TEXT =
  '{\r\n  // a comment\r\n  "expect": {\r\n    "packets.rx": 64,\r\n    "exits.HLT": { "atMost": 3 }\r\n  }\r\n}\r\n';

function ended(state: RunState, changes: Partial<Summary>, message?: string): RunEnd {
  const meta = {
    ...emptyMeta('x', 1e9),
    state,
    scenarioText: TEXT,
    ...(message !== undefined && { message }),
  };
  const summary = sampleSummary();
  return {
    meta,
    summary: { ...summary, vms: summary.vms.map((vm) => ({ ...vm, exitCode: 0 })), ...changes },
  };
}

describe('why a scenario has failed as a test', () => {
  it('is nothing where all came as expected, or the user stopped it', () => {
    const held = { figure: 'packets.rx', expected: '64', actual: 64, held: true };
    expect(failuresOf(ended('finished', { expectations: [held] }))).toEqual([]);
    expect(failuresOf(ended('cancelled', { expectations: [{ ...held, held: false }] }))).toEqual([]);
  });

  it('is each expectation that did not hold, at its line', () => {
    const expectations = [
      { figure: 'packets.rx', expected: '64', actual: 60, held: false },
      { figure: 'exits.HLT', expected: 'at most 3', actual: 3, held: true },
      { figure: 'packets.tx', expected: '1', actual: null, held: false },
    ];
    const [first, second, ...more] = failuresOf(ended('finished', { expectations }));
    expect(more).toEqual([]);
    expect(first.difference).toEqual({ expected: '64', actual: '60' });
    const line = TEXT.split('\r\n').findIndex((each) => each.includes('packets.rx'));
    expect(positionAt(TEXT, first.span?.offset ?? 0)).toEqual({ line, character: 4 });
    // The text has none of this name.
    expect(second.span).toBeUndefined();
    expect(second.difference?.actual).toBe('absent');
  });

  it('is the crash first, but not one that was expected', () => {
    const crash = { figure: 'exits.TRIPLE_FAULT', expected: '1', actual: 1, held: true };
    expect(failuresOf(ended('crashed', { expectations: [] }, 'vm0 gave up'))[0].text).toBe('vm0 gave up');
    expect(failuresOf(ended('crashed', { expectations: [crash] }, 'vm0 gave up'))).toEqual([]);
    // Expecting none is not expecting it.
    const none = { ...crash, expected: '0', actual: 0 };
    expect(failuresOf(ended('crashed', { expectations: [none] }, 'vm0 gave up'))).toHaveLength(1);
  });

  it('is an exit code that nobody spoke of, and a guest that has not ended', () => {
    const [vm] = sampleSummary().vms;
    const wrong = failuresOf(
      ended('finished', { expectations: [], vms: [{ ...vm, name: 'vm0', exitCode: 3 }] }),
    );
    expect(wrong.map(({ text }) => text).join()).toContain('"vms.vm0.exitCode": 3');
    const late = failuresOf(ended('finished', { expectations: [], unfinished: 'vm0, CPU 0 at spin.c:7' }));
    expect(late[0].text).toContain('spin.c:7');
  });
});

it('a place in a text is counted as the editor counts, whatever ends its lines', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const text = `a${end}bc${end}d`;
    expect(positionAt(text, text.indexOf('c'))).toEqual({ line: 1, character: 1 });
    expect(positionAt(text, text.length)).toEqual({ line: 2, character: 1 });
  }
});

it('a guest does not drive the terminal of the test output', () => {
  expect(terminalText('a\u001b[2Jb\tc\nd\r\n')).toBe('a\\x1b[2Jb\tc\r\nd\r\n');
});
