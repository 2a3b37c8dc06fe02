/** Values with their types: what an expression comes to, and what a variable is. */
import type { DebugMember, DebugType } from '../../guest/dwarf/model';
import type { Activation } from '../frames/activation';
import { DebugError, OptimisedOutError } from '../frames/errors';
import { copyBits, fetch, implicitTargetOf, partOf, store, type Location } from '../frames/location';
import { bytesOf, integerOf, type MachineWriter } from '../frames/machine';
import { targetPlace } from '../frames/variable-place';
import { bytesOfFloat, floatOf } from './number';
import {
  bare,
  isComposite,
  isFloat,
  isScalar,
  isSigned,
  pointerTo,
  sizeOf,
  typeName,
  wrap,
  type BareType,
} from './types';

/** A number: integers and pointers as bigint, floating point as number. */
export type Scalar = bigint | number;

/** Of a bit field: bits from that of its place. */
export interface BitRange {
  readonly first: number;
  readonly width: number;
}

/** A value; its bytes are fetched when they are asked for. It is good as long as its machine stands still. */
export class Value {
  private known: Scalar | undefined;
  private readonly where: Location | undefined;

  private constructor(
    readonly type: DebugType,
    where: Location | undefined,
    /** Whose registers and memory it is read from. */
    readonly frame: Activation,
    readonly bits: BitRange | undefined,
    known: Scalar | undefined,
  ) {
    this.where = where;
    this.known = known;
  }

  /** What lies at a place. */
  static at(type: DebugType, place: Location, frame: Activation, bits?: BitRange): Value {
    return new Value(type, place, frame, bits, undefined);
  }

  /** A number that lies nowhere, as it is in its type. */
  static of(type: DebugType, scalar: Scalar, frame: Activation): Value {
    return new Value(type, undefined, frame, undefined, scalar);
  }

  /** Type below typedefs and qualifiers. */
  get bare(): BareType {
    return bare(this.type);
  }

  get place(): Location {
    return this.where ?? { kind: 'value', bytes: this.bytes() };
  }

  /** Where it lies in memory; undefined: it lies elsewhere, or is a bit field. */
  get address(): bigint | undefined {
    return this.where?.kind === 'memory' && !this.bits ? this.where.address : undefined;
  }

  /** Whether it can be assigned to, as far as its place tells. */
  get isAssignable(): boolean {
    const kind = this.where?.kind;
    return (kind === 'memory' || kind === 'register' || kind === 'pieces') && isStorable(this.bare);
  }

  /** All of its bytes; a bit field's shifted down. */
  bytes(): Uint8Array {
    const size = sizeOf(this.type);
    if (!this.where) return encode(this.known ?? 0n, this.bare, size);
    if (!this.bits) return fetch(this.where, size, this.frame);
    const { first, width } = this.bits;
    const all = fetch(this.where, (first + width + 7) >> 3, this.frame);
    const bytes = new Uint8Array(size);
    copyBits(all, first, bytes, 0, Math.min(width, 8 * size));
    return bytes;
  }

  /** The first of its bytes, where all of them may be too many. */
  firstBytes(length: number): Uint8Array {
    return fetch(this.place, length, this.frame);
  }

  /**
   * The number that it is.
   * @throws DebugError when it is none, or cannot be read
   */
  scalar(): Scalar {
    this.known ??= this.read();
    return this.known;
  }

  /** A member of a struct or a union. */
  member({ type, offset, bits }: DebugMember): Value {
    const length = bits ? (bits.first + bits.width + 7) >> 3 : sizeOf(type);
    return Value.at(type, partOf(this.place, offset, length), this.frame, bits);
  }

  /** An element of an array; `index` is not checked against its length, as C does not. */
  element(index: bigint): Value {
    const type = this.bare;
    if (type.kind !== 'array') throw new DebugError(`${typeName(this.type)} has no elements.`);
    const size = sizeOf(type.element);
    if (this.where?.kind === 'memory') {
      const address = BigInt.asUintN(64, this.where.address + index * BigInt(size));
      return Value.at(type.element, { kind: 'memory', address }, this.frame);
    }
    if (index < 0n || index >= BigInt(type.count ?? 0))
      throw new DebugError(`Element ${index} is outside the array, which does not lie in memory.`);
    return Value.at(type.element, partOf(this.place, Number(index) * size, size), this.frame);
  }

