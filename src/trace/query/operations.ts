/** All operations of a window by the way they took, with the time of each stage: where the time of I/O goes, and which was slowest. */
import type { Distribution, OperationShape, OperationStatistics } from '../../protocol/details';
import { Kind, kindRow } from '../vocabulary/events';
import { pathTo, type CausalPath } from './path';
import { Sample } from './sample';
import type { TraceStore } from './store';

/** Ways that are told apart; operations that took rarer ones are only counted. */
const MOST_SHAPES = 20;
/** How many of the slowest operations of a way are named. */
const SLOWEST = 5;
/** Events at which an operation ends where no handler learns of it, as with a driver that polls. */
const ENDS_WITHOUT_HANDLER: ReadonlySet<number> = new Set([Kind.PacketRx, Kind.IoComplete]);

interface Shape {
  path: CausalPath;
  total: Sample;
  stages: Sample[];
  /** Slowest first: end row and cycles. */
  slowest: { row: number; cycles: number }[];
}

/**
 * Operations that end in [from, to), which is where their handler begins. Those that go through the same kinds of events in
 * the same order are one shape; the most frequent shape comes first.
 */
export function operations(store: TraceStore, from: number, to: number): OperationStatistics {
  const shapes = new Map<string, Shape>();
  let count = 0;
  for (const row of operationEnds(store, from, to)) {
    const path = pathTo(store, row);
    count += 1;
    const key = keyOf(store, path);
    let shape = shapes.get(key);
    if (shape === undefined)
      shapes.set(key, (shape = { path, total: new Sample(), stages: [], slowest: [] }));
    note(shape, path, row);
  }
  const sorted = [...shapes.values()].sort(
    (x, y) => y.total.length - x.total.length || (x.path.rows[0] ?? 0) - (y.path.rows[0] ?? 0),
  );
  const shown = sorted.slice(0, MOST_SHAPES).map((shape) => described(store, shape));
  return { from, to, count, shapes: shown, others: sorted.length - shown.length };
}

/** Rows at which the operations of a window end, ascending. */
export function operationEnds(store: TraceStore, from: number, to: number): number[] {
  const handlers: number[] = [];
  const others: number[] = [];
  for (const { id } of store.meta.tracks)
    for (const group of ['interrupt', 'packet', 'dma'] as const) {
      const stream = store.stream(id, group);
      if (stream === undefined) continue;
      const end = stream.before(to);
      for (let i = stream.before(from); i < end; i++) {
        const row = stream.rowAt(i);
        const kind = store.kindOf(row);
        if (!isLed(store, row)) continue;
        if (kind === Kind.Handler) handlers.push(row);
        else if (ENDS_WITHOUT_HANDLER.has(kind)) others.push(row);
      }
    }
  if (others.length === 0) return handlers.sort((x, y) => x - y);
  // A packet or request that an interrupt was raised for ends with its handler.
  const passed = new Set<number>();
  for (const handler of handlers)
    for (let at = store.causeOf(handler); at >= 0 && !passed.has(at); at = store.causeOf(at)) {
      if (store.kindOf(at) === Kind.Handler) break;
      if (ENDS_WITHOUT_HANDLER.has(store.kindOf(at))) passed.add(at);
    }
  return [...handlers, ...others.filter((row) => !passed.has(row))].sort((x, y) => x - y);
}

/** What nothing led to ends no operation: an interrupt of a timer, or an event whose cause was not recorded. */
function isLed(store: TraceStore, row: number): boolean {
  const cause = store.causeOf(row);
  return cause >= 0 && store.kindOf(cause) !== Kind.Handler;
}

function keyOf(store: TraceStore, { legs }: CausalPath): string {
  return legs.map(({ what, row }) => `${what === 'in' ? '' : '-'}${store.kindOf(row)}`).join(' ');
}

function note(shape: Shape, { legs, from, to }: CausalPath, row: number): void {
  const cycles = to - from;
  shape.total.add(cycles);
  legs.forEach((leg, i) => (shape.stages[i] ??= new Sample()).add(leg.cycles));
  const { slowest } = shape;
  if (slowest.length === SLOWEST && cycles <= (slowest.at(-1)?.cycles ?? 0)) return;
  slowest.push({ row, cycles });
  slowest.sort((x, y) => y.cycles - x.cycles || x.row - y.row);
  slowest.length = Math.min(slowest.length, SLOWEST);
}

function described(store: TraceStore, { path, total, stages, slowest }: Shape): OperationShape {
  const nameOf = (row: number): string => kindRow(store.kindOf(row)).name;
  return {
    begin: nameOf(path.rows[0] ?? 0),
    end: nameOf(path.rows.at(-1) ?? 0),
    total: total.distribution(),
    stages: path.legs.map(({ what, row }, i) => ({
      what,
      kind: store.kindOf(row),
      name: nameOf(row),
      ...(stages[i]?.distribution() ?? NOTHING),
    })),
    slowest,
  };
}

const NOTHING: Distribution = { count: 0, total: 0, min: 0, p50: 0, p90: 0, p99: 0, max: 0 };
