/**
 * The pen that everything writes the trace with, and its one notion of "why": the current cause.
 *
 * A row is numbered from 0 in the order of recording; a *row reference* is row + 1, and 0 means none. Whoever makes things
 * happen sets `cause`; the event queue keeps it across time; so a chain is followed by the `cause` column alone.
 *
 * Arguments are whole numbers of up to 53 bits, or negative ones that stand for 32 bits.
 */
import type { PatternRow } from '../fold';
import type { Place, RowPattern, Track } from '../model';

/** Row number + 1 of a recorded event; 0 is none. */
export type RowRef = number;

/** What a run is recorded with. */
export interface Tracer {
  /** The event in whose consequence everything recorded now happens. */
  cause: RowRef;
  /** Id of the place (guest instruction) that events recorded now belong to; 0 is none. */
  place: number;
  /** Registers a track; ids are dense from 0 in the order of registration. */
  addTrack(track: Omit<Track, 'id'>): number;
  /** Interns a guest instruction's address; ids are dense from 1. Cheap when the address is the same as last time. */
  internPlace(vm: number, ripLow: number, ripHigh: number): number;
  /** An event without duration. Uses the current cause and place. */
  instant(time: number, track: number, kind: number, a: number, b: number): RowRef;
  /** A span whose end is known. */
  span(start: number, duration: number, track: number, kind: number, a: number, b: number): RowRef;
  /** A span whose end is known, with its cause given: cheaper than to change `cause` and change it back. */
  spanBecause(
    start: number,
    duration: number,
    track: number,
    kind: number,
    a: number,
    b: number,
    cause: RowRef,
  ): RowRef;
  /** A span whose end is not known yet; `close` it once. Where the end is known, `span` costs two thirds of it. */
  open(start: number, track: number, kind: number, a: number, b: number): RowRef;
  close(row: RowRef, end: number): void;
  /**
   * A group of rows that comes often, for `foresee`; undefined where it has to be recorded row by row: when not all of its kinds
   * are recorded, or a total of their arguments is kept.
   */
  addPattern(rows: readonly PatternRow[]): RowPattern | undefined;
  /**
   * Begins with a group, of which the first `reached` rows are there at once, with the arguments as far as they are known. They
   * have their numbers, and are recorded in one piece once all are there, or one by one when anything else is recorded
   * meanwhile or one of them is named. The place is the current one.
   *
   * @returns the reference of the first; 0: they have to be recorded one by one
   */
  foresee(pattern: RowPattern, reached: number, start: number, a: number, b: number, cause: RowRef): RowRef;
  /** Whether the group that begins with a row is still in one piece: if not, its rows are like all others. */
  foresees(row: RowRef): boolean;
  /** So many rows of the group are there. */
  reach(rows: number): void;
  /** The group's second argument, where it was not known at its start. */
  answer(b: number): void;
  /** All rows of the group are there: the last is an open span. */
  complete(): RowRef;
  /** Writes the arguments of an open or just recorded row, where they were not known at its start (a read's value). */
  setArgs(row: RowRef, a: number, b: number): void;
}

export type { Place, Track };
