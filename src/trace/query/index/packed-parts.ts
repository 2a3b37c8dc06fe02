/**
 * Columns in parts of which each is packed and read by itself, so that whoever asks for one reads no other. The parts stand behind
 * a directory, which says where each lies and holds what is needed at once.
 *
 *     packed u32  length u32  check u32  0 u32  directory, padded to 8 bytes  parts, each padded to 8 bytes
 */
import { checkOf } from './check';
import { ColumnReader, encodeColumns, IndexError } from './column-bytes';
import { Numbers, type NumberArray } from './numbers';

const HEAD_BYTES = 16;
/** More than the longest part has. */
const MOST_BYTES = 2 ** 29;

/** How bytes are made fewer, and are had again. */
export interface Packing {
  pack(bytes: Uint8Array): Uint8Array;
  /** The `length` bytes that were packed; undefined: these are not they. */
  unpack(packed: Uint8Array, length: number): Uint8Array | undefined;
}

/** Bytes that are read by range. */
export interface ByteRanges {
  readonly size: number;
  /** Exactly `length` bytes; they are not written to. */
  read(offset: number, length: number): Uint8Array;
}

const padded = (length: number): number => (length + 7) & ~7;

/** Puts parts one after the other. */
export class PartsWriter {
  private readonly bytes: Uint8Array[] = [];
  private size = 0;
  private readonly table = {
    offset: new Numbers(),
    packed: new Numbers(),
    length: new Numbers(),
    check: new Numbers(),
  };

  constructor(private readonly packing: Packing) {}

  /** Adds a part; the first has number 0. */
  add(columns: readonly NumberArray[]): void {
    const bytes = encodeColumns(columns);
    const packed = this.packing.pack(bytes);
    this.table.offset.push(this.size);
    this.table.packed.push(packed.length);
    this.table.length.push(bytes.length);
    this.table.check.push(checkOf([packed]));
    this.push(packed);
  }

  /** The bytes of all, to be joined. @param directory what is read with the directory */
  finish(directory: readonly NumberArray[]): Uint8Array[] {
    const { offset, packed, length, check } = this.table;
    const bytes = encodeColumns([offset.used, packed.used, length.used, check.used, ...directory]);
    const short = this.packing.pack(bytes);
    const begin = new Uint8Array(HEAD_BYTES + padded(short.length));
    new Uint32Array(begin.buffer, 0, 3).set([short.length, bytes.length, checkOf([short])]);
    begin.set(short, HEAD_BYTES);
    return [begin, ...this.bytes];
  }

  private push(packed: Uint8Array): void {
    const bytes = new Uint8Array(padded(packed.length));
    bytes.set(packed);
    this.bytes.push(bytes);
    this.size += bytes.length;
  }
}

/** Reads parts by their numbers. */
export class PartsReader {
  /** What was given to `finish`, to be read once and in order. */
  readonly directory: ColumnReader;
  private readonly begin: number;
  private readonly table: Record<'offset' | 'packed' | 'length' | 'check', Numbers>;

  /** @throws IndexError when there is no directory */
  constructor(
    private readonly source: ByteRanges,
    private readonly packing: Packing,
  ) {
    if (source.size < HEAD_BYTES) throw new IndexError('the index is cut short');
    const head = new Uint8Array(source.read(0, HEAD_BYTES));
    const [packed, length, check] = new Uint32Array(head.buffer, 0, 3);
    this.begin = HEAD_BYTES + padded(packed);
    this.directory = this.columns(HEAD_BYTES, packed, length, check);
    this.table = this.directory.tableOf(['offset', 'packed', 'length', 'check']);
  }

  /** How many parts there are. */
  get length(): number {
    return this.table.offset.length;
  }

  /** The columns of a part. @throws IndexError when it is not there, or damaged */
  part(number: number): ColumnReader {
    if (number >= this.length) throw new IndexError('a part is missing');
    const { offset, packed, length, check } = this.table;
    return this.columns(
      this.begin + offset.at(number),
      packed.at(number),
      length.at(number),
      check.at(number),
    );
  }

  private columns(offset: number, packed: number, length: number, check: number): ColumnReader {
    const there = [offset, packed, length].every((value) => Number.isSafeInteger(value));
    if (!there || offset + packed > this.source.size || length > MOST_BYTES)
      throw new IndexError('a part is not there');
    const bytes = this.source.read(offset, packed);
    if (checkOf([bytes]) !== check) throw new IndexError('a part is damaged');
    const unpacked = this.packing.unpack(bytes, length);
    if (unpacked === undefined) throw new IndexError('a part is damaged');
    return new ColumnReader(unpacked);
  }
}
