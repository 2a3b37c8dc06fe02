/** All operations of a window by the way they took, with the time of each stage: where the time of I/O goes, and which was slowest. */
import type { Distribution, OperationShape, OperationStatistics } from '../../protocol/details';
import { kindRow } from '../vocabulary/events';
import { operationEndsOf } from './operation-ends';
import { causesWithin, eachLeg } from './path';
import { Sample } from './sample';
import { patient, type Patience } from './search';
import type { TraceStore } from './store';

/** Ways that are told apart; operations that took rarer ones are only counted. */
const MOST_SHAPES = 20;
/** How many of the slowest operations of a way are named. */
const SLOWEST = 5;
/** Operations that are measured between two questions whether to go on. */
const STEP = 256;
/** Windows of a trace of which figures are kept, or are being gathered. */
const MOST_KEPT = 4;

/** One stage of a way. */
interface Stage {
  waits: boolean;
  kind: number;
  times: Sample;
  /** The event at which it took longest. */
  slowest: number;
  longest: number;
}

/** Operations that took the same way. */
interface Shape {
  /** Kinds of the first event and of the last. */
  begin: number;
  end: number;
  /** Row of the first end: what came first is first among ways as frequent. */
  first: number;
  total: Sample;
  stages: Stage[];
  /** Slowest first: end row and cycles. */
  slowest: { row: number; cycles: number }[];
}

/** A stage of ways that have all stages before it in common. */
class Way {
  readonly next = new Map<number, Way>();
  /** The operations that end here, by the kind of their first event. */
  readonly shapes = new Map<number, Shape>();

  after(waits: boolean, kind: number): Way {
    const key = 2 * kind + Number(waits);
    let way = this.next.get(key);
    if (way === undefined) this.next.set(key, (way = new Way()));
    return way;
  }
}

/** The operations that end in a window, measured piece by piece. */
class Measurement {
  private ends: readonly number[] | undefined;
  private measured = 0;
  private readonly root = new Way();
  private readonly shapes: Shape[] = [];
  /** The most frequent ones, described so far. */
  private readonly described: OperationShape[] = [];
  private finished = false;

  constructor(
    private readonly store: TraceStore,
    private readonly from: number,
    private readonly to: number,
  ) {}

  /** Goes on, at least by a step; true when the figures are complete. */
  advance(patience: Patience): boolean {
    if (this.ends === undefined) {
      const ends = operationEndsOf(this.store);
      if (!ends.advance(patience)) return false;
      this.ends = ends.between(this.from, this.to);
    }
    while (this.measured < this.ends.length) {
      const end = Math.min(this.ends.length, this.measured + STEP);
      for (; this.measured < end; this.measured++) this.measure(this.ends[this.measured]);
      if (!patience()) return false;
    }
    if (!this.finished) {
      this.shapes.sort((x, y) => y.total.length - x.total.length || x.first - y.first);
      this.finished = true;
    }
    while (this.described.length < Math.min(MOST_SHAPES, this.shapes.length)) {
      this.described.push(describe(this.shapes[this.described.length]));
      if (!patience()) break;
    }
    return this.described.length >= Math.min(MOST_SHAPES, this.shapes.length);
  }

  /** What is known: shapes only when all have been measured. */
  result(complete: boolean): OperationStatistics {
    const { from, to, shapes, described } = this;
    return {
      from,
      to,
      count: this.ends?.length ?? 0,
      shapes: complete ? described : [],
      others: complete ? shapes.length - described.length : 0,
      complete,
      share: complete ? 1 : this.share,
    };
  }

  private get share(): number {
    if (this.ends === undefined) return operationEndsOf(this.store).share / 2;
    return 0.5 + this.measured / Math.max(1, this.ends.length) / 2;
  }

