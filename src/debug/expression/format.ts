/** Values as text, as gdb's `print` writes them. */
import { DebugError, OptimisedOutError } from '../frames/errors';
import { implicitTargetOf, isLost } from '../frames/location';
import { hex } from '../frames/machine';
import { arrayText } from './format-array';
import type { DisplayFormat } from './display-format';
import { characterText, pointedString } from './format-string';
import { formatScalar } from './format-scalar';
import { floatText } from './number';
import { addressText } from './symbol-text';
import {
  isCharacter,
  isComposite,
  isFloat,
  isInteger,
  isScalar,
  typeName,
  bare,
  type BareType,
  type CompositeType,
  type EnumType,
  type PointerType,
} from './types';
import type { Value } from './value';

/** How much of a value is written. */
export interface FormatOptions {
  readonly format?: DisplayFormat;
  /** Elements of an array and characters of a string; gdb's `print elements`. */
  readonly elements: number;
  /** Structs and arrays within one another; what is deeper is `{...}`. */
  readonly depth: number;
  /** Characters after which no further members and elements are written. */
  readonly length: number;
}

/** As gdb has it by default. */
export const FULL: FormatOptions = { elements: 200, depth: 20, length: 100_000 };
/** One line of a view, and what hovers. */
export const SUMMARY: FormatOptions = { elements: 32, depth: 3, length: 200 };

const OPTIMISED_OUT = '<optimized out>';
const SYNTHETIC = '<synthetic pointer>';

/**
 * A value as text.
 * @throws DebugError when it cannot be read; what cannot be read inside of it is told at its place
 */
export function formatValue(value: Value, options: FormatOptions = FULL): string {
  try {
    return text(value, options, 0);
  } catch (error) {
    if (error instanceof OptimisedOutError) return OPTIMISED_OUT;
    throw error;
  }
}

/** A member or an element: what is wrong with it stands at its place. */
function inner(value: Value, options: FormatOptions, depth: number): string {
  try {
    return text(value, options, depth);
  } catch (error) {
    if (error instanceof OptimisedOutError) return OPTIMISED_OUT;
    if (error instanceof DebugError) return `<${error.message}>`;
    throw error;
  }
}

function text(value: Value, options: FormatOptions, depth: number): string {
  const type = value.bare;
  if (isLost(value.place)) return OPTIMISED_OUT;
  if (depth >= options.depth && (isComposite(type) || type.kind === 'array')) return '{...}';
  if (isComposite(type)) return compositeText(value, type, options, depth);
  if (type.kind === 'array')
    return arrayText(value, type, options, (element) => inner(element, options, depth + 1));
  if (implicitTargetOf(value.place)) return SYNTHETIC;
  if (options.format && isScalar(type)) return formatScalar(value, type, options.format, options);
  return scalarText(value, type, options);
}

function scalarText(
  value: Value,
  type: Exclude<BareType, { kind: 'array' }>,
  options: FormatOptions,
): string {
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'function':
      return `{${typeName(value.type)}} ${addressText(value.addressFor('A function'), value.frame.program)}`;
    case 'enum':
      return enumText(value.scalar() as bigint, type);
    case 'pointer':
      return pointerText(value, type, options);
    case 'base': {
      if (isFloat(type)) return floatText(value.bytes(), type);
      const number = value.scalar() as bigint;
      if (type.encoding === 'boolean' && number <= 1n) return number === 1n ? 'true' : 'false';
      return isCharacter(type) ? characterText(number) : String(number);
    }
    default:
      return '';
  }
}

/** `{head = 3, tail = 7}`. */
function compositeText(value: Value, type: CompositeType, options: FormatOptions, depth: number): string {
  if (type.members.length === 0 && type.bytes === 0 && type.name !== undefined) return '<incomplete type>';
  if (value.address !== undefined && type.bytes > 0) value.firstBytes(1); // what cannot be read at all is said once
  const parts: string[] = [];
  let length = 0;
  for (const member of type.members) {
    if (length > options.length || parts.length >= options.elements) {
      parts.push('...');
      break;
    }
    const shown = memberText(value, member, options, depth);
    parts.push(member.name === undefined ? shown : `${member.name} = ${shown}`);
    length += shown.length;
  }
  return `{${parts.join(', ')}}`;
}

function memberText(
  value: Value,
  member: CompositeType['members'][number],
  options: FormatOptions,
  depth: number,
): string {
  const type = bare(member.type);
  // A flexible array member has no elements that belong to the struct (C11, 6.7.2.1).
  if (type.kind === 'array' && type.count === undefined)
    return addressText(value.addressFor('A flexible array') + BigInt(member.offset), value.frame.program);
  try {
    return inner(value.member(member), options, depth + 1);
  } catch (error) {
    if (error instanceof DebugError) return `<${error.message}>`;
    throw error;
  }
}

/** By name; a type whose enumerators are bits is written as their sum. */
export function enumText(value: bigint, type: EnumType): string {
  const exact = type.values.find((each) => each.value === value);
  if (exact) return exact.name;
  if (!isFlags(type)) return String(value);
  const parts: string[] = [];
  let rest = value;
  for (const { name, value: bit } of type.values) {
    if ((rest & bit) === 0n || (rest & bit) !== bit) continue;
    parts.push(name);
    rest &= ~bit;
  }
  if (rest !== 0n) parts.push(`unknown: ${hex(BigInt.asUintN(8 * type.bytes, rest))}`);
  return parts.length === 0 ? '0' : `(${parts.join(' | ')})`;
}

/** Whether the enumerators are single bits, or runs of bits that share none. */
function isFlags({ values }: EnumType): boolean {
  let used = 0n;
  for (const { value } of values) {
    if (value < 0n) return false;
    if (value === 0n) continue;
    const shifted = value / (value & -value);
    const isRun = (shifted & (shifted + 1n)) === 0n;
    if (!isRun || (used & value) !== 0n) return false;
    used |= value;
  }
  return used !== 0n;
}

function pointerText(value: Value, type: PointerType, options: FormatOptions): string {
  const address = value.scalar() as bigint;
  const shown = addressText(address, value.frame.program);
  const target = bare(type.target);
  if (!isCharacter(target) || address === 0n) return shown;
  return `${shown} ${pointedString(value.frame, address, options.elements)}`;
}

/** Whether a value is a number of C. */
export function isNumber(value: Value): boolean {
  return isInteger(value.bare) || isFloat(value.bare);
}
