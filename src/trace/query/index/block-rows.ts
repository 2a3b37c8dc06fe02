/**
 * Which rows of a block belong to which stream, in order of time. This is worked out from the block's columns when somebody asks,
 * and kept for the blocks that were asked for last: two bytes for each row.
 */
import { BLOCK_ROWS } from '../../block';
import type { TraceChunk } from '../../model';

/** Most blocks whose order is kept. */
const MOST_KEPT = 64;
const NODE_SHIFT = 6;

/** The rows of one block, stream by stream. */
export interface BlockOrder {
  /** Positions in the block: those of one stream stand together, by start and then by row. */
  order: Uint16Array;
  /** Greatest end in each 64 of `order`; absent until it is asked for. */
  ends?: Float64Array;
}

/** A stream's part of a block. */
export interface Share {
  stream: number;
  /** Place of its first row in `order`, and how many there are. */
  offset: number;
  count: number;
}

/** What is asked of the trace. */
export interface OrderedSource {
  block(index: number): TraceChunk | undefined;
  /** Rows of a block that are in use. */
  rowsIn(index: number): number;
  streamOf(track: number, kind: number): number;
  closedDurationOf(row: number): number;
}

export class BlockRows {
  private readonly kept = new Map<number, BlockOrder>();
  private readonly streams = new Uint32Array(BLOCK_ROWS);
  private counts = new Uint32Array(64);

  constructor(private readonly source: OrderedSource) {}

  /** The order of a block that is there. */
  of(index: number): BlockOrder {
    const known = this.kept.get(index);
    if (known !== undefined) {
      // To the end: a Map is in order of insertion.
      if (this.kept.size >= MOST_KEPT) {
        this.kept.delete(index);
        this.kept.set(index, known);
      }
      return known;
    }
    return this.make(index).found;
  }

  /** Greatest ends of the nodes of a block. */
  endsOf(index: number): Float64Array {
    const found = this.of(index);
    if (found.ends) return found.ends;
    const block = this.source.block(index);
    const { order } = found;
    const ends = new Float64Array((order.length >>> NODE_SHIFT) + 1);
    if (block !== undefined)
      for (let i = 0; i < order.length; i++) {
        const at = order[i];
        const duration = block.duration[at] === 0 ? 0 : this.source.closedDurationOf(block.firstRow + at);
        const end = block.start[at] + duration;
        const node = i >>> NODE_SHIFT;
        if (duration > 0 && end > ends[node]) ends[node] = end;
      }
    found.ends = ends;
    return ends;
  }

  /** A block has more rows than when it was looked at, or others. */
  forget(index: number): void {
    this.kept.delete(index);
  }

  /** Durations of a block have changed. */
  forgetEnds(index: number): void {
    delete this.kept.get(index)?.ends;
  }

  clear(): void {
    this.kept.clear();
  }

  /** Orders a block anew. */
  make(index: number): { found: BlockOrder; shares: Share[] } {
    const block = this.source.block(index);
    const rows = block === undefined ? 0 : Math.min(this.source.rowsIn(index), block.start.length);
    const order = new Uint16Array(rows);
    const found: BlockOrder = { order };
    const shares = block === undefined ? [] : this.sharesOf(block, rows);
    if (block !== undefined) {
      for (const { stream, offset } of shares) this.counts[stream] = offset;
      for (let i = 0; i < rows; i++) order[this.counts[this.streams[i]]++] = i;
      for (const { stream, offset, count } of shares) {
        this.counts[stream] = 0;
        sortByStart(order.subarray(offset, offset + count), block.start);
      }
    }
    this.kept.delete(index);
    this.kept.set(index, found);
    const [oldest] = this.kept.keys();
    if (this.kept.size > MOST_KEPT) this.kept.delete(oldest);
    return { found, shares };
  }

  private sharesOf({ track, kind }: TraceChunk, rows: number): Share[] {
    const { streams } = this;
    const there: number[] = [];
    for (let i = 0; i < rows; i++) {
      const stream = this.source.streamOf(track[i], kind[i]);
      streams[i] = stream;
      if (stream >= this.counts.length) this.enlarge(stream);
      if (this.counts[stream]++ === 0) there.push(stream);
    }
    let offset = 0;
    return there
      .sort((x, y) => x - y)
      .map((stream) => {
        const count = this.counts[stream];
        offset += count;
        return { stream, offset: offset - count, count };
      });
  }

  private enlarge(stream: number): void {
    const larger = new Uint32Array(Math.max(stream + 1, this.counts.length * 2));
    larger.set(this.counts);
    this.counts = larger;
  }
}

export { NODE_SHIFT };

/** Mostly they are in order, or nearly. */
function sortByStart(positions: Uint16Array, starts: Float64Array): void {
  let moves = 0;
  for (let i = 1; i < positions.length; i++) {
    const at = positions[i];
    const start = starts[at];
    let j = i;
    while (j > 0 && starts[positions[j - 1]] > start) {
      positions[j] = positions[j - 1];
      j--;
    }
    positions[j] = at;
    moves += i - j;
    if (moves > 16 * positions.length) {
      positions.sort((x, y) => starts[x] - starts[y] || x - y);
      return;
    }
  }
}
