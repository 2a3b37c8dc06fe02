/** The query of the find box: what is wrong with it, what it finds, and going from match to match. */
import { QueryError, parseQuery } from '../../src/trace/query/query';
import type { FindResult } from '../../src/protocol/details';
import { Signal } from '../host/signal';
import type { Explorer } from './explorer';

/** Milliseconds of rest before what is typed is looked for. */
const REST = 120;

/** What is known of a query's matches. */
export interface Matches {
  /** So far, while not `complete`. */
  count: number;
  complete: boolean;
  /** Place of the one that the reader is at, from 0; -1: at none. */
  index: number;
}

export class Finder {
  /** The last query that could be understood: list, overview and lanes go by it. Empty: none. */
  readonly filter = new Signal('');
  /** What is wrong with the query as it is written. */
  readonly problem = new Signal<QueryError | undefined>(undefined);
  /** Undefined while nothing is looked for. */
  readonly matches = new Signal<Matches | undefined>(undefined);
  #timer = 0;
  /** Questions of an older query are not asked on. */
  #generation = 0;

  constructor(private readonly explorer: Explorer) {
    const { model } = explorer;
    model.query.subscribe(() => {
      this.#generation++;
      clearTimeout(this.#timer);
      this.#timer = window.setTimeout(() => this.settle(), REST);
    });
    let known = model.extent.value.rows;
    model.extent.subscribe(({ rows }) => {
      // A trace that grows has more matches.
      if (rows !== known && this.filter.value !== '') this.#count();
      known = rows;
    });
    this.settle();
  }

  /** Takes the query as it is written now; false when it cannot be understood. */
  settle(): boolean {
    clearTimeout(this.#timer);
    const query = this.explorer.model.query.value.trim();
    try {
      parseQuery(query);
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      this.problem.value = error;
      this.matches.value = undefined;
      return false;
    }
    this.problem.value = undefined;
    if (query !== this.filter.value || !this.matches.value) {
      this.filter.value = query;
      if (query === '') this.matches.value = undefined;
      else this.#count();
    }
    return true;
  }

  /** Goes to the next or previous match, from the end to the beginning if need be. */
  async go(direction: 1 | -1): Promise<void> {
    const { explorer } = this;
    const { model } = explorer;
    if (!this.settle() || this.filter.value === '') return;
    const { rows } = model.extent.value;
    const from = model.selection.value >= 0 ? model.selection.value : direction > 0 ? -1 : rows;
    let found = await this.search(from, direction);
    if (found?.row === -1 && found.matches > 0)
      found = await this.search(direction > 0 ? -1 : rows, direction);
    if (!found) return;
    explorer.say(found.row < 0 ? 'No event matches' : `Match ${found.index + 1} of ${found.matches}`);
    if (found.row >= 0) await explorer.reveal(found.row);
  }

  /** Searches the whole trace, in pieces; undefined: another query has been written meanwhile, or the host refused. */
  async search(from: number, direction: 1 | -1): Promise<FindResult | undefined> {
    const generation = ++this.#generation;
    const query = this.filter.value;
    try {
      for (;;) {
        const found = await this.explorer.host.call('find', query, from, direction);
        if (generation !== this.#generation) return undefined;
        const index = found.complete ? found.index : -1;
        this.matches.value = { count: found.matches, complete: found.complete, index };
        if (found.complete) return found;
      }
    } catch (error) {
      if (generation === this.#generation) this.explorer.report(error);
      return undefined;
    }
  }

  /** Counts the matches. */
  #count(): void {
    if (this.explorer.model.extent.value.rows === 0) return;
    const { selection } = this.explorer.model;
    void this.search(-1, 1).then((found) => {
      // The first one is where the reader is only if it is selected.
      if (found && found.row !== selection.value)
        this.matches.value = { count: found.matches, complete: true, index: -1 };
    });
  }
}
