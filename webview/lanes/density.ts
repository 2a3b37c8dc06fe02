/** How tall the columns of a dense lane are. */
import type { ColourRole } from '../../src/trace/vocabulary/events';
import { modeColour, modeRoles } from '../../src/trace/vocabulary/modes';

/** Events in one pixel that fill the whole height: the least of 1, 2, 5, 10, 20, … that no pixel of the lane exceeds. */
export function fullCount(counts: ArrayLike<number>): number {
  let most = 1;
  for (let i = 0; i < counts.length; i++) most = Math.max(most, counts[i] ?? 0);
  const power = 10 ** Math.floor(Math.log10(most) + 1e-9);
  const factor = [1, 2, 5, 10].find((each) => each * power >= most * (1 - 1e-6)) ?? 10;
  return factor * power;
}

/** Share of the height that a number of events fills; `full` is all. Even, so that heights can be compared. */
export function densityHeight(count: number, full: number): number {
  return Math.min(1, Math.max(0, count / full));
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
