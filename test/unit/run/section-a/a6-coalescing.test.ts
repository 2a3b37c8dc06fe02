/** Row A6: with a longer throttle interrupts per packet fall and packets get older. Both by the guest's clock and by the trace. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, endOf, mark, ofKind, type CountedRun } from '../../../support/section-a';

const SETTINGS = 4;
/** Unit of ITR, and the scenario's gap between packets. */
const ITR_NS = 256;
const GAP_NS = 10_000;
const CYCLES_PER_NS = 2.9;

interface Setting {
  throttle: number;
  interrupts: number;
  packets: number;
  latency: number;
  /** All rows of its time. */
  rows: TraceEvent[];
}

describe('A6: interrupt coalescing without a VMM', () => {
  let run: CountedRun;
  let settings: Setting[];

  beforeAll(async () => {
    run = await countedRun('a6-coalescing');
    const all = run.longs('a6_log');
    settings = Array.from({ length: SETTINGS }, (_, i) => {
      const [throttle, interrupts, packets, latency] = all.slice(4 * i, 4 * i + 4);
      const rows = between(run.rows, mark(run, i + 1), mark(run, i + 2));
      return { throttle, interrupts, packets, latency, rows };
    });
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('has the interrupts and packets in the trace that the guest has counted, setting by setting', () => {
    for (const { interrupts, packets, rows } of settings) {
      expect(rows.filter(({ kind }) => kind === Kind.Handler).length).toBe(interrupts);
      expect(rows.filter(({ kind }) => kind === Kind.PacketRx).length).toBe(packets);
    }
    expect(ofKind(run, Kind.Handler).length).toBe(settings.reduce((sum, each) => sum + each.interrupts, 0));
  });

  it('never interrupts sooner than the throttle allows', () => {
    for (const { throttle, rows } of settings) {
      const raised = rows.filter(({ kind }) => kind === Kind.IrqRaise).map(({ start }) => start);
      const gaps = raised.slice(1).map((time, i) => time - raised[i]);
      // A cycle for rounding the interval to whole ones.
      for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(throttle * ITR_NS * CYCLES_PER_NS - 1);
    }
  });

  it('lowers interrupts per packet as the throttle grows', () => {
    const counts = settings.map(({ interrupts }) => interrupts);
    expect(counts).toEqual([...counts].sort((x, y) => y - x));
    expect(new Set(counts).size).toBe(SETTINGS);
    // Without one each packet interrupts: the gap is longer than a handler.
    expect(counts[0]).toBe(settings[0].packets);
    // With one, a whole setting lasts packets * gap: that many intervals fit in, and one begins and one ends it.
    for (const { throttle, interrupts, packets } of settings.slice(1))
      expect(interrupts).toBeLessThanOrEqual(Math.ceil((packets * GAP_NS) / (throttle * ITR_NS)) + 2);
  });

  it('makes packets older as the throttle grows, by the guest and by the trace', () => {
    const byGuest = settings.map(({ latency, packets }) => latency / packets);
    const byTrace = settings.map(({ rows }) => meanWait(rows));
    for (const means of [byGuest, byTrace])
      means.slice(1).forEach((mean, i) => expect(mean).toBeGreaterThan(means[i]));
    // The guest counts from its sending, the trace from the arrival in memory: the guest's are longer, always.
    byGuest.forEach((mean, i) => expect(mean).toBeGreaterThan(byTrace[i]));
    // A packet waits half an interval on average; what comes on top is the same at all settings.
    for (const [i, { throttle }] of settings.entries())
      expect(byTrace[i]).toBeLessThanOrEqual(throttle * ITR_NS * CYCLES_PER_NS + byGuest[0]);
  });
});

/** Mean time in cycles from a packet's arrival in memory to the beginning of the handler that finds it. */
function meanWait(rows: readonly TraceEvent[]): number {
  const handlers = rows.filter(({ kind }) => kind === Kind.Handler);
  const arrivals = rows.filter(({ kind }) => kind === Kind.PacketRx);
  const waits = arrivals.map(({ start }) => {
    const handler = handlers.find((each) => endOf(each) > start);
    if (!handler) throw new Error(`nobody has found the packet of ${start}`);
    return Math.max(0, handler.start - start);
  });
  return waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
}
