/** What a lane shows of a window of time. Times in cycles. */
import type { KindGroup } from '../trace/events';

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
  a: Uint32Array;
}

/** Too many to show singly: one bin per pixel, parallel columns of length `width`. */
export interface LaneBins {
  type: 'bins';
  /** Events that start in the pixel (the first pixel also counts those that reach into the window). */
  count: Uint32Array;
  /** A fault in the pixel if there is one, else the kind that covers most of it, else the most frequent; 0: nothing. */
  kind: Uint16Array;
  /** Covered fraction 0..1. */
  cover: Float32Array;
  /** A row to open on a click, of the shown kind when one is near; -1 none. */
  row: Float64Array;
}

export interface ViewportResult {
  from: number;
  to: number;
  width: number;
  lanes: (LaneEvents | LaneBins)[];
}
