/** Exact figures by track and kind, of all events, recorded or not. */
import { KIND_LIMIT, kindRow } from '../vocabulary/events';
import type { TraceMeta } from '../model';
import { fullArgument } from '../vocabulary/wide';

type Figures = TraceMeta['counts'];

/** Flags of a kind: recorded; has an argument whose total is kept. */
export const RECORDED = 1;
const SUM_A = 2;
const SUM_B = 4;
/** Somebody looks at its rows. */
export const WATCHED = 8;
export const FLAG_BITS = 4;
export const FLAGS = 15;

/**
 * Tables of tracks by kinds that are in use: a kind gets a column at its first event, so that a vocabulary of any size costs
 * a run only what it records.
 */
export class KindCounts {
  /**
   * By kind: its column, from 1, and its flags; 0 for a kind without an event so far. `RowWriter` counts an event itself, in the
   * column of the kind, where the flags are `RECORDED` alone; for all others it asks `count`.
   */
  readonly known = new Uint32Array(KIND_LIMIT);
  /** log2 of the columns of the tables. */
  shift = 5;
  counted = new Float64Array(0);
  private summed = new Float64Array(0);
  private readonly kinds: number[] = [0];
  private tracks = 0;
  /** Tracks that the tables have room for. */
  private capacity = 0;

  /** Whether somebody looks at rows of a kind. */
  private watched: ((kind: number) => boolean) | undefined;

  /** @param records whether events of a kind are recorded; asked once per kind */
  constructor(private readonly records: (kind: number) => boolean) {}

  /** Replaces who looks at rows of which kinds: each is asked about once. */
  watch(looksAt: ((kind: number) => boolean) | undefined): void {
    this.watched = looksAt;
    for (const kind of this.kinds.slice(1)) {
      const known = this.known[kind] & ~WATCHED;
      this.known[kind] = known | this.watchedFlag(kind, known);
    }
  }

  /** Somebody looks at rows of a kind. */
  isWatched(kind: number): boolean {
    return this.watched !== undefined && ((this.known[kind] || this.learn(kind)) & WATCHED) !== 0;
  }

  private watchedFlag(kind: number, flags: number): number {
    return (flags & RECORDED) !== 0 && this.watched?.(kind) ? WATCHED : 0;
  }

  /** Makes room for one more track. */
  addTrack(): void {
    this.tracks++;
    if (this.tracks > this.capacity) this.rebuild(this.shift, Math.max(8, this.tracks * 2));
  }

  /** Counts an event; whether its kind is recorded. */
  count(track: number, kind: number, a: number, b: number): boolean {
    const known = this.known[kind] || this.learn(kind);
    const slot = (track << this.shift) | (known >>> FLAG_BITS);
    this.counted[slot] += 1;
    if ((known & (SUM_A | SUM_B)) !== 0) this.summed[slot] += fullArgument(known & SUM_A ? a : b);
    return (known & RECORDED) !== 0;
  }

  /** Events of a kind are recorded, and nothing but their number is kept. */
  isPlain(kind: number): boolean {
    return ((this.known[kind] || this.learn(kind)) & (FLAGS & ~WATCHED)) === RECORDED;
  }

  /** Counts so many events of a plain kind. */
  countPlain(track: number, kind: number, count: number): void {
    this.counted[this.slotOf(track, kind)] += count;
  }

  /** Whether a total is kept of a kind that has been counted. */
  sums(kind: number): boolean {
    return (this.known[kind] & (SUM_A | SUM_B)) !== 0;
  }

  /** Arguments of an event that has been counted are others than they were. */
  correct(track: number, kind: number, before: readonly [number, number], a: number, b: number): void {
    const known = this.known[kind];
    const change =
      known & SUM_A ? fullArgument(a) - before[0] : known & SUM_B ? fullArgument(b) - before[1] : 0;
    if (change !== 0) this.summed[(track << this.shift) | (known >>> FLAG_BITS)] += change;
  }

  /** Counts that are not zero, in order of track and kind. */
  counts(): Figures {
    return this.nonZero(this.counted);
  }

  /** Totals that are not zero, in order of track and kind. */
  totals(): Figures {
    return this.nonZero(this.summed);
  }

  /** Puts figures in place of those so far. */
  load(tracks: number, counts: Figures, totals: Figures): void {
    this.tracks = tracks;
    this.capacity = 0;
    this.rebuild(this.shift, tracks);
    // A kind that is new here may move the tables, so all get their columns first.
    for (const [, kind] of counts) if (this.known[kind] === 0) this.learn(kind);
    for (const [track, kind, figure] of counts) this.counted[this.slotOf(track, kind)] = figure;
    for (const [track, kind, figure] of totals) this.summed[this.slotOf(track, kind)] = figure;
  }

  private slotOf(track: number, kind: number): number {
    return (track << this.shift) | (this.known[kind] >>> FLAG_BITS);
  }

  private learn(kind: number): number {
    const column = this.kinds.length;
    this.kinds.push(kind);
    if (column >> this.shift > 0) this.rebuild(this.shift + 1, this.capacity);
    const { sum } = kindRow(kind);
    const flags = (this.records(kind) ? RECORDED : 0) | (sum === 'a' ? SUM_A : sum === 'b' ? SUM_B : 0);
    return (this.known[kind] = (column << FLAG_BITS) | flags | this.watchedFlag(kind, flags));
  }

  /** Moves the figures into tables of another size. */
  private rebuild(shift: number, capacity: number): void {
    const tracks = Math.min(this.capacity, capacity);
    const moved = (table: Float64Array): Float64Array<ArrayBuffer> => {
      const larger = new Float64Array(capacity << shift);
      for (let track = 0; track < tracks; track++) {
        larger.set(table.subarray(track << this.shift, (track + 1) << this.shift), track << shift);
      }
      return larger;
    };
    this.counted = moved(this.counted);
    this.summed = moved(this.summed);
    this.shift = shift;
    this.capacity = capacity;
  }

  private nonZero(table: Float64Array): Figures {
    const columns = this.kinds.map((kind, column) => ({ kind, column })).slice(1);
    columns.sort((x, y) => x.kind - y.kind);
    const found: Figures = [];
    for (let track = 0; track < this.tracks; track++) {
      for (const { kind, column } of columns) {
        const figure = table[(track << this.shift) | column] ?? 0;
        if (figure !== 0) found.push([track, kind, figure]);
      }
    }
    return found;
  }
}
