/** A trace in memory: its columns as blocks, its tables, and streams by track and group for everything that asks by time. */
import {
  BLOCK_MASK,
  BLOCK_ROWS,
  BLOCK_SHIFT,
  BlockList,
  DURATION_SATURATED,
  emptyChunk,
  pasteRows,
} from '../block';
import { Kind, byKind, type KindGroup } from '../vocabulary/events';
import { gapsEnd } from '../vocabulary/gaps';
import { joined } from '../vocabulary/wide';
import type { Place, TraceChunk, TraceDelta, TraceMeta, Track } from '../model';
import type { QueryRows } from './query-rows';
import { Stream, type RowSource } from './stream';

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

export class TraceStore implements RowSource, QueryRows {
  /** Replace it by a later one with `setMeta`; tracks and places of deltas are added to it. */
  meta: TraceMeta;
  private readonly blocks = new BlockList();
  private count = 0;
  private end = 0;
  private openSet = new Set<number>();
  /** High halves of arguments, as far as any are not zero. */
  private readonly highs = new Map<number, readonly [a: number, b: number]>();
  /** Full durations of saturated rows. */
  private readonly overflow = new Map<number, number>();
  private readonly streams: (Stream | undefined)[] = [];
  /** Rows that are in the streams. The rest follow when somebody asks by time: a recording nobody looks at costs no index. */
  private indexed = 0;
  private openChanged = false;
  private cuts = 0;

  constructor(meta: TraceMeta) {
    this.meta = { ...meta, tracks: [...meta.tracks], places: [...meta.places] };
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
    this.index();
    return Math.max(this.end, this.meta.facts.cycles, gapsEnd(this.meta.gaps));
  }

  /** Cycles: the latest start or end of any recorded event. */
  get endWithoutFacts(): number {
    this.index();
    return this.end;
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
    this.blocks.truncate(Math.ceil(rows / BLOCK_ROWS));
    this.count = rows;
    this.indexed = 0;
    this.end = 0;
    this.streams.length = 0;
    this.highs.clear();
    this.overflow.clear();
    this.openSet.clear();
    this.openChanged = true;
  }

  /**
   * Adds rows. A whole aligned block is kept without a copy.
   * @throws RangeError when rows are missing before it.
   */
  appendChunk(chunk: TraceChunk): void {
    const length = chunk.start.length;
    if (chunk.firstRow !== this.count) {
      throw new RangeError(`Rows must follow each other: expected row ${this.count}, got ${chunk.firstRow}.`);
    }
    if ((this.count & BLOCK_MASK) === 0 && length === BLOCK_ROWS) {
      this.blocks.push(chunk);
    } else {
      for (let from = 0; from < length;) {
        const at = (this.count + from) & BLOCK_MASK;
        if (at === 0) this.blocks.push(emptyChunk(this.count + from, BLOCK_ROWS));
        const to = Math.min(length, from + BLOCK_ROWS - at);
        const block = this.blocks.block(this.blocks.count - 1);
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
    this.index();
    const [aHigh, bHigh] = this.highs.get(row) ?? NO_HIGHS;
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
    this.index();
    return this.overflow.get(row) ?? duration;
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
    const stream = this.streams[track * GROUPS.length + (groupIndex.get(group) ?? 0)];
    stream?.update();
    return stream;
  }

  /** Number of rows of a track and group, without bringing their levels of detail up to date. */
  countOf(track: number, group: KindGroup): number {
    this.index();
    return this.streams[track * GROUPS.length + (groupIndex.get(group) ?? 0)]?.length ?? 0;
  }

  private streamOf(row: number): Stream {
    return this.streamFor(this.trackOf(row) * GROUPS.length + (groupOfKind[this.kindOf(row)] ?? 0));
  }

  private streamFor(index: number): Stream {
    return (this.streams[index] ??= new Stream(Math.floor(index / GROUPS.length), this));
  }

  /** Brings the streams up to the last row. */
  private index(): void {
    while (this.indexed < this.count) {
      const block = this.blocks.block(this.indexed >>> BLOCK_SHIFT);
      if (block === undefined) break;
      const to = Math.min(BLOCK_ROWS, this.count - block.firstRow);
      const from = this.indexed - block.firstRow;
      // First, for a saturated span asks for its full duration here.
      this.indexed = block.firstRow + to;
      this.indexRows(block, from, to);
    }
    if (!this.openChanged) return;
    this.openChanged = false;
    for (const stream of this.streams) if (stream !== undefined) stream.open = [];
    for (const row of this.openSet) {
      const stream = this.streamOf(row);
      stream.open = [...stream.open, row];
    }
  }

  private indexRows(block: TraceChunk, from: number, to: number): void {
    const { firstRow, start, duration, track, kind, a, b, cause } = block;
    let lastIndex = -1;
    let stream: Stream | undefined;
    for (let i = from; i < to; i++) {
      const time = start[i] ?? 0;
      const end = time + (duration[i] ?? 0);
      if (end > this.end) this.end = end;
      const index = (track[i] ?? 0) * GROUPS.length + (groupOfKind[kind[i] ?? 0] ?? 0);
      if (index !== lastIndex || stream === undefined) stream = this.streamFor((lastIndex = index));
      stream.push(firstRow + i, time);
      const row = (cause[i] ?? 0) - 1;
      if (row < 0 || row >= firstRow + i) continue;
      if (kind[i] === Kind.ArgsHigh) this.highs.set(row, [a[i] ?? 0, b[i] ?? 0]);
      else if (kind[i] === Kind.SpanOverflow) this.lengthen(row, joined(b[i] ?? 0, a[i] ?? 0));
    }
  }

  private lengthen(row: number, duration: number): void {
    this.overflow.set(row, duration);
    this.end = Math.max(this.end, this.startOf(row) + duration);
    this.streamOf(row).touch(row);
  }

  private patch({ row, duration, a, b }: TraceDelta['patches']): void {
    for (let i = 0; i < row.length; i++) {
      const at = row[i] ?? 0;
      const block = this.blocks.block(at >>> BLOCK_SHIFT);
      if (block === undefined) continue;
      block.duration[at & BLOCK_MASK] = duration[i] ?? 0;
      block.a[at & BLOCK_MASK] = a[i] ?? 0;
      block.b[at & BLOCK_MASK] = b[i] ?? 0;
      // What is not in the streams yet comes there with its last values.
      if (at >= this.indexed) continue;
      const start = this.startOf(at);
      this.end = Math.max(this.end, start + this.closedDurationOf(at));
      this.streamOf(at).touch(at);
      if (this.kindOf(at) === Kind.ArgsHigh) this.highs.set(this.causeOf(at), [a[i] ?? 0, b[i] ?? 0]);
    }
  }
}
