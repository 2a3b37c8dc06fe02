/** From an event to a query for events like it: it finds the event itself, and only what is of its kind at its unit. */
import { beforeAll, describe, expect, it } from 'vitest';
import { likeQuery } from '../../../src/trace/query/like';
import { matcherOf } from '../../../src/trace/query/match';
import { parseQuery } from '../../../src/trace/query/query';
import type { TraceStore } from '../../../src/trace/query/store';
import { bookkeeping, kindRow } from '../../../src/trace/vocabulary/events';
import { jobOf, runJob, sample } from '../../support/runs';

describe('a query for events like one', () => {
  let store: TraceStore;
  beforeAll(async () => {
    ({ store } = runJob(await jobOf(sample('b7-e1000-emulated'))));
  });

  it('matches the event that it was made from, whatever its kind', () => {
    const kinds = new Set<number>();
    for (let row = 0; row < store.rows; row++) {
      const kind = store.kindOf(row);
      if (kinds.has(kind) || bookkeeping.has(kind)) continue;
      kinds.add(kind);
      const query = likeQuery(store, row);
      expect(matcherOf(store, parseQuery(query))(row), query).toBe(true);
    }
    expect(kinds.size).toBeGreaterThan(15);
  });

  it('tells registers apart', () => {
    const rows = Array.from({ length: store.rows }, (_, row) => row);
    const writes = rows.filter((row) => kindRow(store.kindOf(row)).name === 'mmio.write');
    const [first] = writes;
    const like = matcherOf(store, parseQuery(likeQuery(store, first)));
    const same = (row: number): boolean =>
      store.get(row).a === store.get(first).a && store.trackOf(row) === store.trackOf(first);
    expect(rows.filter(like)).toEqual(writes.filter(same));
    expect(writes.filter(same).length).toBeLessThan(writes.length);
  });
});
