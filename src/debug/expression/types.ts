/** Types of C: their sizes, names and the conversions of arithmetic (C11, 6.2.5 and 6.3.1). */
import type { DebugType } from '../../guest/dwarf/model';
import type { Architecture } from '../frames/architecture';
import { DebugError } from '../frames/errors';

/** Kinds of types. */
export type BaseType = Extract<DebugType, { kind: 'base' }>;
export type PointerType = Extract<DebugType, { kind: 'pointer' }>;
export type ArrayType = Extract<DebugType, { kind: 'array' }>;
export type EnumType = Extract<DebugType, { kind: 'enum' }>;
export type CompositeType = Extract<DebugType, { kind: 'struct' | 'union' }>;
export type FunctionType = Extract<DebugType, { kind: 'function' }>;
/** A type without names and qualifiers around it. */
export type BareType = Exclude<DebugType, { kind: 'typedef' | 'qualified' }>;

/** Names and qualifiers around a type; a hostile one may go in a circle. */
const MAX_LAYERS = 64;

/** The type below all typedefs and qualifiers. */
export function bare(type: DebugType): BareType {
  let at = type;
  for (let layers = 0; at.kind === 'typedef' || at.kind === 'qualified'; layers++) {
    if (layers >= MAX_LAYERS)
      throw new DebugError('The debug information is damaged: a type refers to itself.');
    at = at.target;
  }
  return at;
}

const base = (name: string, bytes: number, encoding: BaseType['encoding']): BaseType => ({
  kind: 'base',
  name,
  bytes,
  encoding,
});

/** The basic types of an architecture's ABI. */
export interface BasicTypes {
  readonly bool: BaseType;
  readonly char: BaseType;
  readonly signedChar: BaseType;
  readonly unsignedChar: BaseType;
  readonly short: BaseType;
  readonly unsignedShort: BaseType;
  readonly int: BaseType;
  readonly unsignedInt: BaseType;
  readonly long: BaseType;
  readonly unsignedLong: BaseType;
  readonly longLong: BaseType;
  readonly unsignedLongLong: BaseType;
  readonly int128: BaseType;
  readonly unsignedInt128: BaseType;
  readonly float: BaseType;
  readonly double: BaseType;
  readonly longDouble: BaseType;
}

function basicTypes(addressBytes: 4 | 8): BasicTypes {
  return {
    bool: base('_Bool', 1, 'boolean'),
    char: base('char', 1, 'character'),
    signedChar: base('signed char', 1, 'character'),
    unsignedChar: base('unsigned char', 1, 'unsigned-character'),
    short: base('short', 2, 'signed'),
    unsignedShort: base('unsigned short', 2, 'unsigned'),
    int: base('int', 4, 'signed'),
    unsignedInt: base('unsigned int', 4, 'unsigned'),
    long: base('long', addressBytes, 'signed'),
    unsignedLong: base('unsigned long', addressBytes, 'unsigned'),
    longLong: base('long long', 8, 'signed'),
    unsignedLongLong: base('unsigned long long', 8, 'unsigned'),
    int128: base('__int128', 16, 'signed'),
    unsignedInt128: base('unsigned __int128', 16, 'unsigned'),
    float: base('float', 4, 'float'),
    double: base('double', 8, 'float'),
    longDouble: base('long double', addressBytes === 8 ? 16 : 12, 'float'),
  };
}

const basics = { 4: basicTypes(4), 8: basicTypes(8) } as const;

/** The basic types where code of an architecture runs. */
export function basicTypesOf({ addressBytes }: Architecture): BasicTypes {
  return basics[addressBytes];
}

export const VOID: DebugType = { kind: 'void' };

/** A pointer to a type. */
export function pointerTo(target: DebugType, { addressBytes }: Architecture): PointerType {
  return { kind: 'pointer', bytes: addressBytes, target };
}

/**
 * Bytes of a type; 1 for void and functions, as GNU C has it.
 * @throws DebugError for a type that is declared and not defined, or whose length only a run knows
 */
export function sizeOf(type: DebugType): number {
  let elements = 1;
  let at = bare(type);
  for (let depth = 0; at.kind === 'array'; depth++) {
    if (depth >= MAX_LAYERS)
      throw new DebugError('The debug information is damaged: an array contains itself.');
    if (at.count === undefined) throw new DebugError(`The length of ${typeName(type)} is not known.`);
    elements *= at.count;
    at = bare(at.element);
  }
  switch (at.kind) {
    case 'void':
    case 'function':
      return elements;
    case 'struct':
    case 'union':
      if (at.bytes === 0 && at.members.length === 0 && at.name !== undefined)
        throw new DebugError(`${typeName(at)} is only declared here: what it has inside is not known.`);
      return elements * at.bytes;
    default:
      return elements * at.bytes;
  }
}

