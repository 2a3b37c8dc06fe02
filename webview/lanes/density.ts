/** How tall the columns of a dense lane are. */
import type { ColourRole } from '../../src/trace/vocabulary/events';
import { modeColour, modeRoles } from '../../src/trace/vocabulary/modes';

/** Least height of a pixel that holds anything. */
const LEAST = 0.6;
/** Events in one pixel that fill the whole height: the least of 16, 64, 256, … that no pixel of the lane exceeds. */
export function fullCount(counts: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < counts.length; i++) most = Math.max(most, counts[i] ?? 0);
  return Math.max(16, 4 ** Math.ceil(Math.log(Math.max(1, most)) / Math.log(4) - 1e-9));
}

/** Share of the height that a number of events fills, on a logarithmic scale: `full` is all. */
export function densityHeight(count: number, full: number): number {
  if (count <= 0) return 0;
  const share = Math.log2(1 + count) / Math.log2(1 + full);
  return Math.min(1, LEAST + (1 - LEAST) * share);
}

/** Pixel rows of a column of modes, from the bottom: one entry per mode that gets any, its share rounded in sum. */
export function stackOf(
  shares: ArrayLike<number>,
  x: number,
  tracks: number,
  height: number,
): { role: ColourRole; from: number; to: number }[] {
  const pieces: { role: ColourRole; from: number; to: number }[] = [];
  let sum = 0;
  let from = 0;
  modeRoles.forEach((role, mode) => {
    sum += (shares[x * modeRoles.length + mode] ?? 0) / Math.max(1, tracks);
    const to = Math.round(Math.min(1, sum) * height);
    if (to > from) pieces.push({ role: modeColour(role), from, to });
    from = to;
  });
  return pieces;
}
