/**
 * The pen: writes rows into blocks of columns, ends spans, fills in arguments. This is the simulator's innermost loop, so one
 * function counts an event and writes its row, and all else is out of its way.
 */
import { BLOCK_MASK, BLOCK_ROWS, BLOCK_SHIFT, DURATION_SATURATED, emptyChunk } from '../block';
import { CAUSE_GIVEN, type PatternRow } from '../fold';
import type { RowPattern, TraceChunk } from '../model';
import { Kind } from '../vocabulary/events';
import { NARROW_MAX, joined } from '../vocabulary/wide';
import { ChangedRows } from './changed-rows';
import { FoldList } from './fold-list';
import { FLAGS, FLAG_BITS, RECORDED, WATCHED, type KindCounts } from './kind-counts';
import { OpenSpans } from './open-spans';
import { PatternTable } from './pattern-table';
import type { RecordedRow, RowNews, RowWatch } from './row-watch';
import { A, B, CAUSE, DURATION, KIND, RIP, TRACK, blockOf, type Block } from './record-block';
import type { RowRef, Tracer } from './tracer';
import { WideArguments } from './wide-arguments';

const TWO_32 = 0x1_0000_0000;

/** Rows in blocks; the last block is written to. */
export class RowWriter implements Omit<Tracer, 'addTrack' | 'internPlace'> {
  cause: RowRef = 0;
  place = 0;
  /** Start of the first row that the limit kept out. */
  protected refused: number | undefined;
  /** Undefined once final, hashed and handed out. */
  readonly blocks: (Block | undefined)[] = [];
  /** Blocks whose rows were handed out as copies: memory that is written again costs a fraction of new memory. */
  readonly spare: TraceChunk[] = [];
  protected readonly spans = new OpenSpans();
  protected readonly changes = new ChangedRows();
  protected readonly wide = new WideArguments(this);
  protected ended = false;
  /** First row of the block that is written to, and its views. */
  private base = 0;
  private f64: Float64Array = new Float64Array(0);
  private u32: Uint32Array = new Uint32Array(0);
  private u16: Uint16Array = new Uint16Array(0);
  /** Position of the next row in the block. */
  private at = 0;
  /** First position in the block where something must be looked at before a row is written. */
  private stop = 0;
  protected readonly patterns: PatternTable;
  /** The block's folded groups. */
  private folds: FoldList | undefined;
  /** The group that is foreseen and not complete, and how many of its rows are there. */
  private foreseen: RowPattern | undefined;
  private reached = 0;
  /** `stop`, meanwhile. */
  private stopBehind = 0;
  /** The last row of the last folded group, while its span is open: where it is, and its start from that of the group. */
  private foldedRow: RowRef = 0;
  private foldedIn: FoldList | undefined;
  private foldedOffset = 0;
  private watcher: RowWatch | undefined;

  /** @param limit rows after which events are only counted */
  constructor(
    protected readonly kinds: KindCounts,
    protected limit: number,
  ) {
    this.patterns = new PatternTable(kinds);
  }

  /** Who looks at rows while they are recorded; undefined: nobody, which costs nothing. */
  get watch(): RowWatch | undefined {
    return this.watcher;
  }

  set watch(watch: RowWatch | undefined) {
    // A group that is foreseen may have rows that are looked at.
    if (this.foreseen) this.writeForeseen();
    this.watcher = watch;
    this.kinds.watch(watch && ((kind) => watch.looksAt(kind)));
  }

  /**
   * A row as it stands.
   * @throws RangeError when it is final, and no longer here
   */
  rowAt(row: number): RecordedRow {
    const block = this.blockOf(row);
    if (block === undefined || row >= this.rows) throw new RangeError(`row ${row} is not under recording`);
    const i = row & BLOCK_MASK;
    const { chunk } = block;
    const [aHigh, bHigh] = this.wide.of(row);
    return {
      row,
      start: chunk.start[i],
      duration: chunk.duration[i],
      track: chunk.track[i],
      kind: chunk.kind[i],
      a: joined(chunk.a[i], aHigh),
      b: joined(chunk.b[i], bHigh),
      place: chunk.rip[i],
      cause: chunk.cause[i] - 1,
    };
  }

  /** Rows recorded so far. */
  get rows(): number {
    if (this.foreseen) this.writeForeseen();
    return this.base + this.at;
  }

  instant(time: number, track: number, kind: number, a: number, b: number): RowRef {
    return this.write(time, 0, track, kind, a, b, this.cause);
  }

