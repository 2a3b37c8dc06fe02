/** A trace store as the editor asks it. Knows no editor. */
import { completeQuery, valuesIn, type ValuesOf } from '../../trace/query/complete';
import { describe, eventChain, operationPath } from '../../trace/query/describe';
import { density, eventTable, find } from '../../trace/query/find';
import { likeQuery } from '../../trace/query/like';
import { mappingsAt } from '../../trace/query/mappings';
import { operations } from '../../trace/query/operations';
import { registerHistory, registersAt } from '../../trace/query/history';
import { perInstruction, sourceFigures } from '../../trace/query/source-figures';
import { statistics } from '../../trace/query/statistics';
import type { Patience } from '../../trace/query/search';
import { queryViewport } from '../../trace/query/viewport';
import type { TraceStore } from '../../trace/query/store';
import { judge } from '../../scenario/breaking-events';
import type { FailedExpectations } from '../../protocol/webview';
import { failureText } from '../runs/result-text';
import type { TraceQuestions } from './trace-view';

/** Milliseconds that one question may search: the thread has others to answer, and the page asks again. */
const SEARCH_TIME = 20;

function forSearchTime(): Patience {
  const until = performance.now() + SEARCH_TIME;
  return () => performance.now() < until;
}

/** What queries may name in a trace, until it has grown. */
function growingValues(store: TraceStore): () => ValuesOf {
  let values: ValuesOf | undefined;
  let rows = -1;
  return () => {
    if (!values || rows !== store.rows) values = valuesIn(store);
    rows = store.rows;
    return values;
  };
}

/** Joins the queries of `trace/` to one store. */
export function storeView(store: TraceStore): TraceQuestions {
  const values = growingValues(store);
  return {
    viewport: (query) => queryViewport(store, query, forSearchTime()),
    describe: (row) => describe(store, row),
    chain: (row, reach) => eventChain(store, row, reach),
    criticalPath: (row) => operationPath(store, row),
    find: (query, fromRow, direction) => find(store, query, fromRow, direction, forSearchTime()),
    density: (query, from, to, parts) => density(store, query, from, to, parts, forSearchTime()),
    complete: (query, cursor) => completeQuery(query, cursor, values()),
    events: (query) => eventTable(store, query, forSearchTime()),
    statistics: (from, to) => statistics(store, from, to),
    operations: (from, to) => operations(store, from, to, forSearchTime()),
    mappings: (track, time, address) => mappingsAt(store, track, time, address < 0 ? undefined : address),
    like: (row) => likeQuery(store, row),
    failed: () => (store.meta.state === 'finished' ? failedOf(store) : undefined),
    sourceFigures: (span) => sourceFigures(store, span),
    perInstruction: (vm, span) => perInstruction(store, vm, span),
    registerHistory: (path) => registerHistory(store, path),
    registersAt: (row) => registersAt(store, row),
  };
}

function failedOf(store: TraceStore): FailedExpectations | undefined {
  const results = judge(store);
  const text = failureText(results, store.meta);
  const row = results.find(({ held }) => !held)?.event?.row;
  return text === undefined ? undefined : { text, ...(row !== undefined && { row }) };
}
