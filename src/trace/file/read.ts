/**
 * Reads `*.trapline.arrow`. The file is read from its beginning, message by message, so that a file cut short gives all
 * its whole record batches; columns are used where they lie, without a copy.
 */
import { FormatError, Table } from './flatbuffer';
import { TraceFileError } from './error';
import { parseMeta } from './meta-schema';
import type { TraceChunk, TraceMeta } from '../model';
import { TraceStore } from '../query/store';
import { gapsEnd } from '../vocabulary/gaps';
import { countRows } from './verify';

const MAGIC = 'ARROW1';
const NOT_A_TRACE = 'Open a file that Trapline wrote (*.trapline.arrow).';
const DAMAGED = 'The file is damaged: copy it again from its source, or run the scenario again.';

/** Numbers of the Arrow format (Message.fbs, Schema.fbs). */
const HEADER_SCHEMA = 1;
const HEADER_RECORD_BATCH = 3;
const TYPE_INT = 2;
const TYPE_FLOAT = 3;
const PRECISION_DOUBLE = 2;

type ColumnName = Exclude<keyof TraceChunk, 'firstRow'>;
/** The columns in order with their bytes per value; `start` is a double, the others are unsigned integers. */
const columns: readonly (readonly [name: ColumnName, size: number])[] = [
  ['start', 8],
  ['duration', 4],
  ['track', 2],
  ['kind', 2],
  ['rip', 4],
  ['a', 4],
  ['b', 4],
  ['cause', 4],
];

interface Message {
  position: number;
  headerType: number;
  header: Table;
  body: Uint8Array;
}

/**
 * Reads a trace file. A file cut short gives a store in state `truncated` with all whole record batches.
 * @throws TraceFileError and nothing else, when the bytes are no trace or are damaged.
 */
export function readTrace(bytes: Uint8Array): TraceStore {
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof TraceFileError) throw error;
    const what = error instanceof Error ? error.message : String(error);
    throw new TraceFileError(`This trace cannot be read: ${what}`, 0, DAMAGED);
  }
}

function read(given: Uint8Array): TraceStore {
  // Node's Buffer is a byte array whose `slice` gives a view; everything below relies on its being a copy.
  const file = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  const head = String.fromCharCode(...file.subarray(0, MAGIC.length));
  if (file.length === 0) throw new TraceFileError('The file is empty', 0, NOT_A_TRACE);
  if (head !== MAGIC) {
    const cut = MAGIC.startsWith(head)
      ? 'The file ends within its first bytes'
      : 'This is not an Apache Arrow file';
    throw new TraceFileError(cut, 0, NOT_A_TRACE);
  }
  // Columns are used in place, so the file must lie on an 8-byte boundary in memory.
  const bytes = file.byteOffset % 8 === 0 ? file : file.slice();
  const first = messageAt(bytes, 8);
  if (first === 'cut')
    throw new TraceFileError(
      'The file ends within its tables: nothing can be recovered',
      bytes.length,
      DAMAGED,
    );
  if (first === 'end' || first.message.headerType !== HEADER_SCHEMA) {
    throw new TraceFileError('The file does not begin with a schema', 8, DAMAGED);
  }
  const { meta, rows } = readSchema(first.message);
  const store = new TraceStore(meta);
  let position = first.next;
  for (;;) {
    const next = messageAt(bytes, position);
    if (next === 'end') break;
    if (next === 'cut') return truncated(store, meta, rows, position);
    store.appendChunk(readBatch(next.message, store.rows, meta));
    position = next.next;
  }
  if (rows >= 0 && rows !== store.rows) {
    throw new TraceFileError(
      `The file has ${store.rows} events where its tables say ${rows}`,
      position,
      DAMAGED,
    );
  }
  return endsWhole(bytes) ? store : truncated(store, meta, rows, position);
}

/** An Arrow file closes with the magic word. */
function endsWhole(bytes: Uint8Array): boolean {
  return String.fromCharCode(...bytes.subarray(-MAGIC.length)) === MAGIC;
}

function messageAt(bytes: Uint8Array, position: number): 'end' | 'cut' | { message: Message; next: number } {
  if (position + 8 > bytes.length) return 'cut';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getInt32(position, true) !== -1)
    throw new TraceFileError('A message does not begin as one', position, DAMAGED);
  const size = view.getInt32(position + 4, true);
  if (size === 0) return 'end';
  if (size < 0 || size % 8 !== 0)
    throw new TraceFileError(`A message has an impossible size of ${size} bytes`, position, DAMAGED);
  if (position + 8 + size > bytes.length) return 'cut';
  return at(position, () => {
    const table = Table.root(bytes.subarray(position + 8, position + 8 + size));
    const bodyLength = table.int64(3);
    const bodyStart = position + 8 + size;
    if (bodyStart + bodyLength > bytes.length) return 'cut';
    const header = table.table(2);
    if (header === undefined) throw new FormatError('a message has no content');
    const body = bytes.subarray(bodyStart, bodyStart + bodyLength);
    return { message: { position, headerType: table.int8(1), header, body }, next: bodyStart + bodyLength };
  });
}