  /** @throws nothing; a duration of 2^32 - 1 cycles or more is saturated and gets a `span.overflow` row. */
  span(start: number, duration: number, track: number, kind: number, a: number, b: number): RowRef {
    return this.spanBecause(start, duration, track, kind, a, b, this.cause);
  }

  spanBecause(
    start: number,
    duration: number,
    track: number,
    kind: number,
    a: number,
    b: number,
    cause: RowRef,
  ): RowRef {
    if (duration < DURATION_SATURATED) return this.write(start, duration, track, kind, a, b, cause);
    const row = this.write(start, DURATION_SATURATED, track, kind, a, b, cause);
    if (row !== 0) this.overflow(row, start, duration, track);
    return row;
  }

  open(start: number, track: number, kind: number, a: number, b: number): RowRef {
    const row = this.write(start, 0, track, kind, a, b, this.cause);
    if (row !== 0) this.spans.add(row - 1);
    return row;
  }

  /** Something has become known of a row. */
  private tell(ref: RowRef, news: RowNews): void {
    const at = ref - 1 - this.base;
    // A place of a folded group has no kind yet.
    const kind = at >= 0 ? this.u16[KIND + at] : 0;
    if (kind !== 0 && !this.kinds.isWatched(kind)) return;
    const row = this.rowAt(ref - 1);
    if (this.kinds.isWatched(row.kind)) this.watcher?.told(row, news);
  }

  /**
   * Ends an open span at `end`. Reference 0 (a row that was not recorded) is ignored; so is everything after `finish`, which
   * has ended all.
   * @throws RangeError when the row is not an open span: a mistake of the caller.
   */
  close(ref: RowRef, end: number): void {
    if (ref === 0) return;
    if (!(ref === this.foldedRow && this.closeFolded(end))) this.closeAny(ref, end);
    if (this.watcher && !this.ended) this.tell(ref, 'closed');
  }

  private closeAny(ref: RowRef, end: number): void {
    const row = ref - 1;
    if (!this.spans.remove(row)) {
      if (this.ended) return;
      if (this.foreseen) {
        this.writeForeseen();
        this.closeAny(ref, end);
        return;
      }
      throw new RangeError(`Row ${row} is not an open span; it can be closed once only.`);
    }
    // Most spans end soon: in the block under recording, before they were handed out.
    const at = row - this.base;
    if (at >= 0 && row >= this.changes.settled && this.u16[KIND + at] !== 0) {
      const duration = end - this.f64[at];
      if (duration >= 0 && duration < DURATION_SATURATED) {
        this.u32[DURATION + at] = duration;
        return;
      }
    }
    this.closeRow(row, end);
  }

  /** @throws RangeError when the row is so old that it is already part of the trace hash. */
  setArgs(ref: RowRef, a: number, b: number): void {
    if (ref === 0) return;
    this.putArgs(ref, a, b);
    if (this.watcher) this.tell(ref, 'arguments');
  }

  private putArgs(ref: RowRef, a: number, b: number): void {
    const { u16, u32, base } = this;
    const at = ref - 1 - base;
    const plain =
      at >= 0 &&
      ref > this.changes.settled &&
      a <= NARROW_MAX &&
      b <= NARROW_MAX &&
      u16[KIND + at] !== 0 &&
      u16[KIND + at + 1] !== Kind.ArgsHigh &&
      !this.wide.hasLate &&
      !this.kinds.sums(u16[KIND + at]);
    if (!plain) return this.changeArgs(ref, a, b);
    u32[A + at] = a;
    u32[B + at] = b;
  }

  /** Writes a row whatever the limit: what belongs to a row that is there. */
  writeAlways(start: number, track: number, kind: number, a: number, b: number, cause: RowRef): void {
    if (this.foreseen) this.writeForeseen();
    const { limit, place } = this;
    this.place = 0;
    this.limitTo(Infinity);
    this.write(start, 0, track, kind, a, b, cause);
    this.limitTo(limit);
    this.place = place;
  }

  /** The block of a row; undefined when its rows cannot be changed any more. */
  blockOf(row: number): Block | undefined {
    const block = this.blocks[row >>> BLOCK_SHIFT];
    if (block === undefined || block.final) return undefined;
    this.fillIn(block);
    return block;
  }

  /** Writes all rows of a block into its columns. */
  fillIn(block: Block): void {
    const { folds } = block;
    if (!folds || folds.empty) return;
    if (folds === this.folds) this.writeForeseen();
    folds.fillIn(block.chunk, this.patterns.all);
    if (folds === this.foldedIn) this.foldedRow = 0;
  }

