/** The streams of a trace: what gives each row to the stream of its track and group, block by block. */
import { BLOCK_MASK, BLOCK_ROWS, BLOCK_SHIFT } from '../block';
import { byKind, type KindGroup } from '../vocabulary/events';
import { BlockRows } from './index/block-rows';
import { CopiedEvents, copiedColumns, type CopiedColumns } from './index/copied-events';
import { Numbers } from './index/numbers';
import type { IndexedStream } from './index/stored';
import { Stream, type RowSource } from './stream';

const GROUPS: readonly KindGroup[] = [
  'mode',
  'exit',
  'leg',
  'interrupt',
  'register',
  'ring',
  'dma',
  'iommu',
  'virtio',
  'packet',
  'thread',
  'vmm',
  'guest',
  'record',
];
const groupIndex = new Map(GROUPS.map((group, i) => [group, i]));
const groupOfKind = byKind(({ group }) => groupIndex.get(group) ?? 0);

/** Least rows of a wide bucket, and events of each stream in it on average. */
const LEAST_WIDE_ROWS = 1024;
const WIDE_EVENTS = 16;
/** Most events that are stored a second time, by stream: at least and at most so many, and otherwise one in 32 of all. */
const LEAST_COPIED = 65_536;
const MOST_COPIED = 1_000_000;
const COPIED_SHIFT = 5;

/** The rows of which there are streams. */
export interface RowsOfStreams extends RowSource {
  readonly rows: number;
  trackOf(row: number): number;
  /** The first argument in full. */
  aOf(row: number): number;
}

function copyOf(source: RowsOfStreams, rows: readonly number[]): CopiedEvents {
  const ordered = Uint32Array.from(rows).sort((x, y) => source.startOf(x) - source.startOf(y) || x - y);
  const columns = Object.fromEntries(copiedColumns.map((name) => [name, new Numbers()])) as CopiedColumns;
  for (const row of ordered) {
    columns.row.push(row);
    columns.start.push(source.startOf(row));
    columns.duration.push(source.closedDurationOf(row));
    columns.kind.push(source.kindOf(row));
    columns.a.push(source.aOf(row));
  }
  return new CopiedEvents(columns);
}

export class StreamSet {
  /** By number, in the order in which they came up. */
  private readonly streams: Stream[] = [];
  /** Number + 1 by track and group; 0: none yet. */
  private numbers = new Uint32Array(64 * GROUPS.length);
  private readonly blockRows: BlockRows;

  constructor(private readonly source: RowsOfStreams) {
    this.blockRows = new BlockRows({
      block: (index) => source.block(index),
      rowsIn: (index) => Math.max(0, Math.min(BLOCK_ROWS, source.rows - index * BLOCK_ROWS)),
      streamOf: (track, kind) => this.numberOf(track * GROUPS.length + groupOfKind[kind]),
      closedDurationOf: (row) => source.closedDurationOf(row),
    });
  }

  /**
   * Rows of the trace from which on buckets are kept whatever is in them. The more streams there are the more buckets that would
   * be, so it is some events of each.
   */
  get wideRows(): number {
    return Math.max(LEAST_WIDE_ROWS, WIDE_EVENTS * this.streams.length);
  }

  /** All streams, up to date, for storing. */
  stored(): IndexedStream[] {
    this.update();
    const keys = new Map<number, number>();
    this.numbers.forEach((number, key) => number > 0 && keys.set(number - 1, key));
    const copies = this.copies();
    return this.streams.map((stream, i) => ({
      key: keys.get(i) ?? 0,
      kinds: stream.kinds,
      pieces: stream.pieces,
      levels: stream.levels,
      events: () => copies.get(stream),
    }));
  }

