/** High halves of arguments, as `args.high` rows behind the rows they belong to (see `vocabulary/wide.ts`). */
import { BLOCK_MASK, BLOCK_SHIFT } from '../block';
import { Kind } from '../vocabulary/events';
import { highHalf } from '../vocabulary/wide';
import { A, B, KIND, type Block } from './record-block';
import type { RowRef } from './tracer';

/** What is needed of the writer of rows. */
interface Rows {
  readonly rows: number;
  readonly blocks: readonly (Block | undefined)[];
  blockOf(row: number): Block | undefined;
  writeAlways(start: number, track: number, kind: number, a: number, b: number, cause: RowRef): void;
}

export class WideArguments {
  /** By row: where its high halves are, if they do not stand behind it in the same block. */
  private late = new Map<number, number>();

  constructor(private readonly rows: Rows) {}

  /** Some rows have high halves that do not stand behind them. */
  get hasLate(): boolean {
    return this.late.size > 0;
  }

  /** Writes the high halves of a row. */
  write(ref: RowRef, start: number, track: number, a: number, b: number): void {
    const high = this.rows.rows;
    // One in another block may be handed out and gone while its row can still change.
    if (high !== ref || (high & BLOCK_MASK) === 0) this.late.set(ref - 1, high);
    this.rows.writeAlways(start, track, Kind.ArgsHigh, highHalf(a), highHalf(b), ref);
  }

  /** High halves of a row as far as they can be found. */
  of(row: number): readonly [a: number, b: number] {
    const found = this.find(row);
    const block = found === undefined ? undefined : this.rows.blocks[found >>> BLOCK_SHIFT];
    if (found === undefined || block === undefined) return [0, 0];
    const at = found & BLOCK_MASK;
    return [block.u32[A + at], block.u32[B + at]];
  }

  /** Gives a row other high halves. @returns the row that changed, undefined where one was added or none was needed */
  change(row: number, start: number, track: number, a: number, b: number): number | undefined {
    const found = this.find(row);
    if (found === undefined && highHalf(a) === 0 && highHalf(b) === 0) return undefined;
    const block = found === undefined ? undefined : this.rows.blockOf(found);
    if (found === undefined || block === undefined) {
      this.write(row + 1, start, track, a, b);
      return undefined;
    }
    const at = found & BLOCK_MASK;
    block.u32[A + at] = highHalf(a);
    block.u32[B + at] = highHalf(b);
    return found;
  }

  /** Forgets what belongs to rows that cannot change any more. */
  forgetFinal(): void {
    for (const row of this.late.keys()) if (this.rows.blockOf(row) === undefined) this.late.delete(row);
  }

  save(): [row: number, high: number][] {
    return [...this.late];
  }

  load(late: readonly (readonly [row: number, high: number])[]): void {
    this.late = new Map(late);
  }

  private find(row: number): number | undefined {
    const late = this.late.get(row);
    if (late !== undefined) return late;
    const next = row + 1;
    if (next >= this.rows.rows) return undefined;
    const block = this.rows.blocks[next >>> BLOCK_SHIFT];
    const at = next & BLOCK_MASK;
    const here = block?.u16[KIND + at] === Kind.ArgsHigh && block.chunk.cause[at] === row + 1;
    return here ? next : undefined;
  }
}
