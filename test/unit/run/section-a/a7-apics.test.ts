/** Row A7: both interfaces of the local APIC do the same; priorities, triggers and timers as the manual says. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceEvent } from '../../../../src/trace/query/store';
import { Kind } from '../../../../src/trace/vocabulary/events';
import { between, countedRun, mark, trackOf, type CountedRun } from '../../../support/section-a';

const Mark = { xapic: 1, x2apic: 2, end: 3 } as const;
/** Words of one mode in `a7_log`: four counters aside, a counter for each vector, and five figures of 64 bits. */
const VECTORS = 256;
const MODE_WORDS = 2 + VECTORS + 1 + 1 + 10;
const TIMES_AT = 2 + VECTORS + 2;
const LAPIC_PAGE = 0xfee0_0000;
const LAPIC_EOI = 0xb0;

interface Mode {
  handled: number;
  ends: number;
  byVector: number[];
  repeats: number;
  oneShot: number;
  oneShotByTwo: number;
  period: number;
  deadline: number;
  deadlineHandled: number;
  rows: TraceEvent[];
}

describe('A7: local APIC, x2APIC and IOAPIC without a VMM', () => {
  let run: CountedRun;
  let modes: Mode[];
  let nicVector: number;
  let uartVector: number;

  const modeOf = (words: number[], from: number, to: number): Mode => {
    const long = (i: number): number => words[TIMES_AT + 2 * i] + words[TIMES_AT + 2 * i + 1] * 2 ** 32;
    return {
      handled: words[0],
      ends: words[1],
      byVector: words.slice(2, 2 + VECTORS),
      repeats: words[2 + VECTORS],
      oneShot: long(0),
      oneShotByTwo: long(1),
      period: long(2),
      deadline: long(3),
      deadlineHandled: long(4),
      rows: between(run.rows, mark(run, from), mark(run, to)),
    };
  };

  beforeAll(async () => {
    run = await countedRun('a7-apics');
    const words = run.words('a7_log');
    modes = [
      modeOf(words.slice(0, MODE_WORDS), Mark.xapic, Mark.x2apic),
      modeOf(words.slice(MODE_WORDS, 2 * MODE_WORDS), Mark.x2apic, Mark.end),
    ];
    [nicVector, uartVector] = words.slice(2 * MODE_WORDS);
  });

  it('ends well, and holds what it expects', () => {
    expect(run.end.summary.vms[0]?.exitCode).toBe(0);
    expect(run.end.summary.expectations.filter(({ held }) => !held)).toEqual([]);
  });

  it('delivers and ends in each mode what the guest has counted, vector by vector', () => {
    for (const { rows, byVector, handled, ends } of modes) {
      for (const kind of [Kind.IrqAccept, Kind.IrqDeliver, Kind.Handler, Kind.IrqEoi]) {
        const found = new Array<number>(VECTORS).fill(0);
        for (const row of rows) if (row.kind === kind) found[row.a] += 1;
        expect(found, `kind ${kind}`).toEqual(byVector);
      }
      expect(ends).toBe(handled);
    }
    // The same program: the same interrupts.
    expect(modes[1].byVector).toEqual(modes[0].byVector);
  });

  it('is memory in one mode and registers of the processor in the other', () => {
    const page = trackOf(run, 'LAPIC');
    const accesses = ({ rows }: Mode): TraceEvent[] =>
      rows.filter(({ track, kind }) => track === page && (kind === Kind.MmioRead || kind === Kind.MmioWrite));
    const eois = accesses(modes[0]).filter(({ kind, a }) => kind === Kind.MmioWrite && a === LAPIC_EOI);
    expect(eois.length).toBe(modes[0].ends);
    expect(accesses(modes[1])).toEqual([]);
    const all = run.rows.filter(({ track, kind }) => track === page && kind === Kind.MmioWrite).length;
    expect(all).toBe(run.log.entries.find(({ address }) => address === LAPIC_PAGE)?.writes);
    expect(run.log.msrWrites).toBeGreaterThan(modes[1].ends);
  });

  it('asks the IOAPIC again at the end of a level whose line is still up, and not after an edge', () => {
    for (const { rows, byVector, repeats } of modes) {
      expect(repeats).toBeGreaterThan(0);
      const routed = (vector: number): TraceEvent[] =>
        rows.filter(({ kind, b }) => kind === Kind.IoapicRoute && b === vector);
      const raised = rows.filter(
        ({ kind, track }) => kind === Kind.IrqRaise && track === trackOf(run, 'e1000'),
      );
      expect(raised.length).toBe(byVector[nicVector] - repeats);
      expect(routed(nicVector).length).toBe(byVector[nicVector]);
      expect(routed(uartVector).length).toBe(1);
      const ends = rows.filter(({ kind, a }) => kind === Kind.IrqEoi && a === nicVector);
      const again = routed(nicVector).filter(({ cause }) => ends.some(({ row }) => row === cause));
      expect(again.length).toBe(repeats);
    }
  });

  it('runs the timer by its clock, at half of it, and to a deadline', () => {
    for (const { oneShot, oneShotByTwo, period, deadline, deadlineHandled } of modes) {
      // What an interrupt takes from timer to handler is in both, once: the difference is the count itself.
      expect(oneShotByTwo - oneShot).toBe(period);
      expect(oneShot).toBeGreaterThanOrEqual(period);
      expect(deadlineHandled).toBeGreaterThanOrEqual(deadline);
      expect(deadlineHandled - deadline).toBeLessThan(period);
    }
  });
});
