/**
 * What lanes show of a window at a width in pixels: the events themselves where they are few, and otherwise one bin per
 * pixel whose counts are exact. Where a pixel is a power of two of cycles and begins at a multiple of it, the bins are buckets
 * of the index (`index/level.ts`), and the work grows with the pixels alone; of any other window all events are looked at.
 */
import { BLOCK_MASK, BLOCK_SHIFT } from '../block';
import type { TraceChunk } from '../model';
import type { Lane, LaneBins, LaneEvents, ViewportQuery, ViewportResult } from '../../protocol/viewport';
import type { Level } from './index/level';
import { BinsInProgress } from './lane-bins';
import { patient, searchFor, type Patience, type Search } from './search';
import { edgeOf, Sweep, type Carried, type Grid } from './sweep';
import type { Entries, Stream } from './stream';
import type { TraceStore } from './store';

/** Most events of a lane that are shown singly. */
export const MAX_LANE_EVENTS = 4000;
/** Most events per pixel, on average, that are shown singly. */
const EVENTS_PER_PIXEL = 2;
/** Widest window in pixels that is answered; more is cut. */
const MAX_WIDTH = 16_384;
/** Most events per pixel of a window that are taken out of their blocks at once. */
const GATHERED_PER_PIXEL = 16;

/** Where a window begins or ends in a stream: events before, and spans that reach over. */
interface Edge {
  before: number;
  reaching: number;
}

/** A stream and where the window begins and ends in it. */
interface Part {
  stream: Stream;
  /** Buckets as wide as a pixel; undefined: the window is not on their grid, or there are none. */
  level: Level | undefined;
  first: number;
  end: number;
  /** Spans that began before the window and reach into it, and those of them that are not over. */
  reaching: number;
  open: readonly number[];
}

/**
 * Answers a viewport query. An event is in the window when it starts in [from, to) or began before and ends after `from`.
 * @param patience how long lanes of queries may search; what they have not found by then is not in the answer, which says so
 * @throws RangeError when the window is not a finite stretch of time.
 * @throws QueryError when a lane's query cannot be understood
 */
export function queryViewport(
  store: TraceStore,
  query: ViewportQuery,
  patience: Patience = patient,
): ViewportResult {
  const { from, to } = query;
  if (!Number.isFinite(from) || !Number.isFinite(to) || to <= from) {
    throw new RangeError(`The window ${from} to ${to} is empty; its end must be after its start.`);
  }
  const width = Math.max(1, Math.min(MAX_WIDTH, Math.floor(query.width) || 1));
  const grid = { from, to, width };
  const level = levelOf(grid);
  let searching = false;
  const lanes = query.lanes.map((lane) => {
    if (lane.query === undefined) return queryLane(store, lane, grid, level);
    const search = searchFor(store, lane.query);
    if (!search.advance(patience)) searching = true;
    return queryMatches(store, search, grid);
  });
  return { from, to, width, lanes, ...(searching ? { searching: true } : {}) };
}

/** The matches of a query, as far as they are found. */
function queryMatches(store: TraceStore, search: Search, grid: Grid): LaneEvents | LaneBins {
  const { rows, lane } = search;
  const open = search.openMatches();
  const reaching = lane.reaching(grid.from, open);
  const [first, end] = [rows.before(grid.from), rows.before(grid.to)];
  const count = reaching.length + end - first;
  if (count > Math.min(MAX_LANE_EVENTS, EVENTS_PER_PIXEL * grid.width))
    return lane.bins(grid, reaching, open.length > 0);
  reaching.sort((x, y) => store.startOf(x) - store.startOf(y) || x - y);
  return eventsOf(store, Float64Array.from([...reaching, ...rows.slice(first, end)]));
}

/** log2 of the cycles of a pixel, where the window is on the grid of buckets; -1: it is not. */
function levelOf({ from, to, width }: Grid): number {
  const pixel = (to - from) / width;
  const level = Math.log2(pixel);
  return from >= 0 &&
    level >= 0 &&
    Number.isInteger(level) &&
    from % pixel === 0 &&
    from + pixel * width === to
    ? level
    : -1;
}

function queryLane(store: TraceStore, lane: Lane, grid: Grid, level: number): LaneEvents | LaneBins {
  const parts = lane.trackIds.flatMap((track) =>
    lane.groups.flatMap((group) => {
      const stream = store.stream(track, group);
      return stream === undefined ? [] : [partOf(store, stream, grid, level)];
    }),
  );
  const count = parts.reduce(
    (sum, part) => sum + part.end - part.first + part.reaching + part.open.length,
    0,
  );
  if (count <= Math.min(MAX_LANE_EVENTS, EVENTS_PER_PIXEL * grid.width))
    return eventsOf(store, rowsOf(store, parts, grid.from, grid.to, count));
  const bins = new BinsInProgress(grid.width, lane.kind === 'mode');
  for (const part of parts) new PartBins(store, part, grid, bins).fill();
  return bins.finish((grid.to - grid.from) / grid.width);
}

