/** Finding events by query: next, previous, how many, and pages of a list. Events stand in the order of time. */
import type { DensityResult, EventTableQuery, EventTableResult, FindResult } from '../../protocol/details';
import { eventRow } from './describe';
import { patient, searchFor, type Patience } from './search';
import type { OrderedRows } from './ordered-rows';
import type { TraceStore } from './store';

/**
 * The nearest matching event after (1) or before (-1) `fromRow`, which itself does not count; row -1 when none. Before the first event and
 * after the last stand -1 and the number of rows. While not `complete`, it is what has been found so far.
 * @throws QueryError when the query cannot be understood.
 */
export function find(
  store: TraceStore,
  query: string,
  fromRow: number,
  direction: 1 | -1,
  patience: Patience = patient,
): FindResult {
  const search = searchFor(store, query);
  const complete = search.advance(patience);
  const { rows } = search;
  const at = direction === 1 ? afterRow(rows, store, fromRow) : beforeRow(rows, store, fromRow);
  const row = at >= 0 && at < rows.length ? rows.at(at) : -1;
  return { row, matches: rows.length, index: row < 0 ? -1 : at, complete };
}

function afterRow(rows: OrderedRows, store: TraceStore, row: number): number {
  if (row < 0) return 0;
  if (row >= store.rows) return rows.length;
  const at = rows.placeOf(row);
  return at < rows.length && rows.at(at) === row ? at + 1 : at;
}

function beforeRow(rows: OrderedRows, store: TraceStore, row: number): number {
  if (row >= store.rows) return rows.length - 1;
  return row < 0 ? -1 : rows.placeOf(row) - 1;
}

/** Most parts of a stretch of time that are told apart. */
const MOST_PARTS = 16_384;

/**
 * How many matches begin in each of `parts` equal parts of [from, to).
 * @throws QueryError when the query cannot be understood.
 */
export function density(
  store: TraceStore,
  query: string,
  from: number,
  to: number,
  parts: number,
  patience: Patience = patient,
): DensityResult {
  const search = searchFor(store, query);
  const complete = search.advance(patience);
  const counts = search.density(from, to, Math.max(1, Math.min(MOST_PARTS, Math.floor(parts))));
  return { counts: [...counts], complete };
}

/**
 * A page of the events that start in a window and match, in the order of time.
 * @throws QueryError when the filter cannot be understood.
 */
export function eventTable(
  store: TraceStore,
  query: EventTableQuery,
  patience: Patience = patient,
): EventTableResult {
  const search = searchFor(store, query.filter);
  const complete = search.advance(patience);
  const { rows } = search;
  const first = rows.before(query.from);
  const total = Math.max(0, rows.before(query.to) - first);
  const limit = Math.max(0, query.limit);
  const near = nearestOf(rows, store, query.near, first, total);
  // Around the event that is meant, else from where the reader is.
  const wanted = query.around === true && near ? near.index - Math.floor(limit / 2) : query.offset;
  const offset = Math.max(0, Math.min(wanted, Math.max(0, total)));
  const page = rows.slice(first + offset, first + Math.min(total, offset + limit));
  return {
    rows: [...page].map((row) => eventRow(store, row)),
    total,
    offset,
    ...(near && { near }),
    complete,
    share: search.share,
  };
}

/** Where in a window's events an event stands, or which is the nearest to it in time. */
function nearestOf(
  rows: OrderedRows,
  store: TraceStore,
  near: EventTableQuery['near'],
  first: number,
  total: number,
): EventTableResult['near'] {
  if (near === undefined || total === 0) return undefined;
  if ('row' in near && near.row >= store.rows) return undefined;
  const place = 'row' in near ? rows.placeOf(near.row) : rows.before(near.time);
  const time = 'row' in near ? store.startOf(near.row) : near.time;
  const exact = 'row' in near && rows.indexOf(near.row) >= 0;
  const inside = (at: number): number => Math.min(first + total - 1, Math.max(first, at));
  const [left, right] = [inside(place - 1), inside(place)];
  const distance = (at: number): number => Math.abs(store.startOf(rows.at(at)) - time);
  const at = exact || distance(right) <= distance(left) ? right : left;
  return { index: at - first, row: rows.at(at), exact: exact && at === place };
}
