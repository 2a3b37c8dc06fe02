import { GuestImageError } from '../errors';

/** Longest LEB128 that still fits 64 bits. */
const MAX_LEB_BYTES = 10;

const utf8 = new TextDecoder();

/**
 * Reads little-endian values from a stretch of bytes, one after the other. Every read is checked: going beyond the end throws
 * a `GuestImageError` that names the stretch.
 */
export class ByteReader {
  private readonly view: DataView;

  /**
   * @param bytes the stretch
   * @param name of the stretch, for errors: `section .debug_line`
   * @param offset to begin at
   */
  constructor(
    readonly bytes: Uint8Array,
    readonly name: string,
    public offset = 0,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.seek(offset);
  }

  /** Bytes from the current offset to the end. */
  get left(): number {
    return this.bytes.length - this.offset;
  }

  /** Goes to an offset from 0 to the length. */
  seek(offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.bytes.length)
      throw this.truncated(offset, 0);
    this.offset = offset;
  }

  skip(count: number): void {
    this.take(count);
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  i8(): number {
    return this.view.getInt8(this.take(1));
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  u24(): number {
    const at = this.take(3);
    return this.view.getUint16(at, true) + this.view.getUint8(at + 2) * 0x10000;
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  u64(): bigint {
    return this.view.getBigUint64(this.take(8), true);
  }

  /** A 64-bit offset, size or count. Throws when it is beyond 2^53, which no file can hold. */
  u64Number(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new GuestImageError(
        `${this.name}: the value 0x${value.toString(16)} at offset ${this.offset - 8} is out of range.`,
      );
    }
    return Number(value);
  }

  /** An unsigned LEB128, modulo 2^64. */
  uleb(): bigint {
    return BigInt.asUintN(64, this.leb().value);
  }

  /** An unsigned LEB128 that counts or indexes something: at most 2^53. */
  ulebNumber(): number {
    // Nearly all of them are one or two bytes long; there may be millions.
    const start = this.offset;
    let number = 0;
    for (let bits = 0; bits < 28; bits += 7) {
      const byte = this.u8();
      number |= (byte & 0x7f) << bits;
      if (byte < 0x80) return number;
    }
    this.offset = start;
    const value = this.uleb();
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new GuestImageError(`${this.name}: the number ${value} is out of range.`);
    return Number(value);
  }

  /** Steps over a LEB128 of either sign. */
  skipLeb(): void {
    for (let count = 1; this.u8() >= 0x80; count++) {
      if (count === MAX_LEB_BYTES) throw this.tooLong();
    }
  }

  /** A signed LEB128, modulo 2^64. */
  sleb(): bigint {
    const { value, bits, last } = this.leb();
    return BigInt.asIntN(64, last & 0x40 ? value - (1n << BigInt(bits)) : value);
  }

  /** Bytes up to a terminating zero, as UTF-8. */
  string(): string {
    const start = this.offset;
    this.skipString();
    return utf8.decode(this.bytes.subarray(start, this.offset - 1));
  }

  /** Steps over bytes up to a terminating zero, and that. */
  skipString(): void {
    const end = this.bytes.indexOf(0, this.offset);
    if (end < 0) throw new GuestImageError(`${this.name}: the text at offset ${this.offset} does not end.`);
    this.offset = end + 1;
  }

  /** An unsigned number of 1 to 8 bytes. */
  unsigned(bytes: number): bigint {
    let value = 0n;
    this.span(bytes).forEach((byte, index) => (value |= BigInt(byte) << BigInt(8 * index)));
    return value;
  }

  /** The next `count` bytes; not a copy. */
  span(count: number): Uint8Array {
    const at = this.take(count);
    return this.bytes.subarray(at, at + count);
  }

  private leb(): { value: bigint; bits: number; last: number } {
    let value = 0n;
    for (let bits = 0; bits < 7 * MAX_LEB_BYTES; bits += 7) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << BigInt(bits);
      if (byte < 0x80) return { value, bits: bits + 7, last: byte };
    }
    throw this.tooLong();
  }

  private tooLong(): GuestImageError {
    return new GuestImageError(
      `${this.name}: the number before offset ${this.offset} is longer than 64 bits.`,
    );
  }

  private take(count: number): number {
    const at = this.offset;
    if (!(count >= 0 && count <= this.bytes.length - at)) throw this.truncated(at, count);
    this.offset = at + count;
    return at;
  }

  private truncated(at: number, count: number): GuestImageError {
    return new GuestImageError(
      `${this.name}: ${count} bytes are wanted at offset ${at}, but it has only ${this.bytes.length}. The file is truncated or damaged.`,
    );
  }
}
