/**
 * The trace hash: 64 bits over every column in row order and nothing else. Two traces of one scenario have the same
 * hash on every machine. It is a check against difference, not against forgery.
 *
 * Rows are hashed block by block (see `block.ts`), each block from the same seed, and the block hashes are folded in
 * order: so a block can be hashed, and its memory given back, while a span in an earlier block is still open.
 */
import { BLOCK_ROWS, BLOCK_SHIFT, type BlockSource } from '../block';
import type { TraceChunk, TraceDelta } from '../model';

/** Two 32-bit halves of the hash of one block. */
export type BlockHash = readonly [h1: number, h2: number];

/** The hash of the block with that index. */
export type IndexedHash = readonly [block: number, h1: number, h2: number];

const SEED_1 = 0x243f6a88;
const SEED_2 = 0x85a308d3;

/** Continues the hash of a block over rows [from, to) of a chunk. `state` undefined starts a block. */
export function hashRows(chunk: TraceChunk, from: number, to: number, state?: BlockHash): BlockHash {
  let h1 = state === undefined ? SEED_1 : state[0];
  let h2 = state === undefined ? SEED_2 : state[1];
  const { start, duration, track, kind, rip, a, b, cause } = chunk;
  for (let i = from; i < to; i++) {
    const time = start[i] ?? 0;
    // Times are non-negative safe integers: their two 32-bit words without a look at the byte order of the machine.
    const high = (time / 0x1_0000_0000) | 0;
    const low = (time - high * 0x1_0000_0000) | 0;
    // Each word is spread by its own odd factor before the sum, so that equal changes in two columns do not cancel.
    let w0 = Math.imul(low, 0x9e3779b1);
    w0 ^= w0 >>> 15;
    let w1 = Math.imul(high ^ (duration[i] ?? 0), 0x85ebca77);
    w1 ^= w1 >>> 14;
    let w2 = Math.imul((track[i] ?? 0) | ((kind[i] ?? 0) << 16), 0xc2b2ae3d);
    w2 ^= w2 >>> 13;
    let w3 = Math.imul(rip[i] ?? 0, 0x27d4eb2f);
    w3 ^= w3 >>> 16;
    let w4 = Math.imul(a[i] ?? 0, 0x165667b1);
    w4 ^= w4 >>> 15;
    let w5 = Math.imul(b[i] ?? 0, 0xd3a2646d);
    w5 ^= w5 >>> 14;
    let w6 = Math.imul(cause[i] ?? 0, 0xfd7046c5);
    w6 ^= w6 >>> 13;
    const w7 = Math.imul(high, 0xb55a4f09);
    const x1 =
      (w0 + w2 + w4 + w6 + Math.imul(w1 ^ (w3 >>> 7), 0x68e31da5) + Math.imul(w5, 0x1b56c4e9) + w7) | 0;
    const x2 =
      (Math.imul(w0, 0x7feb352d) +
        w1 +
        Math.imul(w2, 0x846ca68b) +
        w3 +
        Math.imul(w4, 0x3c6ef373) +
        w5 +
        Math.imul(w6, 0x5851f42d)) |
      0;
    h1 ^= x1;
    h1 = (Math.imul((h1 << 13) | (h1 >>> 19), 0xcc9e2d51) + h2) | 0;
    h2 ^= x2;
    h2 = (Math.imul((h2 << 17) | (h2 >>> 15), 0x1b873593) + h1) | 0;
  }
  return [h1, h2];
}

/** Murmur3's 32-bit finaliser: every input bit reaches every output bit. */
function finish(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The trace hash as 16 hexadecimal digits, from the hashes of all blocks in order and the number of rows. */
export function foldHashes(blocks: readonly BlockHash[], rows: number): string {
  let h1 = finish(SEED_1 ^ rows);
  let h2 = finish(SEED_2 ^ Math.imul(rows, 0x9e3779b1));
  for (const [b1, b2] of blocks) {
    h1 = (finish(h1 ^ b1) + h2) | 0;
    h2 = (finish(h2 ^ b2) + h1) | 0;
  }
  const digits = (half: number): string => finish(half).toString(16).padStart(8, '0');
  return digits(h1) + digits(h2 ^ 0x5bd1e995);
}

/** Anything that holds a trace's rows as blocks: a store, or the parts of a file. */
export interface Blocks extends Pick<BlockSource, 'block'> {
  readonly rows: number;
}

/** The blocks of a trace in order, one at a time. */
export function* blocksOf(trace: Blocks): Generator<TraceChunk> {
  for (let index = 0; index * BLOCK_ROWS < trace.rows; index++) {
    const block = trace.block(index);
    if (block !== undefined) yield block;
  }
}

/** Recomputes the hash of a finished trace. Equal to the recorder's. */
export function hashOf(trace: Blocks): string {
  const hashes = Array.from(blocksOf(trace), (block) =>
    hashRows(block, 0, Math.min(block.start.length, trace.rows - block.firstRow)),
  );
  return foldHashes(hashes, trace.rows);
}

/**
 * Gathers the trace hash on the receiving side of a recorder that leaves whole blocks to its receiver: what the recorder has
 * hashed comes with the deltas, the rest is hashed here. To be shown every delta once it is unfolded, before its arrays are
 * given away.
 */
export class HashCollector {
  private readonly hashes: BlockHash[] = [];

  add(delta: TraceDelta): void {
    if (delta.truncated !== undefined)
      this.hashes.length = Math.min(this.hashes.length, delta.truncated >>> BLOCK_SHIFT);
    for (const [block, h1, h2] of delta.hashes?.known ?? []) this.hashes[block] = [h1, h2];
    for (const block of delta.hashes?.unhashed ?? []) {
      const chunk = delta.chunks.find(({ firstRow }) => firstRow === block * BLOCK_ROWS);
      if (chunk) this.hashes[block] = hashRows(chunk, 0, BLOCK_ROWS);
    }
  }

  /** The trace hash once the last delta has been added. @param rows of the whole trace */
  traceHash(rows: number): string {
    return foldHashes(this.hashes, rows);
  }
}
