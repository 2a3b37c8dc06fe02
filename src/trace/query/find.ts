/** Finding events by query: next, previous, how many, and pages of a table. */
import type { EventTableQuery, EventTableResult } from '../../protocol/details';
import { eventRow } from './describe';
import { matcherOf } from './match';
import { parseQuery } from './query';
import type { TraceStore } from './store';

/** What the last question found, so that paging and stepping do not search again. */
interface Found {
  key: string;
  storeRows: number;
  /** Matching rows, ascending. */
  rows: Uint32Array;
}

const last = new WeakMap<TraceStore, Found>();

/** All rows that match, ascending; of events that start in [from, to) when a window is given. */
function search(store: TraceStore, text: string, from = -Infinity, to = Infinity): Uint32Array {
  const key = `${store.truncations} ${from} ${to} ${text}`;
  const known = last.get(store);
  if (known?.key === key && known.storeRows === store.rows) return known.rows;
  const matcher = matcherOf(store, parseQuery(text));
  let rows = new Uint32Array(1024);
  let count = 0;
  for (let row = 0; row < store.rows; row++) {
    const start = store.startOf(row);
    if (start < from || start >= to || !matcher(row)) continue;
    if (count === rows.length) {
      const larger = new Uint32Array(count * 2);
      larger.set(rows);
      rows = larger;
    }
    rows[count++] = row;
  }
  const found = rows.slice(0, count);
  last.set(store, { key, storeRows: store.rows, rows: found });
  return found;
}

/** Number of values below `value` in ascending rows. */
function below(rows: Uint32Array, value: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The nearest matching row after (1) or before (-1) `fromRow`, which itself does not count; -1 when none. `matches` is
 * the number of matching rows in the whole trace. @throws QueryError when the query cannot be understood.
 */
export function find(
  store: TraceStore,
  query: string,
  fromRow: number,
  direction: 1 | -1,
): { row: number; matches: number } {
  const rows = search(store, query);
  const at = direction === 1 ? below(rows, fromRow + 1) : below(rows, fromRow) - 1;
  return { row: rows[at] ?? -1, matches: rows.length };
}

/**
 * A page of the events that start in a window and match, in recording order.
 * @throws QueryError when the filter cannot be understood.
 */
export function eventTable(store: TraceStore, query: EventTableQuery): EventTableResult {
  const rows = search(store, query.filter, query.from, query.to);
  const page = rows.subarray(Math.max(0, query.offset), Math.max(0, query.offset) + Math.max(0, query.limit));
  return { rows: [...page].map((row) => eventRow(store, row)), total: rows.length };
}