function partOf(store: TraceStore, stream: Stream, { from, to, width }: Grid, k: number): Part {
  const level = k < 0 ? undefined : stream.level(k);
  const pixel = (to - from) / width;
  const left = edgeIn(stream, level, from, from / pixel);
  const right = edgeIn(stream, level, to, to / pixel);
  const open = store.endTime > from ? stream.open.filter((row) => store.startOf(row) < from) : [];
  return {
    stream,
    level,
    first: left.before,
    get reaching() {
      return left.reaching;
    },
    end: right.before,
    open,
  };
}

/** An edge of buckets, if possible without looking at rows. @param index of the bucket that begins there */
function edgeIn(stream: Stream, level: Level | undefined, time: number, index: number): Edge {
  const next = level?.index.below(index) ?? 0;
  if (level === undefined || level.length === 0)
    return lazily(stream.before(time), () => stream.reaching(time).length);
  const last = next - 1;
  const passed = last < 0 ? 0 : level.first.at(last) + level.counts.at(last);
  const follows = next < level.length ? level.first.at(next) : stream.length;
  const starts = next < level.length && level.index.at(next) === index;
  const ends = last >= 0 && level.index.at(last) + 1 === index;
  const before = starts ? follows : ends || passed === follows ? passed : stream.before(time);
  return lazily(before, () => {
    if (passed !== before) return stream.reaching(time).length;
    if (last < 0) return 0;
    const crossing = level.crossing.at(last);
    if (crossing === 0 || ends) return crossing;
    const only = crossing === 1 ? level.outlasting(last) : undefined;
    return only === undefined ? stream.reaching(time).length : Number(only.end > time);
  });
}

function lazily(before: number, reaching: () => number): Edge {
  let known: number | undefined;
  return {
    before,
    get reaching() {
      return (known ??= reaching());
    },
  };
}

function eventsOf(store: TraceStore, row: Float64Array): LaneEvents {
  const count = row.length;
  const result: LaneEvents = {
    type: 'events',
    row,
    start: new Float64Array(count),
    duration: new Float64Array(count),
    kind: new Uint16Array(count),
    a: new Float64Array(count),
  };
  let [index, block]: [number, TraceChunk | undefined] = [-1, undefined];
  for (let i = 0; i < count; i++) {
    const row = result.row[i];
    if (row >>> BLOCK_SHIFT !== index) block = store.block((index = row >>> BLOCK_SHIFT));
    if (block === undefined) continue;
    const at = row & BLOCK_MASK;
    result.start[i] = block.start[at];
    result.duration[i] = store.durationOf(row);
    result.kind[i] = block.kind[at];
    result.a[i] = store.aOf(row);
  }
  return result;
}

/** Rows of the events of a window by start, and then by row. */
function rowsOf(
  store: TraceStore,
  parts: readonly Part[],
  from: number,
  to: number,
  count: number,
): Float64Array {
  const row = new Float64Array(count);
  let n = 0;
  let streams = 0;
  for (const { stream, open, reaching, first, end } of parts) {
    const before = n;
    for (const r of open) row[n++] = r;
    if (reaching > 0) for (const r of stream.reaching(from)) row[n++] = r;
    if (n - before > 1) row.subarray(before, n).sort((x, y) => store.startOf(x) - store.startOf(y) || x - y);
    if (end > first) {
      const { rows, length } = stream.between(from, to);
      row.set(rows, n);
      n += length;
    }
    if (n > before) streams++;
  }
  // Those of one stream are in order already.
  if (streams > 1) row.sort((x, y) => store.startOf(x) - store.startOf(y) || x - y);
  return row;
}

const NOTHING: Entries = { length: 0, rows: new Uint32Array(0), starts: new Float64Array(0) };

/** Fills the bins of a lane from one of its streams. */
class PartBins {
  private readonly sweep: Sweep;
  /** Events of the window, where they are not too many, and the number of the first. */
  private gathered: Entries | undefined;

  constructor(
    private readonly store: TraceStore,
    private readonly part: Part,
    private readonly grid: Grid,
    private readonly bins: BinsInProgress,
  ) {
    this.sweep = new Sweep(store, part.stream, bins, grid);
  }

  fill(): void {
    const { part, grid, store } = this;
    const { stream, level, first } = part;
    const { width, from } = grid;
    // From the first open span on the buckets are not all: how long it is they do not know.
    const openFrom = stream.open.reduce((least, row) => Math.min(least, store.startOf(row)), Infinity);
    const limit =
      level === undefined ? 0 : Math.max(0, Math.min(width, Math.floor((openFrom - from) / this.pixel)));
    if (level !== undefined && limit > 0) this.fillFromBuckets(level, limit);
    if (limit < width) {
      const time = edgeOf(grid, limit);
      this.stretch(limit, width, limit === 0 ? first : stream.before(time), part.end, this.carriedAt(time));
    }
    this.noteCarried();
  }

