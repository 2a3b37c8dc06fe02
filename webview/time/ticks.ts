/** Round steps of the time axis. */
import type { Clock } from './clock';
import { Folding } from './fold';
import type { TimeWindow } from './window';
import { spanOf } from './window';
import { THIN, formatTime, groupDigits, unitFor } from './format';

export interface Tick {
  /** Cycles. */
  value: number;
  label: string;
}

export interface Ticks {
  ticks: Tick[];
  /** Distance of two ticks in cycles. */
  step: number;
  /** What labels count from when not from the run's start, or their unit when they do not tell; else empty. */
  base: string;
}

/** More digits than this in a label make it an offset from a base. */
const MOST_DIGITS = 4;
/** Cycles are whole, and their labels have no unit: more digits fit. */
const MOST_DIGITS_OF_CYCLES = 9;
const MINUS = '\u2212';

/** The smallest of 1, 2, 5 × 10ⁿ seconds that is at least `least` seconds. */
export function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least) + 1e-12);
  const share = least / power;
  const factor = share <= 1 + 1e-9 ? 1 : share <= 2 + 1e-9 ? 2 : share <= 5 + 1e-9 ? 5 : 10;
  return factor * power;
}

/**
 * Ticks of a window. Inside a folded stretch there are none.
 * @param width pixels of the axis
 * @param spacing least pixels between two ticks
 */
export function timeTicks(
  window: TimeWindow,
  width: number,
  clock: Clock,
  folding: Folding = Folding.none,
  spacing = 92,
): Ticks {
  const { cycles, origin } = clock;
  /** Cycles of a second, or of a cycle where those are counted. */
  const hz = cycles ? 1 : clock.frequencyHz;
  const shown = spanOf(folding.windowToShown(window));
  const stepSeconds = roundStep(Math.max((shown / hz) * (spacing / Math.max(width, 1)), 1e-12));
  const step = stepSeconds * hz;
  const firstOf = (time: number): number => Math.ceil((time - origin) / step - 1e-6);
  const lastOf = (time: number): number => Math.floor((time - origin) / step + 1e-6);
  const first = firstOf(window.from);
  const last = lastOf(window.to);
  const most = Math.max(Math.abs(first), Math.abs(last));
  const digits = cycles
    ? Math.ceil(Math.log10(Math.max(1, most * step + 1)))
    : Math.ceil(Math.log10(Math.max(1, most + 1)) - 1e-9);
  const offset = origin === 0 && digits > (cycles ? MOST_DIGITS_OF_CYCLES : MOST_DIGITS);
  const baseIndex = offset ? Math.floor(first / 1000) * 1000 : 0;
  const largest = Math.max(Math.abs(last - baseIndex), Math.abs(first - baseIndex), 1) * stepSeconds;
  const unit = cycles ? { name: '', seconds: 1 } : unitFor(largest);
  const decimals = Math.max(0, Math.ceil(-Math.log10(stepSeconds / unit.seconds) - 1e-9));
  const labelOf = (index: number): string => {
    const value = ((index - baseIndex) * stepSeconds) / unit.seconds;
    const number = groupDigits(Math.abs(value).toFixed(value === 0 ? 0 : decimals));
    const sign = value < 0 ? MINUS : offset || (origin !== 0 && value > 0) ? '+' : '';
    return `${sign}${number}${unit.name === '' ? '' : `${THIN}${unit.name}`}`;
  };
  const ticks: Tick[] = [];
  for (const stretch of folding.stretches(window)) {
    for (let index = firstOf(stretch.from); index <= lastOf(stretch.to); index++)
      ticks.push({ value: origin + index * step, label: labelOf(index) });
  }
  return {
    ticks: apart(ticks, window, width, folding, spacing),
    step,
    base: baseOf(clock, baseIndex * step, step, offset),
  };
}

function baseOf(clock: Clock, base: number, step: number, offset: boolean): string {
  if (clock.origin !== 0) return clock.cycles ? 'cycles since it' : 'since selected';
  if (clock.cycles) return offset ? `${groupDigits(String(base))} +` : 'cycles';
  return offset ? formatTime(base, clock.frequencyHz, step * 1000) : '';
}

/** Leaves out ticks whose labels would run into one another, as they do on either side of a fold. */
function apart(
  ticks: readonly Tick[],
  window: TimeWindow,
  width: number,
  folding: Folding,
  spacing: number,
): Tick[] {
  if (folding.folds.length === 0) return [...ticks];
  const from = folding.toShown(window.from);
  const pixel = (folding.toShown(window.to) - from) / width;
  let right = -Infinity;
  return ticks.filter(({ value }) => {
    const x = (folding.toShown(value) - from) / pixel;
    if (x < right) return false;
    right = x + spacing * 0.9;
    return true;
  });
}
