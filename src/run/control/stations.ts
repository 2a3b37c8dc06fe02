/** Checkpoints as far as somebody travels by them. */
import type { Moment } from './control';

/** A moment that can be gone back to. */
export interface Checkpoint {
  readonly moment: Moment;
  /** Instructions that each vCPU of the run had retired. */
  readonly counts: readonly number[];
}

/** The checkpoints as far as somebody travels by them. */
export interface Stations {
  /** The present moment. */
  readonly now: Moment;
  /** The latest one whose moment fits; what fits is all up to some moment, or nothing: then the first. */
  latest(fits: (moment: Moment) => boolean): Checkpoint;
  /** As `latest`, by instructions retired by each vCPU. */
  latestByCounts(fits: (counts: readonly number[]) => boolean): Checkpoint;
  after(moment: Moment): Checkpoint | undefined;
  isWide(moment: Moment): boolean;
  take(): void;
  restore(checkpoint: Checkpoint): void;
}
