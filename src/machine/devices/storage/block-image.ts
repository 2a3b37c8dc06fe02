/**
 * What a disk holds: bytes of a file or zeros, and over them what was written in this run (copy on write). The file is never
 * changed. Knows nothing of the device that it is the medium of: sectors, times and errors are the device's.
 */
import {
  SnapshotError,
  requireVersion,
  type Checkpoint,
  type HardwareState,
  type Migratable,
  type RunState,
} from '../../snapshot';

/** What is kept apart from the file at once, in bytes. */
const CHUNK = 4096;
/** In the place of a chunk that was emptied. Never written to, as no chunk is. */
const ZEROS = new Uint8Array(CHUNK);

/** What a disk holds that differs from its file. */
export interface BlockImageHardware extends HardwareState {
  version: 1;
  /** In bytes. */
  size: number;
  /** Chunks of 4 KiB that were written, by their numbers in rising order, and their bytes. Neither is to be changed. */
  chunks: number[];
  bytes: Uint8Array[];
}

/** Sparse contents of a disk. Offsets and lengths are bytes; whoever reads and writes keeps within `size`. */
export class BlockImage implements Migratable<BlockImageHardware, RunState> {
  /** By number. A chunk is replaced and never changed, so that a snapshot may hold on to it. */
  private written = new Map<number, Uint8Array>();

  /**
   * @param size of the disk in bytes
   * @param file what it holds at first, from its beginning; zeros behind it, or everywhere when there is none
   * @throws RangeError when the file is longer than the disk
   */
  constructor(
    readonly size: number,
    private readonly file: Uint8Array = new Uint8Array(0),
  ) {
    if (file.length > size)
      throw new RangeError(`a file of ${file.length} bytes does not fit a disk of ${size}`);
  }

  /** A copy of what is there. */
  read(offset: number, length: number): Uint8Array {
    this.check(offset, length);
    const out = new Uint8Array(length);
    forChunks(offset, length, (chunk, from, to, at) => {
      const bytes = this.written.get(chunk);
      if (bytes) out.set(bytes.subarray(from, to), at);
      else out.set(this.file.subarray(chunk * CHUNK + from, chunk * CHUNK + to), at);
    });
    return out;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.check(offset, bytes.length);
    forChunks(offset, bytes.length, (chunk, from, to, at) => {
      const copy = this.chunk(chunk).slice();
      copy.set(bytes.subarray(at, at + to - from), from);
      this.written.set(chunk, copy);
    });
  }

  /** Has a range read as zeros, and keeps nothing where that needs nothing. */
  clear(offset: number, length: number): void {
    this.check(offset, length);
    for (const chunk of this.chunksIn(offset, length)) {
      const from = Math.max(0, offset - chunk * CHUNK);
      const to = Math.min(CHUNK, offset + length - chunk * CHUNK);
      if (to - from < CHUNK) {
        const copy = this.chunk(chunk).slice();
        copy.fill(0, from, to);
        this.written.set(chunk, copy);
      } else if (chunk * CHUNK < this.file.length) this.written.set(chunk, ZEROS);
      else this.written.delete(chunk);
    }
  }

  save(): Checkpoint<BlockImageHardware, RunState> {
    const chunks = [...this.written.keys()].sort((a, b) => a - b);
    const bytes = chunks.map((chunk) => this.chunk(chunk));
    return { hardware: { version: 1, size: this.size, chunks, bytes }, run: {} };
  }

  load({ hardware }: Checkpoint<BlockImageHardware, RunState>): void {
    this.adopt(hardware);
  }

  /** The other host's disk has the same file, as a storage that both reach; what was written to it comes along. */
  adopt(hardware: BlockImageHardware): void {
    requireVersion('a disk', hardware.version, 1);
    if (hardware.size !== this.size) {
      throw new SnapshotError(
        `the snapshot is of a disk of ${hardware.size} bytes, this one has ${this.size}: give both the same size`,
      );
    }
    this.written = new Map(hardware.chunks.map((chunk, i) => [chunk, hardware.bytes[i]]));
  }

  /** As it stands; not to be changed. */
  private chunk(chunk: number): Uint8Array {
    const bytes = this.written.get(chunk);
    if (bytes) return bytes;
    const start = chunk * CHUNK;
    if (start >= this.file.length) return ZEROS;
    const part = new Uint8Array(CHUNK);
    part.set(this.file.subarray(start, start + CHUNK));
    return part;
  }

  /** Chunks in which a range has something that is not zero already: those of the file, and those that were written. */
  private chunksIn(offset: number, length: number): number[] {
    const first = Math.floor(offset / CHUNK);
    const end = Math.ceil((offset + length) / CHUNK);
    const ofFile = Math.min(end, Math.ceil(this.file.length / CHUNK));
    const chunks: number[] = [];
    for (let chunk = first; chunk < ofFile; chunk++) chunks.push(chunk);
    const behind = Math.max(first, ofFile);
    for (const chunk of this.written.keys()) if (chunk >= behind && chunk < end) chunks.push(chunk);
    return chunks;
  }

  private check(offset: number, length: number): void {
    if (offset < 0 || length < 0 || offset + length > this.size)
      throw new RangeError(`${length} bytes at ${offset} are not on a disk of ${this.size} bytes`);
  }
}

/** Parts of a range by chunk: where in it they begin and end, and where that is in the range. */
function forChunks(
  offset: number,
  length: number,
  visit: (chunk: number, from: number, to: number, at: number) => void,
): void {
  for (let at = 0; at < length;) {
    const chunk = Math.floor((offset + at) / CHUNK);
    const from = offset + at - chunk * CHUNK;
    const to = Math.min(CHUNK, from + length - at);
    visit(chunk, from, to, at);
    at += to - from;
  }
}
