/** The folded groups of one block under recording (see `../fold.ts`). */
import {
  ENTRY_A,
  ENTRY_B,
  ENTRY_CAUSE,
  ENTRY_DURATION,
  ENTRY_RIP,
  ENTRY_WHAT,
  ENTRY_WORDS,
  unfold,
} from '../fold';
import type { RowPattern, TraceChunk } from '../model';

/** So many groups of a block are folded: of eight rows each, they are a whole block. */
const CAPACITY = 8192;

/** Entries in the order of rows; the one behind the last is of a group that is not complete yet. */
export class FoldList {
  readonly words = new Uint32Array(CAPACITY * ENTRY_WORDS);
  private readonly starts = new Float64Array(this.words.buffer);
  /** Where the next entry begins. */
  private end = 0;

  get full(): boolean {
    return this.end === this.words.length;
  }

  /** Puts a group down as the next entry. It counts from `commit` on. */
  begin(
    at: number,
    pattern: RowPattern,
    start: number,
    rip: number,
    a: number,
    b: number,
    cause: number,
  ): void {
    const { words, end } = this;
    this.starts[end >> 1] = start;
    words[end + ENTRY_WHAT] = at | (pattern.id << 16);
    words[end + ENTRY_RIP] = rip;
    words[end + ENTRY_A] = a;
    words[end + ENTRY_B] = b;
    words[end + ENTRY_CAUSE] = cause;
    words[end + ENTRY_DURATION] = 0;
  }

  /** Changes the second argument of the group that is not complete. */
  setB(b: number): void {
    this.words[this.end + ENTRY_B] = b;
  }

  /** The group is complete. */
  commit(): void {
    this.end += ENTRY_WORDS;
  }

  /** Of the group that is not complete. */
  get begun(): { start: number; rip: number; a: number; b: number; cause: number } {
    const { words, end } = this;
    return {
      start: this.starts[end >> 1],
      rip: words[end + ENTRY_RIP],
      a: words[end + ENTRY_A],
      b: words[end + ENTRY_B],
      cause: words[end + ENTRY_CAUSE],
    };
  }

  /** When the last complete group began. */
  get lastStart(): number {
    return this.starts[(this.end - ENTRY_WORDS) >> 1];
  }

  /** The last complete group's last row has this duration. */
  endLast(duration: number): void {
    this.words[this.end - ENTRY_WORDS + ENTRY_DURATION] = duration;
  }

  /** Fills the groups in, and forgets them. */
  fillIn(chunk: TraceChunk, patterns: readonly RowPattern[]): void {
    unfold(chunk, this.words.subarray(0, this.end), patterns);
    this.end = 0;
  }

  /** The complete groups, for somebody else to fill in. */
  take(): Uint32Array {
    return this.words.slice(0, this.end);
  }

  get empty(): boolean {
    return this.end === 0;
  }
}
