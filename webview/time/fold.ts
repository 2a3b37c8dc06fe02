/**
 * The one place that knows how simulated time lies on screen: evenly, except where the reader folded idle stretches, which are
 * shown shorter. Times in cycles; a shown time is a time as if the folds took no longer than they are shown.
 */
import { spanOf, type TimeWindow } from './window';

/** A stretch of time that is shown as `shown` cycles. */
export interface Fold {
  from: number;
  to: number;
  shown: number;
}

/** A monotonous mapping between time and shown time, and back. */
export class Folding {
  /** Nothing is folded. */
  static readonly none = new Folding([]);
  /** Cycles that the folds before each one save. */
  readonly #saved: number[] = [];

  /** @param folds in order of time, none touching the next */
  constructor(readonly folds: readonly Fold[]) {
    let saved = 0;
    for (const fold of folds) {
      this.#saved.push(saved);
      saved += fold.to - fold.from - fold.shown;
    }
  }

  /** Index of the last fold that begins at or before a time that `of` reads off a fold; -1 none. */
  #lastBefore(time: number, of: (index: number) => number): number {
    let low = 0;
    let high = this.folds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (of(middle) <= time) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  toShown(time: number): number {
    const index = this.#lastBefore(time, (at) => this.folds[at]?.from ?? 0);
    const fold = this.folds[index];
    if (!fold) return time;
    const saved = this.#saved[index] ?? 0;
    const length = fold.to - fold.from;
    const inside = Math.min(time - fold.from, length);
    return fold.from - saved + (inside * fold.shown) / length + (time - fold.from - inside);
  }

  toTime(shown: number): number {
    const index = this.#lastBefore(shown, (at) => (this.folds[at]?.from ?? 0) - (this.#saved[at] ?? 0));
    const fold = this.folds[index];
    if (!fold) return shown;
    const beyond = shown - (fold.from - (this.#saved[index] ?? 0));
    if (beyond >= fold.shown) return fold.to + beyond - fold.shown;
    return fold.from + (beyond * (fold.to - fold.from)) / fold.shown;
  }

  windowToShown({ from, to }: TimeWindow): TimeWindow {
    return { from: this.toShown(from), to: this.toShown(to) };
  }

  windowToTime({ from, to }: TimeWindow): TimeWindow {
    return { from: this.toTime(from), to: this.toTime(to) };
  }

  /** Folds that a window touches. */
  within({ from, to }: TimeWindow): Fold[] {
    return this.folds.filter((fold) => fold.to > from && fold.from < to);
  }

  /** What of a window is not folded, in order. */
  stretches({ from, to }: TimeWindow): TimeWindow[] {
    const parts: TimeWindow[] = [];
    let at = from;
    for (const fold of this.within({ from, to })) {
      if (fold.from > at) parts.push({ from: at, to: fold.from });
      at = Math.max(at, fold.to);
    }
    if (to > at) parts.push({ from: at, to });
    return parts;
  }
}

/** Most stretches that are folded: of more, the longest. */
const MOST_FOLDS = 64;
/** What all folds together take of the screen when the whole run is shown, at most. */
const FOLDED_SHARE = 0.2;

/**
 * Folds for idle stretches: the longest of them, each shown equally short. A stretch that would not get shorter stays.
 * @param idle in order of time, none touching the next
 */
export function foldsFor(idle: readonly TimeWindow[], endTime: number): Fold[] {
  const longest = [...idle].sort((a, b) => spanOf(b) - spanOf(a)).slice(0, MOST_FOLDS);
  const busy = endTime - longest.reduce((sum, stretch) => sum + spanOf(stretch), 0);
  const shown = (Math.max(busy, endTime * 0.01) * FOLDED_SHARE) / Math.max(8, longest.length);
  return longest
    .filter((stretch) => spanOf(stretch) > 2 * shown)
    .sort((a, b) => a.from - b.from)
    .map(({ from, to }) => ({ from, to, shown }));
}

/** Where times stand across a canvas. */
export interface TimeScale {
  toX(cycles: number): number;
  toTime(x: number): number;
  /** Shown cycles of one pixel. */
  readonly pixel: number;
}

/** The scale of a window on `width` pixels from `left`. */
export function timeScale(window: TimeWindow, left: number, width: number, folding: Folding): TimeScale {
  const { from, to } = folding.windowToShown(window);
  const factor = width / (to - from);
  const folded = folding.folds.length > 0;
  return {
    toX: folded
      ? (cycles) => left + (folding.toShown(cycles) - from) * factor
      : (cycles) => left + (cycles - from) * factor,
    toTime: (x) => folding.toTime(from + (x - left) / factor),
    pixel: 1 / factor,
  };
}
