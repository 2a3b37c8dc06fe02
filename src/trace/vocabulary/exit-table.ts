/**
 * VM exits: one table per processor or VMM, each with its own range of kind ids. Whatever brings exits of its own (SVM, Xen's
 * or Disco's traps) adds a table; nothing else changes.
 */
import type { ArgFormat, ArgSpec, KindRow } from './kind-row';

/** One way to leave a guest. */
export interface ExitRow {
  /** As the processor or VMM numbers it. */
  number: number;
  /** As the Linux kernel prints it, or whoever defines the table. */
  name: string;
  /** What it means, to the end of the sentence that begins with "The guest left because". */
  because: string;
  /** What its two arguments are. */
  args?: readonly [a: ArgSpec, b?: ArgSpec];
  /** As `KindRow.purpose`. */
  purpose?: string;
  /** As `KindRow.qualification`. */
  qualification?: 'io';
  /** The guest is lost. */
  fatal?: boolean;
}

/** A family of exits with one numbering. */
export interface ExitTable {
  /** What the numbers are: `VMX basic exit reason`. */
  name: string;
  /** First kind id of its range; part of the file format. */
  base: number;
  /** Ids in the range, a power of two. A number's kind is `base` and the number's low bits: so -1 is the last one. */
  size: number;
  rows: readonly ExitRow[];
}

/** Kind id of an exit. */
export function exitId(table: Pick<ExitTable, 'base' | 'size'>, number: number): number {
  return table.base + (number & (table.size - 1));
}

/** Rows of the vocabulary for a table of exits. */
export function kindRowsOf(table: ExitTable): KindRow[] {
  return table.rows.map(({ number, name, because, args, purpose, qualification, fatal }) => ({
    id: exitId(table, number),
    name: `exit.${name}`,
    group: 'exit',
    role: fatal === true ? 'fault' : 'exit',
    shape: 'span',
    ...(args && { a: args[0], ...(args[1] && { b: args[1] }) }),
    reason: name,
    ...(purpose !== undefined && { purpose }),
    ...(qualification && { qualification }),
    sentence: `${table.name} ${number}: the guest left because ${because}. From leaving the guest to entering it again.`,
  }));
}

/** Short forms for the tables. */
export const arg = (name: string, format: ArgFormat): ArgSpec => ({ name, format });
export const hex = (name: string): ArgSpec => ({ name, format: 'hex' });
