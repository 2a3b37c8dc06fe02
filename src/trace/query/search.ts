/**
 * A query's matches in a trace, found piece by piece so that nobody waits for ten million rows, kept in the order of time, and brought up to
 * date as the trace grows. Find, table, lanes and the marks of the overview share them.
 */
import { Kind, kindRow } from '../vocabulary/events';
import { hasRelation, prepare, type PreparedQuery } from './match';
import { OrderedRows } from './ordered-rows';
import { parseQuery, type QueryNode } from './query';
import { spansAround } from './spans-around';
import type { TraceStore } from './store';
import { Stream } from './stream';

/** Whether to go on searching; asked every few thousand rows. */
export type Patience = () => boolean;

/** Searches to the end. */
export const patient: Patience = () => true;

/** Rows between two questions whether to go on. */
const STEP = 4096;
/** Searches of a trace that are kept: the reader's, and those of lanes. */
const MOST_KEPT = 24;

export class Search {
  private matched: OrderedRows;
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
  /** Matches by track and group, once a lane wants them. */
  private streams: Map<string, Stream> | undefined;

  constructor(
    private readonly store: TraceStore,
    private readonly query: QueryNode,
  ) {
    this.matched = this.noRows();
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
      const to = Math.min(store.rows, this.looked + STEP);
      for (let row = this.looked; row < to; row++) {
        const kind = store.kindOf(row);
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

  /** The matches of each track and group as streams, for a lane. */
  lanes(): readonly Stream[] {
    if (!this.streams) {
      this.streams = new Map();
      for (let i = 0; i < this.matched.length; i++) this.addToStream(this.streams, this.matched.at(i));
    }
    for (const stream of this.streams.values()) {
      stream.open = [];
      stream.update();
    }
    for (const row of this.unended)
      if (this.store.isOpen(row) && this.matched.indexOf(row) >= 0) {
        const stream = this.streams.get(this.streamKey(row));
        if (stream) stream.open = [...stream.open, row];
      }
    return [...this.streams.values()];
  }

  private noRows(): OrderedRows {
    return new OrderedRows((row) => this.store.startOf(row));
  }

  private restart(): void {
    this.matched = this.noRows();
    this.looked = 0;
    this.cuts = this.store.truncations;
    this.changes = this.store.changedRows.length;
    this.unended.clear();
    this.streams = undefined;
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
    const before = this.matched.indexOf(row) >= 0;
    if (matches && !before) this.add(row);
    else if (matches) this.streams?.get(this.streamKey(row))?.touch(row);
    else if (before) {
      this.matched.remove(row);
      this.streams = undefined;
    }
  }

  private add(row: number): void {
    this.matched.push(row);
    if (this.streams) this.addToStream(this.streams, row);
  }

  private addToStream(streams: Map<string, Stream>, row: number): void {
    const key = this.streamKey(row);
    let stream = streams.get(key);
    if (!stream) streams.set(key, (stream = new Stream(this.store.trackOf(row), this.store)));
    stream.push(row, this.store.startOf(row));
  }

  private streamKey(row: number): string {
    return `${this.store.trackOf(row)} ${kindRow(this.store.kindOf(row)).group}`;
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
