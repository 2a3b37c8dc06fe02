/** Why an event happened and what came of it: the `cause` column followed both ways. */
import { BLOCK_SHIFT } from '../block';
import { Kind } from '../vocabulary/events';
import type { ChainReach } from '../../protocol/details';
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
    const { newest, older } = this;
    while (this.rows < store.rows) {
      const block = store.block(this.rows >>> BLOCK_SHIFT);
      if (block === undefined) return;
      const { firstRow, cause, kind } = block;
      const end = Math.min(store.rows, firstRow + cause.length);
      for (let row = this.rows; row < end; row++) {
        const by = cause[row - firstRow] - 1;
        const what = kind[row - firstRow];
        // As `causeOf` has it: a cause stands before its consequence.
        if (by < 0 || by >= row || what === Kind.ArgsHigh || what === Kind.SpanOverflow) continue;
        older[row] = newest[by];
        newest[by] = row + 1;
      }
      this.rows = end;
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
  /** There are causes further back than was asked for. */
  moreBefore: boolean;
  /** There are consequences further on than was asked for. */
  moreAfter: boolean;
  /** There is more than the limit, within the steps that were asked for. */
  truncated: boolean;
}

const WHOLE: ChainReach = { back: Infinity, forward: Infinity, limit: 1000 };

/**
 * The causal chain through a row: its causes, itself, and what came of it, nearest first where the limit cuts.
 * @throws RangeError when there is no such row.
 */
export function chainOf(store: TraceStore, row: number, reach: Partial<ChainReach> = {}): Chain {
  const { back, forward, limit } = { ...WHOLE, ...reach };
  store.get(row);
  const causes: ChainLink[] = [];
  let root = row;
  let truncated = false;
  let moreBefore = false;
  for (let cause = store.causeOf(row), depth = -1; cause >= 0; cause = store.causeOf(cause), depth--) {
    root = cause;
    if (depth < -back) moreBefore = true;
    else if (causes.length < limit - 1) causes.push({ row: cause, depth });
    else truncated = true;
  }
  const links: ChainLink[] = [...causes, { row, depth: 0 }];
  const index = indexOf(store);
  let moreAfter = false;
  // Breadth first: where the limit cuts, it cuts the far consequences.
  for (let i = links.length - 1; i < links.length; i++) {
    const link = links[i];
    if (link.depth === forward) {
      moreAfter ||= index.of(link.row, 1).length > 0;
      continue;
    }
    const room = limit - links.length;
    const next = index.of(link.row, room + 1);
    if (next.length > room) truncated = true;
    for (const consequence of next.slice(0, room)) links.push({ row: consequence, depth: link.depth + 1 });
    if (room <= 0 && truncated) break;
  }
  links.sort((x, y) => x.row - y.row);
  return { links, root, moreBefore, moreAfter, truncated };
}

/** The operation an event belongs to: the root of its chain (one packet, one request, one kick). */
export function operationOf(store: TraceStore, row: number): number {
  let root = row;
  for (let cause = store.causeOf(row); cause >= 0; cause = store.causeOf(cause)) root = cause;
  return root;
}
