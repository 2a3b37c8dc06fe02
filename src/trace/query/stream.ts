/**
 * A stream: the events of one track and one group of kinds in the order of their starts. It has buckets of every width in which
 * there are many events (`index/level.ts`), which say what a pixel shows; and by block how many rows there are and from when to
 * when (`index/pieces.ts`), so that the rows of a window are found in the few blocks of the window.
 *
 * What changes earlier events (a span closed late, an event recorded out of order) has the buckets made again from there on.
 */
import { BLOCK_SHIFT, DURATION_SATURATED } from '../block';
import type { TraceChunk } from '../model';
import { NODE_SHIFT, type BlockRows, type Share } from './index/block-rows';
import { BucketBuilder } from './index/bucket-builder';
import type { CopiedEvents } from './index/copied-events';
import { entriesOf, type Entries } from './index/entries';
import type { Level, Levels } from './index/level';
import { Pieces } from './index/pieces';
import type { StoredStream } from './index/stored';

/** What a stream asks about rows; the store answers. */
export interface RowSource {
  /** Columns of an aligned block. */
  block(index: number): TraceChunk | undefined;
  startOf(row: number): number;
  /** Cycles; an open span has 0 here. */
  closedDurationOf(row: number): number;
  kindOf(row: number): number;
}

/** Kinds with a place of their own in each stream's table. */
const LOW_KINDS = 256;
/** Events that wait for the next block, as some of that may have earlier starts. */
const HELD_BACK = 256;
/** Events that are taken out of their blocks at once to be indexed. */
const PORTION = 65_536;
/** Events that need not be told apart by time to find one of them. */
const MANY = 64;

export class Stream {
  /** Rows of open spans, given by the store before queries. */
  open: readonly number[] = [];
  /** Its share of each block. */
  pieces = new Pieces();
  /** Kinds by slot. */
  readonly kinds: number[] = [];
  private readonly slotOfLow = new Int16Array(LOW_KINDS).fill(-1);
  private readonly slotOfHigh = new Map<number, number>();
  /** Rows whose duration changed since the last update. */
  private touched: number[] = [];
  /** Events from this one on are other ones than those in the buckets. */
  private changedFrom = Infinity;
  private readonly builder: BucketBuilder;
  /** Buckets of all its events that were made before; undefined: those of the builder count. */
  private stored: StoredStream | undefined;

  constructor(
    readonly track: number,
    private readonly source: RowSource,
    private readonly blockRows: BlockRows,
    wideRows: () => number,
  ) {
    this.builder = new BucketBuilder(this.kinds, wideRows);
  }

  get length(): number {
    return this.pieces.rows;
  }
  get someOpen(): boolean {
    return this.open.length > 0;
  }

  /** Buckets of 2^k cycles; undefined: none are kept. Needs `update`. */
  level(k: number): Level | undefined {
    return k >= 0 ? this.levels.at(k) : undefined;
  }
  get levels(): Levels {
    return this.stored?.levels ?? this.builder.levels;
  }

  /** The stream's part of a block is there, or there is more of it. @param known rows of the block that were there before */
  setShare(index: number, { offset, count }: Share, known: number): void {
    const block = this.source.block(index);
    if (block === undefined) return;
    const { pieces } = this;
    this.stored = undefined;
    if (pieces.length > 0 && pieces.blockAt(pieces.length - 1) === index) pieces.pop();
    const { order } = this.blockRows.of(index);
    let earliest = Infinity;
    const figures = new Map<number, { count: number; cycles: number }>();
    const end = this.summarise(block, order.subarray(offset, offset + count), figures);
    for (let i = offset; i < offset + count && earliest === Infinity; i++)
      if (order[i] >= known) earliest = block.start[order[i]];
    const [least, most] = [block.start[order[offset]], block.start[order[offset + count - 1]]];
    pieces.push({ block: index, offset, count, least, most, end });
    for (const [slot, { count: n, cycles }] of figures) pieces.pushKind(slot, n, cycles);
    if (earliest < this.builder.latest) this.changeFrom(this.before(earliest));
  }

  /** Forgets the rows of blocks from one on. */
  dropFrom(block: number): void {
    const { pieces } = this;
    this.stored = undefined;
    while (pieces.length > 0 && pieces.blockAt(pieces.length - 1) >= block) {
      const from = this.before(pieces.leastAt(pieces.length - 1));
      pieces.pop();
      this.changeFrom(from);
    }
    this.touched = this.touched.filter((row) => row >>> BLOCK_SHIFT < block);
  }

