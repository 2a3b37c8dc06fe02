/** Edges of spans near a time, for what is to be measured exactly. */
import type { LaneEvents } from '../../src/protocol/viewport';
import { lowerBound } from './geometry';

/** Events before a time that are looked at for one that ends near it. */
const LOOK_BACK = 64;

/**
 * The start or end of an event nearest to a time, of any of the lanes; the time itself when none is within reach.
 * @param reach cycles
 */
export function nearestEdge(
  lanes: readonly Pick<LaneEvents, 'start' | 'duration'>[],
  time: number,
  reach: number,
): number {
  let best = time;
  let distance = reach;
  for (const { start, duration } of lanes) {
    const behind = lowerBound(start, time + reach);
    for (let i = behind - 1; i >= Math.max(0, behind - LOOK_BACK); i--) {
      const from = start[i] ?? 0;
      for (const edge of [from, from + (duration[i] ?? 0)]) {
        if (Math.abs(edge - time) > distance) continue;
        best = edge;
        distance = Math.abs(edge - time);
      }
    }
  }
  return best;
}
