/** Counts the hits of one breakpoint along the time of the run, so that the number of a hit is the same however one came to it. */
import { RequestError } from './errors';
import type { Moment } from '../run/control/control';
import { isBefore } from '../run/control/moments';

/** Hits counted of one breakpoint. */
const MOST_MOMENTS = 1_000_000;

type HitMoment = Pick<Moment, 'instructions' | 'cycles'>;
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

/**
 * Hits of one breakpoint by the moments at which they were, which are told apart by instructions and time: while an instruction is at
 * work, the number of rows depends on where the way to it began. At one moment it is hit once.
 */
export class HitCounter {
  /** Ascending. */
  private readonly moments: HitMoment[] = [];
  private known: Moment = { instructions: 0, cycles: 0, rows: 0 };

  /** All hits up to this moment are taken down. */
  get until(): Moment {
    return this.known;
  }

  /** All hits up to a moment have been taken down. */
  seen(until: Moment): void {
    if (isBefore(this.known, until)) this.known = plain(until);
  }

  /** What was to come after a moment will not. */
  forgetAfter(moment: Moment): void {
    const kept = this.moments.findLastIndex((each) => order(each, moment) <= 0) + 1;
    this.moments.length = kept;
    if (isBefore(moment, this.known)) this.known = plain(moment);
  }

  /**
   * Takes down a hit, unless it is known.
   * @returns its number from 1, as far as all hits before it are known, and whether it was met for the first time
   * @throws RequestError where there are more hits than are counted
   */
  add(moment: Moment): { number: number; isNew: boolean } {
    const { moments } = this;
    let low = 0;
    let high = moments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (order(moments[middle], moment) < 0) low = middle + 1;
      else high = middle;
    }
    const found = moments[low];
    if (found && order(moment, found) === 0) return { number: low + 1, isNew: false };
    if (moments.length >= MOST_MOMENTS)
      throw new RequestError(`It was hit ${MOST_MOMENTS} times, and no more hits are counted.`);
    moments.splice(low, 0, { instructions: moment.instructions, cycles: moment.cycles });
    return { number: low + 1, isNew: true };
  }
}

/** Counters of breakpoints that are set by groups: one that is set again as it was goes on counting. */
export class HitCounters {
  private readonly groups = new Map<string, Map<string, HitCounter>>();

  /** A group is set anew. @returns the counter for what identifies a breakpoint in it */
  renew(group: string): (key: string) => HitCounter {
    const before = this.groups.get(group);
    const counters = new Map<string, HitCounter>();
    this.groups.set(group, counters);
    return (key) => {
      const counter = before?.get(key) ?? new HitCounter();
      counters.set(key, counter);
      return counter;
    };
  }

  /** Another run begins. */
  clear(): void {
    this.groups.clear();
  }
}

function order(x: HitMoment, y: HitMoment): number {
  return x.instructions - y.instructions || x.cycles - y.cycles;
}

function plain({ instructions, cycles, rows }: Moment): Moment {
  return { instructions, cycles, rows };
}
