/** The schema of a trace file: its columns are checked, and the tables in its metadata read. */
import { TraceFileError } from './error';
import type { Table } from './flatbuffer';
import {
  DAMAGED,
  INDEX_KEY,
  META_KEY,
  NOT_A_TRACE,
  PRECISION_DOUBLE,
  ROWS_KEY,
  TYPE_FLOAT,
  TYPE_INT,
  columns,
} from './layout';
import { at } from './messages';
import { parseMeta } from './meta-schema';
import type { TraceMeta } from '../model';

/** What a schema tells. */
export interface FileTables {
  meta: TraceMeta;
  /** Rows of the whole trace; -1: not known. */
  rows: number;
  /** Where the stored index lies, as its writer put it; undefined in files without one. */
  index: string | undefined;
}

/**
 * Reads a schema. @param position of it, for errors
 * @throws TraceFileError when it is not that of a trace
 */
export function readSchema(header: Table, position: number): FileTables {
  const { fields, metadata } = at(position, () => ({
    fields: header
      .tables(1, 64)
      .map((field) => ({ name: field.string(0), type: field.int8(2), detail: field.table(3) })),
    metadata: new Map(header.tables(2, 64).map((pair) => [pair.string(0), pair.string(1)])),
  }));
  const text = metadata.get(META_KEY);
  if (text === undefined)
    throw new TraceFileError('This Arrow file has no Trapline tables in its metadata', position, NOT_A_TRACE);
  const right = columns.every(([name, size], i) => {
    const field = fields[i];
    if (field?.name !== name) return false;
    return at(position, () =>
      name === 'start'
        ? field.type === TYPE_FLOAT && field.detail?.int16(0) === PRECISION_DOUBLE
        : field.type === TYPE_INT && field.detail?.int32(0) === size * 8 && field.detail.int8(1) === 0,
    );
  });
  if (!right || fields.length !== columns.length) {
    const found = fields.map((field) => field.name).join(', ');
    const wanted = columns
      .map(([name, size]) => `${name} ${name === 'start' ? 'f64' : `u${size * 8}`}`)
      .join(', ');
    throw new TraceFileError(
      `The columns are not those of a trace: found ${found}; needed ${wanted}`,
      position,
      NOT_A_TRACE,
    );
  }
  return {
    meta: readMeta(text, position),
    rows: Number(metadata.get(ROWS_KEY) ?? -1),
    index: metadata.get(INDEX_KEY),
  };
}

function readMeta(text: string, position: number): TraceMeta {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new TraceFileError('The tables of the trace are not JSON', position, DAMAGED);
  }
  const parsed = parseMeta(value);
  if ('meta' in parsed) return parsed.meta;
  throw new TraceFileError(`The tables of the trace are not as expected: ${parsed.error}`, position, DAMAGED);
}
