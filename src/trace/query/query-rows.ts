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
  get(row: number): { readonly a: number; readonly b: number; readonly place: number };
}
