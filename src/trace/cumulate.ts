/** Exact covered time of a stream up to a moment, from the stream's sums. */
import type { Stream } from './stream';
import type { TraceStore } from './store';

/**
 * Per kind slot of the stream: how many events start before `time`, and how many cycles they cover up to `time`. That is
 * all cycles of the events that start before it, less what reaches beyond it. `at` is `stream.before(time)`.
 */
export function cumulate(
  store: TraceStore,
  stream: Stream,
  time: number,
  at: number,
  counts: Float64Array,
  cycles: Float64Array,
): void {
  stream.totals(at, counts, cycles);
  const add = (row: number, change: number): void => {
    const slot = stream.slot(store.kindOf(row));
    cycles[slot] = (cycles[slot] ?? 0) + change;
  };
  stream.reaching(at, time, (row) => add(row, time - store.startOf(row) - store.closedDurationOf(row)));
  for (const row of stream.open) {
    const start = store.startOf(row);
    if (start < time) add(row, Math.max(0, Math.min(time, store.endTime) - start));
  }
}

/** Per kind of the stream: events that start in [from, to), and the cycles of the window that its events cover. */
export function coveredBetween(
  store: TraceStore,
  stream: Stream,
  from: number,
  to: number,
): { kind: number; count: number; cycles: number }[] {
  const slots = stream.sums.length;
  const [countsA, cyclesA, countsB, cyclesB] = [0, 1, 2, 3].map(() => new Float64Array(slots)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  cumulate(store, stream, from, stream.before(from), countsA, cyclesA);
  cumulate(store, stream, to, stream.before(to), countsB, cyclesB);
  return stream.sums.map(({ kind }, slot) => ({
    kind,
    count: (countsB[slot] ?? 0) - (countsA[slot] ?? 0),
    cycles: (cyclesB[slot] ?? 0) - (cyclesA[slot] ?? 0),
  }));
}
