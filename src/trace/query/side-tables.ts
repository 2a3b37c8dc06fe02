/**
 * What some rows say of others, and what is known of whole blocks: high halves of arguments (`args.high`), durations beyond 32 bits
 * (`span.overflow`), and the times that each block spans. Gathered in one pass over the rows, or read from a file's stored index.
 */
import { BLOCK_ROWS, BLOCK_SHIFT, BLOCK_MASK } from '../block';
import type { TraceChunk } from '../model';
import { Kind } from '../vocabulary/events';
import { joined } from '../vocabulary/wide';

/** Times of a block, in cycles. */
export interface BlockTimes {
  /** Least and greatest start of its events. */
  leastStart: number;
  greatestStart: number;
  /** Greatest end of its events, as far as their durations are in its rows. */
  greatestEnd: number;
}

export class SideTables {
  /** High halves of arguments by row, as far as any are not zero. */
  readonly highs = new Map<number, readonly [a: number, b: number]>();
  /** Full durations of saturated spans by row. */
  readonly durations = new Map<number, number>();
  readonly times: BlockTimes[] = [];
  /** Cycles: the latest start or end of any event. */
  end = 0;
  /** Rows that have been looked at. */
  rows = 0;

  clear(): void {
    this.highs.clear();
    this.durations.clear();
    this.times.length = 0;
    this.end = 0;
    this.rows = 0;
  }

  /**
   * Takes up the next rows of a block, up to position `to`.
   * @param startOf start of any earlier row
   * @returns rows of earlier spans whose full duration is known by them
   */
  add(block: TraceChunk, to: number, startOf: (row: number) => number): number[] {
    const { firstRow, start, duration, kind, a, b, cause } = block;
    const lengthened: number[] = [];
    const times = (this.times[firstRow >>> BLOCK_SHIFT] ??= {
      leastStart: Infinity,
      greatestStart: 0,
      greatestEnd: 0,
    });
    let { leastStart, greatestStart, greatestEnd } = times;
    for (let i = this.rows & BLOCK_MASK; i < to; i++) {
      const time = start[i] ?? 0;
      const end = time + (duration[i] ?? 0);
      if (time < leastStart) leastStart = time;
      if (time > greatestStart) greatestStart = time;
      if (end > greatestEnd) greatestEnd = end;
      const what = kind[i];
      if (what !== Kind.ArgsHigh && what !== Kind.SpanOverflow) continue;
      const row = (cause[i] ?? 0) - 1;
      if (row < 0 || row >= firstRow + i) continue;
      if (what === Kind.ArgsHigh) this.highs.set(row, [a[i] ?? 0, b[i] ?? 0]);
      else {
        const full = joined(b[i] ?? 0, a[i] ?? 0);
        this.durations.set(row, full);
        this.end = Math.max(this.end, startOf(row) + full);
        lengthened.push(row);
      }
    }
    Object.assign(times, { leastStart, greatestStart, greatestEnd });
    this.end = Math.max(this.end, greatestEnd);
    this.rows = firstRow + to;
    return lengthened;
  }

  /** A row that was taken up has got other values. */
  patch(row: number, end: number): void {
    const times = this.times[row >>> BLOCK_SHIFT];
    if (times) times.greatestEnd = Math.max(times.greatestEnd, end);
    this.end = Math.max(this.end, end);
  }
}

/** Version of `encodeSides`. */
export const SIDES_VERSION = 1;
/** 32-bit words before the lists: rows, blocks, high halves, durations; then the end as a double. */
const HEAD_WORDS = 6;
/** Of a block: three doubles; of high halves, and of a duration: its row and two words. */
const BLOCK_WORDS = 6;
const ENTRY_WORDS = 3;

/** The tables as bytes. */
export function encodeSides(sides: SideTables): Uint8Array {
  const blocks = Math.ceil(sides.rows / BLOCK_ROWS);
  const entries = sides.highs.size + sides.durations.size;
  const bytes = new Uint8Array(4 * (HEAD_WORDS + BLOCK_WORDS * blocks + ENTRY_WORDS * entries));
  const view = new DataView(bytes.buffer);
  let at = 0;
  const word = (value: number): void => {
    view.setUint32(at, value, true);
    at += 4;
  };
  const double = (value: number): void => {
    view.setFloat64(at, value, true);
    at += 8;
  };
  word(sides.rows);
  word(blocks);
  word(sides.highs.size);
  word(sides.durations.size);
  double(sides.end);
  for (const { leastStart, greatestStart, greatestEnd } of sides.times.slice(0, blocks)) {
    double(leastStart);
    double(greatestStart);
    double(greatestEnd);
  }
  for (const [row, [a, b]] of sides.highs) {
    word(row);
    word(a);
    word(b);
  }
  for (const [row, duration] of sides.durations) {
    word(row);
    word(duration % 0x1_0000_0000);
    word(Math.floor(duration / 0x1_0000_0000));
  }
  return bytes;
}

/** The tables of `rows` rows from bytes; undefined where these are not such tables. */
export function decodeSides(bytes: Uint8Array, rows: number): SideTables | undefined {
  if (bytes.length < 4 * HEAD_WORDS) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const word = (): number => {
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const double = (): number => {
    at += 8;
    return view.getFloat64(at - 8, true);
  };
  const [count, blocks, highs, durations] = [word(), word(), word(), word()];
  const words = HEAD_WORDS + BLOCK_WORDS * blocks + ENTRY_WORDS * (highs + durations);
  if (count !== rows || blocks !== Math.ceil(rows / BLOCK_ROWS) || bytes.length !== 4 * words)
    return undefined;
  const sides = new SideTables();
  sides.rows = rows;
  sides.end = double();
  let sound = sides.end >= 0 && sides.end < Infinity;
  for (let i = 0; i < blocks; i++) {
    const times = { leastStart: double(), greatestStart: double(), greatestEnd: double() };
    sound &&= Object.values(times).every((time) => time >= 0 && time <= sides.end);
    sides.times.push(times);
  }
  for (let i = 0; i < highs; i++) {
    const row = word();
    sound &&= row < rows;
    sides.highs.set(row, [word(), word()]);
  }
  for (let i = 0; i < durations; i++) {
    const row = word();
    const low = word();
    sound &&= row < rows;
    sides.durations.set(row, joined(low, word()));
  }
  return sound ? sides : undefined;
}
