/** Floating-point numbers of C in their bytes (IEEE 754; SDM vol. 1, 4.2.2), and as decimal text. */
import { DebugError } from '../frames/errors';
import { bytesOf, integerOf } from '../frames/machine';
import type { BaseType } from './types';

/** Significand and exponent: the value is `sign` · `significand` · 2^`exponent`. */
interface Parts {
  readonly negative: boolean;
  readonly significand: bigint;
  readonly exponent: number;
  readonly special?: 'inf' | 'nan';
}

interface FloatFormat {
  /** Bits of the fraction that are stored, with the integer bit where it is stored. */
  readonly fraction: number;
  readonly exponentBits: number;
  /** x87's format stores the integer bit. */
  readonly explicit: boolean;
  /** Digits by which any value is told from its neighbours. */
  readonly digits: number;
}

const SINGLE: FloatFormat = { fraction: 23, exponentBits: 8, explicit: false, digits: 9 };
const DOUBLE: FloatFormat = { fraction: 52, exponentBits: 11, explicit: false, digits: 17 };
const EXTENDED: FloatFormat = { fraction: 64, exponentBits: 15, explicit: true, digits: 18 };
const HALF: FloatFormat = { fraction: 10, exponentBits: 5, explicit: false, digits: 5 };
const QUAD: FloatFormat = { fraction: 112, exponentBits: 15, explicit: false, digits: 36 };

const byBytes: Record<number, FloatFormat | undefined> = {
  2: HALF,
  4: SINGLE,
  8: DOUBLE,
  10: EXTENDED,
  12: EXTENDED,
  16: EXTENDED,
};

function formatOf(type: BaseType): FloatFormat {
  const format = type.name.includes('128') ? QUAD : byBytes[type.bytes];
  if (format) return format;
  throw new DebugError(`A floating-point number of ${type.bytes} bytes (${type.name}) is not understood.`);
}

function partsOf(bits: bigint, format: FloatFormat): Parts {
  const { fraction, exponentBits, explicit } = format;
  const stored = bits & ((1n << BigInt(fraction)) - 1n);
  const biased = Number((bits >> BigInt(fraction)) & ((1n << BigInt(exponentBits)) - 1n));
  const negative = ((bits >> BigInt(fraction + exponentBits)) & 1n) === 1n;
  const bias = (1 << (exponentBits - 1)) - 1;
  const point = explicit ? fraction - 1 : fraction;
  if (biased === (1 << exponentBits) - 1) {
    const payload = stored & ((1n << BigInt(point)) - 1n);
    return { negative, significand: payload, exponent: 0, special: payload === 0n ? 'inf' : 'nan' };
  }
  const hidden = biased === 0 || explicit ? 0n : 1n << BigInt(fraction);
  return { negative, significand: stored | hidden, exponent: Math.max(biased, 1) - bias - point };
}

/** The number nearest to the bytes of a floating-point type; of `long double` 53 bits are kept. */
export function floatOf(bytes: Uint8Array, type: BaseType): number {
  const format = formatOf(type);
  if (format === DOUBLE || format === SINGLE) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return format === DOUBLE ? view.getFloat64(0, true) : view.getFloat32(0, true);
  }
  const { negative, significand, exponent, special } = partsOf(integerOf(bytes), format);
  const sign = negative ? -1 : 1;
  if (special) return special === 'inf' ? sign * Infinity : NaN;
  return sign * scaled(significand, exponent);
}

/** significand · 2^exponent, rounded once. */
function scaled(significand: bigint, exponent: number): number {
  if (significand === 0n) return 0;
  const excess = significand.toString(2).length - 64;
  if (excess > 0) return scaled((significand >> BigInt(excess)) | 1n, exponent + excess);
  // In two steps, so that neither factor leaves the range of a double.
  const half = Math.trunc(exponent / 2);
  return Number(significand) * 2 ** half * 2 ** (exponent - half);
}

/** Bytes of a number in a floating-point type. */
export function bytesOfFloat(value: number, type: BaseType): Uint8Array {
  const format = formatOf(type);
  const view = new DataView(new ArrayBuffer(8));
  if (format === SINGLE) {
    view.setFloat32(0, value, true);
    return new Uint8Array(view.buffer, 0, 4);
  }
  view.setFloat64(0, value, true);
  if (format === DOUBLE) return new Uint8Array(view.buffer);
  if (format !== EXTENDED) throw new DebugError(`A value of ${type.name} cannot be made here.`);
  return bytesOf(extendedBits(view.getBigUint64(0, true)), type.bytes);
}

/** The x87 format of a double. */
function extendedBits(double: bigint): bigint {
  const { negative, significand, exponent, special } = partsOf(double, DOUBLE);
  const sign = negative ? 1n << 79n : 0n;
  const integer = 1n << 63n;
  if (special) return sign | (0x7fffn << 64n) | integer | (special === 'nan' ? 1n << 62n : 0n);
  if (significand === 0n) return sign;
  const shift = 64 - significand.toString(2).length;
  const biased = exponent - shift + 63 + 16383;
  return sign | (BigInt(biased) << 64n) | (significand << BigInt(shift));
}

/** The number as `%g` writes it, with as many digits as tell it from its neighbours. */
export function floatText(bytes: Uint8Array, type: BaseType): string {
  const format = formatOf(type);
  const { negative, significand, exponent, special } = partsOf(
    BigInt.asUintN(format.fraction + format.exponentBits + 1, integerOf(bytes)),
    format,
  );
  const sign = negative ? '-' : '';
  if (special === 'inf') return `${sign}inf`;
  if (special === 'nan') return `${sign}nan(0x${significand.toString(16)})`;
  if (significand === 0n) return `${sign}0`;
  return sign + general(significand, exponent, format.digits);
}

/** `%.<digits>g` of significand · 2^exponent, exactly rounded. */
function general(significand: bigint, exponent: number, digits: number): string {
  const numerator = exponent > 0 ? significand << BigInt(exponent) : significand;
  const denominator = exponent < 0 ? 1n << BigInt(-exponent) : 1n;
  let power = Math.floor((significand.toString(2).length - 1 + exponent) * Math.LOG10E * Math.LN2);
  for (;;) {
    const text = digitsOf(numerator, denominator, power, digits);
    if (text.length === digits) return notation(text, power, digits);
    power += text.length - digits;
  }
}

/** The quotient by 10^(power − digits + 1), rounded to even. */
function digitsOf(numerator: bigint, denominator: bigint, power: number, digits: number): string {
  const scale = digits - 1 - power;
  const above = scale > 0 ? numerator * 10n ** BigInt(scale) : numerator;
  const below = scale < 0 ? denominator * 10n ** BigInt(-scale) : denominator;
  const quotient = above / below;
  const twice = 2n * (above % below);
  const up = twice > below || (twice === below && (quotient & 1n) === 1n);
  return (quotient + (up ? 1n : 0n)).toString();
}

function notation(text: string, power: number, digits: number): string {
  const trimmed = text.replace(/0+$/, '');
  if (power < -4 || power >= digits) {
    const mantissa = trimmed.length > 1 ? `${trimmed[0]}.${trimmed.slice(1)}` : trimmed;
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  if (power < 0) return `0.${'0'.repeat(-power - 1)}${trimmed}`;
  const whole = text.slice(0, power + 1);
  const fraction = text.slice(power + 1).replace(/0+$/, '');
  return fraction === '' ? whole : `${whole}.${fraction}`;
}