export const isInteger = (type: BareType): type is BaseType | EnumType =>
  type.kind === 'enum' || (type.kind === 'base' && type.encoding !== 'float');
/** A floating-point type. */
export type FloatType = BaseType & { readonly encoding: 'float' };

export const isFloat = (type: BareType): type is FloatType =>
  type.kind === 'base' && type.encoding === 'float';
export const isArithmetic = (type: BareType): type is BaseType | EnumType =>
  type.kind === 'enum' || type.kind === 'base';
export const isScalar = (type: BareType): type is BaseType | EnumType | PointerType =>
  type.kind === 'pointer' || isArithmetic(type);
export const isComposite = (type: BareType): type is CompositeType =>
  type.kind === 'struct' || type.kind === 'union';
export const isCharacter = (type: BareType): boolean =>
  type.kind === 'base' && type.bytes === 1 && type.encoding.endsWith('character');

/** Whether an integer type has a sign. */
export function isSigned(type: BaseType | EnumType): boolean {
  if (type.kind === 'enum') return type.signed;
  return type.encoding === 'signed' || type.encoding === 'character';
}

/** A value of a type, from any integer. */
export function wrap(value: bigint, type: BaseType | EnumType | PointerType): bigint {
  if (type.kind === 'base' && type.encoding === 'boolean') return value === 0n ? 0n : 1n;
  const signed = type.kind !== 'pointer' && isSigned(type);
  return signed ? BigInt.asIntN(8 * type.bytes, value) : BigInt.asUintN(8 * type.bytes, value);
}

/**
 * The integer promotions (6.3.1.1).
 * @param width of a bit field, in bits
 */
export function promoted(type: BaseType | EnumType, types: BasicTypes, width?: number): BaseType {
  const bits = width ?? 8 * type.bytes;
  const { int, unsignedInt } = types;
  if (bits < 32 || (bits === 32 && isSigned(type))) return int;
  if (bits === 32) return unsignedInt;
  if (type.kind === 'base') return type;
  return type.signed ? types.longLong : types.unsignedLongLong;
}

/** The usual arithmetic conversions (6.3.1.8) of two promoted types. */
export function commonType(left: BaseType, right: BaseType): BaseType {
  if (isFloat(left) || isFloat(right)) {
    if (!isFloat(right)) return left;
    if (!isFloat(left)) return right;
    return left.bytes >= right.bytes ? left : right;
  }
  if (left.bytes !== right.bytes) return left.bytes > right.bytes ? left : right;
  return isSigned(left) ? right : left;
}

/** The name of a type as C writes it: `struct ring *`, `int [4]`, `void (*)(int)`. */
export function typeName(type: DebugType): string {
  return declaration(type, '', 0);
}

const tagged = (keyword: string, name: string | undefined): string => `${keyword} ${name ?? '{...}'}`;

/** A declaration of `inner`, from the outermost layer of the type to the name. */
function declaration(type: DebugType, inner: string, depth: number): string {
  if (depth > MAX_LAYERS) return '…';
  const name = (text: string): string => (inner === '' ? text : `${text} ${inner}`);
  switch (type.kind) {
    case 'void':
      return name('void');
    case 'base':
    case 'typedef':
      return name(type.name);
    case 'struct':
    case 'union':
    case 'enum':
      return name(tagged(type.kind, type.name));
    case 'pointer':
      return declaration(type.target, wrapped(type.target, `*${inner}`), depth + 1);
    case 'array':
      return declaration(type.element, `${inner}[${type.count ?? ''}]`, depth + 1);
    case 'function': {
      const parameters = type.parameters.map((each) => declaration(each, '', depth + 1));
      if (type.variadic) parameters.push('...');
      return declaration(type.result, `${inner}(${parameters.join(', ') || 'void'})`, depth + 1);
    }
    case 'qualified': {
      const word = type.qualifier === 'atomic' ? '_Atomic' : type.qualifier;
      const { target } = type;
      // A qualifier of a pointer stands behind its star, others before the type.
      if (target.kind === 'pointer')
        return declaration(target, inner === '' ? ` ${word}` : ` ${word} ${inner}`, depth + 1);
      return `${word} ${declaration(target, inner, depth + 1)}`;
    }
  }
}

/** `*x` of an array or a function needs parentheses. */
function wrapped(target: DebugType, inner: string): string {
  return target.kind === 'array' || target.kind === 'function' ? `(${inner})` : inner;
}
