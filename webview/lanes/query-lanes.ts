/** Lanes of queries, under a heading of their own at the top. */
import { queryLaneLimits, type QueryLane } from '../../src/protocol/query-lanes';
import type { Lane } from '../../src/protocol/viewport';
import { parseQuery } from '../../src/trace/query/query';

/** Their heading. */
export const QUERY_GROUP = 'Queries';

const PREFIX = 'query/';

/** An id that none of some lanes has. */
export function queryLaneId(lanes: readonly QueryLane[]): string {
  const taken = new Set(lanes.map(({ id }) => id));
  for (let n = 1; ; n++) if (!taken.has(`${PREFIX}${n}`)) return `${PREFIX}${n}`;
}

/** As lanes of the timeline. */
export function queryLanesOf(lanes: readonly QueryLane[]): Lane[] {
  return lanes.map(({ id, label, query }) => ({
    id,
    label,
    track: label,
    part: '',
    group: QUERY_GROUP,
    trackIds: [],
    groups: [],
    kind: 'spans',
    empty: false,
    query,
  }));
}

/** Those of kept lanes whose queries this version understands. */
export function understood(lanes: readonly QueryLane[]): QueryLane[] {
  return lanes.slice(0, queryLaneLimits.lanes).filter(({ query }) => {
    try {
      parseQuery(query);
      return true;
    } catch {
      return false;
    }
  });
}
