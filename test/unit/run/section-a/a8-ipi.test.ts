/** Row A8: an ICR write on one CPU, a handler on another; INIT and start-up IPIs bring up more CPUs. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { countedRun, cpuTracks, endOf, mark, ofKind, type CountedRun } from '../../../support/section-a';

const ALL_RUN = 1;

describe.each([
  ['a8-ipi', 2],
  ['a8-ipi-four', 4],
])('A8: IPIs without a VMM: %s', (name, cpus) => {
  let run: CountedRun;
  let log: { tokens: number[]; calls: number[]; started: number; sentTokens: number; sentCalls: number };

  beforeAll(async () => {
    run = await countedRun(name);
    const words = run.words('a8_log');
    const [started, sentTokens, sentCalls] = words.slice(2 * cpus);
    log = {
      tokens: words.slice(0, cpus),
      calls: words.slice(cpus, 2 * cpus),
      started,
      sentTokens,
      sentCalls,
    };
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('has an INIT and a start-up IPI for each CPU that the guest has started, which ends that one’s wait', () => {
    const inits = ofKind(run, Kind.IpiInit);
    const startUps = ofKind(run, Kind.IpiStartUp);
    expect(log.started).toBe(cpus - 1);
    expect(inits.map(({ a }) => a)).toEqual(Array.from({ length: cpus - 1 }, (_, i) => i + 1));
    expect(startUps.map(({ b }) => b)).toEqual(inits.map(({ a }) => a));
    const tracks = cpuTracks(run, 'vcpu');
    const running = mark(run, ALL_RUN);
    for (let cpu = 1; cpu < cpus; cpu++) {
      const waits = ofKind(run, Kind.WaitSipi, tracks[cpu]);
      const last = waits[waits.length - 1];
      expect(endOf(last)).toBeGreaterThanOrEqual(startUps[cpu - 1].start);
      expect(endOf(last)).toBeLessThan(running.start);
    }
    expect(ofKind(run, Kind.WaitSipi, tracks[0])).toEqual([]);
  });

  it('has a row for each write that sent, and a handler on the CPU that counted it', () => {
    expect(ofKind(run, Kind.IpiSend).length).toBe(log.sentTokens + log.sentCalls);
    const lanes = cpuTracks(run, 'interrupts');
    lanes.forEach((lane, cpu) => {
      const expected = log.tokens[cpu] + log.calls[cpu];
      for (const kind of [Kind.IrqAccept, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi])
        expect(ofKind(run, kind, lane).length, `kind ${kind} of CPU ${cpu}`).toBe(expected);
    });
    expect(log.tokens.reduce((sum, each) => sum + each, 0)).toBe(log.sentTokens);
    expect(log.calls.reduce((sum, each) => sum + each, 0)).toBe(log.sentCalls * (cpus - 1));
  });

  it('lets one write reach all others: their acceptances have that cause', () => {
    const sends = ofKind(run, Kind.IpiSend);
    const reached = (send: TraceEvent): number =>
      ofKind(run, Kind.IrqAccept).filter(({ cause }) => cause === send.row).length;
    const fanOut = sends.map(reached);
    // With two CPUs "all others" is one.
    const expected = [
      ...new Array<number>(log.sentTokens).fill(1),
      ...new Array<number>(log.sentCalls).fill(cpus - 1),
    ];
    expect(fanOut).toEqual(expected);
  });
});
