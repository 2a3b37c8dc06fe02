/** Arguments of any 53 bits survive every way that a row takes, and the trace hash covers them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeTrace, readTrace, verify } from '../../src/trace/file/file';
import { eventTable, find } from '../../src/trace/query/find';
import { TraceStore, emptyMeta } from '../../src/trace/query/store';
import { hashOf } from '../../src/trace/record/hash';
import { Recorder } from '../../src/trace/record/recorder';
import { mergeRecorderStates, type RecorderState } from '../../src/trace/record/recorder-state';
import { Kind } from '../../src/trace/vocabulary/events';

const argument = fc.oneof(
  fc.nat(0xffff_ffff),
  fc.maxSafeNat(),
  fc.constantFrom(0, 0xffff_ffff, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER, 0x1_2345_6000),
);

/** What one event goes through: its arguments, those it gets later if any, and whether the rows before it are handed out. */
const step = fc.record({
  kind: fc.constantFrom(Kind.DmaRead, Kind.MmioWrite, Kind.IommuWalk, Kind.PacketTx),
  open: fc.boolean(),
  a: argument,
  b: argument,
  later: fc.array(fc.tuple(argument, argument), { maxLength: 3 }),
  /** How many events later the arguments change. */
  after: fc.nat(4),
  hand: fc.boolean(),
  save: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Outcome {
  recorder: Recorder;
  store: TraceStore;
  expected: { a: number; b: number; kind: number }[];
}

/** Records the steps, by deltas into a store; snapshots go into another recorder that goes on. */
function record(steps: readonly Step[], snapshots: boolean): Outcome {
  let recorder = new Recorder();
  recorder.addTrack({ type: 'dma', name: 'd', group: 'vm0', vm: 0 });
  const store = new TraceStore(emptyMeta('t', 1e9));
  let latest: RecorderState | undefined;
  const expected: Outcome['expected'] = [];
  const refs: number[] = [];
  const change = (from: Step, at: number): void => {
    for (const [a, b] of from.later) {
      recorder.setArgs(refs[at] ?? 0, a, b);
      Object.assign(expected[at] ?? {}, { a, b });
    }
  };
  steps.forEach((each, i) => {
    const { kind, a, b } = each;
    refs.push(each.open ? recorder.open(i, 0, kind, a, b) : recorder.instant(i, 0, kind, a, b));
    expected.push({ a, b, kind });
    steps.forEach((before, at) => {
      if (at + before.after === i) change(before, at);
    });
    if (each.hand) store.append(recorder.takeDelta());
    if (!each.save || !snapshots) return;
    const state = recorder.save(latest !== undefined);
    latest = latest ? mergeRecorderStates(latest, state) : state;
    const next = new Recorder();
    next.load(structuredClone(latest));
    recorder = next;
  });
  recorder.finish(steps.length);
  store.append(recorder.takeDelta());
  return { recorder, store, expected };
}

function events(store: TraceStore): Outcome['expected'] {
  const rows = eventTable(store, { from: 0, to: 1e9, filter: '', offset: 0, limit: 1000 }).rows;
  return rows.map(({ row }) => store.get(row)).map(({ a, b, kind }) => ({ a, b, kind }));
}

describe('arguments of 53 bits', () => {
  const steps = fc.array(step, { minLength: 1, maxLength: 12 });

  it('survive recorder, deltas, store, file and store', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const { recorder, store, expected } = record(given, false);
        expect(events(store)).toEqual(expected);
        const sum = (kind: number, of: 'a' | 'b'): number =>
          expected.reduce((total, each) => (each.kind === kind ? total + each[of] : total), 0);
        const sums = new Map(recorder.sums().map(([, kind, total]) => [kind, total]));
        // Sums of a few 53-bit numbers are exact as long as they are themselves safe.
        for (const [kind, of] of [
          [Kind.DmaRead, 'b'],
          [Kind.IommuWalk, 'a'],
        ] as const)
          if (Number.isSafeInteger(sum(kind, of))) expect(sums.get(kind) ?? 0).toBeCloseTo(sum(kind, of), -3);
        store.setMeta({
          ...emptyMeta('t', 1e9),
          ...recorder.tables(),
          sums: recorder.sums().filter(([, , total]) => Number.isSafeInteger(total)),
          state: 'finished',
          traceHash: recorder.traceHash(),
        });
        const again = readTrace(encodeTrace(store));
        expect(events(again)).toEqual(expected);
        expect(verify(again).differences).toEqual([]);
        expect(hashOf(again)).toBe(recorder.traceHash());
      }),
    );
  });

  it('survive snapshots', () => {
    fc.assert(
      fc.property(steps, (given) => {
        const all = given.map((each) => ({ ...each, hand: false }));
        const { store, recorder, expected } = record(all, true);
        expect(events(store)).toEqual(expected);
        expect(recorder.traceHash()).toBe(record(all, false).recorder.traceHash());
      }),
    );
  });

  it('are covered by the hash in every bit', () => {
    const hash = (a: number, b: number): string => {
      const recorder = new Recorder();
      recorder.addTrack({ type: 'dma', name: 'd', group: 'vm0', vm: 0 });
      recorder.instant(0, 0, Kind.DmaRead, a, b);
      recorder.finish(1);
      return recorder.traceHash();
    };
    const bit = fc.integer({ min: 0, max: 52 });
    fc.assert(
      fc.property(argument, argument, bit, fc.boolean(), (a, b, at, first) => {
        const flip = (value: number): number => Number(BigInt(value) ^ (1n << BigInt(at)));
        expect(first ? hash(flip(a), b) : hash(a, flip(b))).not.toBe(hash(a, b));
      }),
    );
  });

  it('are found and printed whole', () => {
    const recorder = new Recorder();
    recorder.addTrack({ type: 'dma', name: 'e1000', group: 'vm0', vm: 0 });
    recorder.instant(0, 0, Kind.MmioWrite, 0x1_2345_6000, 0);
    const dma = recorder.span(5, 10, 0, Kind.DmaWrite, 0x1_2345_6000, 64);
    recorder.span(20, 10, 0, Kind.DmaWrite, 0x2345_6000, 64);
    recorder.finish(30);
    const store = new TraceStore(emptyMeta('t', 1e9));
    store.append(recorder.takeDelta());
    expect(find(store, 'addr:0x123456000', -1, 1)).toMatchObject({ row: dma - 1, matches: 1 });
    const [, row] = eventTable(store, { from: 0, to: 99, filter: '', offset: 0, limit: 9 }).rows;
    expect(row?.text.replaceAll('\u2009', ' ')).toBe('address 0x123456000, length 64 B');
  });
});
