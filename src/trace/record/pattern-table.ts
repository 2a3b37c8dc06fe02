/** The groups of rows that a recorder knows by pattern (see `../fold.ts`), and how often each has come. */
import { DURATION_SATURATED } from '../block';
import { patternOf, type PatternRow } from '../fold';
import type { RowPattern } from '../model';
import type { KindCounts } from './kind-counts';

/** A guest that moves its devices about makes new patterns each time; beyond so many, rows are written one by one. */
const PATTERNS_MAX = 1024;

/** Patterns by id. */
export class PatternTable {
  readonly all: RowPattern[] = [];
  /** By pattern: groups that the counts do not have yet. */
  private readonly uncounted: number[] = [];

  constructor(private readonly kinds: KindCounts) {}

  /** As `Tracer.addPattern`. */
  add(rows: readonly PatternRow[]): RowPattern | undefined {
    const { all, kinds } = this;
    const long = rows.some(({ offset, duration }) => Math.max(offset, duration) >= DURATION_SATURATED);
    if (long || all.length === PATTERNS_MAX || !rows.every(({ kind }) => kinds.isPlain(kind)))
      return undefined;
    const pattern = patternOf(all.length, rows);
    all.push(pattern);
    this.uncounted.push(0);
    return pattern;
  }

  /** A group of a pattern has come. */
  note(pattern: RowPattern): void {
    this.uncounted[pattern.id] += 1;
  }

  /** Counts the rows of all groups that have come. */
  count(): void {
    for (const { id, track, kind } of this.all) {
      kind.forEach((each, i) => this.kinds.countPlain(track[i], each, this.uncounted[id]));
      this.uncounted[id] = 0;
    }
  }

  /** The counts are those of a snapshot. */
  forgetUncounted(): void {
    this.uncounted.fill(0);
  }
}
