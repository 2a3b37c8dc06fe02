/** How long frames are and how far apart they come: what a generator draws by lot. */
import type { Random } from '../../time/random';
import type { Cycles } from '../../time/event-queue';

/** Lengths of frames in bytes, without check sequence. */
export type SizeDistribution =
  | { kind: 'fixed'; length: number }
  /** Every length from `min` to `max` is as likely as any other. */
  | { kind: 'uniform'; min: number; max: number }
  /** A length comes as often as its weight says, against the sum of all weights. */
  | { kind: 'weighted'; choices: readonly { length: number; weight: number }[] };

/** Twelve packets of the simple Internet mix: IP packets of 40, 576 and 1500 bytes, 7 to 4 to 1, with their Ethernet header. */
export const IMIX: SizeDistribution = {
  kind: 'weighted',
  choices: [
    { length: 60, weight: 7 },
    { length: 590, weight: 4 },
    { length: 1514, weight: 1 },
  ],
};

/** The mean distance of two frames: a time, or a rate, so that a frame is followed by a gap that is as long as itself. */
export type Pace = { interval: Cycles } | { cyclesPerByte: number };

/** Distances from the start of one frame to the start of the next. */
export type GapDistribution =
  | { kind: 'fixed'; pace: Pace }
  /** Exponentially distributed about the pace: the frames are a Poisson process. */
  | { kind: 'exponential'; pace: Pace }
  /** So many frames with `gap` between them, then a `pause`, over and over. A pause comes before the first too. */
  | { kind: 'bursts'; packets: number; gap: Cycles; pause: Cycles };

/** The length of one frame. */
export function drawLength(sizes: SizeDistribution, random: Random): number {
  switch (sizes.kind) {
    case 'fixed':
      return sizes.length;
    case 'uniform':
      return sizes.min + random.below(sizes.max - sizes.min + 1);
    case 'weighted': {
      const { choices } = sizes;
      let drawn = random.below(choices.reduce((sum, { weight }) => sum + weight, 0));
      for (const { length, weight } of choices) {
        if (drawn < weight) return length;
        drawn -= weight;
      }
      throw new RangeError('a list of lengths without a weight');
    }
  }
}

/**
 * Cycles, not a whole number, before the frame of a number; `previous` is the length of the one before it, 0 for none: at a rate
 * the first frame comes at once.
 */
export function drawGap(gaps: GapDistribution, random: Random, number: number, previous: number): Cycles {
  switch (gaps.kind) {
    case 'fixed':
      return paceOf(gaps.pace, previous);
    case 'exponential':
      return paceOf(gaps.pace, previous) * exponential(random);
    case 'bursts':
      return number % gaps.packets === 0 ? gaps.pause : gaps.gap;
  }
}

function paceOf(pace: Pace, length: number): number {
  return 'interval' in pace ? pace.interval : pace.cyclesPerByte * length;
}

/**
 * Exponentially distributed with mean 1, by von Neumann's comparisons of uniform numbers ("Various techniques used in connection
 * with random digits", 1951). A logarithm would not do: its last bit is not the same in every JavaScript engine.
 */
export function exponential(random: Random): number {
  for (let whole = 0; ; whole++) {
    const first = random.next();
    let last = first;
    let falling = 1;
    for (let next = random.next(); next < last; next = random.next()) {
      last = next;
      falling += 1;
    }
    if (falling % 2 === 1) return whole + first / 2 ** 32;
  }
}
