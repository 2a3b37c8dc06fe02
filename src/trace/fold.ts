/**
 * Folded rows. Some rows come together again and again, and all that differs is where they begin and a value or two: such a
 * group is recorded as one entry of 32 bytes that names its pattern, and leaves its place in the block's columns empty. Whoever
 * reads the rows fills the places in first; the thread that simulates has neither the work nor the memory of them.
 */
import type { RowPattern, TraceChunk, TraceDelta } from './model';

/** One row of a pattern. */
export interface PatternRow {
  track: number;
  kind: number;
  /** Cycles from the start of the first row to that of this one. */
  offset: number;
  /** Cycles; of the last row, whose span is open when the group is complete, the entry has it. */
  duration: number;
  /** Its cause: a row before it, by index, or `CAUSE_GIVEN` (what caused the group), or `CAUSE_NONE`. */
  cause: number;
  /** It has the group's first argument, less this much, of 32 bits; undefined: 0 in its place. */
  aLess?: number;
  /** Before that the argument is shifted to the left by so many bits: 0 unless given. */
  aShift?: number;
  /** It has the group's second argument; otherwise 0. */
  b?: boolean;
  /** Index of the row at whose start this one's span ends; undefined: its end is known when it begins. */
  endsAt?: number;
}

export const CAUSE_GIVEN = -1;
export const CAUSE_NONE = -2;

const ALL = 0xffffffff;

/** A pattern of these rows. */
export function patternOf(id: number, rows: readonly PatternRow[]): RowPattern {
  return {
    id,
    track: Uint16Array.from(rows, ({ track }) => track),
    kind: Uint16Array.from(rows, ({ kind }) => kind),
    offset: Uint32Array.from(rows, ({ offset }) => offset),
    duration: Uint32Array.from(rows, ({ duration }) => duration),
    cause: Int8Array.from(rows, ({ cause }) => cause),
    aShift: Uint8Array.from(rows, ({ aShift }) => aShift ?? 0),
    aLess: Float64Array.from(rows, ({ aLess }) => aLess ?? 0),
    aMask: Uint32Array.from(rows, ({ aLess }) => (aLess === undefined ? 0 : ALL)),
    bMask: Uint32Array.from(rows, ({ b }) => (b ? ALL : 0)),
    endsAt: Uint8Array.from(rows, ({ endsAt }) => endsAt ?? 0),
  };
}

/** Words of an entry: its start takes the first two. */
export const ENTRY_WORDS = 8;
/** Position of the first row in the block in the low half, the pattern's id in the high one. */
export const ENTRY_WHAT = 2;
export const ENTRY_RIP = 3;
export const ENTRY_A = 4;
export const ENTRY_B = 5;
export const ENTRY_CAUSE = 6;
/** Duration of the last row. */
export const ENTRY_DURATION = 7;

/** Fills the places of folded groups in. @param entries whole entries, as `FoldList` writes them */
export function unfold(chunk: TraceChunk, entries: Uint32Array, patterns: readonly RowPattern[]): void {
  const { firstRow, start, duration, track, kind, rip, a, b, cause } = chunk;
  const starts = new Float64Array(entries.buffer, entries.byteOffset, entries.length / 2);
  for (let entry = 0; entry < entries.length; entry += ENTRY_WORDS) {
    const what = entries[entry + ENTRY_WHAT];
    const pattern = patterns[what >>> 16];
    const first = what & 0xffff;
    const firstRef = firstRow + first + 1;
    const begin = starts[entry / 2];
    const place = entries[entry + ENTRY_RIP];
    const argA = entries[entry + ENTRY_A];
    const argB = entries[entry + ENTRY_B];
    const given = entries[entry + ENTRY_CAUSE];
    const rows = pattern.kind.length;
    for (let i = 0; i < rows; i++) {
      const at = first + i;
      const why = pattern.cause[i];
      start[at] = begin + pattern.offset[i];
      duration[at] = pattern.duration[i];
      track[at] = pattern.track[i];
      kind[at] = pattern.kind[i];
      rip[at] = place;
      a[at] = ((argA << pattern.aShift[i]) - pattern.aLess[i]) & pattern.aMask[i];
      b[at] = argB & pattern.bMask[i];
      cause[at] = why >= 0 ? firstRef + why : why === CAUSE_GIVEN ? given : 0;
    }
    duration[first + rows - 1] = entries[entry + ENTRY_DURATION];
  }
}

/** Fills in what a recorder has left to the receiver of a delta. */
export function unfoldDelta({ chunks, folds }: TraceDelta): void {
  if (!folds) return;
  for (const [index, entries] of Object.entries(folds.entries))
    unfold(chunks[Number(index)], entries, folds.patterns);
}
