/**
 * A stream's share of each block: how many rows, from when to when, and counts and cycles by kind. Rows are recorded nearly in the
 * order of their starts, so the pieces of a stream overlap little; but they may, and then the order of the stream's events is that
 * of the pieces merged.
 */
import { Numbers } from './numbers';

/** Columns of the pieces, and of the figures by kind that they have. */
export const pieceColumns = ['block', 'offset', 'count', 'base', 'least', 'most', 'end', 'kinds'] as const;
export const kindColumns = ['slot', 'count', 'cycles'] as const;
export type PieceColumns = Record<(typeof pieceColumns)[number], Numbers>;
export type KindColumns = Record<(typeof kindColumns)[number], Numbers>;

/** One piece. */
export interface Piece {
  block: number;
  /** Place of its first row in the order of the block. */
  offset: number;
  count: number;
  /** Least and greatest start, and the greatest end of a span with a known one (0: there is none). */
  least: number;
  most: number;
  end: number;
}

export class Pieces {
  /** Greatest start in all pieces up to each. */
  private readonly reached = new Numbers();
  /** Least start in all pieces from each on. */
  private readonly ahead = new Numbers();

  constructor(
    private readonly columns: PieceColumns = fresh(pieceColumns),
    private readonly kinds: KindColumns = fresh(kindColumns),
  ) {
    for (let i = 0; i < this.length; i++) this.noteTimes(columns.least.at(i), columns.most.at(i));
  }

  get length(): number {
    return this.columns.block.length;
  }
  /** Rows in all. */
  get rows(): number {
    const { base, count } = this.columns;
    return this.length === 0 ? 0 : base.at(this.length - 1) + count.at(this.length - 1);
  }

  /** The greatest start. */
  get latest(): number {
    return this.length === 0 ? 0 : this.reached.at(this.length - 1);
  }

  blockAt(i: number): number {
    return this.columns.block.at(i);
  }
  offsetAt(i: number): number {
    return this.columns.offset.at(i);
  }
  countAt(i: number): number {
    return this.columns.count.at(i);
  }
  /** Rows in the pieces before. */
  baseAt(i: number): number {
    return this.columns.base.at(i);
  }
  leastAt(i: number): number {
    return this.columns.least.at(i);
  }
  mostAt(i: number): number {
    return this.columns.most.at(i);
  }
  endAt(i: number): number {
    return this.columns.end.at(i);
  }

  /** Adds the piece of a later block, whose figures by kind follow by `pushKind`. */
  push(piece: Piece): void {
    const { columns } = this;
    columns.base.push(this.rows);
    columns.block.push(piece.block);
    columns.offset.push(piece.offset);
    columns.count.push(piece.count);
    columns.least.push(piece.least);
    columns.most.push(piece.most);
    columns.end.push(piece.end);
    columns.kinds.push(this.kinds.slot.length);
    this.noteTimes(piece.least, piece.most);
  }

  pushKind(slot: number, count: number, cycles: number): void {
    this.kinds.slot.push(slot);
    this.kinds.count.push(count);
    this.kinds.cycles.push(cycles);
  }

  /** Calls `visit` with the figures by kind of a piece. */
  eachKind(i: number, visit: (slot: number, count: number, cycles: number) => void): void {
    const to = this.kindsEnd(i);
    for (let j = this.columns.kinds.at(i); j < to; j++)
      visit(this.kinds.slot.at(j), this.kinds.count.at(j), this.kinds.cycles.at(j));
  }

  /** Durations of a piece have changed. */
  change(i: number, end: number, cyclesOf: (slot: number) => number): void {
    this.columns.end.set(i, end);
    const to = this.kindsEnd(i);
    for (let j = this.columns.kinds.at(i); j < to; j++)
      this.kinds.cycles.set(j, cyclesOf(this.kinds.slot.at(j)));
  }

  /** Takes the last piece out. */
  pop(): void {
    const last = this.length - 1;
    const kinds = this.columns.kinds.at(last);
    for (const name of kindColumns) this.kinds[name].truncate(kinds);
    for (const name of pieceColumns) this.columns[name].truncate(last);
    this.reached.truncate(last);
    this.ahead.truncate(last);
    this.noteAhead(last === 0 ? Infinity : this.columns.least.at(last - 1));
  }

  /** Pieces before this one have only starts before `time`. */
  firstReaching(time: number): number {
    return this.reached.below(time);
  }
  /** This piece and those after it have only starts at `time` or later. */
  firstAfter(time: number): number {
    return this.ahead.below(time);
  }
  /** Whether no other piece has starts within a piece's time. */
  isApart(i: number): boolean {
    return (
      (i === 0 || this.reached.at(i - 1) <= this.leastAt(i)) &&
      (i + 1 === this.length || this.ahead.at(i + 1) >= this.mostAt(i))
    );
  }
  /** The piece with the row of that number, if all were in order. */
  pieceOf(row: number): number {
    return this.columns.base.below(row + 1) - 1;
  }
  /** The piece of a block; -1: none. */
  ofBlock(block: number): number {
    const i = this.columns.block.below(block);
    return i < this.length && this.columns.block.at(i) === block ? i : -1;
  }

  /** Its columns, for storing. */
  stored(): { columns: PieceColumns; kinds: KindColumns } {
    return { columns: this.columns, kinds: this.kinds };
  }

  compact(): void {
    for (const name of kindColumns) this.kinds[name].compact();
    for (const name of pieceColumns) this.columns[name].compact();
    this.reached.compact();
    this.ahead.compact();
  }

  private kindsEnd(i: number): number {
    return i + 1 < this.length ? this.columns.kinds.at(i + 1) : this.kinds.slot.length;
  }

  private noteTimes(least: number, most: number): void {
    const before = this.reached.length;
    this.reached.push(before === 0 ? most : Math.max(most, this.reached.at(before - 1)));
    this.ahead.push(least);
    this.noteAhead(least);
  }

  /** The last of `ahead` is that. */
  private noteAhead(least: number): void {
    let i = this.ahead.length - 1;
    if (i < 0) return;
    this.ahead.set(i, least);
    for (i--; i >= 0; i--) {
      const should = Math.min(this.columns.least.at(i), this.ahead.at(i + 1));
      if (this.ahead.at(i) === should) break;
      this.ahead.set(i, should);
    }
  }
}

function fresh<Name extends string>(names: readonly Name[]): Record<Name, Numbers> {
  return Object.fromEntries(names.map((name) => [name, new Numbers()])) as Record<Name, Numbers>;
}
