/** Exact covered time of a stream up to a moment, from the stream's sums. */
import type { Stream } from './stream';
import type { TraceStore } from './store';

/**
 * `Stream.upTo` with open spans, which reach to the end of the trace so far: per kind slot, how many events start before
 * `time`, and how many cycles they cover up to it. Returns `stream.before(time)`.
 */
export function cumulate(
  store: TraceStore,
  stream: Stream,
  time: number,
  counts: Float64Array,
  cycles: Float64Array,
): number {
  const at = stream.upTo(time, counts, cycles);
  for (const row of stream.open) {
    const start = store.startOf(row);
    if (start >= time) continue;
    const slot = stream.slot(store.kindOf(row));
    cycles[slot] = (cycles[slot] ?? 0) + Math.max(0, Math.min(time, store.endTime) - start);
  }
  return at;
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
  cumulate(store, stream, from, countsA, cyclesA);
  cumulate(store, stream, to, countsB, cyclesB);
  return stream.sums.map(({ kind }, slot) => ({
    kind,
    count: (countsB[slot] ?? 0) - (countsA[slot] ?? 0),
    cycles: (cyclesB[slot] ?? 0) - (cyclesA[slot] ?? 0),
  }));
}