  /** A row's duration became known after it was there. */
  touch(row: number): void {
    this.stored = undefined;
    this.touched.push(row);
  }

  /** Puts what is certain into the buckets; the rest follows in `update`. */
  advance(): void {
    this.feed(this.length - HELD_BACK);
  }

  /** Brings the buckets up to date; every query needs it first. */
  update(): void {
    if (this.stored !== undefined) return;
    this.takeTouched();
    if (this.builder.isFinished && this.builder.length === this.length && this.changedFrom === Infinity)
      return;
    this.feed(this.length);
    this.builder.finish();
  }

  /** Gives memory back that was kept for events to come. */
  compact(): void {
    this.builder.compact();
    this.pieces.compact();
  }

  /** Takes what was made before of all its events; it counts until one of them changes. */
  adopt(stored: StoredStream): void {
    for (const kind of stored.kinds) this.slotFor(kind);
    this.pieces = stored.pieces;
    this.stored = stored;
  }

  /** Its events, where they were stored as they are few. */
  get copy(): CopiedEvents | undefined {
    return this.stored?.events();
  }

  /** Number of events that start before `time`. */
  before(time: number): number {
    const { pieces, copy } = this;
    if (copy !== undefined) return copy.before(time);
    const from = pieces.firstReaching(time);
    if (from === pieces.length) return this.length;
    const to = pieces.firstAfter(time);
    let sum = pieces.baseAt(from);
    for (let i = from; i < to; i++) sum += this.placeIn(i, time);
    return sum;
  }

  /** The events that start in [from, to). */
  between(from: number, to: number): Entries {
    const { pieces, copy } = this;
    if (copy !== undefined) return copy.entries(copy.before(from), copy.before(to));
    const parts: Part[] = [];
    let length = 0;
    for (let i = pieces.firstReaching(from); i < pieces.firstAfter(to); i++) {
      const first = this.placeIn(i, from);
      const end = this.placeIn(i, to);
      if (end <= first) continue;
      parts.push({ at: length, piece: i, first, end });
      length += end - first;
    }
    const entries = entriesOf(length);
    for (const part of parts) this.fill(entries, part);
    mergeParts(entries, parts, 0, parts.length);
    return entries;
  }

  /** Row of the i-th event by start. */
  rowAt(i: number): number {
    const { pieces, copy } = this;
    if (copy !== undefined) return copy.rowAt(i);
    const piece = pieces.pieceOf(i);
    if (!pieces.isApart(piece)) return this.slice(i, i + 1)[0];
    const block = pieces.blockAt(piece);
    return (
      (block << BLOCK_SHIFT) +
      this.blockRows.of(block).order[pieces.offsetAt(piece) + i - pieces.baseAt(piece)]
    );
  }

  /** Rows of the events [from, to) by start. */
  slice(from: number, to: number): Uint32Array {
    return this.range(from, to).rows;
  }

  /** Rows of the spans that start before `time` and end after it, latest first; open ones left out. */
  reaching(time: number): number[] {
    const { pieces, copy } = this;
    if (copy !== undefined) return copy.reaching(time);
    const rows: number[] = [];
    for (let i = pieces.firstAfter(time) - 1; i >= 0; i--)
      if (pieces.endAt(i) > time) this.reachingIn(i, time, rows);
    return rows;
  }

  /**
   * Per slot: the events that start before `time` into `counts`, and the cycles they cover up to `time` into `cycles`, open
   * spans counted but without cycles.
   */
  upTo(time: number, counts: Float64Array, cycles: Float64Array): void {
    const { pieces, copy } = this;
    if (copy !== undefined) {
      copy.upTo(time, (kind) => this.slot(kind), counts, cycles);
      return;
    }
    const whole = pieces.firstReaching(time);
    const add = (slot: number, count: number, spent: number): void => {
      counts[slot] += count;
      cycles[slot] += spent;
    };
    for (let i = 0; i < whole; i++) pieces.eachKind(i, add);
    for (let i = whole; i < pieces.firstAfter(time); i++) {
      const block = pieces.blockAt(i);
      const offset = pieces.offsetAt(i);
      const { order } = this.blockRows.of(block);
      for (let j = offset; j < offset + this.placeIn(i, time); j++) {
        const row = (block << BLOCK_SHIFT) + order[j];
        add(this.slot(this.source.kindOf(row)), 1, this.source.closedDurationOf(row));
      }
    }
    for (const row of this.reaching(time)) {
      const beyond = this.source.startOf(row) + this.source.closedDurationOf(row) - time;
      cycles[this.slot(this.source.kindOf(row))] -= beyond;
    }
  }

