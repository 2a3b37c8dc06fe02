/** Turns what came of a lane into what is drawn of it: events with their depth, or columns of pixels and their raster. */
import type { LaneEvents } from '../../src/protocol/viewport';
import { columnsOfEvents, merged, type Columns } from '../lanes/columns';
import { drawnSingly, type Candidate } from '../lanes/crowd';
import { fullCount } from '../lanes/density';
import { depthsOf } from '../lanes/geometry';
import type { LaneRow } from '../lanes/layout';
import type { Theme } from '../ui/theme';
import type { Piece, Supply } from './feed';
import { stripOf } from './strip';

/** More events per pixel than this are drawn as density. */
const CROWDED = 0.25;
/** Modes lie side by side without gaps, and are told apart at a smaller size. */
const CROWDED_MODES = 0.3;

export interface PreparedEvents {
  type: 'events';
  data: LaneEvents;
  depths: Uint8Array;
}

/** Columns of one stretch of time. */
export interface Part {
  columns: Columns;
  strip: HTMLCanvasElement;
}

export interface PreparedColumns {
  type: 'columns';
  parts: readonly Part[];
  /** Events in a pixel that fill the lane's height. */
  full: number;
}

export type Prepared = PreparedEvents | PreparedColumns;

/** The events of pieces one after the other; undefined when one has come as bins. */
function eventsOf(pieces: readonly Piece[]): LaneEvents | undefined {
  const all = pieces.flatMap(({ data }) => (data.type === 'events' ? [data] : []));
  const [first] = all;
  if (all.length !== pieces.length || !first) return undefined;
  if (all.length === 1) return first;
  const join = (of: (data: LaneEvents) => ArrayLike<number>): number[] =>
    all.flatMap((data) => Array.from(of(data)));
  // A span that reaches from one stretch into the next has come with both.
  const rows = join((data) => data.row);
  const once = rows.map((row, index) => rows.indexOf(row) === index);
  const column = (of: (data: LaneEvents) => ArrayLike<number>): number[] =>
    join(of).filter((_, i) => once[i]);
  return {
    type: 'events',
    row: Float64Array.from(column((data) => data.row)),
    start: Float64Array.from(column((data) => data.start)),
    duration: Float64Array.from(column((data) => data.duration)),
    kind: Uint16Array.from(column((data) => data.kind)),
    a: Float64Array.from(column((data) => data.a)),
  };
}

interface Entry {
  supply: Supply;
  events: LaneEvents | undefined;
  prepared?: Prepared;
  /** Cycles of a pixel for which it was prepared. */
  pixel: number;
  height: number;
}

/** What is prepared of each lane. */
export class Shelf {
  readonly #entries = new Map<string, Entry>();

  get(lane: string): Prepared | undefined {
    return this.#entries.get(lane)?.prepared;
  }

  /** Takes what came. */
  put(supplies: ReadonlyMap<string, Supply>): void {
    for (const [id, supply] of supplies) {
      const before = this.#entries.get(id)?.prepared;
      this.#entries.set(id, {
        supply,
        events: eventsOf(supply.pieces),
        ...(before && { prepared: before }),
        pixel: -1,
        height: 0,
      });
    }
  }

  /** Forgets every drawing, but nothing that came. */
  restyle(): void {
    for (const entry of this.#entries.values()) entry.pixel = -1;
  }

  /** Whether something has come that is not prepared yet. */
  hasNew(rows: readonly LaneRow[]): boolean {
    return rows.some(({ lane }) => this.#entries.get(lane.id)?.pixel === -1);
  }

  /**
   * Prepares lanes for a size of pixel; tells whether all of them are. At least one is, however late it is.
   * @param heightOf pixels of a lane that its strip takes
   * @param until stops when `performance.now()` is beyond it
   */
  prepare(
    rows: readonly LaneRow[],
    pixel: number,
    width: number,
    theme: Theme,
    heightOf: (row: LaneRow) => number,
    until: number,
  ): boolean {
    const candidates: Candidate[] = rows.flatMap(({ lane }) => {
      const entry = this.#entries.get(lane.id);
      if (!entry?.events) return [];
      const cycles = entry.supply.pieces.reduce((sum, { from, to }) => sum + to - from, 0);
      const perPixel = (entry.events.start.length * pixel) / cycles;
      return [{ id: lane.id, perPixel, most: lane.kind === 'mode' ? CROWDED_MODES : CROWDED }];
    });
    const singly = drawnSingly(candidates, width);
    let worked = false;
    for (const row of rows) {
      const entry = this.#entries.get(row.lane.id);
      if (!entry) continue;
      const asEvents = singly.has(row.lane.id);
      const height = heightOf(row);
      const same = asEvents
        ? entry.prepared?.type === 'events' && entry.pixel !== -1
        : entry.prepared?.type === 'columns' && entry.pixel === pixel && entry.height === height;
      if (same) continue;
      if (worked && performance.now() > until) return false;
      worked = true;
      entry.pixel = pixel;
      entry.height = height;
      entry.prepared =
        asEvents && entry.events
          ? { type: 'events', data: entry.events, depths: depthsOf(entry.events) }
          : this.#columns(row, entry, pixel, height, theme);
    }
    return true;
  }

  #columns(row: LaneRow, entry: Entry, pixel: number, height: number, theme: Theme): PreparedColumns {
    const { kind, trackIds } = row.lane;
    const { supply, prepared: before } = entry;
    const all = supply.pieces.map(({ from, to, data }) =>
      data.type === 'bins'
        ? merged(data, from, supply.bin, pixel)
        : columnsOfEvents(data, from, to, pixel, kind),
    );
    const full = Math.max(...all.map(({ count }) => fullCount(count)));
    const parts = all.map((columns, index) => {
      const canvas = before?.type === 'columns' ? before.parts[index]?.strip : undefined;
      return { columns, strip: stripOf(columns, trackIds.length, full, height, theme, canvas) };
    });
    return { type: 'columns', parts, full };
  }
}
