/**
 * A query's matches in a trace, found piece by piece so that nobody waits for ten million rows, kept in the order of time, and brought up to
 * date as the trace grows. Find, table, lanes and the marks of the overview share them.
 */
import { BLOCK_MASK, BLOCK_SHIFT } from '../block';
import { Kind } from '../vocabulary/events';
import { hasRelation, prepare, type PreparedQuery } from './match';
import { MatchedLane } from './matched-lane';
import { OrderedRows } from './ordered-rows';
import { parseQuery, type QueryNode } from './query';
import { spansAround } from './spans-around';
import type { TraceStore } from './store';

/** Whether to go on searching; asked every few thousand rows. */
export type Patience = () => boolean;

/** Searches to the end. */
export const patient: Patience = () => true;

/** Rows between two questions whether to go on: few, for a relation may cost many look-ups for each. */
const STEP = 512;
/** Searches of a trace that are kept: the reader's, and those of lanes. */
const MOST_KEPT = 24;

export class Search {
  private matched: OrderedRows;
  /** The matches as the events of a lane. */
  private matchedLane: MatchedLane;
  private prepared: PreparedQuery | undefined;
  /** Rows that have been looked at. */
  private looked = 0;
  /** The trace that was looked at: how often it has been cut, which of its late values are known, and whether it went on. */
  private cuts: number;
  private changes = 0;
  private preparedRows = -1;
  private running: boolean;
  /** Rows that had not ended when they were looked at. */
  private unended = new Set<number>();

  constructor(
    private readonly store: TraceStore,
    private readonly query: QueryNode,
  ) {
    this.matched = this.noRows();
    this.matchedLane = new MatchedLane(store, this.matched);
    this.cuts = store.truncations;
    this.running = store.meta.state === 'running';
  }

  /** Matches so far, in the order of time. */
  get rows(): OrderedRows {
    return this.matched;
  }

  /** Share of the trace that has been searched, 0 to 1. */
  get share(): number {
    return this.store.rows === 0 ? 1 : Math.min(1, this.looked / this.store.rows);
  }

  get complete(): boolean {
    return this.looked >= this.store.rows;
  }

  /** Goes on, at least a step; true when the whole trace has been searched. */
  advance(patience: Patience = patient): boolean {
    const { store } = this;
    const over = this.running && store.meta.state !== 'running';
    // What is related to a match may come after it: once, when nothing more comes.
    if (store.truncations !== this.cuts || (over && hasRelation(this.query))) this.restart();
    this.running = store.meta.state === 'running';
    if (this.preparedRows !== store.rows || !this.prepared) {
      this.prepared = prepare(store, this.query, spansAround(store));
      this.preparedRows = store.rows;
    }
    const { looksAt, matches } = this.prepared;
    this.review();
    do {
      const to = Math.min(store.rows, this.looked - (this.looked % STEP) + STEP);
      // Steps end where blocks do.
      const block = store.block(this.looked >>> BLOCK_SHIFT);
      for (let row = this.looked; row < to; row++) {
        const kind = block?.kind[row & BLOCK_MASK] ?? 0;
        if (kind === Kind.ArgsHigh || kind === Kind.SpanOverflow) this.lookAgain(store.causeOf(row));
        else if (looksAt(kind)) {
          if (matches(row)) this.add(row);
          if (store.isOpen(row)) this.unended.add(row);
        }
      }
      this.looked = to;
    } while (this.looked < store.rows && patience());
    return this.complete;
  }

  /** The matches so far as the events of a lane. */
  get lane(): MatchedLane {
    return this.matchedLane;
  }

  /** Matches whose end is not known yet. */
  openMatches(): number[] {
    return [...this.unended].filter((row) => this.store.isOpen(row) && this.matched.indexOf(row) >= 0);
  }

  /** How many matches so far begin in each of some equal parts of a stretch of time. */
  density(from: number, to: number, parts: number): Uint32Array {
    const counts = new Uint32Array(parts);
    let before = this.matched.before(from);
    for (let x = 0; x < parts; x++) {
      const next = this.matched.before(x === parts - 1 ? to : from + ((to - from) * (x + 1)) / parts);
      counts[x] = next - before;
      before = next;
    }
    return counts;
  }

  private noRows(): OrderedRows {
    return new OrderedRows((row) => this.store.startOf(row));
  }

  private restart(): void {
    this.matched = this.noRows();
    this.matchedLane = new MatchedLane(this.store, this.matched);
    this.looked = 0;
    this.cuts = this.store.truncations;
    this.changes = this.store.changedRows.length;
    this.unended.clear();
    this.prepared = undefined;
  }

  /** Looks again at what has changed since, or may have. */
  private review(): void {
    const { store } = this;
    const changed = store.changedRows;
    if (this.changes === changed.length && this.unended.size === 0) return;
    const again = new Set(this.unended);
    for (; this.changes < changed.length; this.changes++) {
      const row = changed[this.changes] ?? -1;
      again.add(row);
      const kind = store.kindOf(row);
      if (kind === Kind.ArgsHigh || kind === Kind.SpanOverflow) again.add(store.causeOf(row));
    }
    for (const row of again) {
      this.lookAgain(row);
      if (!store.isOpen(row)) this.unended.delete(row);
    }
  }

  private lookAgain(row: number): void {
    if (row < 0 || row >= this.looked || !this.prepared) return;
    const matches = this.prepared.matches(row);
    const place = this.matched.indexOf(row);
    if (place >= 0) this.matchedLane.changedFrom(place);
    if (matches && place < 0) this.add(row);
    else if (!matches && place >= 0) this.matched.remove(row);
  }

  private add(row: number): void {
    const isLast = this.matched.push(row);
    if (!isLast) this.matchedLane.changedFrom(this.matched.placeOf(row));
  }
}

const searches = new WeakMap<TraceStore, Map<string, Search>>();

/** The search of a query in a trace, begun or gone on with. @throws QueryError when the query cannot be understood */
export function searchFor(store: TraceStore, text: string): Search {
  const kept = searches.get(store) ?? new Map<string, Search>();
  searches.set(store, kept);
  const key = text.trim();
  const search = kept.get(key) ?? new Search(store, parseQuery(key));
  // The one asked for last is the last to be forgotten.
  kept.delete(key);
  kept.set(key, search);
  for (const old of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(old);
  }
  return search;
}
