import { describe, expect, it } from 'vitest';
import type { RunEnd } from '../../../../src/protocol/run';
import { resultText } from '../../../../src/extension/runs/result-text';
import { emptyMeta } from '../../../../src/trace/query/store';
import { summarise, type ExpectationResult } from '../../../../src/trace/query/summary';
import type { RunState } from '../../../../src/trace/model';
import { VmxExit } from '../../../../src/trace/vocabulary/vmx-exit-reasons';
import { exitKind } from '../../../../src/trace/vocabulary/events';

/** A run of one VM with 1,500 exits over 2.9 million cycles of 2.9 GHz: one millisecond. */
function end(state: RunState, expectations: ExpectationResult[] = [], message?: string): RunEnd {
  const meta = {
    ...emptyMeta('t', 2.9e9),
    state,
    ...(message !== undefined && { message }),
    facts: { cycles: 2_900_000, vms: [{ name: 'vm0', guestInstructions: 10 }] },
    tracks: [{ id: 0, type: 'vcpu' as const, name: 'vCPU 0', group: 'vm0', vm: 0 }],
    counts: [
      [0, exitKind(VmxExit.HLT), 500],
      [0, exitKind(VmxExit.EPT_MISCONFIG), 1000],
    ] satisfies [number, number, number][],
  };
  return { meta, summary: { ...summarise(meta, 3000), expectations } };
}

const held = { figure: 'packets.rx', expected: '64', actual: 64, held: true };
const missed = { figure: 'exits.HLT', expected: 'at most 10', actual: 500, held: false };

describe('the result of a run in one line', () => {
  it('tells size and time, and that expectations held', () => {
    expect(resultText('b7', end('finished', [held, held]))).toEqual({
      level: 'information',
      text: 'b7 finished: 1\u2009500 exits in 1\u2009ms of simulated time. All 2 expectations held.',
    });
    expect(resultText('b7', end('finished')).text).not.toContain('expectation');
  });

  it('warns of guests that had not ended when the time was up, and says where they were', () => {
    const over = end('finished', [held]);
    over.summary.unfinished = 'vm0, CPU 0 at spin.c:9 in main';
    const { level, text } = resultText('spin', over);
    expect(level).toBe('warning');
    expect(text).toContain('vm0, CPU 0 at spin.c:9 in main');
    expect(text).not.toContain('held');
  });

  it('names the first expectation that failed, and how many', () => {
    expect(resultText('b7', end('finished', [held, missed, missed]))).toEqual({
      level: 'warning',
      text: 'b7: 2 of 3 expectations failed: exits.HLT is 500, expected at most 10 (and 1 more).',
    });
  });

  it('tells why a guest crashed, whatever was expected', () => {
    expect(resultText('b7', end('crashed', [missed], 'triple fault at 0x10'))).toEqual({
      level: 'error',
      text: 'b7 crashed: triple fault at 0x10',
    });
  });

  it('does not hold a stop against a run', () => {
    expect(resultText('b7', end('cancelled', [missed])).level).toBe('information');
  });

  it('warns of a trace that was cut short', () => {
    const said = resultText('b7', end('truncated', [held], 'the limit of events was reached'));
    expect(said.level).toBe('warning');
    expect(said.text).toContain('the limit of events was reached');
  });
});
