/** Numbers as tracepoints print them. A row holds 53 bits of an argument. */

const SAFE_DIGITS = 13;

/** A hexadecimal number of up to 64 bits in two halves, with or without `0x`. */
export function halves(text: string): [low: number, high: number] {
  const digits = (text.startsWith('0x') ? text.slice(2) : text).padStart(16, '0');
  return [parseInt(digits.slice(-8), 16) >>> 0, parseInt(digits.slice(-16, -8), 16) >>> 0];
}

/** Reads numbers, and counts those that a row cannot hold whole. */
export class NumberReader {
  /** Numbers of more than 53 bits, of which the low 32 are kept. */
  clipped = 0;

  /** Of a hexadecimal number, with or without `0x`; 0 for nothing. */
  hex(text: string | undefined): number {
    if (text === undefined) return 0;
    const digits = (text.startsWith('0x') ? text.slice(2) : text).replace(/^0+(?=.)/, '');
    if (digits.length <= SAFE_DIGITS) return parseInt(digits, 16) || 0;
    const [low, high] = halves(digits);
    const value = high * 2 ** 32 + low;
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    this.clipped += 1;
    return low;
  }

  /** Of a decimal one; 0 for nothing. */
  decimal(text: string | undefined): number {
    const value = text === undefined ? 0 : Number(text);
    if (Number.isSafeInteger(value)) return Math.max(0, value);
    this.clipped += 1;
    return 0;
  }

  /** Decimal, or hexadecimal where it begins with `0x`. */
  either(text: string | undefined): number {
    return text?.startsWith('0x') ? this.hex(text) : this.decimal(text);
  }
}
