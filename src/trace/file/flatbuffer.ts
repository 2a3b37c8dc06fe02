/**
 * A bounds-checked reader for the few Flatbuffers tables of the Arrow format. Trace files come from anywhere: every
 * offset is checked against the buffer, every length against a limit, and a violation is a `FormatError`, never a hang.
 */

/** Bytes that are not what the format says. `message` says what; the caller says where. */
export class FormatError extends Error {
  override readonly name = 'FormatError';
}

/** A 64-bit, a padded 32-bit and a 64-bit integer. */
const FILE_BLOCK_BYTES = 24;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** One table of a Flatbuffers buffer. Field numbers are those of the schema, from 0. */
export class Table {
  private constructor(
    private readonly view: DataView,
    private readonly at: number,
  ) {}

  /** The root table of a buffer. */
  static root(bytes: Uint8Array): Table {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new Table(view, 0).follow(0);
  }

  int8(field: number, fallback = 0): number {
    const at = this.field(field, 1);
    return at < 0 ? fallback : this.view.getInt8(at);
  }
  int16(field: number, fallback = 0): number {
    const at = this.field(field, 2);
    return at < 0 ? fallback : this.view.getInt16(at, true);
  }
  int32(field: number, fallback = 0): number {
    const at = this.field(field, 4);
    return at < 0 ? fallback : this.view.getInt32(at, true);
  }
  /** A 64-bit integer that must be a non-negative safe one. */
  int64(field: number): number {
    const at = this.field(field, 8);
    return at < 0 ? 0 : this.long(at);
  }
  string(field: number): string {
    const at = this.field(field, 4);
    if (at < 0) return '';
    const [start, length] = this.vectorAt(at, 1);
    try {
      return utf8.decode(new Uint8Array(this.view.buffer, this.view.byteOffset + start, length));
    } catch {
      throw new FormatError('a text is not UTF-8');
    }
  }
  table(field: number): Table | undefined {
    const at = this.field(field, 4);
    return at < 0 ? undefined : this.follow(at);
  }
  /** Tables of a vector, at most `limit`. */
  tables(field: number, limit: number): Table[] {
    const at = this.field(field, 4);
    if (at < 0) return [];
    const [start, length] = this.vectorAt(at, 4, limit);
    return Array.from({ length }, (_, i) => this.follow(start + 4 * i));
  }
  /** A vector of structs of two 64-bit integers, at most `limit`. */
  pairs(field: number, limit: number): [number, number][] {
    const at = this.field(field, 4);
    if (at < 0) return [];
    const [start, length] = this.vectorAt(at, 16, limit);
    return Array.from({ length }, (_, i) => [this.long(start + 16 * i), this.long(start + 16 * i + 8)]);
  }

  /** The offsets of a vector of `Block` structs (File.fbs): offset, length of the metadata, length of the body. */
  fileBlocks(field: number): number[] {
    const at = this.field(field, 4);
    if (at < 0) return [];
    const [start, length] = this.vectorAt(at, FILE_BLOCK_BYTES);
    return Array.from({ length }, (_, i) => this.long(start + FILE_BLOCK_BYTES * i));
  }

  private long(at: number): number {
    const value = this.view.getInt32(at + 4, true) * 0x1_0000_0000 + this.view.getUint32(at, true);
    if (value < 0 || !Number.isSafeInteger(value))
      throw new FormatError('a length or offset is out of range');
    return value;
  }

  private follow(at: number): Table {
    this.check(at, 4);
    const target = at + this.view.getUint32(at, true);
    this.check(target, 4);
    return new Table(this.view, target);
  }

  /** Position of a field of `size` bytes, -1 when the table leaves it out. */
  private field(index: number, size: number): number {
    const vtable = this.at - this.view.getInt32(this.at, true);
    this.check(vtable, 4);
    const entry = 4 + 2 * index;
    if (entry + 2 > this.view.getUint16(vtable, true)) return -1;
    this.check(vtable + entry, 2);
    const offset = this.view.getUint16(vtable + entry, true);
    if (offset === 0) return -1;
    this.check(this.at + offset, size);
    return this.at + offset;
  }

  private vectorAt(at: number, size: number, limit = 0xffffffff): [start: number, length: number] {
    const vector = at + this.view.getUint32(at, true);
    this.check(vector, 4);
    const length = this.view.getUint32(vector, true);
    if (length > limit) throw new FormatError(`a list has ${length} entries, at most ${limit} are expected`);
    this.check(vector + 4, length * size);
    return [vector + 4, length];
  }

  private check(at: number, size: number): void {
    if (at < 0 || at + size > this.view.byteLength)
      throw new FormatError('an offset points outside the message');
  }
}
