/** Why each source line left the guest. Knows no editor. */
import { kindRow } from '../../trace/events';
import type { TraceStore } from '../../trace/store';

/** How often one reason stands at a line. */
export interface ReasonCount {
  /** `EPT_MISCONFIG`. */
  reason: string;
  count: number;
}

/** Key of a line in the result of `exitReasonsByLine`. */
export function lineKey(file: string, line: number): string {
  return `${file}:${line}`;
}

/** Exit reasons of every source line with exits, most frequent first. One pass over the exits. */
export function exitReasonsByLine(store: TraceStore): Map<string, ReasonCount[]> {
  const byPlace = new Map<number, Map<number, number>>();
  for (const { id } of store.meta.tracks) {
    const stream = store.stream(id, 'exit');
    if (!stream) continue;
    for (const row of stream.slice(0, stream.length)) {
      const { place, kind } = store.get(row);
      const counts = byPlace.get(place) ?? new Map<number, number>();
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
      byPlace.set(place, counts);
    }
  }
  const byLine = new Map<string, Map<number, number>>();
  for (const [id, counts] of byPlace) {
    const place = store.meta.places[id - 1];
    if (place?.file === undefined || place.line === undefined) continue;
    const key = lineKey(place.file, place.line);
    const sum = byLine.get(key) ?? new Map<number, number>();
    // Several instructions of one line add up.
    for (const [kind, count] of counts) sum.set(kind, (sum.get(kind) ?? 0) + count);
    byLine.set(key, sum);
  }
  return new Map([...byLine].map(([key, counts]) => [key, sorted(counts)]));
}

function sorted(counts: ReadonlyMap<number, number>): ReasonCount[] {
  return [...counts]
    .map(([kind, count]) => ({ reason: kindRow(kind).name.replace(/^exit\./, ''), count }))
    .sort((a, b) => b.count - a.count || a.reason.localeCompare(b.reason));
}