  /** Slot of a kind; -1 when the stream has had no event of it. */
  slot(kind: number): number {
    return kind < LOW_KINDS ? this.slotOfLow[kind] : (this.slotOfHigh.get(kind) ?? -1);
  }

  /** Slot of a kind, given now if it has none. */
  slotFor(kind: number): number {
    const known = this.slot(kind);
    if (known >= 0) return known;
    const slot = this.kinds.length;
    if (kind < LOW_KINDS) this.slotOfLow[kind] = slot;
    else this.slotOfHigh.set(kind, slot);
    this.kinds.push(kind);
    return slot;
  }

  private changeFrom(event: number): void {
    this.changedFrom = Math.min(this.changedFrom, event);
  }

  /** Figures by slot; returns the greatest end of a span. */
  private summarise(
    block: TraceChunk,
    order: Uint16Array,
    figures: Map<number, { count: number; cycles: number }>,
  ): number {
    let greatest = 0;
    let [lastKind, last] = [-1, { count: 0, cycles: 0 }];
    for (const at of order) {
      let duration = block.duration[at];
      if (duration === DURATION_SATURATED) duration = this.source.closedDurationOf(block.firstRow + at);
      const end = block.start[at] + duration;
      if (duration > 0 && end > greatest) greatest = end;
      const kind = block.kind[at];
      if (kind !== lastKind) {
        const slot = this.slotFor((lastKind = kind));
        const known = figures.get(slot);
        last = known ?? { count: 0, cycles: 0 };
        if (known === undefined) figures.set(slot, last);
      }
      last.count++;
      last.cycles += duration;
    }
    return greatest;
  }

  private takeTouched(): void {
    const { pieces, touched } = this;
    this.touched = [];
    for (const row of touched) this.changeFrom(this.before(this.source.startOf(row)));
    for (const index of new Set(touched.map((row) => row >>> BLOCK_SHIFT))) {
      const i = pieces.ofBlock(index);
      const block = this.source.block(index);
      if (i < 0 || block === undefined) continue;
      this.blockRows.forgetEnds(index);
      const offset = pieces.offsetAt(i);
      const order = this.blockRows.of(index).order.subarray(offset, offset + pieces.countAt(i));
      const figures = new Map<number, { count: number; cycles: number }>();
      const end = this.summarise(block, order, figures);
      pieces.change(i, end, (slot) => figures.get(slot)?.cycles ?? 0);
    }
  }

  /** Hands events up to a number to the builder, from the first that changed on. */
  private feed(to: number): void {
    const { builder } = this;
    if (builder.isFinished || this.changedFrom < builder.length)
      builder.rewind(this.changedFrom, (from, end, remember) =>
        this.visit(from, end, (_, duration, slot, row) => remember(slot, duration, row)),
      );
    this.changedFrom = Infinity;
    for (let from = builder.length; from < to; from += PORTION)
      this.visit(from, Math.min(to, from + PORTION), (start, duration, slot, row) =>
        builder.add(start, duration, slot, row),
      );
  }

  private visit(
    from: number,
    to: number,
    visit: (start: number, duration: number, slot: number, row: number) => void,
  ): void {
    const { rows, starts, kinds, durations, length } = this.range(from, to);
    for (let i = 0; i < length; i++) visit(starts[i], durations[i], this.slotFor(kinds[i]), rows[i]);
  }

  /** The events [from, to) by start. */
  private range(from: number, to: number): Entries {
    const { pieces } = this;
    const end = Math.min(to, this.length);
    const length = Math.max(0, end - from);
    if (length === 0) return entriesOf(0);
    const { copy } = this;
    if (copy !== undefined) return copy.entries(from, end);
    const [first, last] = [pieces.pieceOf(from), pieces.pieceOf(end - 1)];
    let apart = true;
    for (let i = first; i <= last && apart; i++) apart = pieces.isApart(i);
    if (!apart) {
      const [least] = this.timesAt(from);
      const all = this.between(least, this.timesAt(end - 1)[1]);
      const skip = from - this.before(least);
      return {
        length,
        rows: all.rows.subarray(skip, skip + length),
        starts: all.starts.subarray(skip, skip + length),
        kinds: all.kinds.subarray(skip, skip + length),
        durations: all.durations.subarray(skip, skip + length),
      };
    }
    const entries = entriesOf(length);
    let at = 0;
    for (let piece = first; piece <= last; piece++) {
      const part = {
        at,
        piece,
        first: Math.max(0, from - pieces.baseAt(piece)),
        end: Math.min(pieces.countAt(piece), end - pieces.baseAt(piece)),
      };
      this.fill(entries, part);
      at += part.end - part.first;
    }
    return entries;
  }

