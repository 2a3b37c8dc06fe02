/** A trace, in memory or in a file: its columns as blocks, its tables, and streams by track and group for everything that asks by time. */
import {
  BLOCK_MASK,
  BLOCK_ROWS,
  BLOCK_SHIFT,
  BlockList,
  type BlockSource,
  DURATION_SATURATED,
  emptyChunk,
  pasteRows,
} from '../block';
import { Kind, type KindGroup } from '../vocabulary/events';
import { gapsEnd } from '../vocabulary/gaps';
import { wideLevelOf } from './index/bucket-builder';
import { SideTables } from './side-tables';
import { joined } from '../vocabulary/wide';
import type { Place, TraceChunk, TraceDelta, TraceMeta, Track } from '../model';
import type { QueryRows } from './query-rows';
import type { TraceIndex } from './index/stored';
import type { RowSource, Stream } from './stream';
import { StreamSet } from './streams';
import { WindowFigures } from './window-figures';

/** One event, by name. Times in cycles. */
export interface TraceEvent {
  row: number;
  start: number;
  /** Full duration; of an open span: up to the end of the trace so far. */
  duration: number;
  /** The span's end is not recorded yet. */
  open: boolean;
  track: number;
  kind: number;
  /** Place id, 0 none. */
  place: number;
  a: number;
  b: number;
  /** Row of the cause, -1 none. */
  cause: number;
}

const NO_HIGHS = [0, 0] as const;
/** A TraceMeta of nothing, for a store that is filled by deltas before its tables are known. */
export function emptyMeta(title: string, frequencyHz: number): TraceMeta {
  return {
    version: 1,
    title,
    state: 'running',
    frequencyHz,
    tracks: [],
    places: [],
    scenarioText: '',
    scenarioName: '',
    costs: {},
    guests: [],
    facts: { cycles: 0, vms: [] },
    counts: [],
    sums: [],
    gaps: [],
  };
}

/** Rows of a trace that grows no more. */
export interface StoredRows {
  blocks: BlockSource;
  rows: number;
  /** Complete; undefined: to be gathered from the rows. */
  sides: SideTables | undefined;
}

export class TraceStore implements RowSource, QueryRows {
  /** Replace it by a later one with `setMeta`; tracks and places of deltas are added to it. */
  meta: TraceMeta;
  /** Where rows are added; of a trace in a file nothing is. */
  private readonly growing = new BlockList();
  private readonly blocks: BlockSource;
  private count = 0;
  private openSet = new Set<number>();
  private readonly sides: SideTables;
  private readonly streams = new StreamSet(this);
  private readonly windowFigures = new WindowFigures(this);
  /** Rows that are in the streams. The rest follow when somebody asks by time: a recording nobody looks at costs no index. */
  private indexed = 0;
  private openChanged = false;
  private cuts = 0;
  /** Rows whose values came late, in the order in which they came. */
  readonly changedRows: number[] = [];

  /** @param stored rows that are there already, and grow no more; absent: rows are added by `append` */
  constructor(meta: TraceMeta, stored?: StoredRows) {
    this.meta = { ...meta, tracks: [...meta.tracks], places: [...meta.places] };
    this.blocks = stored?.blocks ?? this.growing;
    this.count = stored?.rows ?? 0;
    this.sides = stored?.sides ?? new SideTables();
  }

  /** Lets go of the rows, and of the file they are in. */
  close(): void {
    this.blocks.close();
  }

  /** How often rows have been discarded: what was worked out by rows before is of no use then. */
  get truncations(): number {
    return this.cuts;
  }

  /** Rows. */
  get rows(): number {
    return this.count;
  }

  /** Cycles: the latest start or end of any event, or the machine's own end or that of a gap if one is later. */
  get endTime(): number {
    return Math.max(this.endWithoutFacts, this.meta.facts.cycles, gapsEnd(this.meta.gaps));
  }

  /** Cycles: the latest start or end of any recorded event. */
  get endWithoutFacts(): number {
    return this.sideTables().end;
  }

  /** What rows say of other rows, and times by block, up to the last row. */
  sideTables(): SideTables {
    const { sides } = this;
    while (sides.rows < this.count) {
      const block = this.blocks.block(sides.rows >>> BLOCK_SHIFT);
      if (block === undefined) break;
      const to = Math.min(BLOCK_ROWS, this.count - block.firstRow);
      for (const row of sides.add(block, to, (earlier) => this.startOf(earlier))) this.touch(row);
    }
    return sides;
  }

  /** A row that may have been taken up has another duration. */
  private touch(row: number): void {
    this.windowFigures.touch(row);
    if (row < this.indexed) this.streams.touch(row);
  }