  private get pixel(): number {
    return (this.grid.to - this.grid.from) / this.grid.width;
  }

  /** Pixels [0, limit): the buckets that are there, and what is between them from rows. */
  private fillFromBuckets(level: Level, limit: number): void {
    const { bins, part, grid } = this;
    const shift = grid.from / this.pixel;
    const firstBucket = level.index.below(shift);
    const endBucket = level.index.below(shift + limit);
    bins.addBuckets(level, part.stream.kinds, firstBucket, endBucket, shift);
    let x = 0;
    let event = part.first;
    for (let i = firstBucket; i < endBucket; i++) {
      const at = level.index.values[i] - shift;
      const before = level.first.values[i];
      if (at > x) this.gap(level, i - 1, x, at, event, before);
      x = at + 1;
      event = before + level.counts.values[i];
    }
    if (x < limit) {
      const end = limit === grid.width ? part.end : part.stream.before(edgeOf(grid, limit));
      this.gap(level, endBucket - 1, x, limit, event, end);
    }
  }

  /** Pixels [x, end) after bucket `last`, with the events [event, until). */
  private gap(level: Level, last: number, x: number, end: number, event: number, until: number): void {
    const time = edgeOf(this.grid, x);
    this.stretch(x, end, event, until, this.carriedAfter(level, last, event, time));
  }

  /** Spans that reach over a time at or after the end of a bucket. @param event number of events before the time */
  private carriedAfter(level: Level, last: number, event: number, time: number): readonly Carried[] {
    const { stream } = this.part;
    if (last >= 0 && level.first.at(last) + level.counts.at(last) !== event) return this.carriedAt(time);
    const crossing = last < 0 ? 0 : level.crossing.at(last);
    if (crossing === 0) return [];
    const only = crossing === 1 ? level.outlasting(last) : undefined;
    if (only !== undefined) return only.end > time ? [only] : [];
    // Mostly it is one of the latest events.
    const recent = crossing === 1 ? this.recent(event, time) : undefined;
    return recent ? [recent] : stream.reaching(time).map((row) => this.carried(row));
  }

  /** The latest event before a time that reaches over it, if it is one of the few before. */
  private recent(event: number, time: number): Carried | undefined {
    const { store, part } = this;
    const entries = this.gathered;
    if (entries === undefined) return undefined;
    const end = event - part.first;
    for (let i = end - 1; i >= Math.max(0, end - 8); i--) {
      const row = entries.rows[i];
      if (entries.starts[i] + store.closedDurationOf(row) > time) return this.carried(row);
    }
    return undefined;
  }

  private carriedAt(time: number): Carried[] {
    const { stream } = this.part;
    const { store } = this;
    const open = store.endTime > time ? stream.open.filter((row) => store.startOf(row) < time) : [];
    return [...stream.reaching(time), ...open].map((row) => this.carried(row));
  }

  private carried(row: number): Carried {
    const { store, part } = this;
    return {
      row,
      slot: part.stream.slot(store.kindOf(row)),
      end: store.startOf(row) + store.durationOf(row),
    };
  }

  /** Pixels [x, end) from rows: the events [event, until) start in them. */
  private stretch(x: number, end: number, event: number, until: number, carried: readonly Carried[]): void {
    if (until === event) {
      if (carried.length > 0) this.sweep.run(NOTHING, 0, 0, carried, x, end);
      return;
    }
    const { part, grid } = this;
    if (this.gathered === undefined && part.end - part.first <= GATHERED_PER_PIXEL * grid.width)
      this.gathered = part.stream.between(grid.from, grid.to);
    if (this.gathered !== undefined)
      this.sweep.run(
        this.gathered,
        event - part.first,
        Math.min(this.gathered.length, until - part.first),
        carried,
        x,
        end,
      );
    else {
      const entries = part.stream.between(edgeOf(grid, x), edgeOf(grid, end));
      this.sweep.run(entries, 0, entries.length, carried, x, end);
    }
  }

  /** The first pixel also counts what reaches into the window, and shows it where nothing else is. */
  private noteCarried(): void {
    const { part, bins, grid } = this;
    const reaching = part.reaching + part.open.length;
    if (reaching === 0) return;
    bins.addCount(0, reaching);
    if (bins.hasKind(0)) return;
    const [carried] = this.carriedAt(grid.from);
    bins.offer(0, part.stream.kinds[carried.slot], 0, 1, carried.row);
  }
}
