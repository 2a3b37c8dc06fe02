/** A thread that compares traces: reports once, then answers for single operations until its page is closed. Knows no editor. */
import type { ComparisonReport, CourseQuery } from '../../protocol/comparison';
import type { OperationCourse, Pair } from '../../protocol/difference';
import { compareRuns } from '../../trace/query/compare';
import { courseOf, differenceOf } from '../../trace/query/difference';
import { exitsOverTime, timeByMode } from '../../trace/query/over-time';
import type { TraceStore } from '../../trace/query/store';
import { gapSentence } from '../../trace/vocabulary/gaps';

/** Lines and reasons that a page gets; the rest cost next to nothing. */
const MOST_ROWS = 500;
/** Stretches of time of the longest run. */
const STRETCHES = 100;
/** Gaps of a trace that are told of. */
const MOST_GAPS = 5;

/** A trace under the name of its column. */
export interface NamedStore {
  name: string;
  store: TraceStore;
}

/** Makes the report. `progress` hears what share of it is done. */
export function reportOf(runs: readonly NamedStore[], progress: (share: number) => void): ComparisonReport {
  const stores = runs.map(({ store }) => store);
  const [first, ...others] = stores;
  // Each run's figures cost about as much as its differences from the first.
  const steps = 2 + others.length;
  const comparison = compareRuns(runs);
  progress(1 / steps);
  const overTime = exitsOverTime(stores, STRETCHES);
  const modes = timeByMode(stores);
  progress(2 / steps);
  const differences = others.map((other, i) => {
    const difference = differenceOf(first as TraceStore, other);
    progress((3 + i) / steps);
    return {
      ...difference,
      allLines: difference.lines.length,
      lines: difference.lines.slice(0, MOST_ROWS),
      reasons: difference.reasons.slice(0, MOST_ROWS),
    };
  });
  return {
    comparison,
    about: stores.map(({ rows, meta: { frequencyHz, gaps } }) => ({
      events: rows,
      frequencyHz,
      gaps: gaps.slice(0, MOST_GAPS).map((gap) => gapSentence(gap, frequencyHz)),
    })),
    overTime,
    modes,
    differences,
  };
}

/** The operations that a page asks for. */
export function coursesOf(
  runs: readonly NamedStore[],
  { difference, sort, index }: CourseQuery,
): Pair<OperationCourse | null> {
  const [first, other] = [runs[0], runs[difference + 1]];
  if (!first || !other) throw new RangeError('There is no such run in this comparison.');
  return [courseOf(first.store, sort, index), courseOf(other.store, sort, index)];
}

/** The first event that starts at a time or later; -1: none. */
export function rowAtTime(store: TraceStore, seconds: number): number {
  const from = seconds * store.meta.frequencyHz;
  let found = -1;
  for (const { id } of store.meta.tracks) {
    const stream = store.stream(id, 'exit');
    const row = stream && stream.before(from) < stream.length ? stream.rowAt(stream.before(from)) : -1;
    if (row >= 0 && (found < 0 || store.startOf(row) < store.startOf(found))) found = row;
  }
  return found;
}
