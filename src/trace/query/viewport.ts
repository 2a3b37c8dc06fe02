/**
 * What lanes show of a window at a width in pixels: the events themselves where they are few, and otherwise one bin per
 * pixel whose counts are exact. The work grows with the pixels, not with the events.
 */
import {
  modeRoles,
  type Lane,
  type LaneBins,
  type LaneEvents,
  type ViewportQuery,
  type ViewportResult,
} from '../../protocol/viewport';
import { byKind } from '../vocabulary/events';
import { cumulate } from './cumulate';
import { patient, searchFor, type Patience } from './search';
import type { Stream } from './stream';
import type { TraceStore } from './store';

/** Most events of a lane that are shown singly. */
export const MAX_LANE_EVENTS = 4000;
/** Most events per pixel, on average, that are shown singly. */
const EVENTS_PER_PIXEL = 2;
/** Widest window in pixels that is answered; more is cut. */
const MAX_WIDTH = 16_384;
/** How many events of a bin are looked at to find one of the shown kind, and to find a fault. */
const REPRESENTATIVE_REACH = 64;
const FAULT_REACH = 4096;

const isFault = byKind(({ role }) => (role === 'fault' ? 1 : 0));

/** Faults that are instants: shown in the pixel where they begin alone, whatever time was recorded with them. */
const isFaultInstant = byKind(({ role, shape }) => (role === 'fault' && shape === 'instant' ? 1 : 0));

/** Where a kind's time goes in `LaneBins.shares`; -1 nowhere. */
const modeOf = byKind(({ mode }) => modeRoles.findIndex((role) => role === mode));

/** A stream and where the window begins and ends in it. */
interface Part {
  stream: Stream;
  first: number;
  end: number;
  /** Rows that began before the window and reach into it. */
  carried: number[];
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
  const searches = query.lanes.map((lane) =>
    lane.query === undefined ? undefined : searchFor(store, lane.query),
  );
  const searching = searches.filter((search) => search && !search.advanceLanes(patience)).length > 0;
  const lanes = query.lanes.map((lane, i) =>
    queryLane(store, lane, searches[i]?.lanes() ?? streamsOf(store, lane), from, to, width),
  );
  return { from, to, width, lanes, ...(searching && { searching }) };
}

/** The streams of a lane's tracks and groups. */
function streamsOf(store: TraceStore, lane: Lane): Stream[] {
  return lane.trackIds.flatMap((track) => lane.groups.flatMap((group) => store.stream(track, group) ?? []));
}

function queryLane(
  store: TraceStore,
  lane: Lane,
  streams: readonly Stream[],
  from: number,
  to: number,
  width: number,
): LaneEvents | LaneBins {
  const parts = streams.map((stream) => partOf(store, stream, from, to));
  const count = parts.reduce((sum, part) => sum + part.end - part.first + part.carried.length, 0);
  return count <= Math.min(MAX_LANE_EVENTS, EVENTS_PER_PIXEL * width)
    ? eventsOf(store, parts, count)
    : binsOf(store, parts, from, to, width, lane.kind === 'mode');
}

function partOf(store: TraceStore, stream: Stream, from: number, to: number): Part {
  const first = stream.before(from);
  const end = stream.before(to);
  const carried = openBefore(store, stream, from);
  stream.reaching(first, from, (row) => carried.push(row));
  return { stream, first, end, carried };
}

/** Open spans that began before `time` and reach beyond it. */
function openBefore(store: TraceStore, stream: Stream, time: number): number[] {
  if (store.endTime <= time) return [];
  return stream.open.filter((row) => store.startOf(row) < time);
}

function eventsOf(store: TraceStore, parts: readonly Part[], count: number): LaneEvents {
  const row = new Float64Array(count);
  let n = 0;
  for (const { stream, first, end, carried } of parts) {
    for (const r of carried) row[n++] = r;
    for (let i = first; i < end; i++) row[n++] = stream.rowAt(i);
  }
  row.sort((x, y) => store.startOf(x) - store.startOf(y) || x - y);
  const result: LaneEvents = {
    type: 'events',
    row,
    start: new Float64Array(count),
    duration: new Float64Array(count),
    kind: new Uint16Array(count),
    a: new Float64Array(count),
  };
  for (let i = 0; i < count; i++) {
    const event = store.get(row[i] ?? 0);
    result.start[i] = event.start;
    result.duration[i] = event.duration;
    result.kind[i] = event.kind;
    result.a[i] = event.a;
  }
  return result;
}

/** Best candidate for a pixel's kind so far: what is no fault, then cover, then frequency. */
interface Choice {
  kind: number;
  fault: number;
  cycles: number;
  count: number;
}

function better(x: Choice, y: Choice): boolean {
  return (
    x.fault < y.fault ||
    (x.fault === y.fault && (x.cycles > y.cycles || (x.cycles === y.cycles && x.count > y.count)))
  );
}