  /** Two times with the start of the i-th event between them (the second is later), and few others. */
  private timesAt(i: number): [low: number, high: number] {
    const { pieces } = this;
    let low = pieces.leastAt(0);
    let high = low;
    for (let piece = 0; piece < pieces.length; piece++) {
      low = Math.min(low, pieces.leastAt(piece));
      high = Math.max(high, pieces.mostAt(piece));
    }
    high = high * (1 + Number.EPSILON) + 1;
    let [below, above] = [0, this.length];
    while (above - below > MANY) {
      const middle = low + (high - low) / 2;
      if (middle <= low || middle >= high) break;
      const n = this.before(middle);
      if (n <= i) [low, below] = [middle, n];
      else [high, above] = [middle, n];
    }
    return [low, high];
  }

  /** Number of a piece's events that start before `time`. */
  private placeIn(piece: number, time: number): number {
    const { pieces } = this;
    if (pieces.leastAt(piece) >= time) return 0;
    const count = pieces.countAt(piece);
    if (pieces.mostAt(piece) < time) return count;
    const block = this.source.block(pieces.blockAt(piece));
    if (block === undefined) return 0;
    const { order } = this.blockRows.of(pieces.blockAt(piece));
    const offset = pieces.offsetAt(piece);
    let [low, high] = [0, count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (block.start[order[offset + middle]] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private fill({ rows, starts, kinds, durations }: Entries, { at, piece, first, end }: Part): void {
    const index = this.pieces.blockAt(piece);
    const block = this.source.block(index);
    if (block === undefined) return;
    const { order } = this.blockRows.of(index);
    const offset = this.pieces.offsetAt(piece);
    const firstRow = index << BLOCK_SHIFT;
    const { start, kind, duration } = block;
    for (let i = first; i < end; i++) {
      const position = order[offset + i];
      const to = at + i - first;
      const cycles = duration[position];
      rows[to] = firstRow + position;
      starts[to] = start[position];
      kinds[to] = kind[position];
      durations[to] =
        cycles === DURATION_SATURATED ? this.source.closedDurationOf(firstRow + position) : cycles;
    }
  }

  private reachingIn(piece: number, time: number, rows: number[]): void {
    const { pieces } = this;
    const index = pieces.blockAt(piece);
    const ends = this.blockRows.endsOf(index);
    const { order } = this.blockRows.of(index);
    const offset = pieces.offsetAt(piece);
    for (let i = offset + this.placeIn(piece, time) - 1; i >= offset; i--) {
      if (ends[i >>> NODE_SHIFT] <= time) {
        i = (i >>> NODE_SHIFT) << NODE_SHIFT;
        continue;
      }
      const row = (index << BLOCK_SHIFT) + order[i];
      const duration = this.source.closedDurationOf(row);
      if (duration > 0 && this.source.startOf(row) + duration > time) rows.push(row);
    }
  }
}

/** Some events of one piece, and where they stand among all that are gathered. */
interface Part {
  at: number;
  piece: number;
  first: number;
  end: number;
}

/** Puts the parts [from, to), each of which is in order, into order together. */
function mergeParts(entries: Entries, parts: readonly Part[], from: number, to: number): void {
  if (to - from < 2) return;
  const middle = (from + to) >>> 1;
  mergeParts(entries, parts, from, middle);
  mergeParts(entries, parts, middle, to);
  const { rows, starts, kinds, durations } = entries;
  const least = parts[from].at;
  const split = parts[middle].at;
  const end = to < parts.length ? parts[to].at : entries.length;
  if (starts[split - 1] <= starts[split]) return;
  // What stays where it is: earlier than all of the right part.
  let left = split;
  while (left > least && starts[left - 1] > starts[split]) left--;
  const earlier = {
    rows: rows.slice(left, split),
    starts: starts.slice(left, split),
    kinds: kinds.slice(left, split),
    durations: durations.slice(left, split),
  };
  let [i, j, at] = [0, split, left];
  for (; i < earlier.rows.length; at++) {
    if (j < end && starts[j] < earlier.starts[i]) {
      rows[at] = rows[j];
      starts[at] = starts[j];
      kinds[at] = kinds[j];
      durations[at] = durations[j++];
    } else {
      rows[at] = earlier.rows[i];
      starts[at] = earlier.starts[i];
      kinds[at] = earlier.kinds[i];
      durations[at] = earlier.durations[i++];
    }
  }
}
