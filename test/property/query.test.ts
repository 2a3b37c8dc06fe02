/** Queries find what a filter finds that is written without them; lanes of queries count the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Lane } from '../../src/protocol/viewport';
import { completeQuery, valuesIn, vocabularyValues } from '../../src/trace/query/complete';
import { density, eventTable, find } from '../../src/trace/query/find';
import { queryFieldNames } from '../../src/trace/query/fields';
import { QueryError, parseQuery } from '../../src/trace/query/query';
import { searchFor } from '../../src/trace/query/search';
import { TraceStore, emptyMeta } from '../../src/trace/query/store';
import { queryViewport } from '../../src/trace/query/viewport';
import { Recorder } from '../../src/trace/record/recorder';
import { Kind, exitKind, kindRow } from '../../src/trace/vocabulary/events';
import { VmxExit } from '../../src/trace/vocabulary/vmx-exit-reasons';
import { sampleStore } from '../unit/trace/sample';

const HZ = 1e9;
const KINDS = [
  Kind.GuestKernel,
  Kind.Handler,
  Kind.MmioWrite,
  Kind.IrqInject,
  Kind.DmaRead,
  exitKind(VmxExit.HLT),
  exitKind(VmxExit.EPT_MISCONFIG),
] as const;
const FUNCTIONS = ['main', 'e1000_xmit', 'e1000_poll'] as const;
const TRACKS = [
  { type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 },
  { type: 'interrupts', name: 'vCPU 0', group: 'vm0', vm: 0 },
  { type: 'device', name: 'e1000', group: 'vm0', vm: 0, registers: { '16': 'TDT', '32': 'ICR' } },
  { type: 'vcpu', name: 'vCPU 0', group: 'vm1', vm: 1 },
] as const;

/** What is recorded, as a reader of the test sees it. */
interface Truth {
  row: number;
  start: number;
  end: number;
  track: number;
  kind: number;
  a: number;
  b: number;
  fn: string | undefined;
  cause: number;
}

interface Step {
  gap: number;
  back: number;
  duration: number;
  kind: number;
  track: number;
  a: number;
  b: number;
  fn: number;
  cause: number;
  late: number;
  hand: boolean;
}

const step = fc.record<Step>({
  gap: fc.nat(60),
  back: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.nat(300)),
  duration: fc.oneof(fc.constant(0), fc.nat(20), fc.nat(900)),
  kind: fc.constantFrom(...KINDS),
  track: fc.nat(TRACKS.length - 1),
  a: fc.constantFrom(0, 16, 32, 0x2b, 0x1_2345_6000),
  b: fc.nat(64),
  fn: fc.integer({ min: -1, max: FUNCTIONS.length - 1 }),
  cause: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 })),
  late: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 40 })),
  hand: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
});

/** Records the steps; `handed` is called whenever rows have been handed out. */
function record(
  steps: readonly Step[],
  handed: (store: TraceStore) => void,
): { store: TraceStore; truth: Truth[] } {
  const recorder = new Recorder({
    resolvePlace: (_, rip) => {
      const at = Number(rip);
      return { symbol: FUNCTIONS[at - 1] ?? '?', file: '/src/driver.c', line: at };
    },
  });
  for (const track of TRACKS) recorder.addTrack(track);
  const store = new TraceStore(emptyMeta('p', HZ));
  const truth: Truth[] = [];
  const open: { ref: number; index: number; at: number }[] = [];
  let now = 0;
  steps.forEach((each, i) => {
    now += each.gap;
    const start = Math.max(0, now - each.back);
    for (const span of open.filter(({ at }) => at === i)) {
      const row = truth[span.index];
      if (!row) continue;
      row.end = Math.max(row.start, now);
      recorder.close(span.ref, row.end);
    }
    recorder.place = each.fn < 0 ? 0 : recorder.internPlace(0, each.fn + 1, 0);
    const cause = each.cause === 0 ? undefined : truth[truth.length - each.cause];
    recorder.cause = cause ? cause.row + 1 : 0;
    const { duration, track, kind, a, b } = each;
    const ref =
      each.late > 0
        ? recorder.open(start, track, kind, a, b)
        : recorder.span(start, duration, track, kind, a, b);
    if (each.late > 0) open.push({ ref, index: truth.length, at: i + each.late });
    truth.push({
      row: ref - 1,
      start,
      end: each.late > 0 ? Infinity : start + duration,
      track,
      kind,
      a,
      b,
      fn: each.fn < 0 ? undefined : FUNCTIONS[each.fn],
      cause: cause?.row ?? -1,
    });
    if (each.hand) {
      store.append(recorder.takeDelta());
      handed(store);
    }
  });
  store.append(recorder.takeDelta());
  for (const row of truth) if (row.end === Infinity) row.end = store.endTime;
  return { store, truth };
}