function binsOf(
  store: TraceStore,
  parts: readonly Part[],
  from: number,
  to: number,
  width: number,
  modes: boolean,
): LaneBins {
  const bins: LaneBins = {
    type: 'bins',
    count: new Uint32Array(width),
    kind: new Uint16Array(width),
    cover: new Float32Array(width),
    row: new Float64Array(width).fill(-1),
    fault: new Uint8Array(width),
    ...(modes && { shares: new Float32Array(width * modeRoles.length) }),
  };
  const covered = new Float64Array(width);
  const choices = new Array<Choice | undefined>(width);
  for (const part of parts) addPart(store, part, from, to, bins, covered, choices);
  const pixel = (to - from) / width;
  for (let x = 0; x < width; x++) {
    bins.cover[x] = Math.min(1, (covered[x] ?? 0) / pixel);
    bins.kind[x] = choices[x]?.kind ?? 0;
  }
  if (bins.shares)
    for (let i = 0; i < bins.shares.length; i++) bins.shares[i] = (bins.shares[i] ?? 0) / pixel;
  return bins;
}

/**
 * Adds one stream to the bins. Covered time of a kind in a pixel is the difference of a cumulated time at its two
 * edges: all cycles of the events that start before the edge, less what reaches beyond it.
 */
function addPart(
  store: TraceStore,
  part: Part,
  from: number,
  to: number,
  bins: LaneBins,
  covered: Float64Array,
  choices: (Choice | undefined)[],
): void {
  const { stream, carried } = part;
  const width = covered.length;
  const slots = stream.sums.length;
  const kindOfSlot = stream.sums.map((sum) => sum.kind);
  let counts = new Float64Array(slots);
  let cycles = new Float64Array(slots);
  let nextCounts = new Float64Array(slots);
  let nextCycles = new Float64Array(slots);
  const carriedOf = new Uint32Array(slots);
  let i = part.first;
  let edge = from;
  cumulate(store, stream, from, counts, cycles);
  for (let x = 0; x < width; x++) {
    const last = x === width - 1;
    const time = last ? to : from + ((to - from) * (x + 1)) / width;
    const next = cumulate(store, stream, time, nextCounts, nextCycles);
    let total = next - i;
    if (x === 0) {
      total += carried.length;
      for (const row of carried) {
        const slot = stream.slot(store.kindOf(row));
        counts[slot] = (counts[slot] ?? 0) - 1;
        carriedOf[slot] = (carriedOf[slot] ?? 0) + 1;
      }
    }
    bins.count[x] = (bins.count[x] ?? 0) + total;
    for (let slot = 0; slot < slots; slot++) {
      const spent = (nextCycles[slot] ?? 0) - (cycles[slot] ?? 0);
      const count = (nextCounts[slot] ?? 0) - (counts[slot] ?? 0);
      if (count === 0 && spent <= 0) continue;
      covered[x] = (covered[x] ?? 0) + spent;
      const kind = kindOfSlot[slot] ?? 0;
      addShare(bins, x, kind, spent);
      const fault = isFault[kind] ?? 0;
      if (fault === 1 && bins.fault[x] === 0 && count > (x === 0 ? (carriedOf[slot] ?? 0) : 0)) {
        bins.fault[x] = 1;
        bins.row[x] = representative(store, part, kind, i, next, edge);
      }
      if (count === 0 && isFaultInstant[kind] === 1) {
        if (bins.row[x] === -1) bins.row[x] = representative(store, part, kind, i, next, edge);
        continue;
      }
      const choice: Choice = { kind, fault, cycles: spent, count };
      const best = choices[x];
      if (best !== undefined && !better(choice, best)) continue;
      choices[x] = choice;
      if (bins.fault[x] === 0) bins.row[x] = representative(store, part, kind, i, next, edge);
    }
    i = next;
    edge = time;
    [counts, nextCounts] = [nextCounts, counts];
    [cycles, nextCycles] = [nextCycles, cycles];
  }
}

/** Adds cycles of a kind to a pixel of a mode lane. */
function addShare({ shares }: LaneBins, x: number, kind: number, cycles: number): void {
  const mode = modeOf[kind] ?? -1;
  if (!shares || mode < 0) return;
  const at = x * modeRoles.length + mode;
  shares[at] = (shares[at] ?? 0) + cycles;
}

/** A row for a pixel: of the kind if one of the first events is, else the first, else what covers the pixel. */
function representative(
  store: TraceStore,
  part: Part,
  kind: number,
  i: number,
  next: number,
  time: number,
): number {
  const reach = Math.min(next, i + (isFault[kind] === 1 ? FAULT_REACH : REPRESENTATIVE_REACH));
  for (let k = i; k < reach; k++)
    if (store.kindOf(part.stream.rowAt(k)) === kind) return part.stream.rowAt(k);
  if (i < next) return part.stream.rowAt(i);
  let covering = -1;
  const consider = (row: number): void => {
    if (covering < 0 || (store.kindOf(covering) !== kind && store.kindOf(row) === kind)) covering = row;
  };
  part.stream.reaching(i, time, consider);
  openBefore(store, part.stream, time).forEach(consider);
  return covering;
}
