/** Exact covered time of a stream within a window. */
import type { Stream } from './stream';
import type { TraceStore } from './store';

/**
 * `Stream.upTo` with open spans, which reach to the end of the trace so far: per slot, how many events start before `time`, and
 * how many cycles they cover up to it.
 */
function cumulate(
  store: TraceStore,
  stream: Stream,
  time: number,
): { counts: Float64Array; cycles: Float64Array } {
  const counts = new Float64Array(stream.kinds.length);
  const cycles = new Float64Array(stream.kinds.length);
  stream.upTo(time, counts, cycles);
  for (const row of stream.open) {
    const start = store.startOf(row);
    if (start >= time) continue;
    cycles[stream.slot(store.kindOf(row))] += Math.max(0, Math.min(time, store.endTime) - start);
  }
  return { counts, cycles };
}

/** Per kind of the stream: events that start in [from, to), and the cycles of the window that its events cover. */
export function coveredBetween(
  store: TraceStore,
  stream: Stream,
  from: number,
  to: number,
): { kind: number; count: number; cycles: number }[] {
  const before = cumulate(store, stream, from);
  const after = cumulate(store, stream, to);
  return stream.kinds.map((kind, slot) => ({
    kind,
    count: after.counts[slot] - before.counts[slot],
    cycles: after.cycles[slot] - before.cycles[slot],
  }));
}
