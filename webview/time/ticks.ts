/** Round steps of the time axis. */
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
  /** When ticks are written as offsets: the time they count from, printed; else empty. */
  base: string;
}

/** More digits than this in a label make it an offset from a base. */
const MOST_DIGITS = 4;

/** The smallest of 1, 2, 5 × 10ⁿ seconds that is at least `least` seconds. */
export function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least) + 1e-12);
  const share = least / power;
  const factor = share <= 1 + 1e-9 ? 1 : share <= 2 + 1e-9 ? 2 : share <= 5 + 1e-9 ? 5 : 10;
  return factor * power;
}

/**
 * Ticks of a window.
 * @param width pixels of the axis
 * @param spacing least pixels between two ticks
 */
export function timeTicks(window: TimeWindow, width: number, frequencyHz: number, spacing = 92): Ticks {
  const seconds = spanOf(window) / frequencyHz;
  const stepSeconds = roundStep(Math.max((seconds * spacing) / Math.max(width, 1), 1e-12));
  const first = Math.ceil(window.from / frequencyHz / stepSeconds - 1e-6);
  const last = Math.floor(window.to / frequencyHz / stepSeconds + 1e-6);
  const digits = Math.ceil(Math.log10(Math.max(1, last + 1)) - 1e-9);
  const offset = digits > MOST_DIGITS;
  const baseIndex = offset ? Math.floor(first / 1000) * 1000 : 0;
  const largest = Math.max(Math.abs(last - baseIndex), 1) * stepSeconds;
  const unit = unitFor(largest);
  const decimals = Math.max(0, Math.ceil(-Math.log10(stepSeconds / unit.seconds) - 1e-9));
  const ticks: Tick[] = [];
  for (let index = first; index <= last; index++) {
    const value = ((index - baseIndex) * stepSeconds) / unit.seconds;
    const number = groupDigits(value.toFixed(value === 0 ? 0 : decimals));
    ticks.push({
      value: index * stepSeconds * frequencyHz,
      label: `${offset ? '+' : ''}${number}${THIN}${unit.name}`,
    });
  }
  const step = stepSeconds * frequencyHz;
  return { ticks, step, base: offset ? formatTime(baseIndex * step, frequencyHz, step * 1000) : '' };
}
