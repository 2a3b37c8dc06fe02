/** Bytes that are read by range: of a file, or of memory where no file can be opened. */
import { TraceFileError } from './error';

/** What a trace is read from. */
export interface RandomAccess {
  /** Bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset` on; the caller does not write to them.
   * @throws TraceFileError when there are not so many, or they cannot be read
   */
  read(offset: number, length: number): Uint8Array;
  /** Nothing will be read any more. */
  close(): void;
}

/** The error of a range that does not lie in a file. */
export function outOfFile(offset: number, length: number, size: number): TraceFileError {
  return new TraceFileError(
    `The file ends before what its tables say: ${length} bytes are wanted, it has ${size} in all`,
    offset,
    'The file is damaged or was changed while it was open: open it again, or run the scenario again.',
  );
}

/** Access to bytes in memory: what is read are views on them. */
export function bytesAccess(given: Uint8Array): RandomAccess {
  // Node's Buffer is a byte array whose `slice` gives a view; readers rely on its being a copy.
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  return {
    size: bytes.length,
    read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > bytes.length)
        throw outOfFile(offset, length, bytes.length);
      return bytes.subarray(offset, offset + length);
    },
    close: () => undefined,
  };
}

/** A part of another access, with offsets of its own. */
export function partOf(access: RandomAccess, from: number, size: number): RandomAccess {
  return {
    size,
    read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > size) throw outOfFile(from + offset, length, size);
      return access.read(from + offset, length);
    },
    close: () => undefined,
  };
}
