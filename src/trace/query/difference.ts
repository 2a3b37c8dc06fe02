/** How two runs differ: by line of source, by reason, by stage of their operations, and where they first part. */
import {
  operationSorts,
  type CostDifference,
  type OperationCourse,
  type OperationDifference,
  type OperationPair,
  type OperationSort,
  type Pair,
  type StageDifference,
  type TraceDifference,
} from '../../protocol/difference';
import { baseName } from '../vocabulary/format';
import { kindRow } from '../vocabulary/events';
import { operationsBySort } from './operation-sorts';
import { partingOf, wholeUntil } from './parting';
import { pathTo, type PathLeg } from './path';
import { RowSample } from './row-sample';
import { perLine, statistics, type LineFigures } from './statistics';
import type { TraceStore } from './store';

/** Pairs of operations that are named. */
const WIDEST = 10;

type Stores = Pair<TraceStore>;
/** The runs, by their place in a pair. */
const SIDES = [0, 1] as const;

/** Compares two runs. Operations are aligned by their order: the nth of one sort is compared with the other run's nth of it. */
export function differenceOf(first: TraceStore, second: TraceStore): TraceDifference {
  const stores = [first, second] as const;
  const seconds = secondsIn(stores);
  const parting = partingOf(first, second);
  const endOf = (store: TraceStore): number | null => {
    const until = wholeUntil(store);
    return until === Infinity ? null : until;
  };
  return {
    frequencyHz: [first.meta.frequencyHz, second.meta.frequencyHz],
    lines: linesOf(stores),
    reasons: joined(
      [reasonsOf(first), reasonsOf(second)],
      ({ reason }) => reason,
      ({ reason }) => ({ reason }),
      seconds,
    ),
    operations: operationSorts.flatMap((sort) => operationsOf(stores, sort) ?? []),
    ...(parting && { parting }),
    wholeUntil: [endOf(first), endOf(second)],
  };
}

/** One operation of each run for drawing; null where a run has none of that number. */
export function courseOf(store: TraceStore, sort: OperationSort, index: number): OperationCourse | null {
  const row = operationsBySort(store)[sort][index];
  if (row === undefined) return null;
  const { legs, from, to } = pathTo(store, row);
  return {
    row,
    from,
    cycles: to - from,
    legs: legs.map((leg) => ({
      what: leg.what,
      row: leg.row,
      name: kindRow(store.kindOf(leg.row)).name,
      kind: store.kindOf(leg.row),
      from: leg.from - from,
      cycles: leg.cycles,
    })),
  };
}

/** Cycles of either run as seconds: their clocks need not be the same. */
function secondsIn([first, second]: Stores): (cycles: Pair) => Pair {
  const [one, other] = [first.meta.frequencyHz, second.meta.frequencyHz];
  return ([x, y]) => [x / one, y / other];
}

interface Cost {
  exits: number;
  cycles: number;
  query: string;
}

function reasonsOf(store: TraceStore): (Cost & { reason: string })[] {
  return statistics(store, 0, store.endTime + 1).exits.map(({ reason, count, total, query }) => ({
    reason,
    exits: count,
    cycles: total,
    query,
  }));
}

/** The same driver may have been compiled in two folders: a file's name stands for it where each run has only one of that name. */
function linesOf(stores: Stores): TraceDifference['lines'] {
  const lists = [perLine(stores[0]), perLine(stores[1])] as const;
  const isOnly = lists.map((list) => {
    const paths = new Map<string, Set<string>>();
    for (const { file } of list)
      paths.set(baseName(file), (paths.get(baseName(file)) ?? new Set()).add(file));
    return (file: string): boolean => (paths.get(baseName(file))?.size ?? 0) <= 1;
  });
  const nameOf = (file: string): string => (isOnly.every((only) => only(file)) ? baseName(file) : file);
  return joined<LineFigures, { file: string; line: number }>(
    lists,
    ({ file, line }) => `${line} ${nameOf(file)}`,
    ({ file, line }) => ({ file, line }),
    secondsIn(stores),
  );
}

