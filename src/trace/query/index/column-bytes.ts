/**
 * Columns of numbers as bytes and back. The bytes hold a word to know them by, a version, the columns' widths and lengths, and
 * the columns, each at a multiple of eight; numbers are little-endian, as they are in memory on every machine that runs this.
 */
import { Numbers, type NumberArray } from './numbers';

/** "TLIX" */
const MAGIC = 0x58494c54;
const VERSION = 1;
/** Words before the columns' table: magic, version, number of columns, none. */
const HEAD = 4;

const types = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: Float64Array } as const;

const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** The bytes are no columns, or not what stands in them is expected. */
export class IndexError extends Error {}

export function encodeColumns(columns: readonly NumberArray[]): Uint8Array {
  const table = new Uint32Array(HEAD + 2 * columns.length);
  table.set([MAGIC, VERSION, columns.length, 0]);
  columns.forEach((column, i) => table.set([column.BYTES_PER_ELEMENT, column.length], HEAD + 2 * i));
  const size = columns.reduce((sum, column) => sum + aligned(column.byteLength), aligned(table.byteLength));
  const bytes = new Uint8Array(size);
  bytes.set(new Uint8Array(table.buffer));
  let at = aligned(table.byteLength);
  for (const column of columns) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
    at += aligned(column.byteLength);
  }
  return bytes;
}

/** Reads columns one after the other; they lie in the given bytes. */
export class ColumnReader {
  private readonly table: Uint32Array;
  private readonly bytes: Uint8Array;
  private at: number;
  private next = 0;

  /** @throws IndexError when the bytes are no columns */
  constructor(given: Uint8Array) {
    // A Buffer's slice is a view: what is not on an eight-byte boundary is copied by hand.
    this.bytes = given.byteOffset % 8 === 0 ? given : new Uint8Array(given);
    const head = this.words(0, HEAD);
    if (head[0] !== MAGIC || head[1] !== VERSION) throw new IndexError('the index is of another version');
    this.table = this.words(0, HEAD + 2 * head[2]);
    this.at = aligned(this.table.byteLength);
  }

  /** The next column. @throws IndexError when there is none, or a number in it is none that a column has */
  column(): Numbers {
    const width = this.table[HEAD + 2 * this.next];
    const length = this.table[HEAD + 2 * this.next + 1];
    const type = types[width as keyof typeof types] as (typeof types)[keyof typeof types] | undefined;
    if (type === undefined) throw new IndexError('a column is missing, or has an impossible width');
    if (this.at + width * length > this.bytes.length) throw new IndexError('the index is cut short');
    const values: NumberArray = new type(
      this.bytes.buffer as ArrayBuffer,
      this.bytes.byteOffset + this.at,
      length,
    );
    if (values instanceof Float64Array && !values.every((value) => value >= 0 && value < Infinity))
      throw new IndexError('a number is negative or none');
    this.at += aligned(width * length);
    this.next++;
    return new Numbers(values, length);
  }

  /** The next columns, all of one length. */
  tableOf<Name extends string>(names: readonly Name[]): Record<Name, Numbers> {
    const columns = Object.fromEntries(names.map((name) => [name, this.column()])) as Record<Name, Numbers>;
    const lengths = new Set(names.map((name) => columns[name].length));
    if (lengths.size > 1) throw new IndexError('the columns of a table differ in length');
    return columns;
  }

  private words(from: number, count: number): Uint32Array {
    if (from + 4 * count > this.bytes.length) throw new IndexError('the index is cut short');
    return new Uint32Array(this.bytes.buffer, this.bytes.byteOffset + from, count);
  }
}
