/** What of a lane's events is where: nesting, and which event lies under a point. Pixels across, cycles in time. */
import { modeRoles, type Lane, type LaneBins, type LaneEvents } from '../../src/protocol/viewport';
import { kindRow } from '../../src/trace/vocabulary/events';

/** Nested spans deeper than this share the innermost place. */
export const MAX_DEPTH = 3;

/** Depth of every event: how many spans before it are still running at its start, at most `MAX_DEPTH`. */
export function depthsOf(events: LaneEvents): Uint8Array {
  const depths = new Uint8Array(events.start.length);
  const ends: number[] = [];
  for (let i = 0; i < depths.length; i++) {
    const start = events.start[i] ?? 0;
    const duration = events.duration[i] ?? 0;
    while (ends.length > 0 && (ends[ends.length - 1] ?? 0) <= start) ends.pop();
    depths[i] = Math.min(ends.length, MAX_DEPTH);
    if (duration > 0) ends.push(start + duration);
  }
  return depths;
}

/** First index whose start is at or after `time`. */
export function lowerBound(starts: Float64Array, time: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Index of the event under a time: the innermost span that covers it, else the nearest start within `reach` cycles;
 * -1 when there is none. An instant within reach goes before a span that covers it.
 */
export function eventAt(events: LaneEvents, time: number, reach: number): number {
  let covering = -1;
  let nearest = -1;
  let distance = reach;
  for (let i = lowerBound(events.start, time + reach) - 1; i >= 0; i--) {
    const start = events.start[i] ?? 0;
    const end = start + (events.duration[i] ?? 0);
    const away = time < start ? start - time : time > end ? time - end : end > start ? reach * 0.999 : 0;
    if (covering < 0 && end > start && start <= time && time < end) covering = i;
    if (end - start <= 2 * reach) {
      const near = Math.abs((start + end) / 2 - time);
      if (near <= distance && away <= reach) {
        nearest = i;
        distance = near;
      }
    }
  }
  return nearest >= 0 ? nearest : covering;
}

/** Pixel of a bin answer near `x` that holds something, at most `reach` pixels away; -1 none. */
export function binAt(bins: Pick<LaneBins, 'row'>, x: number, reach: number): number {
  const filled = (at: number): boolean => (bins.row[at] ?? -1) >= 0;
  const centre = Math.floor(x);
  for (let away = 0; away <= reach; away++) {
    if (filled(centre - away)) return centre - away;
    if (filled(centre + away)) return centre + away;
  }
  return -1;
}

/** Events of a window as bins, for a lane where single events would run into one another. */
export function binned(
  events: LaneEvents,
  from: number,
  to: number,
  width: number,
  kind: Lane['kind'] = 'spans',
): LaneBins {
  const bins: LaneBins = {
    type: 'bins',
    count: new Uint32Array(width),
    kind: new Uint16Array(width),
    cover: new Float32Array(width),
    row: new Float64Array(width).fill(-1),
    fault: new Uint8Array(width),
    ...(kind === 'mode' && { shares: new Float32Array(width * modeRoles.length) }),
  };
  const pixel = (to - from) / width;
  /** What the shown event of a pixel covers of it; a fault is shown before anything else. */
  const weight = new Float32Array(width).fill(-1);
  for (let i = 0; i < events.start.length; i++) {
    const start = events.start[i] ?? 0;
    const end = start + (events.duration[i] ?? 0);
    const { role, mode: does } = kindRow(events.kind[i] ?? 0);
    const mode = modeRoles.findIndex((each) => each === does);
    const first = Math.min(width - 1, Math.max(0, Math.floor((start - from) / pixel)));
    const last = Math.min(width - 1, Math.max(first, Math.floor((end - from) / pixel)));
    bins.count[first] = (bins.count[first] ?? 0) + 1;
    if (role === 'fault') bins.fault[first] = 1;
    for (let x = first; x <= last; x++) {
      const left = from + x * pixel;
      const covered = Math.max(0, Math.min(end, left + pixel) - Math.max(start, left)) / pixel;
      bins.cover[x] = Math.min(1, (bins.cover[x] ?? 0) + covered);
      if (bins.shares && mode >= 0) {
        const at = x * modeRoles.length + mode;
        bins.shares[at] = (bins.shares[at] ?? 0) + covered;
      }
      if (role === 'fault' && x === first) bins.row[x] = events.row[i] ?? -1;
      // An instant takes the pixel only from nothing or from a fault.
      const heavy = role === 'fault' ? 0 : covered + 1;
      if (heavy <= (weight[x] ?? -1)) continue;
      weight[x] = heavy;
      bins.kind[x] = events.kind[i] ?? 0;
      if (bins.fault[x] === 0 || role === 'fault') bins.row[x] = events.row[i] ?? -1;
    }
  }
  return bins;
}

/** Position of the first event behind one that is not at the same instant. */
export function nextInstant({ start, kind }: Pick<LaneEvents, 'start' | 'kind'>, index: number): number {
  let next = index + 1;
  while (next < start.length && start[next] === start[index] && kindRow(kind[next] ?? 0).shape === 'instant')
    next++;
  return next;
}
