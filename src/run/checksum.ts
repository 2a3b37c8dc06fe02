/** A checksum over plain data: finds damage, not forgery. */

/** What a snapshot may consist of. */
type Plain = unknown;

const SEEDS = [0x811c9dc5, 0x9e3779b9] as const;
const PRIME = 0x01000193;

/** 64 bits over words, kept as two halves with different seeds. */
class Sum {
  private h1: number = SEEDS[0];
  private h2: number = SEEDS[1];

  word(value: number): void {
    this.h1 = Math.imul(this.h1 ^ value, PRIME);
    this.h2 = (Math.imul((this.h2 << 13) | (this.h2 >>> 19), 5) + (value ^ this.h1)) | 0;
  }

  bytes(bytes: Uint8Array): void {
    this.word(bytes.length);
    const whole = bytes.length & ~3;
    // Word by word where the memory allows it: most of a snapshot is pages of RAM.
    if (bytes.byteOffset % 4 === 0) {
      const words = new Int32Array(bytes.buffer, bytes.byteOffset, whole / 4);
      for (let i = 0; i < words.length; i++) this.word(words[i] ?? 0);
    } else {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = 0; at < whole; at += 4) this.word(view.getInt32(at, true));
    }
    for (let at = whole; at < bytes.length; at++) this.word(bytes[at] ?? 0);
  }

  text(text: string): void {
    this.word(text.length);
    for (let i = 0; i < text.length; i++) this.word(text.charCodeAt(i));
  }

  number(value: number): void {
    if (Number.isSafeInteger(value)) {
      this.word(value | 0);
      this.word((value / 0x1_0000_0000) | 0);
    } else this.text(String(value));
  }

  digits(): string {
    const half = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return half(this.h1) + half(this.h2);
  }
}

/** Nesting deeper than anything a snapshot has: data from outside must not exhaust the stack. */
const DEEPEST = 32;

function add(sum: Sum, value: Plain, depth: number): void {
  if (depth > DEEPEST) throw new RangeError('plain data is nested too deep');
  sum.text(typeof value);
  if (typeof value === 'string') sum.text(value);
  else if (typeof value === 'number') sum.number(value);
  else if (typeof value !== 'object' || value === null) sum.text(String(value));
  else if (ArrayBuffer.isView(value)) {
    sum.text(Object.prototype.toString.call(value));
    sum.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (Array.isArray(value)) {
    sum.word(value.length);
    for (const each of value) add(sum, each, depth + 1);
  } else {
    // The order of a record's fields is nobody's business; a field that is undefined is as good as none.
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    fields.sort(([x], [y]) => (x < y ? -1 : 1));
    sum.word(fields.length);
    for (const [key, field] of fields) {
      sum.text(key);
      add(sum, field, depth + 1);
    }
  }
}

/**
 * 16 hexadecimal digits over numbers, strings, bigints, booleans, typed arrays, arrays and records.
 * @throws RangeError for data nested deeper than a snapshot ever is
 */
export function checksumOf(value: unknown): string {
  const sum = new Sum();
  add(sum, value, 0);
  return sum.digits();
}
