/** Somebody who looks at rows while they are recorded: to stop a run at a row, for instance. */

/** A row as it stands: of an open span the duration is 0, and arguments may still be set. */
export interface RecordedRow {
  /** Number, from 0. */
  readonly row: number;
  readonly start: number;
  readonly duration: number;
  readonly track: number;
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  /** Id of the place; 0: none. */
  readonly place: number;
  /** Row number of the cause; −1: none. */
  readonly cause: number;
}

/** What has become known of a row: it was recorded, it got other arguments, its span has ended. */
export type RowNews = 'recorded' | 'arguments' | 'closed';

/** Set as `Recorder.watch`. It changes nothing in the trace, and what it is told of must not be changed by it either. */
export interface RowWatch {
  /** Whether rows of a kind are looked at; asked once per kind. */
  looksAt(kind: number): boolean;
  /** Something has become known of a row of such a kind. Rows that the limit keeps out are not told of. */
  told(row: RecordedRow, news: RowNews): void;
}
