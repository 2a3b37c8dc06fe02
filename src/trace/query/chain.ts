/** Why an event happened and what came of it: the `cause` column followed both ways. */
import { bookkeeping } from '../vocabulary/events';
import type { TraceStore } from './store';

/** Consequences of every row as linked lists, newest first; grows with the store. */
class Consequences {
  private rows = 0;
  private newest = new Uint32Array(0);
  private older = new Uint32Array(0);

  update(store: TraceStore): void {
    if (store.rows > this.newest.length) {
      const capacity = Math.max(store.rows, this.newest.length * 2, 1024);
      const newest = new Uint32Array(capacity);
      newest.set(this.newest);
      const older = new Uint32Array(capacity);
      older.set(this.older);
      this.newest = newest;
      this.older = older;
    }
    for (; this.rows < store.rows; this.rows++) {
      const cause = store.causeOf(this.rows);
      if (cause < 0 || bookkeeping.has(store.kindOf(this.rows))) continue;
      this.older[this.rows] = this.newest[cause] ?? 0;
      this.newest[cause] = this.rows + 1;
    }
  }

  /** Direct consequences, oldest first, at most `limit` (the newest ones of them). */
  of(row: number, limit: number): number[] {
    const found: number[] = [];
    for (let ref = this.newest[row] ?? 0; ref !== 0 && found.length < limit; ref = this.older[ref - 1] ?? 0) {
      found.push(ref - 1);
    }
    return found.reverse();
  }

  count(row: number): number {
    let count = 0;
    for (let ref = this.newest[row] ?? 0; ref !== 0; ref = this.older[ref - 1] ?? 0) count++;
    return count;
  }
}

const indices = new WeakMap<TraceStore, { index: Consequences; truncations: number }>();

/** The index is built at the first question, and brought up to date at every later one. */
function indexOf(store: TraceStore): Consequences {
  let known = indices.get(store);
  if (known?.truncations !== store.truncations) {
    known = { index: new Consequences(), truncations: store.truncations };
    indices.set(store, known);
  }
  known.index.update(store);
  return known.index;
}

/** Rows that a row directly caused, in order, at most `limit`. */
export function consequencesOf(store: TraceStore, row: number, limit = 1000): number[] {
  return indexOf(store).of(row, limit);
}

/** How many rows a row directly caused. */
export function countConsequences(store: TraceStore, row: number): number {
  return indexOf(store).count(row);
}

/** One link of a chain. */
export interface ChainLink {
  row: number;
  /** Steps from the asked row: negative for its causes. */
  depth: number;
}

export interface Chain {
  /** Causes, the row itself and consequences, in row order. */
  links: ChainLink[];
  /** First cause of all. */
  root: number;
  /** There is more than was asked for. */
  truncated: boolean;
}

/**
 * The causal chain through a row: all its causes up to the root, itself, and what came of it, nearest first where the
 * limit cuts. @throws RangeError when there is no such row.
 */
export function chainOf(store: TraceStore, row: number, limit = 1000): Chain {
  store.get(row);
  const causes: ChainLink[] = [];
  let root = row;
  let truncated = false;
  for (let cause = store.causeOf(row), depth = -1; cause >= 0; cause = store.causeOf(cause), depth--) {
    root = cause;
    if (causes.length < limit - 1) causes.push({ row: cause, depth });
    else truncated = true;
  }
  const links: ChainLink[] = [...causes, { row, depth: 0 }];
  const index = indexOf(store);
  // Breadth first: where the limit cuts, it cuts the far consequences.
  for (let i = links.length - 1; i < links.length; i++) {
    const link = links[i];
    if (link === undefined) break;
    const room = limit - links.length;
    const next = index.of(link.row, room + 1);
    if (next.length > room) truncated = true;
    for (const consequence of next.slice(0, room)) links.push({ row: consequence, depth: link.depth + 1 });
    if (room <= 0 && truncated) break;
  }
  links.sort((x, y) => x.row - y.row);
  return { links, root, truncated };
}

/** The operation an event belongs to: the root of its chain (one packet, one request, one kick). */
export function operationOf(store: TraceStore, row: number): number {
  let root = row;
  for (let cause = store.causeOf(row); cause >= 0; cause = store.causeOf(cause)) root = cause;
  return root;
}
