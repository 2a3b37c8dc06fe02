/** What the index of a trace consists of, as it is stored with it. */
import type { CopiedEvents } from './copied-events';
import type { KeptFigures } from './figures';
import type { Levels } from './level';
import type { Numbers } from './numbers';
import type { Pieces } from './pieces';

/** What was made before of all events of a stream. */
export interface StoredStream {
  kinds: readonly number[];
  pieces: Pieces;
  levels: Levels;
  /** Its events, where they are few. */
  events: () => CopiedEvents | undefined;
}

/** A stream's part of an index. */
export interface IndexedStream extends StoredStream {
  /** Of the track and group (`StreamSet`). */
  key: number;
}

/** Figures of a stretch of 1, 16 or 256 whole blocks. */
export interface Stretch {
  least: number;
  most: number;
  /** Undefined: they were stored, and cannot be read. */
  figures: () => KeptFigures | undefined;
}

/** When packets left and arrived, in the order of arrival. */
export interface PacketTimes {
  left: Numbers;
  arrived: Numbers;
}

/** What an index consists of. */
export interface TraceIndex {
  /** Rows of the trace. */
  rows: number;
  streams: readonly IndexedStream[];
  /** By size: 1, 16, 256 blocks. */
  stretches: readonly (readonly Stretch[])[];
  /** Undefined: they cannot be read. */
  packets: () => PacketTimes | undefined;
}