  addPattern(rows: readonly PatternRow[]): RowPattern | undefined {
    return this.patterns.add(rows);
  }

  foresee(pattern: RowPattern, reached: number, start: number, a: number, b: number, cause: RowRef): RowRef {
    if (this.foreseen) this.writeForeseen();
    const { at } = this;
    if (at + pattern.kind.length > this.stop || a > NARROW_MAX) return 0;
    if (this.watcher && pattern.kind.some((kind) => this.kinds.isWatched(kind))) return 0;
    const folds = (this.folds ??= this.foldsOf());
    if (folds.full) return 0;
    folds.begin(at, pattern, start, this.place, a, b, cause);
    this.foreseen = pattern;
    this.reached = reached;
    // Whatever else is recorded comes by `room`.
    this.stopBehind = this.stop;
    this.stop = 0;
    return this.base + at + 1;
  }

  foresees(ref: RowRef): boolean {
    return this.foreseen !== undefined && this.base + this.at + 1 === ref;
  }

  reach(reached: number): void {
    this.reached = reached;
  }

  answer(b: number): void {
    this.folds?.setB(b);
  }

  complete(): RowRef {
    const { foreseen, folds } = this;
    if (!foreseen || !folds) return 0;
    this.foreseen = undefined;
    const last = foreseen.kind.length - 1;
    folds.commit();
    this.patterns.note(foreseen);
    const ref = this.base + (this.at += last + 1);
    this.stop = this.stopBehind;
    this.spans.add(ref - 1);
    this.foldedRow = ref;
    this.foldedIn = folds;
    this.foldedOffset = foreseen.offset[last];
    return ref;
  }

  /** Writes the rows of the group that is foreseen, as far as they are there, one by one. */
  protected writeForeseen(): void {
    const { foreseen: pattern, folds, reached, place, base, at } = this;
    if (!pattern || !folds) return;
    this.foreseen = undefined;
    this.stop = this.stopBehind;
    const { start, rip, a, b, cause } = folds.begun;
    this.place = rip;
    for (let i = 0; i < reached; i++) {
      const why = pattern.cause[i];
      const ref = this.write(
        start + pattern.offset[i],
        pattern.endsAt[i] < reached ? pattern.duration[i] : 0,
        pattern.track[i],
        pattern.kind[i],
        ((a << pattern.aShift[i]) - pattern.aLess[i]) & pattern.aMask[i],
        b & pattern.bMask[i],
        why >= 0 ? base + at + why + 1 : why === CAUSE_GIVEN ? cause : 0,
      );
      if (pattern.endsAt[i] >= reached) this.spans.add(ref - 1);
    }
    this.place = place;
  }

  private foldsOf(): FoldList {
    const folds = new FoldList();
    const block = this.blocks.at(-1);
    if (block) block.folds = folds;
    return folds;
  }

  /** Ends the span of the last folded row; false where that is not so simple. */
  private closeFolded(end: number): boolean {
    const { foldedIn: folds, foldedRow } = this;
    this.foldedRow = 0;
    if (!folds || foldedRow <= this.changes.settled) return false;
    const duration = end - folds.lastStart - this.foldedOffset;
    if (duration < 0 || duration >= DURATION_SATURATED || !this.spans.remove(foldedRow - 1)) return false;
    folds.endLast(duration);
    return true;
  }

  /** Nothing is written any more. */
  protected end(): void {
    this.ended = true;
    this.limitTo(this.rows);
  }

  /** Takes blocks with `rows` rows, the last of them perhaps not full, in place of those so far. */
  protected loadRows(
    chunks: readonly (TraceChunk | undefined)[],
    rows: number,
    limit: number,
    ended: boolean,
  ): void {
    this.blocks.length = 0;
    this.foldedRow = 0;
    for (const chunk of chunks) this.blocks.push(chunk && blockOf(chunk));
    const last = this.blocks.at(-1);
    if (last) this.attach(last, ((rows - 1) & BLOCK_MASK) + 1);
    else {
      this.base = rows;
      this.at = 0;
      this.f64 = new Float64Array(0);
      this.folds = undefined;
      this.foreseen = undefined;
    }
    this.ended = ended;
    this.limitTo(limit);
  }

