/**
 * Blocks of columns under recording. The columns of a block lie in one buffer and are reached through three views on it, one
 * for each size of value, so that writing a row costs few loads.
 */
import { BLOCK_ROWS, emptyChunk } from '../block';
import type { TraceChunk } from '../model';
import type { FoldList } from './fold-list';

/** A block under recording. */
export interface Block {
  readonly chunk: TraceChunk;
  readonly f64: Float64Array;
  readonly u32: Uint32Array;
  readonly u16: Uint16Array;
  /** Groups of rows whose places in the columns are empty. */
  folds: FoldList | undefined;
  /** All its rows have their last values. */
  final: boolean;
  /** The chunk itself was handed out, not a copy. */
  given: boolean;
}

/** Where the columns of a block begin in its views; `start` begins the buffer. */
const layout = ((): Record<Exclude<keyof TraceChunk, 'firstRow' | 'start'>, number> => {
  const { duration, track, kind, rip, a, b, cause } = emptyChunk(0, BLOCK_ROWS);
  const at = (column: Uint32Array | Uint16Array): number => column.byteOffset / column.BYTES_PER_ELEMENT;
  return {
    duration: at(duration),
    track: at(track),
    kind: at(kind),
    rip: at(rip),
    a: at(a),
    b: at(b),
    cause: at(cause),
  };
})();
/** Begin of the columns in `u32` and `u16`. */
export const DURATION = layout.duration;
export const KIND = layout.kind;
export const A = layout.a;
export const B = layout.b;
export const TRACK = layout.track;
export const RIP = layout.rip;
export const CAUSE = layout.cause;

/** A chunk of `BLOCK_ROWS` rows, whose columns lie in one buffer, as a block to write to. */
export function blockOf(chunk: TraceChunk): Block {
  const { buffer } = chunk.start;
  return {
    chunk,
    f64: chunk.start,
    u32: new Uint32Array(buffer),
    u16: new Uint16Array(buffer),
    folds: undefined,
    final: false,
    given: false,
  };
}
