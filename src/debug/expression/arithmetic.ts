/** Operators of C on values (C11, 6.5), none of which changes anything. */
import type { DebugType } from '../../guest/dwarf/model';
import { DebugError } from '../frames/errors';
import { convertScalar, Value, type Scalar } from './value';
import {
  basicTypesOf,
  bare,
  commonType,
  isArithmetic,
  isFloat,
  isInteger,
  isScalar,
  promoted,
  sizeOf,
  typeName,
  wrap,
  type BareType,
  type BaseType,
  type PointerType,
} from './types';

/** Operators with two operands that are both worked out. */
export type BinaryOperator =
  '*' | '/' | '%' | '+' | '-' | '<<' | '>>' | '<' | '>' | '<=' | '>=' | '==' | '!=' | '&' | '^' | '|';
export type UnaryOperator = '+' | '-' | '~' | '!';

interface Arithmetic {
  readonly integer: (left: bigint, right: bigint, type: BaseType) => bigint;
  /** Absent: the operator is for integers only. */
  readonly float?: (left: number, right: number) => number;
}

function divisor(right: bigint): bigint {
  if (right === 0n) throw new DebugError('Division by zero.');
  return right;
}

const arithmetic: Partial<Record<BinaryOperator, Arithmetic>> = {
  '*': { integer: (l, r) => l * r, float: (l, r) => l * r },
  '/': { integer: (l, r) => l / divisor(r), float: (l, r) => l / r },
  '%': { integer: (l, r) => l % divisor(r) },
  '+': { integer: (l, r) => l + r, float: (l, r) => l + r },
  '-': { integer: (l, r) => l - r, float: (l, r) => l - r },
  '&': { integer: (l, r) => l & r },
  '^': { integer: (l, r) => l ^ r },
  '|': { integer: (l, r) => l | r },
};

const comparisons: Partial<Record<BinaryOperator, (left: Scalar, right: Scalar) => boolean>> = {
  '<': (l, r) => l < r,
  '>': (l, r) => l > r,
  '<=': (l, r) => l <= r,
  '>=': (l, r) => l >= r,
  '==': (l, r) => l === r,
  '!=': (l, r) => l !== r,
};

const shifts: Partial<Record<BinaryOperator, (left: bigint, right: bigint) => bigint>> = {
  '<<': (l, r) => l << r,
  '>>': (l, r) => l >> r,
};

function refuse(operator: string, ...operands: readonly Value[]): never {
  const types = operands.map(({ type }) => typeName(type)).join(' and ');
  throw new DebugError(`${operator} cannot be applied to ${types}.`);
}

/** The promoted type of an operand. */
function promotedType(value: Value, type: BaseType | Exclude<BareType, BaseType>): BaseType {
  const types = basicTypesOf(value.frame.architecture);
  if (type.kind === 'base' && type.encoding === 'float') return type;
  if (!isInteger(type)) return refuse('An operator of numbers', value);
  return promoted(type, types, value.bits?.width);
}

/** Applies an operator. */
export function binary(operator: BinaryOperator, leftValue: Value, rightValue: Value): Value {
  const left = leftValue.decayed();
  const right = rightValue.decayed();
  const [leftType, rightType] = [left.bare, right.bare];
  if (!isArithmetic(leftType) || !isArithmetic(rightType)) return withPointer(operator, left, right);
  const leftPromoted = promotedType(left, leftType);
  const rightPromoted = promotedType(right, rightType);
  const shift = shifts[operator];
  if (shift) return shifted(operator, shift, left, right, leftPromoted, rightPromoted);
  const type = commonType(leftPromoted, rightPromoted);
  const l = convertScalar(left.scalar(), type);
  const r = convertScalar(right.scalar(), type);
  const compare = comparisons[operator];
  if (compare) return truthValue(compare(l, r), left);
  const operation = arithmetic[operator];
  if (!operation) return refuse(operator, left, right);
  if (typeof l === 'bigint' && typeof r === 'bigint')
    return Value.of(type, wrap(operation.integer(l, r, type), type), left.frame);
  if (!operation.float) return refuse(operator, left, right);
  return Value.of(type, convertScalar(operation.float(Number(l), Number(r)), type), left.frame);
}

function shifted(
  operator: string,
  shift: (left: bigint, right: bigint) => bigint,
  left: Value,
  right: Value,
  type: BaseType,
  rightType: BaseType,
): Value {
  if (isFloat(type) || isFloat(rightType)) return refuse(operator, left, right);
  const count = right.scalar() as bigint;
  const width = BigInt(8 * type.bytes);
  if (count < 0n || count >= width)
    throw new DebugError(`A shift by ${count} has no meaning in C: ${typeName(type)} has ${width} bits.`);
  return Value.of(type, wrap(shift(convertScalar(left.scalar(), type) as bigint, count), type), left.frame);
}