/** Runs a reader and says where in the file its format error is. */
function at<T>(position: number, reader: () => T): T {
  try {
    return reader();
  } catch (error) {
    if (error instanceof FormatError)
      throw new TraceFileError(`A message is damaged: ${error.message}`, position, DAMAGED);
    throw error;
  }
}

function readSchema({ header, position }: Message): { meta: TraceMeta; rows: number } {
  const { fields, metadata } = at(position, () => ({
    fields: header
      .tables(1, 64)
      .map((field) => ({ name: field.string(0), type: field.int8(2), detail: field.table(3) })),
    metadata: new Map(header.tables(2, 64).map((pair) => [pair.string(0), pair.string(1)])),
  }));
  const text = metadata.get('trapline');
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
  return { meta: readMeta(text, position), rows: Number(metadata.get('trapline.rows') ?? -1) };
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

function readBatch(message: Message, firstRow: number, meta: TraceMeta): TraceChunk {
  const { position, body } = message;
  if (message.headerType !== HEADER_RECORD_BATCH) {
    throw new TraceFileError(
      'A message is not a record batch; dictionaries are not part of a trace',
      position,
      DAMAGED,
    );
  }
  const { length, nodes, buffers, compressed } = at(position, () => ({
    length: message.header.int64(0),
    nodes: message.header.pairs(1, 64),
    buffers: message.header.pairs(2, 128),
    compressed: message.header.table(3) !== undefined,
  }));
  if (compressed) {
    throw new TraceFileError(
      'The record batches are compressed',
      position,
      'Write the file without compression.',
    );
  }
  if (nodes.length !== columns.length || buffers.length !== 2 * columns.length) {
    throw new TraceFileError('A record batch does not have the columns of a trace', position, DAMAGED);
  }
  columns.forEach(([name, size], i) => {
    const [rows, nulls] = nodes[i] ?? [0, 0];
    const [offset, bytes] = buffers[2 * i + 1] ?? [0, 0];
    if (rows !== length || bytes < length * size || offset + bytes > body.length) {
      throw new TraceFileError(
        `Column ${name} of a record batch is shorter than its ${length} rows`,
        position,
        DAMAGED,
      );
    }
    if (nulls !== 0) throw new TraceFileError(`Column ${name} has missing values`, position, DAMAGED);
  });
  const column = <T>(
    i: number,
    make: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
  ): T => {
    const [, size] = columns[i] ?? ['', 1];
    const from = body.byteOffset + (buffers[2 * i + 1]?.[0] ?? 0);
    return from % size === 0
      ? new make(body.buffer, from, length)
      : new make(
          body.slice(from - body.byteOffset, from - body.byteOffset + length * size).buffer,
          0,
          length,
        );
  };
  const chunk: TraceChunk = {
    firstRow,
    start: column(0, Float64Array),
    duration: column(1, Uint32Array),
    track: column(2, Uint16Array),
    kind: column(3, Uint16Array),
    rip: column(4, Uint32Array),
    a: column(5, Uint32Array),
    b: column(6, Uint32Array),
    cause: column(7, Uint32Array),
  };
  checkRows(chunk, meta, position);
  return chunk;
}

/** Everything later relies on these: tracks and places exist, times are times, causes come first. */
function checkRows(chunk: TraceChunk, meta: TraceMeta, position: number): void {
  const { start, track, rip, cause, firstRow } = chunk;
  for (let i = 0; i < start.length; i++) {
    const time = start[i] ?? 0;
    const what = !(time >= 0 && time <= Number.MAX_SAFE_INTEGER)
      ? `starts at ${time}`
      : (track[i] ?? 0) >= meta.tracks.length
        ? `is on track ${track[i]}, which the tables do not have`
        : (rip[i] ?? 0) > meta.places.length
          ? `is at place ${rip[i]}, which the tables do not have`
          : (cause[i] ?? 0) > firstRow + i
            ? `is caused by row ${(cause[i] ?? 0) - 1}, which comes later`
            : undefined;
    if (what !== undefined) throw new TraceFileError(`Event ${firstRow + i} ${what}`, position, DAMAGED);
  }
}

/** What is left of a trace that was cut short: its figures are those of the rows that are there. */
function truncated(store: TraceStore, meta: TraceMeta, rows: number, position: number): TraceStore {
  const { traceHash: _, ...rest } = meta;
  const of = rows >= 0 ? ` of ${rows}` : '';
  const end = Math.max(meta.facts.cycles, gapsEnd(meta.gaps));
  store.setMeta({
    ...rest,
    state: 'truncated',
    message:
      `The file ends at byte ${position}, before the trace does: ${store.rows}${of} events could be recovered. ` +
      'Figures are those of the recovered events. Copy the file again or run the scenario again.',
    facts: { ...meta.facts, cycles: store.endWithoutFacts },
    gaps: [{ from: store.endWithoutFacts, ...(end > store.endWithoutFacts && { to: end }), why: 'cut' }],
    ...countRows(store),
  });
  return store;
}
