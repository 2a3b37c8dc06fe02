/** Record batches: what their headers say, and rows of them as columns. */
import { BLOCK_ROWS, emptyChunk } from '../block';
import type { TraceChunk, TraceMeta } from '../model';
import { WRITTEN, codecs, type CodecNumber } from './codec';
import { TraceFileError } from './error';
import { DAMAGED, HEADER_RECORD_BATCH, columns, type ColumnName } from './layout';
import { at, viewOf, type Message } from './messages';
import type { RandomAccess } from './random-access';

/** `RecordBatch.compression` (Message.fbs): codec, and a method, of which there is one. */
const METHOD_BUFFER = 0;
/** A compressed buffer begins with its length before; -1: it was left as it is. */
const LENGTH_BYTES = 8;
/** Writers may pad a buffer to this many bytes before they compress it. */
const PADDING = 64;
/** Bytes that a frame may have more than its contents, besides one in 128. */
const MOST_FRAME_OVERHEAD = 1024;
/** A compressed batch is unpacked as a whole; one of more rows than this is not read. */
const MOST_PACKED_ROWS = 64 * BLOCK_ROWS;

/** A record batch that has not been read. */
export interface Batch {
  /** Of its message, for errors. */
  position: number;
  /** Row number of its first row. */
  firstRow: number;
  rows: number;
  /** Absolute positions and lengths of the columns' bytes. */
  columns: { offset: number; bytes: number }[];
  /** Undefined: not compressed. */
  codec: CodecNumber | undefined;
}

/**
 * What the header of a record batch says.
 * @throws TraceFileError when it is none of a trace, or says what cannot be
 */
export function batchOf(message: Message, firstRow: number): Batch {
  const { position, header, body, bodyLength } = message;
  if (message.headerType !== HEADER_RECORD_BATCH) {
    throw new TraceFileError(
      'A message is not a record batch; dictionaries are not part of a trace',
      position,
      DAMAGED,
    );
  }
  const { rows, nodes, buffers, compression } = at(position, () => {
    const packed = header.table(3);
    return {
      rows: header.int64(0),
      nodes: header.pairs(1, 64),
      buffers: header.pairs(2, 128),
      compression: packed && { codec: packed.int8(0), method: packed.int8(1) },
    };
  });
  if (nodes.length !== columns.length || buffers.length !== 2 * columns.length)
    throw new TraceFileError('A record batch does not have the columns of a trace', position, DAMAGED);
  const codec = compression && codecOf(compression, position);
  if (codec !== undefined && rows > MOST_PACKED_ROWS) {
    throw new TraceFileError(
      `A compressed record batch has ${rows} rows, of which at most ${MOST_PACKED_ROWS} are read at once`,
      position,
      'Write the file with smaller record batches.',
    );
  }
  const found = columns.map(([name, size], i) => {
    const [count, nulls] = nodes[i] ?? [0, 0];
    const [offset, bytes] = buffers[2 * i + 1] ?? [0, 0];
    const least = codec === undefined ? rows * size : rows > 0 ? LENGTH_BYTES : 0;
    if (count !== rows || bytes < least || offset + bytes > bodyLength) {
      throw new TraceFileError(
        `Column ${name} of a record batch is shorter than its ${rows} rows`,
        position,
        DAMAGED,
      );
    }
    if (nulls !== 0) throw new TraceFileError(`Column ${name} has missing values`, position, DAMAGED);
    return { offset: body + offset, bytes };
  });
  return { position, firstRow, rows, columns: found, codec };
}

function codecOf({ codec, method }: { codec: number; method: number }, position: number): CodecNumber {
  if (method === METHOD_BUFFER && codec in codecs) return codec;
  throw new TraceFileError(
    'The record batches are compressed in a way that is not read here',
    position,
    'Write the file with ZSTD, or without compression.',
  );
}

/**
 * Rows [from, to) of a batch that is not compressed, positions within it.
 * @throws TraceFileError when the bytes are damaged
 */
