/** Spans of a trace in which a moment of a row lies. */
import type { KindGroup } from '../vocabulary/events';
import { byKind, kinds } from '../vocabulary/events';
import { trackOwner } from '../vocabulary/track-name';
import type { SpansAround } from './query-rows';
import type { TraceStore } from './store';

/** Groups that have spans. */
const GROUPS: readonly KindGroup[] = [
  ...new Set([...kinds.values()].flatMap(({ shape, group }) => (shape === 'span' ? [group] : []))),
];

const isSpan = byKind(({ shape }) => (shape === 'span' ? 1 : 0));

/** What answers `within:` for a store: by its streams, so that a row costs a few look-ups whatever the trace's length. */
export function spansAround(store: TraceStore): SpansAround {
  const siblings = new Map<number, readonly number[]>();
  const siblingsOf = (id: number): readonly number[] => {
    let tracks = siblings.get(id);
    if (!tracks) {
      const own = store.trackAt(id);
      tracks = own
        ? store.meta.tracks
            .filter((each) => each.group === own.group && trackOwner(each) === trackOwner(own))
            .map((each) => each.id)
        : [];
      siblings.set(id, tracks);
    }
    return tracks;
  };
  return (row, test) => {
    const time = store.startOf(row);
    for (const track of siblingsOf(store.trackOf(row))) {
      for (const group of GROUPS) {
        const stream = store.stream(track, group);
        if (!stream) continue;
        const holds = (span: number): boolean =>
          span !== row && isSpan[store.kindOf(span)] === 1 && store.startOf(span) <= time && test(span);
        // Times are whole: what starts before the next cycle starts no later than this one.
        const begins = stream.between(time, time + 1).rows.filter((span) => store.closedDurationOf(span) > 0);
        if (stream.reaching(time).some(holds) || begins.some(holds) || stream.open.some(holds)) return true;
      }
    }
    return false;
  };
}
