/**
 * The critical path of one operation: from the driver's access that began it to the end of the handler that learnt of it, by
 * the `cause` column alone. Each moment of it belongs to one leg, so that the legs add up to the whole.
 */
import { Kind, bookkeeping, isExit } from '../vocabulary/events';
import { consequencesOf } from './chain';
import type { TraceStore } from './store';

/** A stretch of a path's time. */
export interface PathLeg {
  /** `in`: the event at `row` goes on. `until`: it is waited for. */
  what: 'in' | 'until';
  row: number;
  /** Cycles. */
  from: number;
  cycles: number;
}

/** A way from cause to consequence. Times in cycles. */
export interface CausalPath {
  /** Events from the first cause to the last consequence. */
  rows: number[];
  legs: PathLeg[];
  from: number;
  to: number;
}

/** How many consequences are looked at to find where an operation ends. */
const MOST_CONSEQUENCES = 10_000;

/**
 * Causes of an event back to where its operation began: the nearest VM exit, which is the driver's access, or else the
 * first cause that is not another handler's work. First cause first, the event itself last.
 */
export function causesWithin(store: TraceStore, row: number): number[] {
  const rows = [row];
  for (let at = row; !isExit(store.kindOf(at));) {
    at = store.causeOf(at);
    if (at < 0 || store.kindOf(at) === Kind.Handler) break;
    rows.push(at);
  }
  return rows.reverse();
}

/**
 * The legs of the path along some causes of an event to the event's end, one after the other.
 * @param rows as `causesWithin` gives them
 * @param visit gets each leg: whether it is waited for, its event, and when it begins and ends
 */
export function eachLeg(
  store: TraceStore,
  rows: readonly number[],
  visit: (waits: boolean, row: number, from: number, to: number) => void,
): void {
  let at = store.startOf(rows[0] ?? 0);
  rows.forEach((row, i) => {
    const next = rows[i + 1];
    const begins = next === undefined ? Infinity : store.startOf(next);
    const end = Math.min(begins, store.startOf(row) + store.durationOf(row));
    if (end > at) {
      visit(false, row, at, end);
      at = end;
    }
    if (next === undefined || begins <= at) return;
    visit(true, next, at, begins);
    at = begins;
  });
}

/** The path of the causes of an event, to the event's end. @throws RangeError when there is no such row. */
export function pathTo(store: TraceStore, row: number): CausalPath {
  store.get(row);
  const rows = causesWithin(store, row);
  const legs: PathLeg[] = [];
  const from = store.startOf(rows[0] ?? row);
  eachLeg(store, rows, (waits, of, begins, ends) =>
    legs.push({ what: waits ? 'until' : 'in', row: of, from: begins, cycles: ends - begins }),
  );
  const last = legs.at(-1);
  return { rows, legs, from, to: last === undefined ? from : last.from + last.cycles };
}

/**
 * Where the operation ends that an event is part of: the first handler among its consequences, or else the one of them that
 * ends last. Consequences of the next access, which a handler makes, are another operation's.
 */
export function endOfOperation(store: TraceStore, row: number): number {
  if (store.kindOf(row) === Kind.Handler) return row;
  const endOf = (at: number): number => store.startOf(at) + store.durationOf(at);
  const seen = [row];
  let handler = -1;
  let last = row;
  for (let i = 0; i < seen.length && seen.length < MOST_CONSEQUENCES; i++) {
    for (const next of consequencesOf(store, seen[i] ?? row)) {
      const kind = store.kindOf(next);
      if (bookkeeping.has(kind) || isExit(kind)) continue;
      if (kind === Kind.Handler) {
        if (handler < 0 || store.startOf(next) < store.startOf(handler)) handler = next;
        continue;
      }
      if (!isInside(store, next, row) && endOf(next) > endOf(last)) last = next;
      seen.push(next);
    }
  }
  return handler >= 0 ? handler : last;
}

/** Whether an event is part of the course of a span, as the legs of an exit are: these lead nowhere. */
function isInside(store: TraceStore, row: number, span: number): boolean {
  const { start, duration, track } = store.get(span);
  const inner = store.get(row);
  return inner.track === track && inner.start + inner.duration <= start + duration;
}

/** The critical path of the operation that an event is part of. @throws RangeError when there is no such row. */
export function criticalPath(store: TraceStore, row: number): CausalPath {
  return pathTo(store, endOfOperation(store, row));
}
