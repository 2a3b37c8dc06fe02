/** How a trace lies in an Apache Arrow IPC file: numbers of the format, columns, and keys of the metadata. */
import type { TraceChunk } from '../model';

/** First and last bytes of an IPC file. */
export const MAGIC = 'ARROW1';

/** `MessageHeader` of Message.fbs. */
export const HEADER_SCHEMA = 1;
export const HEADER_RECORD_BATCH = 3;
/** `Type` and `Precision` of Schema.fbs. */
export const TYPE_INT = 2;
export const TYPE_FLOAT = 3;
export const PRECISION_DOUBLE = 2;

export type ColumnName = Exclude<keyof TraceChunk, 'firstRow'>;
/** The columns in order with their bytes per value; `start` is a double, the others are unsigned integers. */
export const columns: readonly (readonly [name: ColumnName, size: number])[] = [
  ['start', 8],
  ['duration', 4],
  ['track', 2],
  ['kind', 2],
  ['rip', 4],
  ['a', 4],
  ['b', 4],
  ['cause', 4],
];

/** Keys of the schema metadata. */
export const META_KEY = 'trapline';
export const KINDS_KEY = 'trapline.kinds';
/** Number of rows of the whole trace, so that a truncated file knows what is missing. */
export const ROWS_KEY = 'trapline.rows';
/** Where the stored index lies; in the schema of the footer only, which is written after it. */
export const INDEX_KEY = 'trapline.index';

/** What to do with bytes that are no trace, and with those that are not whole. */
export const NOT_A_TRACE = 'Open a file that Trapline wrote (*.trapline.arrow).';
export const DAMAGED = 'The file is damaged: copy it again from its source, or run the scenario again.';