  /** An array as a pointer to its first element, a function as a pointer to it (C11, 6.3.2.1); others as they are. */
  decayed(): Value {
    const type = this.bare;
    const { architecture } = this.frame;
    if (type.kind === 'array')
      return Value.of(pointerTo(type.element, architecture), this.addressFor('An array'), this.frame);
    if (type.kind === 'function')
      return Value.of(pointerTo(type, architecture), this.addressFor('A function'), this.frame);
    return this;
  }

  /** Its address; throws a sentence that begins with `what` where it has none. */
  addressFor(what: string): bigint {
    if (this.bits) throw new DebugError(`${what} has no address: it is a bit field.`);
    if (this.where?.kind === 'memory') return this.where.address;
    if (this.where?.kind === 'register') {
      const name = this.frame.architecture.nameOf(this.where.register);
      throw new DebugError(`${what} has no address: it is kept in register ${name}.`);
    }
    if (this.where?.kind === 'lost') throw new OptimisedOutError(this.where.why);
    throw new DebugError(`${what} has no address: it does not lie in memory.`);
  }

  /** What a pointer points to. */
  pointee(): Value {
    const type = this.bare;
    if (type.kind !== 'pointer') throw new DebugError(`${typeName(this.type)} is no pointer.`);
    const target = this.where && implicitTargetOf(this.where);
    if (target)
      return Value.at(type.target, targetPlace(target, sizeOf(type.target), this.frame), this.frame);
    const address = this.scalar() as bigint;
    return Value.at(type.target, { kind: 'memory', address }, this.frame);
  }

  /** Changes what it is the place of. */
  assign(scalar: Scalar, writer: MachineWriter): void {
    const type = this.bare;
    if (!this.where || !isScalar(type))
      throw new DebugError('Only a variable or what a pointer points to can be assigned to.');
    const bytes = encode(scalar, type, sizeOf(type));
    this.put(bytes, writer);
  }

  /** Changes all of its bytes: the assignment of a struct. */
  put(bytes: Uint8Array, writer: MachineWriter): void {
    if (!this.where) throw new DebugError('Only a variable or what a pointer points to can be assigned to.');
    if (!this.bits) {
      store(this.where, bytes, this.frame, writer);
      return;
    }
    const { first, width } = this.bits;
    const whole = new Uint8Array(fetch(this.where, (first + width + 7) >> 3, this.frame));
    copyBits(bytes, 0, whole, first, width);
    store(this.where, whole, this.frame, writer);
  }

  private read(): Scalar {
    const type = this.bare;
    if (!isScalar(type)) throw new DebugError(`${typeName(this.type)} is no number.`);
    if (isFloat(type)) return floatOf(this.bytes(), type);
    const value = integerOf(this.bytes());
    if (type.kind === 'pointer' || !isSigned(type)) return value;
    return BigInt.asIntN(this.bits?.width ?? 8 * type.bytes, value);
  }
}

function isStorable(type: BareType): boolean {
  return isScalar(type) || isComposite(type);
}

function encode(scalar: Scalar, type: BareType, size: number): Uint8Array {
  if (isFloat(type)) return bytesOfFloat(Number(scalar), type);
  return bytesOf(typeof scalar === 'bigint' ? scalar : BigInt(Math.trunc(scalar)), size);
}

/**
 * A scalar in another type (C11, 6.3.1).
 * @throws DebugError for a number that the type cannot hold
 */
export function convertScalar(scalar: Scalar, to: BareType): Scalar {
  if (!isScalar(to)) throw new DebugError(`A number cannot be made ${typeName(to)}.`);
  if (isFloat(to)) return to.bytes === 4 ? Math.fround(Number(scalar)) : Number(scalar);
  if (to.kind === 'base' && to.encoding === 'boolean') return BigInt(scalar !== 0n && scalar !== 0);
  if (typeof scalar === 'bigint') return wrap(scalar, to);
  if (!Number.isFinite(scalar)) throw new DebugError(`${scalar} is no whole number.`);
  return wrap(BigInt(Math.trunc(scalar)), to);
}