  private measure(row: number): void {
    const { store } = this;
    const rows = causesWithin(store, row);
    const begin = rows[0] ?? row;
    let way = this.root;
    eachLeg(store, rows, (waits, of) => {
      way = way.after(waits, store.kindOf(of));
    });
    const kind = store.kindOf(begin);
    let shape = way.shapes.get(kind);
    if (shape === undefined) {
      shape = newShape(store, rows);
      way.shapes.set(kind, shape);
      this.shapes.push(shape);
    }
    note(store, shape, rows);
  }
}

function newShape(store: TraceStore, rows: readonly number[]): Shape {
  const [begin = 0] = rows;
  const end = rows.at(-1) ?? begin;
  const stages: Stage[] = [];
  eachLeg(store, rows, (waits, row) =>
    stages.push({ waits, kind: store.kindOf(row), times: new Sample(), slowest: row, longest: -1 }),
  );
  const [first, last] = [store.kindOf(begin), store.kindOf(end)];
  return { begin: first, end: last, first: begin, total: new Sample(), stages, slowest: [] };
}

function note(store: TraceStore, shape: Shape, rows: readonly number[]): void {
  let i = 0;
  let cycles = 0;
  eachLeg(store, rows, (_, row, from, to) => {
    const stage = shape.stages[i++];
    stage.times.add(to - from);
    cycles += to - from;
    if (to - from <= stage.longest) return;
    stage.longest = to - from;
    stage.slowest = row;
  });
  shape.total.add(cycles);
  const { slowest } = shape;
  if (slowest.length === SLOWEST && cycles <= (slowest.at(-1)?.cycles ?? 0)) return;
  slowest.push({ row: rows.at(-1) ?? 0, cycles });
  slowest.sort((x, y) => y.cycles - x.cycles || x.row - y.row);
  slowest.length = Math.min(slowest.length, SLOWEST);
}

function describe({ begin, end, total, stages, slowest }: Shape): OperationShape {
  return {
    begin: kindRow(begin).name,
    end: kindRow(end).name,
    total: total.distribution(),
    stages: stages.map(({ waits, kind, times, slowest: row }) => ({
      what: waits ? 'until' : 'in',
      kind,
      name: kindRow(kind).name,
      slowest: row,
      ...(times.distribution() satisfies Distribution),
    })),
    slowest,
  };
}

/** Measurements of a trace in the state in which it was when they began. */
interface Kept {
  rows: number;
  changes: number;
  cuts: number;
  measurements: Map<string, Measurement>;
}

const kept = new WeakMap<TraceStore, Kept>();

function measurementOf(store: TraceStore, from: number, to: number): Measurement {
  const { rows, truncations: cuts } = store;
  const changes = store.changedRows.length;
  let of = kept.get(store);
  if (of === undefined || of.rows !== rows || of.changes !== changes || of.cuts !== cuts)
    kept.set(store, (of = { rows, changes, cuts, measurements: new Map() }));
  const { measurements } = of;
  const key = `${from} ${to}`;
  const measurement = measurements.get(key) ?? new Measurement(store, from, to);
  // The one asked for last is the last to be forgotten.
  measurements.delete(key);
  measurements.set(key, measurement);
  for (const old of measurements.keys()) {
    if (measurements.size <= MOST_KEPT) break;
    measurements.delete(old);
  }
  return measurement;
}

/**
 * Operations that end in [from, to), which is where their handler begins. Those that go through the same kinds of events in
 * the same order are one shape; the most frequent shape comes first.
 * @param patience whether to go on; an answer that is not complete goes on from where it is when it is asked again
 */
export function operations(
  store: TraceStore,
  from: number,
  to: number,
  patience: Patience = patient,
): OperationStatistics {
  const measurement = measurementOf(store, from, to);
  const complete = measurement.advance(patience);
  return measurement.result(complete);
}

/** Rows at which the operations of a window end, ascending. */
export function operationEnds(store: TraceStore, from: number, to: number): number[] {
  const ends = operationEndsOf(store);
  ends.advance();
  return ends.between(from, to);
}