/** 1 or 0, as C has it. */
export function truthValue(truth: boolean, { frame }: Value): Value {
  return Value.of(basicTypesOf(frame.architecture).int, truth ? 1n : 0n, frame);
}

/** Whether a value counts as true. */
export function isTrue(value: Value): boolean {
  const scalar = scalarOf(value, 'A condition');
  return scalar !== 0n && scalar !== 0;
}

function scalarOf(value: Value, what: string): Scalar {
  const decayed = value.decayed();
  if (!isScalar(decayed.bare))
    throw new DebugError(`${what} must be a number or a pointer, not ${typeName(value.type)}.`);
  return decayed.scalar();
}

/** Addition, subtraction and comparison where at least one operand is no number. */
function withPointer(operator: BinaryOperator, left: Value, right: Value): Value {
  const [leftType, rightType] = [left.bare, right.bare];
  const compare = comparisons[operator];
  if (compare && isScalar(leftType) && isScalar(rightType) && !isFloat(leftType) && !isFloat(rightType)) {
    const bits = 8 * left.frame.architecture.addressBytes;
    const address = (value: Value): bigint => BigInt.asUintN(bits, value.scalar() as bigint);
    return truthValue(compare(address(left), address(right)), left);
  }
  if (leftType.kind === 'pointer' && rightType.kind === 'pointer' && operator === '-')
    return distance(left, right, leftType, rightType);
  if (leftType.kind === 'pointer' && isInteger(rightType)) {
    if (operator === '+') return moved(left, leftType, right.scalar() as bigint);
    if (operator === '-') return moved(left, leftType, -(right.scalar() as bigint));
  }
  if (operator === '+' && rightType.kind === 'pointer' && isInteger(leftType))
    return moved(right, rightType, left.scalar() as bigint);
  return refuse(operator, left, right);
}

function moved(pointer: Value, type: PointerType, by: bigint): Value {
  const address = (pointer.scalar() as bigint) + by * BigInt(sizeOf(type.target));
  return Value.of(pointer.type, BigInt.asUintN(8 * type.bytes, address), pointer.frame);
}

function distance(left: Value, right: Value, leftType: PointerType, rightType: PointerType): Value {
  const size = BigInt(sizeOf(leftType.target));
  if (size !== BigInt(sizeOf(rightType.target)) || size === 0n) return refuse('-', left, right);
  const bytes = BigInt.asIntN(8 * leftType.bytes, (left.scalar() as bigint) - (right.scalar() as bigint));
  return Value.of(basicTypesOf(left.frame.architecture).long, bytes / size, left.frame);
}

/** Applies an operator with one operand. */
export function unary(operator: UnaryOperator, value: Value): Value {
  if (operator === '!') return truthValue(!isTrue(value), value);
  const type = value.bare;
  if (!isArithmetic(type)) return refuse(operator, value);
  const result = promotedType(value, type);
  const scalar = convertScalar(value.scalar(), result);
  if (operator === '+') return Value.of(result, scalar, value.frame);
  if (typeof scalar === 'number') {
    if (operator === '~') return refuse(operator, value);
    return Value.of(result, -scalar, value.frame);
  }
  return Value.of(result, wrap(operator === '-' ? -scalar : ~scalar, result), value.frame);
}

/** A cast (C11, 6.5.4); a struct or a union only to its own type. */
export function cast(type: DebugType, value: Value): Value {
  const target = bare(type);
  if (target.kind === 'void') return Value.of(type, 0n, value.frame);
  const from = value.decayed();
  const source = from.bare;
  if (!isScalar(target) || !isScalar(source)) {
    if (target.kind === source.kind && typeName(target) === typeName(source))
      return Value.at(type, value.place, value.frame);
    throw new DebugError(`${typeName(value.type)} cannot be cast to ${typeName(type)}.`);
  }
  if ((target.kind === 'pointer' && isFloat(source)) || (source.kind === 'pointer' && isFloat(target)))
    throw new DebugError(`${typeName(value.type)} cannot be cast to ${typeName(type)}.`);
  return Value.of(type, convertScalar(from.scalar(), target), value.frame);
}

/** `a@n`: `n` values in memory as an array, `a` the first of them. */
export function artificialArray(first: Value, count: Value): Value {
  const length = scalarOf(count, 'The number of elements');
  if (typeof length !== 'bigint' || length < 1n || length > MAX_ELEMENTS)
    throw new DebugError(`An array has 1 to ${MAX_ELEMENTS} elements, not ${length}.`);
  const address = first.addressFor('The first element of an array made with @');
  const type: DebugType = { kind: 'array', element: first.type, count: Number(length) };
  return Value.at(type, { kind: 'memory', address }, first.frame);
}

const MAX_ELEMENTS = 1_000_000n;
