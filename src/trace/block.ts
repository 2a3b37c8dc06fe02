/** Blocks: the aligned stretches of 65 536 rows in which recorder, store, hash and file all keep a trace. */
import type { TraceChunk } from './model';

/** log2 of the rows of a block. */
export const BLOCK_SHIFT = 16;
export const BLOCK_ROWS = 1 << BLOCK_SHIFT;
export const BLOCK_MASK = BLOCK_ROWS - 1;

/** `duration` of a span of 2^32 - 1 cycles or more; its full duration stands in a `span.overflow` row. */
export const DURATION_SATURATED = 0xffffffff;

/** Bytes that a processor's caches move at once. */
const CACHE_LINE = 64;

/** Bytes of a row in memory and on disk. */
export const ROW_BYTES = 32;

/** Where the aligned blocks of a trace come from: memory, or a file that is read as far as somebody asks. */
export interface BlockSource {
  /** Blocks. */
  readonly count: number;
  /**
   * The block with that index; the arrays of the last may be longer than the rows in use. Undefined where there is none. Ask anew
   * for each use: a source may keep a few blocks only.
   */
  block(index: number): TraceChunk | undefined;
}

/** Blocks in memory. */
export class BlockList implements BlockSource {
  private readonly blocks: TraceChunk[] = [];

  get count(): number {
    return this.blocks.length;
  }
  block(index: number): TraceChunk | undefined {
    return this.blocks[index];
  }
  push(block: TraceChunk): void {
    this.blocks.push(block);
  }
  /** Keeps the first `count` blocks. */
  truncate(count: number): void {
    this.blocks.length = Math.min(this.blocks.length, count);
  }
}

/**
 * Column arrays for `rows` rows, all zero, in one buffer: it goes to another thread as one piece. Each column begins a cache
 * line later than a power of two would have it, for eight stores of one row that fall into one set of the cache drive each
 * other out.
 */
export function emptyChunk(firstRow: number, rows: number): TraceChunk {
  const stride = (bytes: number): number => Math.ceil((rows * bytes) / CACHE_LINE) * CACHE_LINE + CACHE_LINE;
  const buffer = new ArrayBuffer(stride(8) + 5 * stride(4) + 2 * stride(2));
  let at = 0;
  const place = (bytes: number): number => {
    const offset = at;
    at += stride(bytes);
    return offset;
  };
  return {
    firstRow,
    start: new Float64Array(buffer, place(8), rows),
    duration: new Uint32Array(buffer, place(4), rows),
    track: new Uint16Array(buffer, place(2), rows),
    kind: new Uint16Array(buffer, place(2), rows),
    rip: new Uint32Array(buffer, place(4), rows),
    a: new Uint32Array(buffer, place(4), rows),
    b: new Uint32Array(buffer, place(4), rows),
    cause: new Uint32Array(buffer, place(4), rows),
  };
}

/** A copy of the rows [from, to) of a chunk (positions within it), with arrays of its own. */
export function copyRows(chunk: TraceChunk, from: number, to: number): TraceChunk {
  return {
    firstRow: chunk.firstRow + from,
    start: chunk.start.slice(from, to),
    duration: chunk.duration.slice(from, to),
    track: chunk.track.slice(from, to),
    kind: chunk.kind.slice(from, to),
    rip: chunk.rip.slice(from, to),
    a: chunk.a.slice(from, to),
    b: chunk.b.slice(from, to),
    cause: chunk.cause.slice(from, to),
  };
}

/** Rows [from, to) of a chunk as views on the same memory. */
export function viewRows(chunk: TraceChunk, from: number, to: number): TraceChunk {
  return {
    firstRow: chunk.firstRow + from,
    start: chunk.start.subarray(from, to),
    duration: chunk.duration.subarray(from, to),
    track: chunk.track.subarray(from, to),
    kind: chunk.kind.subarray(from, to),
    rip: chunk.rip.subarray(from, to),
    a: chunk.a.subarray(from, to),
    b: chunk.b.subarray(from, to),
    cause: chunk.cause.subarray(from, to),
  };
}

/** Writes rows [from, to) of `source` into `target` at position `at`. */
export function pasteRows(
  target: TraceChunk,
  at: number,
  source: TraceChunk,
  from: number,
  to: number,
): void {
  const rows = from === 0 && to === source.start.length ? source : viewRows(source, from, to);
  target.start.set(rows.start, at);
  target.duration.set(rows.duration, at);
  target.track.set(rows.track, at);
  target.kind.set(rows.kind, at);
  target.rip.set(rows.rip, at);
  target.a.set(rows.a, at);
  target.b.set(rows.b, at);
  target.cause.set(rows.cause, at);
}

/** All array buffers of a chunk, for the transfer list of a message to another thread. */
export function buffersOf(chunk: TraceChunk): ArrayBufferLike[] {
  const { start, duration, track, kind, rip, a, b, cause } = chunk;
  return [start, duration, track, kind, rip, a, b, cause].map((column) => column.buffer);
}