/** Figures of both runs by what they are of; the greatest difference of time first. */
function joined<T extends Cost, Key extends object>(
  lists: Pair<readonly T[]>,
  nameOf: (item: T) => string,
  keyOf: (item: T) => Key,
  seconds: (cycles: Pair) => Pair,
): (Key & CostDifference)[] {
  const found = new Map<string, { item: T; exits: [number, number]; cycles: [number, number] }>();
  for (const side of SIDES)
    for (const item of lists[side]) {
      const name = nameOf(item);
      let figures = found.get(name);
      if (figures === undefined) found.set(name, (figures = { item, exits: [0, 0], cycles: [0, 0] }));
      figures.exits[side] += item.exits;
      figures.cycles[side] += item.cycles;
    }
  return [...found.values()]
    .map(({ item, exits, cycles }) => ({ ...keyOf(item), exits, cycles, query: item.query }))
    .sort((x, y) => apart(seconds(y.cycles)) - apart(seconds(x.cycles)) || apart(y.exits) - apart(x.exits));
}

function apart([first, second]: Pair): number {
  return Math.abs(second - first);
}

/** Undefined: neither run has operations of that sort. */
function operationsOf(stores: Stores, sort: OperationSort): OperationDifference | undefined {
  const ends = [operationsBySort(stores[0])[sort], operationsBySort(stores[1])[sort]] as const;
  const counts: Pair = [ends[0].length, ends[1].length];
  if (counts[0] === 0 && counts[1] === 0) return undefined;
  const paired = Math.min(countWhole(stores[0], ends[0]), countWhole(stores[1], ends[1]));
  const seconds = secondsIn(stores);
  const totals = [new RowSample(), new RowSample()] as const;
  const stages = new StageSums();
  const widest = new WidestPairs(seconds);
  for (let index = 0; index < paired; index++) {
    const rows: Pair = [ends[0][index] ?? 0, ends[1][index] ?? 0];
    const cycles = SIDES.map((side) => {
      const { legs, from, to } = pathTo(stores[side], rows[side]);
      totals[side].add(to - from, rows[side]);
      for (const leg of legs) stages.add(stores[side], side, leg);
      return to - from;
    });
    widest.note({ index, rows, cycles: [cycles[0] ?? 0, cycles[1] ?? 0] });
  }
  return {
    sort,
    counts,
    paired,
    total: [totals[0].placed(), totals[1].placed()],
    stages: stages
      .averages(paired)
      .sort((x, y) => apart(seconds(y.cycles)) - apart(seconds(x.cycles))),
    widest: widest.pairs,
  };
}

/** Operations before the first gap: which number those behind it have is not known. */
function countWhole(store: TraceStore, ends: readonly number[]): number {
  const until = wholeUntil(store);
  if (until === Infinity) return ends.length;
  const behind = ends.findIndex((row) => store.startOf(row) >= until);
  return behind < 0 ? ends.length : behind;
}

/** Time of operations by stage. */
class StageSums {
  private readonly stages = new Map<
    string,
    { what: 'in' | 'until'; name: string; cycles: [number, number]; longest: [number, number]; most: [number, number] }
  >();

  add(store: TraceStore, side: 0 | 1, { what, row, cycles }: PathLeg): void {
    const { name } = kindRow(store.kindOf(row));
    const key = `${what} ${name}`;
    let stage = this.stages.get(key);
    if (stage === undefined)
      this.stages.set(key, (stage = { what, name, cycles: [0, 0], longest: [-1, -1], most: [-1, -1] }));
    stage.cycles[side] += cycles;
    if (cycles <= stage.most[side]) return;
    stage.most[side] = cycles;
    stage.longest[side] = row;
  }

  averages(operations: number): StageDifference[] {
    return [...this.stages.values()].map(({ what, name, cycles: [x, y], longest }) => ({
      what,
      name,
      cycles: [x / operations, y / operations],
      longest,
    }));
  }
}

/** Keeps the pairs that differ most, in order. */
class WidestPairs {
  readonly pairs: OperationPair[] = [];

  constructor(private readonly seconds: (cycles: Pair) => Pair) {}

  note(pair: OperationPair): void {
    const { pairs } = this;
    const width = (each: OperationPair): number => apart(this.seconds(each.cycles));
    const last = pairs[WIDEST - 1];
    if (last !== undefined && width(pair) <= width(last)) return;
    pairs.push(pair);
    pairs.sort((x, y) => width(y) - width(x) || x.index - y.index);
    pairs.length = Math.min(pairs.length, WIDEST);
  }
}
