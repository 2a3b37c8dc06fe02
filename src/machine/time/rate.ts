/** Exact arithmetic between the cycles of the TSC and the ticks of slower clocks. */
import type { Cycles } from './event-queue';

/**
 * Ticks of a clock of `hertz` that have passed after some cycles of one of `cyclesPerSecond`, rounded down. Whole numbers;
 * the result has to be below 2^53.
 */
export function ticksAt(cycles: Cycles, hertz: number, cyclesPerSecond: number): number {
  return multiplyDivide(cycles, hertz, cyclesPerSecond, 0);
}

/** The first cycle at which so many ticks have passed: the inverse of `ticksAt`. */
export function cyclesOf(ticks: number, hertz: number, cyclesPerSecond: number): Cycles {
  return multiplyDivide(ticks, cyclesPerSecond, hertz, hertz - 1);
}

/** (value * factor + add) / divisor, rounded down, without losing a bit on the way. */
function multiplyDivide(value: number, factor: number, divisor: number, add: number): number {
  const whole = Math.floor(value / divisor) * factor;
  const rest = value % divisor;
  const product = rest * factor + add;
  if (product <= Number.MAX_SAFE_INTEGER) return whole + Math.floor(product / divisor);
  return whole + Number((BigInt(rest) * BigInt(factor) + BigInt(add)) / BigInt(divisor));
}