  /** Takes newer tables (a run's last word), keeping tracks and places that came by deltas. */
  setMeta(meta: TraceMeta): void {
    const { tracks, places } = this.meta;
    this.meta = {
      ...meta,
      tracks: meta.tracks.length >= tracks.length ? [...meta.tracks] : tracks,
      places: meta.places.length >= places.length ? [...meta.places] : places,
    };
  }

  /** Adds what a recorder handed out. Chunks must follow each other without a gap. */
  append(delta: TraceDelta): void {
    if (delta.truncated !== undefined) this.truncate(delta.truncated);
    for (const track of delta.tracks) this.meta.tracks[track.id] = track;
    for (const place of delta.places) this.meta.places[place.id - 1] = place;
    for (const chunk of delta.chunks) this.appendChunk(chunk);
    this.patch(delta.patches);
    this.openSet = new Set(delta.open);
    this.openChanged = true;
  }

  /** Discards rows from one on, and what is known by them; streams are made anew when somebody asks by time. */
  private truncate(rows: number): void {
    if (rows >= this.count) return;
    this.cuts += 1;
    this.growing.truncate(Math.ceil(rows / BLOCK_ROWS));
    this.count = rows;
    this.streams.truncate(rows);
    this.windowFigures.truncate(rows);
    this.indexed = Math.min(this.indexed, Math.floor(rows / BLOCK_ROWS) * BLOCK_ROWS);
    this.sides.clear();
    this.openSet.clear();
    this.openChanged = true;
  }

  /**
   * Adds rows. A whole aligned block is kept without a copy.
   * @throws RangeError when rows are missing before it, or the trace is in a file
   */
  appendChunk(chunk: TraceChunk): void {
    const length = chunk.start.length;
    if (this.blocks !== this.growing) throw new RangeError('A trace in a file gets no more rows.');
    if (chunk.firstRow !== this.count) {
      throw new RangeError(`Rows must follow each other: expected row ${this.count}, got ${chunk.firstRow}.`);
    }
    if ((this.count & BLOCK_MASK) === 0 && length === BLOCK_ROWS) {
      this.growing.push(chunk);
    } else {
      for (let from = 0; from < length;) {
        const at = (this.count + from) & BLOCK_MASK;
        if (at === 0) this.growing.push(emptyChunk(this.count + from, BLOCK_ROWS));
        const to = Math.min(length, from + BLOCK_ROWS - at);
        const block = this.growing.block(this.growing.count - 1);
        if (block !== undefined) pasteRows(block, at, chunk, from, to);
        from = to;
      }
    }
    this.count += length;
  }

  /** One event. @throws RangeError when there is no such row. */
  get(row: number): TraceEvent {
    const block = this.blocks.block(row >>> BLOCK_SHIFT);
    if (block === undefined || !Number.isInteger(row) || row < 0 || row >= this.count) {
      throw new RangeError(`The trace has no row ${row}; rows are 0 to ${this.count - 1}.`);
    }
    const i = row & BLOCK_MASK;
    const [aHigh, bHigh] = this.highOf(row);
    return {
      row,
      start: block.start[i] ?? 0,
      duration: this.durationOf(row),
      open: this.openSet.has(row),
      track: block.track[i] ?? 0,
      kind: block.kind[i] ?? 0,
      place: block.rip[i] ?? 0,
      a: joined(block.a[i] ?? 0, aHigh),
      b: joined(block.b[i] ?? 0, bHigh),
      cause: this.causeOf(row),
    };
  }

