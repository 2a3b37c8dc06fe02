/** Counts the hits of one breakpoint along the time of the run, so that the number of a hit is the same however one came to it. */
import { RequestError } from './errors';
import type { Moment } from '../run/control/control';

/** Moments kept of one breakpoint; beyond that only the count goes on. */
const MOST_MOMENTS = 1_000_000;

type Test = (hits: number) => boolean;

const COMPARISONS: Record<string, (hits: number, wanted: number) => boolean> = {
  '': (hits, wanted) => hits === wanted,
  '=': (hits, wanted) => hits === wanted,
  '==': (hits, wanted) => hits === wanted,
  '>': (hits, wanted) => hits > wanted,
  '>=': (hits, wanted) => hits >= wanted,
  '<': (hits, wanted) => hits < wanted,
  '<=': (hits, wanted) => hits <= wanted,
  '%': (hits, wanted) => hits % wanted === 0,
};

/** A hit condition: a number (that hit alone), or one after `>`, `>=`, `<`, `<=`, `==`, or `%` (every so many). */
export function parseHitCondition(text: string): Test {
  const match = /^\s*(==?|>=?|<=?|%)?\s*(\d{1,15})\s*$/.exec(text);
  const wanted = Number(match?.[2]);
  const compare = COMPARISONS[match?.[1] ?? ''];
  if (!match || !compare || (match[1] === '%' && wanted === 0)) {
    throw new RequestError(
      `“${text.slice(0, 40)}” is no hit count: write 5 (the fifth hit), >= 5, or % 5 (every fifth).`,
    );
  }
  return (hits) => compare(hits, wanted);
}

/** Hits of one breakpoint by the moment at which they were. */
export class HitCounter {
  /** Retired instructions, ascending. */
  private readonly moments: number[] = [];

  /**
   * Takes down a hit, unless it is known.
   * @returns its number from 1, and whether it was met for the first time
   */
  add({ instructions }: Moment): { number: number; isNew: boolean } {
    const { moments } = this;
    let low = 0;
    let high = moments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (moments[middle] < instructions) low = middle + 1;
      else high = middle;
    }
    if (moments[low] === instructions) return { number: low + 1, isNew: false };
    if (moments.length < MOST_MOMENTS) moments.splice(low, 0, instructions);
    return { number: low + 1, isNew: true };
  }
}