export function rowsOf(
  access: RandomAccess,
  batch: Batch,
  from: number,
  to: number,
  meta: TraceMeta,
): TraceChunk {
  const length = to - from;
  const column = <T>(
    i: number,
    make: {
      readonly BYTES_PER_ELEMENT: number;
      new (buffer: ArrayBufferLike, at: number, length: number): T;
    },
  ): T => {
    const size = make.BYTES_PER_ELEMENT;
    const found = access.read(batch.columns[i].offset + from * size, length * size);
    const aligned = found.byteOffset % size === 0 ? found : found.slice();
    return new make(aligned.buffer, aligned.byteOffset, length);
  };
  const chunk: TraceChunk = {
    firstRow: batch.firstRow + from,
    start: column(0, Float64Array),
    duration: column(1, Uint32Array),
    track: column(2, Uint16Array),
    kind: column(3, Uint16Array),
    rip: column(4, Uint32Array),
    a: column(5, Uint32Array),
    b: column(6, Uint32Array),
    cause: column(7, Uint32Array),
  };
  checkRows(chunk, meta, batch.position);
  return chunk;
}

/** All rows of a compressed batch. @throws TraceFileError when the bytes are damaged */
export function unpackedRows(access: RandomAccess, batch: Batch, meta: TraceMeta): TraceChunk {
  const chunk = emptyChunk(batch.firstRow, batch.rows);
  columns.forEach(([name], i) => {
    const { buffer, byteOffset, byteLength } = chunk[name];
    unpack(access, batch, i, name, new Uint8Array(buffer, byteOffset, byteLength));
  });
  checkRows(chunk, meta, batch.position);
  return chunk;
}

/** Unpacks a compressed column: it has exactly as many bytes as its rows need, or as many with padding. */
function unpack(access: RandomAccess, batch: Batch, i: number, name: ColumnName, target: Uint8Array): void {
  const wanted = target.length;
  if (wanted === 0) return;
  const wrong = (what: string): TraceFileError =>
    new TraceFileError(`Column ${name} of a record batch ${what}`, batch.position, DAMAGED);
  const packed = access.read(batch.columns[i].offset, batch.columns[i].bytes);
  const view = viewOf(packed);
  const length = view.getInt32(4, true) * 0x1_0000_0000 + view.getUint32(0, true);
  const content = packed.subarray(LENGTH_BYTES);
  if (length === -1) {
    if (content.length < wanted) throw wrong(`is shorter than its ${batch.rows} rows`);
    target.set(content.subarray(0, wanted));
    return;
  }
  if (length < wanted || length > wanted + PADDING)
    throw wrong(`says that it has ${length} bytes, which is not what ${batch.rows} rows have`);
  if (content.length > length + (length >>> 7) + MOST_FRAME_OVERHEAD)
    throw wrong(`has ${content.length} bytes for ${length}, more than compression can make of them`);
  const codec = codecs[batch.codec ?? WRITTEN];
  if (!codec.unpack(content, length, target))
    throw wrong(`is not what ${codec.name} makes of ${length} bytes`);
}

/** Everything later relies on these: tracks and places exist, times are times, causes come first. */
function checkRows(chunk: TraceChunk, meta: TraceMeta, position: number): void {
  const { start, track, rip, cause, firstRow } = chunk;
  const tracks = meta.tracks.length;
  const places = meta.places.length;
  let sound = true;
  // One column at a time: each loop is short, and nearly always finds nothing. A time that is no number fits no comparison.
  for (let i = 0; i < start.length; i++)
    if (!(start[i] >= 0 && start[i] <= Number.MAX_SAFE_INTEGER)) sound = false;
  for (let i = 0; i < track.length; i++) if (track[i] >= tracks) sound = false;
  for (let i = 0; i < rip.length; i++) if (rip[i] > places) sound = false;
  for (let i = 0; i < cause.length; i++) if (cause[i] > firstRow + i) sound = false;
  if (sound) return;
  for (let i = 0; i < start.length; i++) {
    const time = start[i];
    const what = !(time >= 0 && time <= Number.MAX_SAFE_INTEGER)
      ? `starts at ${time}`
      : track[i] >= tracks
        ? `is on track ${track[i]}, which the tables do not have`
        : rip[i] > places
          ? `is at place ${rip[i]}, which the tables do not have`
          : cause[i] > firstRow + i
            ? `is caused by row ${cause[i] - 1}, which comes later`
            : undefined;
    if (what !== undefined) throw new TraceFileError(`Event ${firstRow + i} ${what}`, position, DAMAGED);
  }
}
