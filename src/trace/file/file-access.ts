/** A file on disk, read by range through a descriptor. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { TraceFileError } from './error';
import { outOfFile, type RandomAccess } from './random-access';

/**
 * Opens a file for reading.
 * @throws what the file system says when it cannot be opened
 */
export function fileAccess(path: string): RandomAccess {
  const descriptor = openSync(path, 'r');
  let open = true;
  const { size } = fstatSync(descriptor);
  return {
    size,
    read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > size) throw outOfFile(offset, length, size);
      const bytes = new Uint8Array(length);
      try {
        for (let done = 0; done < length;) {
          const count = readSync(descriptor, bytes, done, length - done, offset + done);
          // It has become shorter since it was opened.
          if (count === 0) throw outOfFile(offset, length, offset + done);
          done += count;
        }
      } catch (error) {
        if (error instanceof TraceFileError) throw error;
        const why = error instanceof Error ? error.message : String(error);
        throw new TraceFileError(`The file cannot be read any more: ${why}`, offset, 'Open it again.');
      }
      return bytes;
    },
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}