/** A query as text, and what it means said again in plain code. */
interface Meant {
  text: string;
  holds(event: Truth, all: ReadonlyMap<number, Truth>): boolean;
  /** Whether the answer about an event may change when later ones come. */
  related?: boolean;
}

const leaf: fc.Arbitrary<Meant> = fc.oneof(
  fc.constantFrom<Meant>(
    { text: 'exit:HLT', holds: ({ kind }) => kind === exitKind(VmxExit.HLT) },
    { text: 'exit:*', holds: ({ kind }) => kindRow(kind).group === 'exit' },
    {
      text: 'kind:mmio.write,handler',
      holds: ({ kind }) => kind === Kind.MmioWrite || kind === Kind.Handler,
    },
    { text: 'irq', holds: ({ kind }) => kind === Kind.IrqInject },
    { text: 'group:mode', holds: ({ kind }) => kind === Kind.GuestKernel },
    { text: 'fn:e1000_*', holds: ({ fn }) => fn === 'e1000_xmit' || fn === 'e1000_poll' },
    { text: 'fn:*', holds: ({ fn }) => fn !== undefined },
    { text: 'file:driver.c', holds: ({ fn }) => fn !== undefined },
    { text: 'line:2..3', holds: ({ fn }) => fn === 'e1000_xmit' || fn === 'e1000_poll' },
    { text: 'track:e1000', holds: ({ track }) => track === 2 },
    { text: 'vm:1', holds: ({ track }) => track === 3 },
    { text: 'vm:vm0', holds: ({ track }) => track !== 3 },
    { text: 'vcpu:0', holds: ({ track }) => track !== 2 },
    {
      text: 'vector:0x2b',
      holds: ({ kind, a }) => (kind === Kind.IrqInject || kind === Kind.Handler) && a === 0x2b,
    },
    {
      text: 'addr:0x123456000..0x123456fff',
      holds: ({ kind, a, b }) =>
        (kind === Kind.DmaRead && a <= 0x1_2345_6fff && a + Math.max(1, b) > 0x1_2345_6000) ||
        (kind === exitKind(VmxExit.EPT_MISCONFIG) && a === 0x1_2345_6000),
    },
  ),
  fc.nat(900).map((n): Meant => ({ text: `dur>${n}ns`, holds: ({ start, end }) => end - start > n })),
  fc.nat(900).map((n): Meant => ({ text: `dur<=${n}`, holds: ({ start, end }) => end - start <= n })),
  fc.tuple(fc.nat(9000), fc.nat(4000)).map(([from, more]): Meant => ({
    text: `time:${from}..${from + more}`,
    holds: ({ start }) => start >= from && start <= from + more,
  })),
  fc.nat(64).map((n): Meant => ({ text: `b>=${n}`, holds: ({ b }) => b >= n })),
  fc.nat(200).map((n): Meant => ({ text: `row:..${n}`, holds: ({ row }) => row <= n })),
);

const SIBLINGS: readonly (readonly number[])[] = [[0, 1], [0, 1], [2], [3]];

