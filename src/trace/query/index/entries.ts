/** Events of a stream as columns. */

/** Events in order. */
export interface Entries {
  length: number;
  rows: Uint32Array;
  starts: Float64Array;
  kinds: Uint16Array;
  /** Cycles; an open span has 0 here. */
  durations: Float64Array;
  /** The first argument in full, where it is known without asking for the row. */
  a?: Float64Array;
}

/** Room for so many events. */
export function entriesOf(length: number): Entries {
  return {
    length,
    rows: new Uint32Array(length),
    starts: new Float64Array(length),
    kinds: new Uint16Array(length),
    durations: new Float64Array(length),
  };
}
