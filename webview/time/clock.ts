/** In which unit, and from when on, times are written. */
import { THIN, formatDuration, formatTime, groupDigits } from './format';

export interface Clock {
  frequencyHz: number;
  /** Times are cycles of the host's TSC, else seconds. */
  cycles: boolean;
  /** Cycles at which the clock reads zero. */
  origin: number;
}

/** The clock that reads zero at the start of the run, in seconds. */
export function plainClock(frequencyHz: number): Clock {
  return { frequencyHz, cycles: false, origin: 0 };
}

const MINUS = '\u2212';

/** A point in time, with as many decimals as tell apart two points `resolution` cycles apart; signed when it counts from an event. */
export function readTime(clock: Clock, time: number, resolution: number): string {
  const { cycles, origin, frequencyHz } = clock;
  const away = time - origin;
  const size = Math.abs(away);
  const text = cycles
    ? `${groupDigits(size.toFixed(0))}${THIN}cycles`
    : formatTime(size, frequencyHz, resolution);
  if (origin === 0) return text;
  return `${away < 0 ? MINUS : '+'}${text}`;
}

/** How long something takes. */
export function readDuration({ cycles, frequencyHz }: Clock, duration: number): string {
  return cycles ? `${groupDigits(duration.toFixed(0))}${THIN}cycles` : formatDuration(duration, frequencyHz);
}
