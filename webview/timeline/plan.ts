/** How a need for lanes is put into questions that each have a reply of a bounded size. */
import { modeRoles, type Lane, type ViewportQuery } from '../../src/protocol/viewport';
import type { TimeWindow } from '../time/window';

/** Most bytes of columns in one reply: a reply is copied twice on its way here. */
export const REPLY_BYTES = 768 * 1024;

/** Bytes of a bin in `LaneBins` and of an event in `LaneEvents`. */
const BIN_BYTES = 4 + 2 + 4 + 8 + 1;
const SHARE_BYTES = 4 * modeRoles.length;
const EVENT_BYTES = 8 + 8 + 8 + 2 + 8;
/** Events that come singly are at most so many, and at most so many by bin. */
const MOST_EVENTS = 4000;
const EVENTS_PER_BIN = 2;

/** Most bytes that the columns of a lane take for a number of bins. */
export function bytesOf(kind: Lane['kind'], bins: number): number {
  const asBins = bins * (BIN_BYTES + (kind === 'mode' ? SHARE_BYTES : 0));
  return Math.max(asBins, Math.min(MOST_EVENTS, EVENTS_PER_BIN * bins) * EVENT_BYTES);
}

/** The first question for lanes that lack a stretch: as many of them as one reply has room for, at least one. */
export function questionFor(stretch: TimeWindow, bin: number, lanes: readonly Lane[]): ViewportQuery {
  const width = Math.round((stretch.to - stretch.from) / bin);
  let bytes = 0;
  const taken = lanes.filter((lane, index) => {
    bytes += bytesOf(lane.kind, width);
    return index === 0 || bytes <= REPLY_BYTES;
  });
  return { ...stretch, width, lanes: taken };
}
