/**
 * The events of a trace in the order and on the lanes that other tools need: their slices nest on each lane, and none overlaps
 * another by half. Where spans of a track do, the later one goes to a lane of its own.
 */
import { bookkeeping, kindRow, type KindGroup, type KindRow } from '../../vocabulary/events';
import type { Track } from '../../model';
import type { TraceEvent, TraceStore } from '../../query/store';

/** A row of slices. */
export interface ExportLane {
  /** Dense from 0, in the order of their first events. */
  id: number;
  track: Track;
  /** What of the track it shows: `exits`. */
  part: string;
  /** 0, or how many lanes of the same part were busy when it was needed. */
  depth: number;
}

/** An event with its kind. */
export interface ExportEvent extends TraceEvent {
  row: number;
  about: KindRow;
}

/** What becomes of the events, in an order that is right for each lane. */
export interface SliceSink<Out> {
  /** A span begins. */
  begin(lane: ExportLane, event: ExportEvent): Out;
  /** The span of that lane that began last and has not ended ends. */
  end(lane: ExportLane, event: ExportEvent): Out;
  instant(lane: ExportLane, event: ExportEvent): Out;
}

/** Parts of a track in their order. Exits hold their legs; whatever a CPU does at a time is one after the other. */
export const exportParts = [
  'mode', 'exits', 'registers', 'virtqueues', 'DMA', 'translations', 'interrupts', 'packets', 'VMM', 'guest',
] as const; // prettier-ignore
const partOf: Record<KindGroup, (typeof exportParts)[number]> = {
  mode: 'mode',
  thread: 'mode',
  exit: 'exits',
  leg: 'exits',
  register: 'registers',
  ring: 'registers',
  virtio: 'virtqueues',
  dma: 'DMA',
  iommu: 'translations',
  interrupt: 'interrupts',
  packet: 'packets',
  vmm: 'VMM',
  guest: 'guest',
  record: 'guest',
};

interface Nest {
  lane: ExportLane;
  /** Spans under way, the outer ones first. */
  open: ExportEvent[];
}

const UNKNOWN_TRACK: Track = { id: 0, type: 'thread', name: 'unknown', group: 'unknown', vm: -1 };

const endOf = ({ start, duration }: TraceEvent): number => start + duration;

/** Rows of events, the earlier before the later, what holds others before these. */
function ordered(store: TraceStore): number[] {
  const rows: number[] = [];
  for (let row = 0; row < store.rows; row++) if (!bookkeeping.has(store.kindOf(row))) rows.push(row);
  return rows.sort(
    (x, y) => store.startOf(x) - store.startOf(y) || store.durationOf(y) - store.durationOf(x) || x - y,
  );
}

/** Gives all events to a sink, and what it makes of them, one by one. */
export function* slicesOf<Out>(store: TraceStore, sink: SliceSink<Out>): Generator<Out> {
  const parts = new Map<string, Nest[]>();
  let lanes = 0;
  const nestsOf = (event: ExportEvent): Nest[] => {
    const part = partOf[event.about.group];
    const key = `${event.track}/${part}`;
    let nests = parts.get(key);
    if (!nests) parts.set(key, (nests = []));
    return nests;
  };
  const add = (nests: Nest[], event: ExportEvent): Nest => {
    const track = store.trackAt(event.track) ?? UNKNOWN_TRACK;
    const lane = { id: lanes++, track, part: partOf[event.about.group], depth: nests.length };
    const nest: Nest = { lane, open: [] };
    nests.push(nest);
    return nest;
  };
  for (const row of ordered(store)) {
    const found = store.get(row);
    const event: ExportEvent = { ...found, about: kindRow(found.kind) };
    const nests = nestsOf(event);
    if (event.about.shape === 'instant') {
      yield sink.instant((nests[0] ?? add(nests, event)).lane, event);
      continue;
    }
    for (const { lane, open } of nests)
      for (let top = open.at(-1); top && endOf(top) <= event.start; top = open.at(-1))
        yield sink.end(lane, open.pop() ?? top);
    const nest = nests.find(({ open }) => endOf(open.at(-1) ?? event) >= endOf(event)) ?? add(nests, event);
    yield sink.begin(nest.lane, event);
    nest.open.push(event);
  }
  for (const nests of parts.values())
    for (const { lane, open } of nests)
      for (let top = open.pop(); top; top = open.pop()) yield sink.end(lane, top);
}

/** By row: the rows that it caused, ascending. Built at once, for exporters look at each. */
export class Consequences {
  private readonly first: Uint32Array;
  private readonly next: Uint32Array;

  constructor(private readonly store: TraceStore) {
    this.first = new Uint32Array(store.rows);
    this.next = new Uint32Array(store.rows);
    for (let row = store.rows - 1; row >= 0; row--) {
      const cause = this.causeOf(row);
      if (cause < 0) continue;
      this.next[row] = this.first[cause] ?? 0;
      this.first[cause] = row + 1;
    }
  }

  /** Row of the cause of an event, -1 none. */
  causeOf(row: number): number {
    const { store } = this;
    return bookkeeping.has(store.kindOf(row)) ? -1 : store.causeOf(row);
  }

  *of(row: number): Generator<number> {
    for (let ref = this.first[row] ?? 0; ref !== 0; ref = this.next[ref - 1] ?? 0) yield ref - 1;
  }
}

/** Nanoseconds of a time in cycles. */
export function nanoseconds(store: TraceStore, cycles: number): number {
  return Math.round((cycles / store.frequencyHz) * 1e9);
}
