/**
 * The recorder's part of checkpoints. Each holds the rows that were recorded since the checkpoint before it, as far as the recorder
 * needed them then; what it needed at one of them is put together from that one and those before.
 */
import { BLOCK_ROWS, BLOCK_SHIFT, ROW_BYTES, emptyChunk, pasteRows } from '../../trace/block';
import type { TraceChunk } from '../../trace/model';
import type { RecorderState, RowPatches } from '../../trace/record/recorder-state';

/** Rows of a checkpoint. */
export type RowIncrement = Pick<RecorderState, 'chunks' | 'patches'>;

/** All else of the recorder: little, and much alike from one checkpoint to the next. */
export type RecorderTables = Omit<RecorderState, 'chunks' | 'patches' | 'since'>;

const PATCH_BYTES = 16;
const NO_PATCHES: RowPatches = {
  row: new Uint32Array(0),
  duration: new Uint32Array(0),
  a: new Uint32Array(0),
  b: new Uint32Array(0),
};

/** Parts a state of the recorder. */
export function parted(state: RecorderState): { rows: RowIncrement; tables: RecorderTables } {
  const { chunks, patches, since: _, ...tables } = state;
  return { rows: { chunks, patches }, tables };
}

/** Bytes of its columns. */
export function incrementBytes({ chunks, patches }: RowIncrement): number {
  const rows = chunks.reduce((sum, { start }) => sum + start.length, 0);
  return rows * ROW_BYTES + patches.row.length * PATCH_BYTES;
}

/**
 * What a recorder has to load.
 * @param increments of the checkpoint and all before it, in order
 * @param tables of the checkpoint
 */
export function recorderStateAt(increments: readonly RowIncrement[], tables: RecorderTables): RecorderState {
  const needed = new Map<number, TraceChunk>();
  for (const index of tables.blocks) {
    const firstRow = index * BLOCK_ROWS;
    needed.set(index, emptyChunk(firstRow, Math.min(BLOCK_ROWS, tables.rows - firstRow)));
  }
  for (const { chunks, patches } of increments) {
    for (const chunk of chunks) {
      const block = needed.get(chunk.firstRow >>> BLOCK_SHIFT);
      if (block) pasteRows(block, chunk.firstRow - block.firstRow, chunk, 0, chunk.start.length);
    }
    patch(patches, (row) => needed.get(row >>> BLOCK_SHIFT));
  }
  // What has been handed out is a matter of who receives, and of no moment.
  const handed = { rows: 0, tracks: 0, places: 0 };
  return { ...tables, handed, since: 0, chunks: [...needed.values()], patches: NO_PATCHES };
}

/**
 * Two increments, the second on top of the first, as one on top of what the first stood on.
 * @param needed indexes of the blocks that anybody after them can still need
 */
export function combined(first: RowIncrement, second: RowIncrement, needed: readonly number[]): RowIncrement {
  const wanted = new Set(needed);
  const kept = first.chunks.filter(({ firstRow }) => wanted.has(firstRow >>> BLOCK_SHIFT));
  const left = patch(second.patches, (row) =>
    kept.find(({ firstRow, start }) => row >= firstRow && row < firstRow + start.length),
  );
  return { chunks: [...kept, ...second.chunks], patches: joined(first.patches, left) };
}

/** Writes late values into rows. @returns those whose rows are not there */
function patch(patches: RowPatches, chunkOf: (row: number) => TraceChunk | undefined): RowPatches {
  const left: number[] = [];
  patches.row.forEach((row, i) => {
    const chunk = chunkOf(row);
    if (!chunk) {
      left.push(i);
      return;
    }
    const at = row - chunk.firstRow;
    chunk.duration[at] = patches.duration[i];
    chunk.a[at] = patches.a[i];
    chunk.b[at] = patches.b[i];
  });
  if (left.length === patches.row.length) return patches;
  const pick = (column: Uint32Array): Uint32Array => Uint32Array.from(left, (i) => column[i]);
  return {
    row: pick(patches.row),
    duration: pick(patches.duration),
    a: pick(patches.a),
    b: pick(patches.b),
  };
}

function joined(first: RowPatches, second: RowPatches): RowPatches {
  if (first.row.length === 0) return second;
  if (second.row.length === 0) return first;
  const join = (x: Uint32Array, y: Uint32Array): Uint32Array => {
    const both = new Uint32Array(x.length + y.length);
    both.set(x);
    both.set(y, x.length);
    return both;
  };
  return {
    row: join(first.row, second.row),
    duration: join(first.duration, second.duration),
    a: join(first.a, second.a),
    b: join(first.b, second.b),
  };
}