  aOf(row: number): number {
    return joined(this.blocks.block(row >>> BLOCK_SHIFT)?.a[row & BLOCK_MASK] ?? 0, this.highOf(row)[0]);
  }
  bOf(row: number): number {
    return joined(this.blocks.block(row >>> BLOCK_SHIFT)?.b[row & BLOCK_MASK] ?? 0, this.highOf(row)[1]);
  }
  /** First arguments, whole, of some rows into a column from a place on. */
  arguments(rows: Uint32Array, into: Float64Array, at: number): void {
    const { highs } = this.sideTables();
    let [index, block]: [number, TraceChunk | undefined] = [-1, undefined];
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      if (row >>> BLOCK_SHIFT !== index) block = this.blocks.block((index = row >>> BLOCK_SHIFT));
      const low = block?.a[row & BLOCK_MASK] ?? 0;
      into[at + i] = highs.size === 0 ? low : joined(low, highs.get(row)?.[0] ?? 0);
    }
  }
  /** Id of the place, 0 none. */
  placeOf(row: number): number {
    return this.blocks.block(row >>> BLOCK_SHIFT)?.rip[row & BLOCK_MASK] ?? 0;
  }
  private highOf(row: number): readonly [a: number, b: number] {
    return this.sideTables().highs.get(row) ?? NO_HIGHS;
  }
  get frequencyHz(): number {
    return this.meta.frequencyHz;
  }
  trackAt(id: number): Track | undefined {
    return this.meta.tracks[id];
  }
  placeAt(id: number): Place | undefined {
    return this.meta.places[id - 1];
  }
  /** Columns of an aligned block; ask anew for each use. */
  block(index: number): TraceChunk | undefined {
    return this.blocks.block(index);
  }
  startOf(row: number): number {
    return this.blocks.block(row >>> BLOCK_SHIFT)?.start[row & BLOCK_MASK] ?? 0;
  }
  kindOf(row: number): number {
    return this.blocks.block(row >>> BLOCK_SHIFT)?.kind[row & BLOCK_MASK] ?? 0;
  }
  trackOf(row: number): number {
    return this.blocks.block(row >>> BLOCK_SHIFT)?.track[row & BLOCK_MASK] ?? 0;
  }
  /** Row of the cause, -1 none. A cause always stands before its consequence; anything else counts as none. */
  causeOf(row: number): number {
    const cause = (this.blocks.block(row >>> BLOCK_SHIFT)?.cause[row & BLOCK_MASK] ?? 0) - 1;
    return cause < row ? cause : -1;
  }
  closedDurationOf(row: number): number {
    const duration = this.blocks.block(row >>> BLOCK_SHIFT)?.duration[row & BLOCK_MASK] ?? 0;
    if (duration !== DURATION_SATURATED) return duration;
    return this.sideTables().durations.get(row) ?? duration;
  }
  /** Full duration; of an open span: up to the end of the trace so far. */
  durationOf(row: number): number {
    return this.openSet.has(row) ? this.endTime - this.startOf(row) : this.closedDurationOf(row);
  }
  isOpen(row: number): boolean {
    return this.openSet.has(row);
  }

  /** The ordered, indexed events of a track and a group; undefined when there are none. */
  stream(track: number, group: KindGroup): Stream | undefined {
    this.index();
    return this.streams.of(track, group);
  }

  /** Whether a pixel of so many cycles is so wide that all its buckets are there, at least about. */
  isWide(cycles: number): boolean {
    return Math.log2(cycles) >= wideLevelOf(this.streams.wideRows, this.endTime, this.count);
  }

  /** Number of rows of a track and group, without bringing their levels of detail up to date. */
  countOf(track: number, group: KindGroup): number {
    this.index();
    return this.streams.countOf(track, group);
  }

  /** What statistics of windows are made of. */
  figures(): WindowFigures {
    this.index();
    return this.windowFigures;
  }

  /** Rows of the spans that are open. */
  openRows(): Iterable<number> {
    return this.openSet;
  }

  /** The index as it is stored with the trace (`encodeIndex`); it gives memory back that was kept for rows to come. */
  storedIndex(): TraceIndex {
    this.index();
    this.streams.compact();
    this.windowFigures.compact();
    return { rows: this.count, streams: this.streams.stored(), ...this.windowFigures.stored() };
  }

  /** Takes the index that was stored with the trace, all of whose rows are there. @throws RangeError when it is of another one */
  useIndex({ rows, streams, ...figures }: TraceIndex): void {
    if (rows !== this.count)
      throw new RangeError(`The index is of ${rows} rows, the trace has ${this.count}.`);
    this.streams.adopt(streams);
    this.windowFigures.adopt(figures);
    this.indexed = rows;
  }

  /** Brings the streams up to the last row. */
  private index(): void {
    // First, for streams ask for full durations.
    this.sideTables();
    while (this.indexed < this.count) {
      const index = this.indexed >>> BLOCK_SHIFT;
      const to = Math.min(this.count, (index + 1) * BLOCK_ROWS);
      const known = this.indexed & BLOCK_MASK;
      this.indexed = to;
      this.streams.add(index, known);
      this.windowFigures.update();
    }
    if (!this.openChanged) return;
    this.openChanged = false;
    this.streams.setOpen(this.openSet);
  }

  private patch({ row, duration, a, b }: TraceDelta['patches']): void {
    for (let i = 0; i < row.length; i++) {
      const at = row[i] ?? 0;
      const block = this.blocks.block(at >>> BLOCK_SHIFT);
      if (block === undefined) continue;
      this.changedRows.push(at);
      block.duration[at & BLOCK_MASK] = duration[i] ?? 0;
      block.a[at & BLOCK_MASK] = a[i] ?? 0;
      block.b[at & BLOCK_MASK] = b[i] ?? 0;
      // What has not been taken up yet comes with its last values.
      if (at >= this.sides.rows) continue;
      this.sides.patch(at, this.startOf(at) + this.closedDurationOf(at));
      if (this.kindOf(at) === Kind.ArgsHigh) this.sides.highs.set(this.causeOf(at), [a[i] ?? 0, b[i] ?? 0]);
      this.touch(at);
    }
  }
}
