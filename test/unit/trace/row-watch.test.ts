/** Whoever looks at rows while they are recorded sees each as it is in the end, and changes nothing. */
import { describe, expect, it } from 'vitest';
import { CAUSE_GIVEN, CAUSE_NONE, type PatternRow } from '../../../src/trace/fold';
import { Recorder } from '../../../src/trace/record/recorder';
import type { RecordedRow } from '../../../src/trace/record/row-watch';
import { Kind } from '../../../src/trace/vocabulary/events';
import { randomSource } from '../../conformance/native-oracle/generate';

const TWO_40 = 2 ** 40;
/** Kinds that are looked at together. */
const WATCHED: readonly (readonly number[])[] = [
  [Kind.MmioRead],
  [Kind.GuestKernel, Kind.DmaWrite],
  [Kind.Halted],
];
const pattern: PatternRow[] = [
  { track: 0, kind: Kind.Halted, offset: 0, duration: 90, cause: CAUSE_GIVEN, aLess: 0, b: true, endsAt: 2 },
  { track: 1, kind: Kind.MmioRead, offset: 50, duration: 0, cause: 0, aLess: 16, b: true },
  { track: 0, kind: Kind.GuestKernel, offset: 90, duration: 0, cause: CAUSE_NONE },
];

/** Records the same random rows at each call, some of them as groups. */
function record(recorder: Recorder, seed: number, steps: number): void {
  const random = randomSource(seed);
  for (const name of ['vCPU 0', 'nic']) recorder.addTrack({ type: 'vcpu', name, group: 'vm0', vm: 0 });
  const group = recorder.addPattern(pattern);
  if (!group) throw new Error('the group is one of plain kinds');
  let open = 0;
  for (let step = 0, time = 0; step < steps; step++, time += 100) {
    const [a, b] = [random() % 1000, random() % 1000];
    const whole = random() % 4 !== 0;
    recorder.cause = random() % 3 === 0 ? open : 0;
    switch (random() % 5) {
      case 0:
        recorder.close(open, time);
        open = exit(recorder, time, a, b, whole ? group : undefined);
        break;
      case 1:
        recorder.setArgs(recorder.instant(time, 1, Kind.MmioRead, a, 0), a, b % 2 === 0 ? TWO_40 + b : b);
        break;
      case 2:
        recorder.instant(time, 1, Kind.DmaWrite, TWO_40 + a, b);
        break;
      case 3:
        recorder.close(open, time);
        open = recorder.open(time, 0, Kind.GuestKernel, a, b);
        break;
      default:
        recorder.span(time, a, 1, Kind.MmioWrite, a, b);
    }
  }
  recorder.close(open, steps * 100);
  recorder.finish(steps * 100);
}

/** The rows of the group, as a group where that can be; the reference of the last. */
function exit(
  recorder: Recorder,
  time: number,
  a: number,
  b: number,
  group: ReturnType<Recorder['addPattern']>,
): number {
  const first = group ? recorder.foresee(group, 2, time, a + 16, b, recorder.cause) : 0;
  if (first !== 0) return recorder.complete();
  const { cause } = recorder;
  const halted = recorder.span(time, 90, 0, Kind.Halted, a + 16, b);
  recorder.spanBecause(time + 50, 0, 1, Kind.MmioRead, a, b, halted);
  recorder.cause = 0;
  const last = recorder.open(time + 90, 0, Kind.GuestKernel, 0, 0);
  recorder.cause = cause;
  return last;
}

describe('a watch on rows', () => {
  it.each([1, 2, 3])('is told of every row of its kinds, and leaves the hash as it is (%i)', (seed) => {
    const steps = 4000;
    const all = new Recorder();
    record(all, seed, steps);
    const rows = Array.from({ length: all.rows }, (_, row) => all.rowAt(row));
    for (const kinds of WATCHED) {
      const recorder = new Recorder();
      const last = new Map<number, RecordedRow>();
      recorder.watch = {
        looksAt: (kind) => kinds.includes(kind),
        told: (row) => void last.set(row.row, row),
      };
      record(recorder, seed, steps);
      expect(recorder.traceHash()).toBe(all.traceHash());
      const expected = rows.filter(({ kind }) => kinds.includes(kind));
      const told = [...last.values()].sort((x, y) => x.row - y.row);
      expect(told.length).toBe(expected.length);
      expect(told.length).toBeGreaterThan(100);
      expect(told).toEqual(expected);
    }
  });

  it('says what has become known, and nothing more once it is taken away', () => {
    const recorder = new Recorder();
    recorder.addTrack({ type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 });
    const rows: string[] = [];
    recorder.watch = { looksAt: () => true, told: ({ row }, news) => void rows.push(`${row} ${news}`) };
    const span = recorder.open(0, 0, Kind.GuestKernel, 0, 0);
    recorder.setArgs(span, 1, 2);
    recorder.close(span, 10);
    recorder.watch = undefined;
    recorder.instant(20, 0, Kind.DmaRead, 0, 0);
    expect(rows).toEqual(['0 recorded', '0 arguments', '0 closed']);
  });
});
