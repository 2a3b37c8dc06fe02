/** Rows as a query sees them: those of a store, or of a recorder at work. */
import type { Place, Track } from '../model';

/** What a query is asked of. */
export interface QueryRows {
  /** Rows so far. */
  readonly rows: number;
  /** Cycles per second. */
  readonly frequencyHz: number;
  trackAt(id: number): Track | undefined;
  /** @param id from 1 */
  placeAt(id: number): Place | undefined;
  /** Kind of a row; 0 for one that cannot be looked at any more. */
  kindOf(row: number): number;
  trackOf(row: number): number;
  startOf(row: number): number;
  /** Full duration; of an open span: so far. */
  durationOf(row: number): number;
  /** Row of the cause, -1 none. */
  causeOf(row: number): number;
  /** Arguments, whole. */
  aOf(row: number): number;
  bOf(row: number): number;
  /** Id of the place, 0 none. */
  placeOf(row: number): number;
}

/**
 * Whether a span holds of which a test is true: one of the same vCPU, device or thread as a row's, that began no later than the row and
 * ends after the row's start. The row itself does not count.
 */
export type SpansAround = (row: number, test: (span: number) => boolean) => boolean;
