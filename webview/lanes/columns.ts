/** A lane by pixels: bins or events of an answer, brought onto the columns of the screen. */
import { modeRoles, type Lane, type LaneBins, type LaneEvents } from '../../src/protocol/viewport';
import { byKind } from '../../src/trace/vocabulary/events';
import { binned } from './geometry';

const isFault = byKind(({ role }) => (role === 'fault' ? 1 : 0));

/** Columns of one pixel each, at whole multiples of `pixel` cycles; see `LaneBins`. */
export interface Columns extends Omit<LaneBins, 'type' | 'count'> {
  /** Cycles at the left edge of the first column. */
  from: number;
  /** Cycles of a column. */
  pixel: number;
  /** Events by column; those of a bin that lies in two columns are shared out. */
  count: ArrayLike<number>;
}

/** First column and number of columns that [from, to) touches. */
function columnsIn(from: number, to: number, pixel: number): { first: number; width: number } {
  const first = Math.floor(from / pixel + 1e-9);
  return { first, width: Math.max(1, Math.ceil(to / pixel - 1e-9) - first) };
}

/** The columns that bins from `from` on, of `bin` cycles each, make. Sums of counts and of covered time stay the same. */
export function merged(bins: LaneBins, from: number, bin: number, pixel: number): Columns {
  const n = bins.count.length;
  const { first, width } = columnsIn(from, from + n * bin, pixel);
  const modes = modeRoles.length;
  const count = new Float32Array(width);
  const columns: Columns = {
    from: first * pixel,
    pixel,
    count,
    kind: new Uint16Array(width),
    cover: new Float32Array(width),
    row: new Float64Array(width).fill(-1),
    fault: new Uint8Array(width),
    ...(bins.shares && { shares: new Float32Array(width * modes) }),
  };
  /** What the chosen bin of a column covers of it. */
  const weight = new Float32Array(width).fill(-1);
  const step = bin / pixel;
  const start = from / pixel - first;
  for (let i = 0; i < n; i++) {
    const left = start + i * step;
    const right = Math.min(width, left + step);
    const row = bins.row[i] ?? -1;
    if (row < 0 && (bins.count[i] ?? 0) === 0 && (bins.cover[i] ?? 0) === 0) continue;
    const kind = bins.kind[i] ?? 0;
    const fault = isFault[kind] === 1;
    const home = Math.min(width - 1, Math.max(0, Math.floor(left + 1e-9)));
    if (bins.fault[i] === 1) columns.fault[home] = 1;
    for (let x = home; x < right - 1e-9; x++) {
      const overlap = Math.min(right, x + 1) - Math.max(left, x);
      const covered = (bins.cover[i] ?? 0) * overlap;
      count[x] = (count[x] ?? 0) + ((bins.count[i] ?? 0) * overlap) / step;
      columns.cover[x] = (columns.cover[x] ?? 0) + covered;
      if (bins.shares && columns.shares) {
        for (let mode = 0; mode < modes; mode++) {
          const share = (bins.shares[i * modes + mode] ?? 0) * overlap;
          if (share > 0) columns.shares[x * modes + mode] = (columns.shares[x * modes + mode] ?? 0) + share;
        }
      }
      // What begins here counts for more than what only goes on; a fault is the last thing a column takes its colour from.
      const heavy = fault ? 0 : 0.01 + covered + ((bins.count[i] ?? 0) > 0 ? overlap : 0);
      const better = heavy > (weight[x] ?? -1);
      if (better) {
        weight[x] = heavy;
        columns.kind[x] = kind;
      }
      // The row of a fault sticks.
      if (bins.fault[i] === 1 ? x === home : better && columns.fault[x] === 0) columns.row[x] = row;
    }
  }
  return columns;
}

/** The columns that single events of [from, to) make. */
export function columnsOfEvents(
  events: LaneEvents,
  from: number,
  to: number,
  pixel: number,
  kind: Lane['kind'],
): Columns {
  const { first, width } = columnsIn(from, to, pixel);
  const left = first * pixel;
  const { type: _, ...bins } = binned(events, left, left + width * pixel, width, kind);
  return { ...bins, from: left, pixel };
}