  /** The events of the streams that have the fewest, as long as these are few in all. */
  private copies(): Map<Stream, CopiedEvents> {
    const { source } = this;
    let left = Math.max(LEAST_COPIED, Math.min(MOST_COPIED, source.rows >>> COPIED_SHIFT));
    const found = new Map<Stream, CopiedEvents>();
    const missing = new Map<Stream, number[]>();
    for (const stream of [...this.streams].sort((x, y) => x.length - y.length)) {
      left -= stream.length;
      if (left < 0) break;
      const known = stream.copy;
      if (known === undefined) missing.set(stream, []);
      else found.set(stream, known);
    }
    if (missing.size > 0) this.gather(missing);
    for (const [stream, rows] of missing) found.set(stream, copyOf(source, rows));
    return found;
  }

  /** Finds all rows of some streams, looking at each block once. */
  private gather(rows: ReadonlyMap<Stream, number[]>): void {
    const { source } = this;
    const lists = this.streams.map((stream) => rows.get(stream));
    for (let index = 0; index << BLOCK_SHIFT < source.rows; index++) {
      const block = source.block(index);
      if (block === undefined) return;
      const { track, kind, firstRow } = block;
      const count = Math.min(track.length, source.rows - firstRow);
      for (let i = 0; i < count; i++)
        lists[this.numberOf(track[i] * GROUPS.length + groupOfKind[kind[i]])]?.push(firstRow + i);
    }
  }

  /** Takes the streams of all rows as they were stored. */
  adopt(stored: readonly IndexedStream[]): void {
    this.streams.length = 0;
    this.numbers.fill(0);
    for (const { key, ...stream } of stored) this.streams[this.numberOf(key)].adopt(stream);
  }

  /** The stream of a track and a group, up to date; undefined where there are no rows. */
  of(track: number, group: KindGroup): Stream | undefined {
    const stream = this.streams[this.numberAt(track, group) - 1];
    if (stream === undefined || stream.length === 0) return undefined;
    stream.update();
    return stream;
  }

  countOf(track: number, group: KindGroup): number {
    return this.streams[this.numberAt(track, group) - 1]?.length ?? 0;
  }

  /** Brings all streams up to date. */
  update(): void {
    for (const stream of this.streams) stream.update();
  }

  /** Gives memory back that was kept for rows to come. */
  compact(): void {
    this.update();
    for (const stream of this.streams) stream.compact();
  }

  /** Takes rows of a block up. @param known rows of the block that were taken before */
  add(block: number, known: number): void {
    const { shares } = this.blockRows.make(block);
    for (const share of shares) {
      const stream = this.streams[share.stream];
      stream.setShare(block, share, known);
      stream.advance();
    }
  }

  /** Forgets rows from one on; the rows of its block are to be added again. */
  truncate(rows: number): void {
    const block = rows >>> BLOCK_SHIFT;
    for (const stream of this.streams) stream.dropFrom(block);
    this.blockRows.clear();
  }

  /** A row's duration has changed. */
  touch(row: number): void {
    const { source } = this;
    const block = source.block(row >>> BLOCK_SHIFT);
    const group = groupOfKind[block?.kind[row & BLOCK_MASK] ?? 0];
    this.streams[this.numberOf(source.trackOf(row) * GROUPS.length + group)].touch(row);
  }

  /** Says which spans are open. */
  setOpen(rows: Iterable<number>): void {
    for (const stream of this.streams) stream.open = [];
    for (const row of rows) {
      const key = this.source.trackOf(row) * GROUPS.length + groupOfKind[this.source.kindOf(row)];
      const stream = this.streams[this.numberOf(key)];
      stream.open = [...stream.open, row];
    }
  }

  private numberAt(track: number, group: KindGroup): number {
    return this.numbers[track * GROUPS.length + (groupIndex.get(group) ?? 0)] ?? 0;
  }

  private numberOf(key: number): number {
    if (key >= this.numbers.length) {
      const larger = new Uint32Array(Math.max(key + 1, this.numbers.length * 2));
      larger.set(this.numbers);
      this.numbers = larger;
    }
    const number = this.numbers[key];
    if (number > 0) return number - 1;
    this.streams.push(
      new Stream(Math.floor(key / GROUPS.length), this.source, this.blockRows, () => this.wideRows),
    );
    this.numbers[key] = this.streams.length;
    return this.streams.length - 1;
  }
}