  /** `setArgs` where more than two columns are concerned. */
  private changeArgs(ref: RowRef, a: number, b: number): void {
    if (this.foreseen) {
      this.writeForeseen();
      this.putArgs(ref, a, b);
      return;
    }
    const row = ref - 1;
    const block = this.blockOf(row);
    if (block === undefined) {
      throw new RangeError(
        `Row ${row} is final: its arguments must be set within ${BLOCK_ROWS} rows after it ended.`,
      );
    }
    const i = row & BLOCK_MASK;
    const { chunk } = block;
    const track = chunk.track[i];
    const [aHigh, bHigh] = this.wide.of(row);
    const before = [joined(chunk.a[i], aHigh), joined(chunk.b[i], bHigh)] as const;
    this.kinds.correct(track, chunk.kind[i], before, a, b);
    chunk.a[i] = a;
    chunk.b[i] = b;
    if (row < this.changes.settled) this.changes.note(row);
    const high = this.wide.change(row, chunk.start[i], track, a, b);
    if (high !== undefined && high < this.changes.settled) this.changes.note(high);
  }

  protected closeRow(row: number, end: number): void {
    const block = this.blockOf(row);
    // Cannot happen: a block with an open span is not final.
    if (block === undefined) return;
    const i = row & BLOCK_MASK;
    const start = block.chunk.start[i];
    const duration = Math.max(0, end - start);
    const saturated = duration >= DURATION_SATURATED;
    block.chunk.duration[i] = saturated ? DURATION_SATURATED : duration;
    if (row < this.changes.settled) this.changes.note(row);
    if (saturated) this.overflow(row + 1, start, duration, block.chunk.track[i]);
  }

  private overflow(ref: RowRef, start: number, duration: number, track: number): void {
    const high = Math.floor(duration / TWO_32);
    this.writeAlways(start, track, Kind.SpanOverflow, high, duration % TWO_32, ref);
  }

  private write(
    start: number,
    duration: number,
    track: number,
    kind: number,
    a: number,
    b: number,
    cause: RowRef,
  ): RowRef {
    const { kinds } = this;
    const known = kinds.known[kind];
    if ((known & FLAGS) === RECORDED) kinds.counted[(track << kinds.shift) | (known >>> FLAG_BITS)] += 1;
    else if (kinds.isWatched(kind)) return this.writeWatched(start, duration, track, kind, a, b, cause);
    else if (!kinds.count(track, kind, a, b)) return 0;
    if (this.at >= this.stop && !this.room(start)) return 0;
    const { at, u16, u32 } = this;
    this.f64[at] = start;
    u32[DURATION + at] = duration;
    u16[TRACK + at] = track;
    u16[KIND + at] = kind;
    u32[RIP + at] = this.place;
    u32[A + at] = a;
    u32[B + at] = b;
    u32[CAUSE + at] = cause;
    const ref = this.base + (this.at = at + 1);
    if (a > NARROW_MAX || b > NARROW_MAX) this.wide.write(ref, start, track, a, b);
    return ref;
  }

  /** `write` of a kind whose rows somebody looks at. */
  private writeWatched(
    start: number,
    duration: number,
    track: number,
    kind: number,
    a: number,
    b: number,
    cause: RowRef,
  ): RowRef {
    const { known } = this.kinds;
    known[kind] &= ~WATCHED;
    const ref = this.write(start, duration, track, kind, a, b, cause);
    known[kind] |= WATCHED;
    if (ref !== 0) this.tell(ref, 'recorded');
    return ref;
  }

  /** Columns of a block in which nothing is written: places of folded groups have no kind. */
  protected newChunk(firstRow: number): TraceChunk {
    const chunk = this.spare.pop();
    if (!chunk) return emptyChunk(firstRow, BLOCK_ROWS);
    chunk.firstRow = firstRow;
    chunk.kind.fill(0);
    return chunk;
  }

  /** Makes room for a row; false when the limit is reached. */
  private room(time: number): boolean {
    if (this.foreseen) {
      this.writeForeseen();
      if (this.at < this.stop) return true;
    }
    if (this.rows >= this.limit) {
      if (!this.ended) this.refused ??= time;
      return false;
    }
    const chunk = this.newChunk(this.blocks.length * BLOCK_ROWS);
    const block = blockOf(chunk);
    this.blocks.push(block);
    this.attach(block, 0);
    return true;
  }

  private attach(block: Block, at: number): void {
    this.base = block.chunk.firstRow;
    this.f64 = block.f64;
    this.u32 = block.u32;
    this.u16 = block.u16;
    this.folds = block.folds;
    this.foreseen = undefined;
    this.at = at;
    this.limitTo(this.limit);
  }

  private limitTo(rows: number): void {
    this.limit = rows;
    this.stop = Math.min(this.f64.length, rows - this.base);
  }
}
