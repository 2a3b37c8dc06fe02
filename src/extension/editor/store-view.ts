/** A trace store as the editor asks it. Knows no editor. */
import { exportFormats } from '../../trace/exchange/export/formats';
import { traceFileParts } from '../../trace/file/file';
import { chainOf } from '../../trace/query/chain';
import { describe, eventRow } from '../../trace/query/describe';
import { eventTable, find } from '../../trace/query/find';
import { likeQuery } from '../../trace/query/like';
import { mappingsAt } from '../../trace/query/mappings';
import { perLine, statistics } from '../../trace/query/statistics';
import { queryViewport } from '../../trace/query/viewport';
import type { TraceStore } from '../../trace/query/store';
import { judge } from '../../scenario/breaking-events';
import type { FailedExpectations } from '../../protocol/webview';
import { failureText } from '../runs/result-text';
import type { TraceView } from './trace-view';

/** Joins the queries of `trace/` to one store. */
export function storeView(store: TraceStore): TraceView {
  let judged: { failed: FailedExpectations | undefined } | undefined;
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
    get failed() {
      // Told once the run is over, and it stays so.
      if (store.meta.state !== 'finished') return undefined;
      return (judged ??= { failed: failedOf(store) }).failed;
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
    mappings: (track, time, address) => mappingsAt(store, track, time, address < 0 ? undefined : address),
    like: (row) => likeQuery(store, row),
    exported: (format) => exportFormats[format].parts(store),
    fileParts: () => traceFileParts(store),
    perLine: () => perLine(store),
  };
}

function failedOf(store: TraceStore): FailedExpectations | undefined {
  const results = judge(store);
  const text = failureText(results, store.meta);
  const row = results.find(({ held }) => !held)?.event?.row;
  return text === undefined ? undefined : { text, ...(row !== undefined && { row }) };
}