const { query } = fc.letrec<{ query: Meant }>((tie) => ({
  query: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 3, arbitrary: leaf },
    {
      weight: 2,
      arbitrary: fc.tuple(tie('query'), tie('query')).map(([x, y]): Meant => ({
        text: `(${x.text}) (${y.text})`,
        holds: (event, all) => x.holds(event, all) && y.holds(event, all),
        related: (x.related ?? false) || (y.related ?? false),
      })),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(tie('query'), tie('query')).map(([x, y]): Meant => ({
        text: `(${x.text} or ${y.text})`,
        holds: (event, all) => x.holds(event, all) || y.holds(event, all),
        related: (x.related ?? false) || (y.related ?? false),
      })),
    },
    {
      weight: 1,
      arbitrary: tie('query').map((x): Meant => ({
        ...x,
        text: `-(${x.text})`,
        holds: (event, all) => !x.holds(event, all),
      })),
    },
    {
      weight: 1,
      arbitrary: tie('query').map((x): Meant => ({
        text: `cause:(${x.text})`,
        holds: ({ cause }, all) => {
          const found = all.get(cause);
          return found !== undefined && x.holds(found, all);
        },
        related: true,
      })),
    },
    {
      weight: 1,
      arbitrary: tie('query').map((x): Meant => ({
        text: `from:(${x.text})`,
        holds: (event, all) => {
          for (let at: Truth | undefined = event; at; at = all.get(at.cause))
            if (x.holds(at, all)) return true;
          return false;
        },
        related: true,
      })),
    },
    {
      weight: 1,
      arbitrary: tie('query').map((x): Meant => ({
        text: `within:(${x.text})`,
        holds: (event, all) =>
          [...all.values()].some(
            (span) =>
              span.row !== event.row &&
              (SIBLINGS[event.track] ?? []).includes(span.track) &&
              kindRow(span.kind).shape === 'span' &&
              span.start <= event.start &&
              span.end > event.start &&
              x.holds(span, all),
          ),
        related: true,
      })),
    },
  ),
}));

function expected(meant: Meant, truth: readonly Truth[]): Truth[] {
  const all = new Map(truth.map((event) => [event.row, event]));
  return truth.filter((event) => meant.holds(event, all)).sort((x, y) => x.start - y.start || x.row - y.row);
}

const laneOf = (text: string): Lane => ({
  id: 'q',
  label: text,
  track: text,
  part: '',
  group: 'Queries',
  trackIds: [],
  groups: [],
  kind: 'spans',
  empty: false,
  query: text,
});

/** Searches a few rows at a time, as an editor does that has others to answer. */
const impatient = (): boolean => false;

