/** Entries of the stack of DWARF expressions (DWARF 5, 2.5.1): integers of the generic type, or values of a base type. */
import type { DebugType } from '../../guest/dwarf/model';
import { DebugError } from './errors';
import { bytesOf } from './machine';

/** A base type. */
export type BaseType = Extract<DebugType, { kind: 'base' }>;

/** An entry. */
export interface DwarfValue {
  /** Unsigned; of a floating-point type its IEEE bits. */
  readonly bits: bigint;
  /** Absent: the generic type, as wide as an address and of no particular sign. */
  readonly type?: BaseType;
}

const isFloat = (type: BaseType | undefined): boolean => type?.encoding === 'float';
const isSigned = (type: BaseType): boolean => type.encoding === 'signed' || type.encoding === 'character';

/** Number of a floating-point value of 4 or 8 bytes. */
function floatOf(bits: bigint, bytes: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt.asUintN(64, bits), true);
  if (bytes === 4) return view.getFloat32(0, true);
  if (bytes === 8) return view.getFloat64(0, true);
  throw new DebugError(
    `A location is worked out from a floating-point number of ${bytes} bytes, which is not done.`,
  );
}

function bitsOfFloat(value: number, bytes: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (bytes === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return view.getBigUint64(0, true);
}

/** Arithmetic of one address size. */
export class DwarfArithmetic {
  private readonly genericBits: number;

  constructor(addressBytes: number) {
    this.genericBits = 8 * addressBytes;
  }

  /** An entry of the generic type. */
  generic(value: bigint): DwarfValue {
    return { bits: BigInt.asUintN(this.genericBits, value) };
  }

  /** Width of a type. */
  bytes(type: BaseType | undefined): number {
    return type ? type.bytes : this.genericBits / 8;
  }

  /** The value as it is stored. */
  encode(value: DwarfValue): Uint8Array {
    return bytesOf(value.bits, this.bytes(value.type));
  }

  /** As a signed integer. */
  signed(value: DwarfValue): bigint {
    return BigInt.asIntN(8 * this.bytes(value.type), value.bits);
  }

  /** DW_OP_convert: the same number in another type. */
  convert(value: DwarfValue, type: BaseType | undefined): DwarfValue {
    const width = 8 * this.bytes(type);
    if (isFloat(value.type)) {
      const number = floatOf(value.bits, this.bytes(value.type));
      if (type && isFloat(type)) return { bits: bitsOfFloat(number, type.bytes), type };
      const whole = Number.isFinite(number) ? BigInt(Math.trunc(number)) : 0n;
      return { bits: BigInt.asUintN(width, whole), ...(type && { type }) };
    }
    const number = value.type && isSigned(value.type) ? this.signed(value) : value.bits;
    if (type && isFloat(type)) return { bits: bitsOfFloat(Number(number), type.bytes), type };
    return { bits: BigInt.asUintN(width, number), ...(type && { type }) };
  }

  /** DW_OP_reinterpret: the same bits in another type. */
  reinterpret(value: DwarfValue, type: BaseType | undefined): DwarfValue {
    if (this.bytes(value.type) !== this.bytes(type))
      throw new DebugError('The debug information is damaged: bits are taken for a type of another size.');
    return { bits: value.bits, ...(type && { type }) };
  }

  /**
   * An operation with two operands of one type.
   * @param name of the operation, as `binaryOperations` lists it
   */
  binary(name: BinaryName, left: DwarfValue, right: DwarfValue): DwarfValue {
    const { integer, float } = BINARY[name];
    const type = left.type;
    if (isFloat(type) && type) {
      if (!float)
        throw new DebugError(`The debug information is damaged: ${name} of floating-point numbers.`);
      const result = float(floatOf(left.bits, type.bytes), floatOf(right.bits, this.bytes(right.type)));
      return typeof result === 'boolean'
        ? this.generic(BigInt(result))
        : { bits: bitsOfFloat(result, type.bytes), type };
    }
    const result = integer({
      width: BigInt(8 * this.bytes(type)),
      // The generic type divides and compares as a signed one (2.5.1.4 and 2.5.1.5).
      l: !type || isSigned(type) ? this.signed(left) : left.bits,
      r: !type || isSigned(type) ? this.signed(right) : right.bits,
      leftBits: left.bits,
      rightBits: right.bits,
      leftSigned: this.signed(left),
      modulo: type && isSigned(type) ? 'signed' : 'unsigned',
    });
    if (typeof result === 'boolean') return this.generic(BigInt(result));
    return { bits: BigInt.asUintN(8 * this.bytes(type), result), ...(type && { type }) };
  }

  /** DW_OP_neg, DW_OP_abs, DW_OP_not. */
  unary(name: UnaryName, value: DwarfValue): DwarfValue {
    const { type } = value;
    if (type && isFloat(type)) {
      const number = floatOf(value.bits, type.bytes);
      if (name === 'not')
        throw new DebugError('The debug information is damaged: not of a floating-point number.');
      return { bits: bitsOfFloat(name === 'neg' ? -number : Math.abs(number), type.bytes), type };
    }
    const number = this.signed(value);
    const result = { neg: -number, abs: number < 0n ? -number : number, not: ~number }[name];
    return { bits: BigInt.asUintN(8 * this.bytes(type), result), ...(type && { type }) };
  }
}

/** Both operands in the readings that operations ask for. */
interface IntegerOperands {
  readonly width: bigint;
  readonly l: bigint;
  readonly r: bigint;
  readonly leftBits: bigint;
  readonly rightBits: bigint;
  readonly leftSigned: bigint;
  readonly modulo: 'signed' | 'unsigned';
}

interface BinaryOperation {
  readonly integer: (operands: IntegerOperands) => bigint | boolean;
  readonly float?: (left: number, right: number) => number | boolean;
}

function nonZero(value: bigint): bigint {
  if (value === 0n)
    throw new DebugError('The debug information is damaged: a location is worked out by a division by 0.');
  return value;
}

const BINARY: Readonly<Record<BinaryName, BinaryOperation>> = {
  and: { integer: ({ leftBits, rightBits }) => leftBits & rightBits },
  or: { integer: ({ leftBits, rightBits }) => leftBits | rightBits },
  xor: { integer: ({ leftBits, rightBits }) => leftBits ^ rightBits },
  plus: { integer: ({ l, r }) => l + r, float: (l, r) => l + r },
  minus: { integer: ({ l, r }) => l - r, float: (l, r) => l - r },
  mul: { integer: ({ l, r }) => l * r, float: (l, r) => l * r },
  div: { integer: ({ l, r }) => l / nonZero(r), float: (l, r) => l / r },
  mod: {
    integer: ({ l, r, leftBits, rightBits, modulo }) =>
      modulo === 'signed' ? l % nonZero(r) : leftBits % nonZero(rightBits),
  },
  shl: { integer: ({ leftBits, rightBits, width }) => (rightBits >= width ? 0n : leftBits << rightBits) },
  shr: { integer: ({ leftBits, rightBits, width }) => (rightBits >= width ? 0n : leftBits >> rightBits) },
  shra: {
    integer: ({ leftSigned, rightBits, width }) =>
      leftSigned >> (rightBits >= width ? width - 1n : rightBits),
  },
  eq: { integer: ({ l, r }) => l === r, float: (l, r) => l === r },
  ne: { integer: ({ l, r }) => l !== r, float: (l, r) => l !== r },
  lt: { integer: ({ l, r }) => l < r, float: (l, r) => l < r },
  le: { integer: ({ l, r }) => l <= r, float: (l, r) => l <= r },
  gt: { integer: ({ l, r }) => l > r, float: (l, r) => l > r },
  ge: { integer: ({ l, r }) => l >= r, float: (l, r) => l >= r },
};

/** Operations with two operands. */
export type BinaryName =
  | 'and'
  | 'or'
  | 'xor'
  | 'plus'
  | 'minus'
  | 'mul'
  | 'div'
  | 'mod'
  | 'shl'
  | 'shr'
  | 'shra'
  | 'eq'
  | 'ne'
  | 'lt'
  | 'le'
  | 'gt'
  | 'ge';
/** Operations with one. */
export type UnaryName = 'neg' | 'abs' | 'not';
