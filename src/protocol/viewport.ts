/** What a lane shows of a window of time. Times in cycles. */
import type { KindGroup } from '../trace/vocabulary/events';

export { modeRoles } from '../trace/vocabulary/modes';

/** One row of the explorer. */
export interface Lane {
  /** Stable between sessions: `vm0/vCPU 0/exits`. */
  id: string;
  /** Complete: `vCPU 0 exits`. */
  label: string;
  /** The label's two halves, for lanes that stand under a common heading: `vCPU 0` and `exits`. */
  track: string;
  part: string;
  /** Heading: `vm0`, `host`. */
  group: string;
  trackIds: number[];
  groups: KindGroup[];
  kind: 'mode' | 'spans' | 'instants';
  /** Nothing was counted in it (yet). */
  empty: boolean;
  /** A lane of a query shows what matches it; its tracks and groups are then of no account. */
  query?: string;
}

export interface ViewportQuery {
  from: number;
  to: number;
  /** Pixels. */
  width: number;
  lanes: Lane[];
}

/** Events of a lane themselves, parallel columns. */
export interface LaneEvents {
  type: 'events';
  row: Float64Array;
  start: Float64Array;
  duration: Float64Array;
  kind: Uint16Array;
  a: Float64Array;
}

/** Too many to show singly: one bin per pixel, parallel columns of length `width`. */
export interface LaneBins {
  type: 'bins';
  /** Events that start in the pixel (the first pixel also counts those that reach into the window). */
  count: Uint32Array;
  /**
   * The kind that covers most of the pixel, else the most frequent; a fault only where nothing else is, and one that is an
   * instant only where it begins; 0: nothing.
   */
  kind: Uint16Array;
  /** Covered fraction 0..1. */
  cover: Float32Array;
  /** A row to open on a click: a fault if there is one, else of the shown kind when one is near; -1 none. */
  row: Float64Array;
  /** 1 where a fault starts in the pixel. */
  fault: Uint8Array;
  /**
   * Mode lanes only: fractions of each pixel that each of `modeRoles` covers, pixel by pixel; length `modeRoles.length × width`. They add
   * up to at most the number of the lane's tracks.
   */
  shares?: Float32Array;
}

export interface ViewportResult {
  from: number;
  to: number;
  width: number;
  lanes: (LaneEvents | LaneBins)[];
  /** Lanes of queries lack what has not been found yet: ask again, and the search goes on from where it is. */
  searching?: boolean;
  /** Lanes lack what is not in the index yet, which is being made: ask again. */
  indexing?: boolean;
}