describe('a query', () => {
  it('finds what a plain filter finds, in the order of time, also while the trace grows', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 160, size: 'max' }), query, (steps, meant) => {
        const { store, truth } = record(steps, (growing) => {
          // What is asked on the way must not spoil what is found at the end.
          searchFor(growing, meant.text).advance(impatient);
          queryViewport(growing, { from: 0, to: growing.endTime + 1, width: 4, lanes: [laneOf(meant.text)] });
        });
        store.setMeta({ ...store.meta, state: 'finished' });
        const wanted = expected(meant, truth).map(({ row }) => row);
        const search = searchFor(store, meant.text);
        search.advance();
        expect([...search.rows.slice(0, search.rows.length)], meant.text).toEqual(wanted);
      }),
      { numRuns: 250 },
    );
  });

  it('has lanes that count its matches at any zoom', () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 200, size: 'max' }),
        query,
        fc.integer({ min: 1, max: 50 }),
        fc.nat(6000),
        fc.integer({ min: 1, max: 9000 }),
        (steps, meant, width, from, length) => {
          const { store, truth } = record(steps, (growing) => {
            queryViewport(growing, { from: 0, to: growing.endTime + 1, width, lanes: [laneOf(meant.text)] });
          });
          store.setMeta({ ...store.meta, state: 'finished' });
          const matching = expected(meant, truth);
          const counts = density(store, meant.text, 0, store.endTime + 1, width).counts;
          expect(counts.reduce((sum, n) => sum + n, 0)).toBe(matching.length);
          for (const [low, high] of [
            [from, from + length],
            [0, store.endTime + 1],
          ] as const) {
            const inside = matching.filter(({ start, end }) => start < high && (start >= low || end > low));
            const query = { from: low, to: high, width, lanes: [laneOf(meant.text)] };
            const [lane] = queryViewport(store, query).lanes;
            if (lane?.type === 'events') expect([...lane.row]).toEqual(inside.map(({ row }) => row));
            else if (lane) {
              expect(
                lane.count.reduce((sum, n) => sum + n, 0),
                meant.text,
              ).toBe(inside.length);
              lane.count.forEach((count, x) => {
                const [left, right] = [
                  low + ((high - low) * x) / width,
                  low + ((high - low) * (x + 1)) / width,
                ];
                const here = inside.filter(
                  ({ start }) => (start >= left && start < right) || (x === 0 && start < low),
                );
                expect(count).toBe(here.length);
              });
            }
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('answers in pieces what it answers at once', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), query, fc.nat(70), (steps, meant, at) => {
        const { store, truth } = record(steps, () => undefined);
        const wanted = expected(meant, truth);
        for (let tries = 0; tries < 100; tries++)
          if (find(store, meant.text, -1, 1, impatient).complete) break;
        const target = truth[at % truth.length];
        const start = target?.start ?? 0;
        const page = eventTable(store, {
          from: 0,
          to: Infinity,
          filter: meant.text,
          offset: 0,
          limit: 1000,
          near: { row: target?.row ?? 0 },
        });
        expect(page.rows.map(({ row }) => row)).toEqual(wanted.map(({ row }) => row));
        const least = Math.min(...wanted.map((event) => Math.abs(event.start - start)));
        const near = page.near;
        expect(near === undefined).toBe(wanted.length === 0);
        if (!near) return;
        expect(wanted[near.index]?.row).toBe(near.row);
        expect(near.exact).toBe(wanted.some(({ row }) => row === target?.row));
        if (near.exact) expect(near.row).toBe(target?.row);
        else expect(Math.abs((wanted[near.index]?.start ?? 0) - start)).toBe(least);
      }),
      { numRuns: 150 },
    );
  });
});

describe('a query, hostile', () => {
  const { store } = sampleStore(4);
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(...queryFieldNames),
    fc.constantFrom(
      ':',
      '>',
      '<=',
      '-',
      ',',
      '"',
      '5us',
      '0x10',
      'exit',
      ' ',
      '(',
      ')',
      '|',
      ' or ',
      '*',
      '..',
    ),
  );
  const text = fc.array(word, { maxLength: 14 }).map((words) => words.join(''));

  it('is understood, or says where it is wrong', () => {
    fc.assert(
      fc.property(text, (query) => {
        try {
          parseQuery(query);
          find(store, query, -1, 1);
        } catch (error) {
          expect(error).toBeInstanceOf(QueryError);
          if (!(error instanceof QueryError)) return;
          expect(error.position).toBeLessThanOrEqual(query.length);
          expect(error.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 1500 },
    );
  });

  it('may be as deep as a text can be', () => {
    for (const query of ['('.repeat(4096), '-'.repeat(4096), 'from:('.repeat(600), 'not '.repeat(1000)])
      expect(() => parseQuery(query)).toThrow(QueryError);
  });

  it('is completed within the text, whatever it is', () => {
    fc.assert(
      fc.property(text, fc.nat(80), (query, cursor) => {
        for (const values of [vocabularyValues, valuesIn(store)]) {
          const { from, to, items } = completeQuery(query, cursor, values);
          expect(0 <= from && from <= to && to <= query.length).toBe(true);
          for (const { insert, label } of items) expect(insert.length > 0 && label.length > 0).toBe(true);
        }
      }),
      { numRuns: 600 },
    );
  });
});
