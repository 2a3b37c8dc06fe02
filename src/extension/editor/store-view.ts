/** A trace store as the editor asks it. Knows no editor. */
import { chainOf } from '../../trace/chain';
import { describe, eventRow } from '../../trace/describe';
import { eventTable, find } from '../../trace/find';
import { perLine, statistics } from '../../trace/statistics';
import { queryViewport } from '../../trace/viewport';
import type { TraceStore } from '../../trace/store';
import type { TraceView } from './trace-view';

/** Joins the queries of `trace/` to one store. */
export function storeView(store: TraceStore): TraceView {
  return {
    get meta() {
      return store.meta;
    },
    get rows() {
      return store.rows;
    },
    get endTime() {
      return store.endTime;
    },
    viewport: (query) => queryViewport(store, query),
    describe: (row) => describe(store, row),
    chain: (row, limit) => {
      const { links, truncated } = chainOf(store, row, limit);
      return { rows: links.map((link) => eventRow(store, link.row)), truncated };
    },
    find: (query, fromRow, direction) => find(store, query, fromRow, direction),
    events: (query) => eventTable(store, query),
    statistics: (from, to) => statistics(store, from, to),
    perLine: () => perLine(store),
  };
}
