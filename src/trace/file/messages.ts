/** Messages of an IPC file: found by position, their headers read, their bodies left where they are. */
import { FormatError, Table } from './flatbuffer';
import { TraceFileError } from './error';
import { DAMAGED } from './layout';
import type { RandomAccess } from './random-access';

/** Largest header that is read: tables of a trace with millions of places are smaller. */
export const MOST_HEADER_BYTES = 256 * 1024 * 1024;
/** Each message begins with a continuation marker and the size of its header. */
const PREFIX_BYTES = 8;
const CONTINUATION = -1;

/** A message: its header, and where its body lies. */
export interface Message {
  /** Of its first byte. */
  position: number;
  headerType: number;
  header: Table;
  /** Position of the body. */
  body: number;
  bodyLength: number;
}

/** The message at a position; `end`: the marker that closes the messages; `cut`: the file ends within it. */
export function messageAt(access: RandomAccess, position: number): 'end' | 'cut' | Message {
  if (position + PREFIX_BYTES > access.size) return 'cut';
  const prefix = viewOf(access.read(position, PREFIX_BYTES));
  if (prefix.getInt32(0, true) !== CONTINUATION)
    throw new TraceFileError('A message does not begin as one', position, DAMAGED);
  const size = prefix.getInt32(4, true);
  if (size === 0) return 'end';
  if (size < 0 || size % 8 !== 0 || size > MOST_HEADER_BYTES)
    throw new TraceFileError(`A message has an impossible size of ${size} bytes`, position, DAMAGED);
  const body = position + PREFIX_BYTES + size;
  if (body > access.size) return 'cut';
  return at(position, () => {
    const table = Table.root(access.read(position + PREFIX_BYTES, size));
    const bodyLength = table.int64(3);
    if (body + bodyLength > access.size) return 'cut';
    const header = table.table(2);
    if (header === undefined) throw new FormatError('a message has no content');
    return { position, headerType: table.int8(1), header, body, bodyLength };
  });
}

/** Runs a reader and says where in the file its format error is. */
export function at<T>(position: number, reader: () => T): T {
  try {
    return reader();
  } catch (error) {
    if (error instanceof FormatError)
      throw new TraceFileError(`A message is damaged: ${error.message}`, position, DAMAGED);
    throw error;
  }
}

/** The bytes as numbers. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
