/** What a host answers a page from a trace, by the code that the product uses. What would move an editor does nothing. */
import type { HostMethods } from '../../../src/protocol/webview';
import { describe, eventChain, operationPath } from '../../../src/trace/query/describe';
import { completeQuery, valuesIn } from '../../../src/trace/query/complete';
import { density, eventTable, find } from '../../../src/trace/query/find';
import { mappingsAt } from '../../../src/trace/query/mappings';
import { operations } from '../../../src/trace/query/operations';
import { statistics } from '../../../src/trace/query/statistics';
import type { TraceStore } from '../../../src/trace/query/store';
import { queryViewport } from '../../../src/trace/query/viewport';

export type Answers = {
  [M in keyof HostMethods]: (...args: Parameters<HostMethods[M]>) => ReturnType<HostMethods[M]>;
};

/** Answers from a store. */
export function answersOf(store: TraceStore): Answers {
  return {
    viewport: (query) => queryViewport(store, query),
    describe: (row) => describe(store, row),
    chain: (row, reach) => eventChain(store, row, reach),
    criticalPath: (row) => operationPath(store, row),
    find: (query, from, direction) => find(store, query, from, direction),
    density: (query, from, to, parts) => density(store, query, from, to, parts),
    complete: (query, cursor) => completeQuery(query, cursor, valuesIn(store)),
    events: (query) => eventTable(store, query),
    statistics: (from, to) => statistics(store, from, to),
    operations: (from, to) => operations(store, from, to),
    mappings: (track, time, address) => mappingsAt(store, track, time, address < 0 ? undefined : address),
    openSource: () => true,
    openDisassembly: () => true,
    queryLanes: () => [],
    keepQueryLanes: () => undefined,
    keepChoices: () => undefined,
    keepBookmarks: () => undefined,
    stop: () => undefined,
    travel: () => undefined,
    debugFrom: () => undefined,
    stopAtLike: () => undefined,
    runAgain: () => undefined,
  };
}
