/** Where nothing happens: every CPU asleep or without work, and no event begins. */
import { modeRoles, type LaneBins } from '../../src/protocol/viewport';
import type { TimeWindow } from './window';

const RESTING: readonly number[] = [modeRoles.indexOf('asleep'), modeRoles.indexOf('idle')];
/** Of a bin, that CPUs may work in it for all that: shares are rounded. */
const ROUNDING = 1e-3;

/**
 * Idle stretches, each at least two bins long.
 * @param modes the modes of all CPUs together
 * @param events everything that was recorded, in the same bins
 * @param bin cycles
 */
export function idleStretches(
  modes: Pick<LaneBins, 'shares'>,
  events: Pick<LaneBins, 'count'>,
  from: number,
  bin: number,
): TimeWindow[] {
  const { shares } = modes;
  if (!shares) return [];
  const isIdle = (x: number): boolean => {
    let working = 0;
    let resting = 0;
    for (let mode = 0; mode < modeRoles.length; mode++) {
      const share = shares[x * modeRoles.length + mode] ?? 0;
      if (RESTING.includes(mode)) resting += share;
      else working += share;
    }
    return (events.count[x] ?? 0) === 0 && working <= ROUNDING && resting >= 0.5;
  };
  const stretches: TimeWindow[] = [];
  for (let x = 0; x < events.count.length;) {
    let end = x;
    while (end < events.count.length && isIdle(end)) end++;
    if (end - x >= 2) stretches.push({ from: from + x * bin, to: from + end * bin });
    x = end + 1;
  }
  return stretches;
}
