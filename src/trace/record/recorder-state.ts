/**
 * A recorder's state as plain data. A snapshot holds the rows that are still needed: those not handed out yet, and those of
 * blocks without a hash. One on top of another holds only what came since.
 */
import { BLOCK_MASK, BLOCK_ROWS, BLOCK_SHIFT, emptyChunk, pasteRows } from '../block';

import type { IndexedHash } from './hash';
import type { Place, TraceChunk, TraceMeta, Track } from '../model';

/** Version of `RecorderState`. */
export const RECORDER_STATE_VERSION = 2;

/** Late values of rows: four parallel columns. */
export interface RowPatches {
  row: Uint32Array;
  duration: Uint32Array;
  a: Uint32Array;
  b: Uint32Array;
}

/** Snapshot of a `Recorder`. */
export interface RecorderState {
  version: typeof RECORDER_STATE_VERSION;
  /** Rows recorded. */
  rows: number;
  /** First row of `chunks` that may be there; 0 in a state that stands alone. */
  since: number;
  /** Indices of the blocks whose rows are needed, ascending. */
  blocks: number[];
  /** Rows from `since` on of these blocks, ascending, each chunk within one block. */
  chunks: TraceChunk[];
  /** Rows before `since` that have changed since then. */
  patches: RowPatches;
  /** Rows of open spans. */
  open: Uint32Array;
  /** High halves of arguments that do not stand behind their row: row, and row of the halves. */
  wide: [row: number, high: number][];
  /** Hashes of blocks, as far as they are known here. */
  hashes: IndexedHash[];
  cause: number;
  place: number;
  truncatedAt?: number;
  /** `maxEvents`, or the number of rows once the recorder is finished. */
  limit: number;
  finished: boolean;
  tracks: Track[];
  places: Pick<Place, 'vm' | 'rip'>[];
  counts: TraceMeta['counts'];
  sums: TraceMeta['sums'];
  /** What a receiver of deltas has. */
  handed: { rows: number; tracks: number; places: number };
  latePatches: number[];
  newHashes: IndexedHash[];
}

/**
 * One state of what `state` and `before`, on top of which it was saved, say together.
 *
 * @param before stands alone
 */
export function mergeRecorderStates(before: RecorderState, state: RecorderState): RecorderState {
  const needed = new Map<number, TraceChunk>();
  const paste = (chunk: TraceChunk): void => {
    const index = chunk.firstRow >>> BLOCK_SHIFT;
    if (!state.blocks.includes(index)) return;
    const firstRow = index * BLOCK_ROWS;
    const rows = Math.min(BLOCK_ROWS, state.rows - firstRow);
    const block = needed.get(index) ?? emptyChunk(firstRow, rows);
    needed.set(index, block);
    pasteRows(block, chunk.firstRow - firstRow, chunk, 0, chunk.start.length);
  };
  before.chunks.forEach(paste);
  const { row, duration, a, b } = state.patches;
  row.forEach((each, i) => {
    const block = needed.get(each >>> BLOCK_SHIFT);
    if (!block) return;
    const at = each - block.firstRow;
    block.duration[at] = duration[i] ?? 0;
    block.a[at] = a[i] ?? 0;
    block.b[at] = b[i] ?? 0;
  });
  state.chunks.forEach(paste);
  const chunks = [...needed.values()].sort((x, y) => x.firstRow - y.firstRow);
  return { ...state, since: 0, chunks, patches: before.patches };
}

/** Present values of rows, ascending and each once; `chunkOf` gives the block of a row. */
export function patchesOf(
  rows: readonly number[],
  chunkOf: (row: number) => TraceChunk | undefined,
): RowPatches {
  const row = Uint32Array.from(new Set(rows)).sort();
  const value = (column: 'duration' | 'a' | 'b'): Uint32Array =>
    row.map((each) => chunkOf(each)?.[column][each & BLOCK_MASK] ?? 0);
  return { row, duration: value('duration'), a: value('a'), b: value('b') };
}
