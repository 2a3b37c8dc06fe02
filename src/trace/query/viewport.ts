/**
 * What lanes show of a window at a width in pixels: the events themselves where they are few, and otherwise one bin per
 * pixel whose counts are exact. Where a pixel is a power of two of cycles and begins at a multiple of it, the bins are buckets
 * of the index (`index/level.ts`), and the work grows with the pixels alone; of any other window all events are looked at.
 */
import type { Lane, LaneBins, LaneEvents, ViewportQuery, ViewportResult } from '../../protocol/viewport';
import { entriesOf, type Entries } from './index/entries';
import type { Level } from './index/level';
import { BinsInProgress } from './lane-bins';
import { patient, searchFor, type Patience, type Search } from './search';
import { edgeOf, Sweep, type Carried, type Grid } from './sweep';
import type { Stream } from './stream';
import type { TraceStore } from './store';

/** Most events of a lane that are shown singly. */
export const MAX_LANE_EVENTS = 4000;
/** The same where a pixel is so wide that buckets tell of them, and events would have to be taken out of all blocks. */
const MAX_WIDE_EVENTS = 400;
/** Most events per pixel, on average, that are shown singly. */
const EVENTS_PER_PIXEL = 2;
/** Widest window in pixels that is answered; more is cut. */
const MAX_WIDTH = 16_384;
/** Most events per pixel of a window that are taken out of their blocks at once. */
const GATHERED_PER_PIXEL = 16;
/** Of so many events one in buckets is enough for the others not to be gathered. */
const GATHERED_SHARE = 2;

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
  return eventsOfRows(store, Float64Array.from([...reaching, ...rows.slice(first, end)]));
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
  const wide = level >= 0 && store.isWide(2 ** level);
  if (count <= Math.min(wide ? MAX_WIDE_EVENTS : MAX_LANE_EVENTS, EVENTS_PER_PIXEL * grid.width))
    return eventsIn(store, parts, grid.from, grid.to, count);
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

/** The events of some rows. */
function eventsOfRows(store: TraceStore, row: Float64Array): LaneEvents {
  const events = eventsFor(row.length);
  row.forEach((each, i) => putRow(store, events, i, each));
  return events;
}

function eventsFor(count: number): LaneEvents {
  return {
    type: 'events',
    row: new Float64Array(count),
    start: new Float64Array(count),
    duration: new Float64Array(count),
    kind: new Uint16Array(count),
    a: new Float64Array(count),
  };
}

function putRow(store: TraceStore, { row, start, duration, kind, a }: LaneEvents, i: number, of: number): void {
  row[i] = of;
  start[i] = store.startOf(of);
  duration[i] = store.durationOf(of);
  kind[i] = store.kindOf(of);
  a[i] = store.aOf(of);
}

/** The events of a window by start, and then by row. */
function eventsIn(store: TraceStore, parts: readonly Part[], from: number, to: number, count: number): LaneEvents {
  const events = eventsFor(count);
  const ends: number[] = [];
  let n = 0;
  const close = (): void => {
    if (n > (ends.at(-1) ?? 0)) ends.push(n);
  };
  for (const { stream, open, reaching, first, end } of parts) {
    const before = [...open, ...(reaching > 0 ? stream.reaching(from) : [])];
    before.sort((x, y) => store.startOf(x) - store.startOf(y) || x - y);
    for (const row of before) putRow(store, events, n++, row);
    // What reaches into the window began before all else of its stream.
    if (end > first) n += putEntries(store, events, n, stream.between(from, to), stream.someOpen);
    close();
  }
  return ends.length > 1 ? merged(events, ends) : events;
}

/** Puts events one after the other; returns how many. */
function putEntries(
  store: TraceStore,
  { row, start, duration, kind, a }: LaneEvents,
  at: number,
  entries: Entries,
  someOpen: boolean,
): number {
  const { length, rows, starts, durations, kinds } = entries;
  row.set(rows, at);
  start.set(starts, at);
  kind.set(kinds, at);
  if (someOpen) for (let i = 0; i < length; i++) duration[at + i] = store.durationOf(rows[i]);
  else duration.set(durations, at);
  if (entries.a) a.set(entries.a, at);
  else store.arguments(rows, a, at);
  return length;
}

/** Events of which each run is in order, in order. @param ends where the runs end */
function merged(events: LaneEvents, ends: readonly number[]): LaneEvents {
  const { type, row, start, duration, kind, a } = events;
  const order = mergedOrder(events, ends);
  const inOrder = eventsFor(row.length);
  order.forEach((from, to) => {
    inOrder.row[to] = row[from];
    inOrder.start[to] = start[from];
    inOrder.duration[to] = duration[from];
    inOrder.kind[to] = kind[from];
    inOrder.a[to] = a[from];
  });
  return { ...inOrder, type };
}

/** Places of the events by start, and then by row. */
function mergedOrder({ row, start }: LaneEvents, ends: readonly number[]): Uint32Array {
  let order = Uint32Array.from(row, (_, i) => i);
  let other = new Uint32Array(order.length);
  for (let runs = ends; runs.length > 1;) {
    const next: number[] = [];
    for (let i = 0; i < runs.length; i += 2) {
      let at = i === 0 ? 0 : runs[i - 1];
      let left = at;
      const middle = runs[i];
      let right = middle;
      const end = runs[Math.min(i + 1, runs.length - 1)];
      for (; at < end; at++) {
        const [x, y] = [order[left], order[right]];
        const isLeft =
          right >= end || (left < middle && (start[x] < start[y] || (start[x] === start[y] && row[x] < row[y])));
        other[at] = order[isLeft ? left++ : right++];
      }
      next.push(end);
    }
    [order, other] = [other, order];
    runs = next;
  }
  return order;
}

const NOTHING = entriesOf(0);

/** Fills the bins of a lane from one of its streams. */
class PartBins {
  private readonly sweep: Sweep;
  /** Events of the window, where they are not too many, and the number of the first. */
  private gathered: Entries | undefined;
  /** Most events are in buckets: of the others each is taken out by itself. */
  private sparing = false;

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
    let inBuckets = 0;
    for (let i = firstBucket; i < endBucket; i++) inBuckets += level.counts.values[i];
    this.sparing = inBuckets * GATHERED_SHARE > part.end - part.first;
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
    const { part } = this;
    const entries = this.gathered;
    if (entries === undefined) return undefined;
    const end = event - part.first;
    for (let i = end - 1; i >= Math.max(0, end - 8); i--) {
      const row = entries.rows[i];
      if (entries.starts[i] + entries.durations[i] > time) return this.carried(row);
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
    if (!this.sparing && this.gathered === undefined && part.end - part.first <= GATHERED_PER_PIXEL * grid.width)
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
