/**
 * Hands rows out in blocks, and hashes blocks whose rows have their last values: when a block and the next are full, and no
 * span of it is open.
 */
import { BLOCK_MASK, BLOCK_ROWS, BLOCK_SHIFT, copyRows } from '../block';
import { SnapshotError } from '../snapshot-error';
import type { RowPattern, TraceChunk, TraceDelta } from '../model';
import { foldHashes, hashRows, type BlockHash, type IndexedHash } from './hash';
import type { RowWriter } from './row-writer';

export class HandOut {
  private readonly hashes: BlockHash[] = [];
  /** Blocks hashed here since the last delta, for a receiver that hashes the others. */
  private newHashes: IndexedHash[] = [];

  /** @param receiverHashes as in `RecorderOptions` */
  constructor(
    private readonly rows: Pick<RowWriter, 'blocks' | 'rows' | 'spare' | 'fillIn'>,
    private readonly patterns: readonly RowPattern[],
    private readonly receiverHashes: boolean,
  ) {}

  /** Finds blocks that are final, and hashes them but for those that a receiver will get whole. */
  settle(open: Uint32Array, handed: number, finished: boolean): void {
    const { blocks, rows: count } = this.rows;
    const busy = new Set(Array.from(open, (row) => row >>> BLOCK_SHIFT));
    const end = finished ? blocks.length : blocks.length - 2;
    for (let index = 0; index < end; index++) {
      const block = blocks[index];
      if (block === undefined || block.final || busy.has(index)) continue;
      block.final = true;
      const firstRow = index * BLOCK_ROWS;
      const rows = Math.min(BLOCK_ROWS, count - firstRow);
      if (this.receiverHashes && rows === BLOCK_ROWS && handed <= firstRow) continue;
      this.rows.fillIn(block);
      const hash = hashRows(block.chunk, 0, rows);
      this.hashes[index] = hash;
      this.newHashes.push([index, ...hash]);
    }
  }

  /**
   * The rows from `handed` on. A fast recording is handed out in whole blocks, without copying; only where no block is
   * complete are its rows copied, so that a slow one can be watched too. Blocks that are final and handed out are given back.
   */
  take(handed: number, finished: boolean): Pick<TraceDelta, 'chunks' | 'hashes' | 'folds'> {
    const { blocks, rows: count, spare } = this.rows;
    const chunks: TraceChunk[] = [];
    const unhashed: number[] = [];
    const entries: Record<number, Uint32Array> = {};
    let next = handed;
    while (next < count) {
      const index = next >>> BLOCK_SHIFT;
      const block = blocks[index];
      if (block === undefined) break;
      const from = next & BLOCK_MASK;
      const to = Math.min(BLOCK_ROWS, count - index * BLOCK_ROWS);
      block.given = from === 0 && to === BLOCK_ROWS && block.final;
      if (!block.given && chunks.length > 0 && !finished) break;
      if (block.given && this.receiverHashes) {
        unhashed.push(index);
        if (block.folds && !block.folds.empty) entries[chunks.length] = block.folds.take();
      } else this.rows.fillIn(block);
      chunks.push(block.given ? block.chunk : copyRows(block.chunk, from, to));
      next += to - from;
    }
    for (let index = 0; index < next >>> BLOCK_SHIFT; index++) {
      const block = blocks[index];
      if (!block?.final) continue;
      if (!block.given) spare.push(block.chunk);
      blocks[index] = undefined;
    }
    const hashes = this.receiverHashes ? { known: this.newHashes, unhashed } : undefined;
    this.newHashes = [];
    const folds = Object.keys(entries).length > 0 ? { patterns: [...this.patterns], entries } : undefined;
    return { chunks, hashes, folds };
  }

  /** The hash of all rows, once all are final. */
  traceHash(): string {
    return foldHashes(this.hashes, this.rows.rows);
  }

  /** Hashes of blocks from this one on are of rows that will not be. */
  discardFrom(index: number): void {
    this.newHashes = this.newHashes.filter(([block]) => block < index);
  }

  /** For a snapshot: all hashes known here, and those that no delta has had. */
  save(): { hashes: IndexedHash[]; newHashes: IndexedHash[] } {
    return {
      hashes: this.hashes.flatMap(([h1, h2], index): IndexedHash[] => [[index, h1, h2]]),
      newHashes: [...this.newHashes],
    };
  }

  /**
   * Takes a snapshot's hashes in place of those so far. @param handed rows that the receiver of deltas has
   * @throws SnapshotError when rows are neither there nor hashed
   */
  load(hashes: readonly IndexedHash[], newHashes: readonly IndexedHash[], handed: number): void {
    this.hashes.length = 0;
    for (const [index, h1, h2] of hashes) this.hashes[index] = [h1, h2];
    const unknown = this.rows.blocks.findIndex((block, index) => block === undefined && !this.hashes[index]);
    if (unknown >= 0 && !this.receiverHashes) {
      throw new SnapshotError(
        `the snapshot has no hash of rows from ${unknown * BLOCK_ROWS} on: its receiver kept them; ` +
          'go on with a session whose receiver hashes as well',
      );
    }
    // A receiver of its own has seen none of them.
    this.newHashes = handed === 0 ? [...hashes] : [...this.newHashes, ...newHashes];
  }
}
