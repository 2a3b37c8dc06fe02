import type { LineRow } from './line-program';

/** Bits of a row's flags. */
export const RowFlag = { statement: 1, prologueEnd: 2, epilogueBegin: 4, endSequence: 8 } as const;

/** Rows of a line table, a column of each field. A kernel has ten million of them. */
export interface LineColumns {
  readonly addresses: BigUint64Array;
  readonly files: Uint32Array;
  readonly lines: Uint32Array;
  readonly columns: Uint32Array;
  /** Bits of `RowFlag`. */
  readonly flags: Uint8Array;
}

function columnsOf(count: number): LineColumns {
  return {
    addresses: new BigUint64Array(count),
    files: new Uint32Array(count),
    lines: new Uint32Array(count),
    columns: new Uint32Array(count),
    flags: new Uint8Array(count),
  };
}

/** Collects rows, sequence by sequence, and sorts them by address. */
export class LineRows {
  private columns = columnsOf(256);
  private count = 0;
  /** Rows before each sequence. */
  private readonly sequences: number[] = [0];

  /** @param file as the column is to have it */
  add(
    { line, column, isStatement, prologueEnd, epilogueBegin, endSequence }: LineRow,
    address: bigint,
    file: number,
  ): void {
    if (this.count === this.columns.lines.length) this.grow();
    const at = this.count++;
    const { columns } = this;
    columns.addresses[at] = address;
    columns.files[at] = file;
    columns.lines[at] = line;
    columns.columns[at] = column;
    columns.flags[at] = endSequence
      ? RowFlag.endSequence
      : (isStatement ? RowFlag.statement : 0) |
        (prologueEnd ? RowFlag.prologueEnd : 0) |
        (epilogueBegin ? RowFlag.epilogueBegin : 0);
  }

  endSequence(): void {
    this.sequences.push(this.count);
  }

  /** All rows by ascending address. Among those of one address the last wins, as debuggers have it, but the end of a sequence yields to a start. */
  sorted(): LineColumns {
    const order = this.orderOfSequences() ?? this.orderOfRows();
    const from = this.columns;
    const to = columnsOf(order.length);
    order.forEach((row, at) => {
      to.addresses[at] = from.addresses[row];
      to.files[at] = from.files[row];
      to.lines[at] = from.lines[row];
      to.columns[at] = from.columns[row];
      to.flags[at] = from.flags[row];
    });
    return to;
  }

  /** Sequences one after the other; undefined when they overlap, or their rows do not ascend, as only damaged ones do. */
  private orderOfSequences(): Uint32Array | undefined {
    const { addresses } = this.columns;
    const starts = this.sequences.slice(0, -1).filter((start, index) => start < this.sequences[index + 1]);
    const ends = new Map(this.sequences.slice(1).map((end, index) => [this.sequences[index], end]));
    starts.sort((a, b) => (addresses[a] < addresses[b] ? -1 : addresses[a] > addresses[b] ? 1 : a - b));
    const order = new Uint32Array(this.sequences.at(-1) ?? 0);
    let at = 0;
    let last = 0n;
    for (const start of starts) {
      for (let row = start; row < (ends.get(start) ?? start); row++) {
        if (addresses[row] < last) return undefined;
        last = addresses[row];
        order[at++] = row;
      }
    }
    return order;
  }

  private orderOfRows(): Uint32Array {
    const { addresses, flags } = this.columns;
    const end = (row: number): number => flags[row] & RowFlag.endSequence;
    return Uint32Array.from({ length: this.sequences.at(-1) ?? 0 }, (_, row) => row).sort((a, b) =>
      addresses[a] < addresses[b] ? -1 : addresses[a] > addresses[b] ? 1 : end(b) - end(a) || a - b,
    );
  }

  private grow(): void {
    const { columns } = this;
    const larger = columnsOf(2 * columns.lines.length);
    larger.addresses.set(columns.addresses);
    larger.files.set(columns.files);
    larger.lines.set(columns.lines);
    larger.columns.set(columns.columns);
    larger.flags.set(columns.flags);
    this.columns = larger;
  }
}
