/** The blocks of a trace file: each is read, unpacked and checked when somebody asks, and the latest ones are kept. */
import { BLOCK_ROWS, ROW_BYTES, emptyChunk, pasteRows, type BlockSource } from '../block';
import type { TraceChunk, TraceMeta } from '../model';
import { rowsOf, unpackedRows, type Batch } from './batch';
import type { RandomAccess } from './random-access';

/**
 * Bytes of columns that are kept unless told otherwise: ten million events. What goes through all rows of a larger trace again and
 * again reads it again and again.
 */
export const KEPT_BYTES = 320 * 1024 * 1024;

export class FileBlocks implements BlockSource {
  readonly count: number;
  private readonly kept: (TraceChunk | undefined)[] = [];
  /** By block: when it was last asked for, in questions. */
  private readonly asked: number[] = [];
  private questions = 0;
  private keptCount = 0;
  private readonly mostKept: number;
  /** The last compressed batch that is no block by itself. */
  private whole: { batch: Batch; chunk: TraceChunk } | undefined;

  /**
   * @param batches in the order of rows, without a gap
   * @param meta whose tables the rows are checked against
   */
  constructor(
    private readonly access: RandomAccess,
    private readonly batches: readonly Batch[],
    private readonly rows: number,
    private readonly meta: TraceMeta,
    keptBytes = KEPT_BYTES,
  ) {
    this.count = Math.ceil(rows / BLOCK_ROWS);
    this.mostKept = Math.max(2, Math.floor(keptBytes / (BLOCK_ROWS * ROW_BYTES)));
  }

  /** @throws TraceFileError when the file turns out to be damaged there */
  block(index: number): TraceChunk | undefined {
    const known = this.kept[index];
    if (known !== undefined) {
      this.asked[index] = ++this.questions;
      return known;
    }
    if (!(index >= 0 && index < this.count)) return undefined;
    const block = this.read(index);
    if (this.keptCount >= this.mostKept) this.forget();
    this.kept[index] = block;
    this.asked[index] = ++this.questions;
    this.keptCount += 1;
    return block;
  }

  close(): void {
    this.access.close();
  }

  /** Gives up the block that nobody has asked for the longest. */
  private forget(): void {
    let oldest = -1;
    for (const [index, block] of this.kept.entries()) {
      if (block === undefined) continue;
      if (oldest < 0 || (this.asked[index] ?? 0) < (this.asked[oldest] ?? 0)) oldest = index;
    }
    if (oldest < 0) return;
    this.kept[oldest] = undefined;
    this.keptCount -= 1;
  }

  private read(index: number): TraceChunk {
    const firstRow = index * BLOCK_ROWS;
    const end = Math.min(this.rows, firstRow + BLOCK_ROWS);
    let at = this.batchOf(firstRow);
    const first = this.batches[at];
    if (first?.firstRow === firstRow && first.rows === end - firstRow) return this.allOf(first);
    // Written by somebody else, in batches of another size.
    const block = emptyChunk(firstRow, end - firstRow);
    for (let row = firstRow; row < end; at++) {
      const batch = this.batches[at];
      if (batch === undefined) break;
      const to = Math.min(end, batch.firstRow + batch.rows);
      const [from, until] = [row - batch.firstRow, to - batch.firstRow];
      if (batch.codec === undefined) {
        const rows = rowsOf(this.access, batch, from, until, this.meta);
        pasteRows(block, row - firstRow, rows, 0, rows.start.length);
      } else pasteRows(block, row - firstRow, this.wholeOf(batch), from, until);
      row = to;
    }
    return block;
  }

  private wholeOf(batch: Batch): TraceChunk {
    if (this.whole?.batch !== batch) this.whole = { batch, chunk: this.allOf(batch) };
    return this.whole.chunk;
  }

  private allOf(batch: Batch): TraceChunk {
    return batch.codec === undefined
      ? rowsOf(this.access, batch, 0, batch.rows, this.meta)
      : unpackedRows(this.access, batch, this.meta);
  }

  /** Index of the batch that holds a row. */
  private batchOf(row: number): number {
    let low = 0;
    let high = this.batches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.batches[middle]?.firstRow ?? 0) <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
