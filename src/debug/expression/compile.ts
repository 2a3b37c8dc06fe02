/** C expressions made ready to be evaluated many times: names are looked up once for each place of the program. */
import type { DebugMember, DebugScope, DebugType } from '../../guest/dwarf/model';
import { DebugError } from '../frames/errors';
import type { Frame } from '../frames/frame';
import type { Program } from '../frames/program';
import { artificialArray, binary, cast, isTrue, truthValue, unary } from './arithmetic';
import { splitFormat, type DisplayFormat } from './display-format';
import { parseExpression } from './parser';
import { registerNamed } from './registers';
import {
  localNamed,
  lookUp,
  lookUpScoped,
  resolveType,
  valueOf,
  type Binding,
  type EvaluationContext,
} from './scope';
import type { Node, TypeSyntax } from './syntax';
import {
  bare,
  basicTypesOf,
  commonType,
  isArithmetic,
  isComposite,
  isFloat,
  isInteger,
  pointerTo,
  promoted,
  sizeOf,
  typeName,
  type BareType,
  type BaseType,
  type BasicTypes,
  type CompositeType,
} from './types';
import { convertScalar, Value, type Scalar } from './value';

/** An expression, ready. */
export interface CompiledExpression {
  readonly text: string;
  /** The `/x` that was asked for. */
  readonly format: DisplayFormat | undefined;
  /** Whether it assigns to something. */
  readonly changes: boolean;
  /**
   * Its value at a place.
   * @throws DebugError that says what is not known, not readable or not allowed
   */
  evaluate(context: EvaluationContext): Value;
}

/**
 * Makes an expression ready.
 * @param frame where it is likely to be evaluated: by its variables `(x)` is told from a cast
 * @throws DebugError that says what is wrong, and where
 */
export function compileExpression(text: string, program: Program, frame?: Frame): CompiledExpression {
  const isVariable = (name: string): boolean =>
    (frame !== undefined && localNamed(frame.scopes, name) !== undefined) ||
    program.debug?.global(name, frame?.callPc) !== undefined;
  const { expression, format } = splitFormat(text, isVariable);
  const isTypeName = (name: string): boolean =>
    !isVariable(name) && program.debug?.typeNamed(name, frame?.callPc) !== undefined;
  const { node, changes } = parseExpression(expression, isTypeName);
  return { text, format, changes, evaluate: compile(node) };
}

type Evaluate = (context: EvaluationContext) => Value;

type Compilers = { readonly [K in Node['kind']]: (node: Extract<Node, { kind: K }>) => Evaluate };

function compile(node: Node): Evaluate {
  const make = compilers[node.kind] as (node: Node) => Evaluate;
  return make(node);
}

const typesOf = ({ program }: EvaluationContext): BasicTypes => basicTypesOf(program.architecture);

/** A constant; its type depends on the architecture alone, and is worked out once for that. */
function constant(value: Scalar, type: (types: BasicTypes) => BaseType): Evaluate {
  let types: BasicTypes | undefined;
  let known: BaseType | undefined;
  return (context) => {
    const present = typesOf(context);
    if (!known || types !== present) {
      types = present;
      known = type(present);
    }
    return Value.of(known, value, context.frame.activation);
  };
}

const compilers: Compilers = {
  integer: (node) => constant(node.value, (types) => integerType(node, types)),
  float: ({ value, suffix }) =>
    constant(suffix === 'f' ? Math.fround(value) : value, (types) => {
      if (suffix === '') return types.double;
      return suffix === 'f' ? types.float : types.longDouble;
    }),
  character: ({ value }) => constant(value, (types) => types.int),
  string: ({ bytes }) => {
    const text = Uint8Array.from([...bytes, 0]);
    return (context) => {
      const type: DebugType = { kind: 'array', element: typesOf(context).char, count: text.length };
      return Value.at(type, { kind: 'value', bytes: text }, context.frame.activation);
    };
  },
  name: ({ name }) => named((context) => lookUp(name, context) ?? notInScope(name, context.frame)),
  scoped: ({ scope, name }) => named((context) => lookUpScoped(scope, name, context)),
  register:
    ({ name }) =>
    (context) =>
      registerNamed(name, context.frame.activation),
  unary: ({ operator, operand }) => {
    const inner = compile(operand);
    return (context) => unary(operator, inner(context));
  },
  address: ({ operand }) => {
    const inner = compile(operand);
    return (context) => addressOf(inner(context), operand);
  },
  dereference: ({ operand }) => {
    const inner = compile(operand);
    return (context) => dereferenced(inner(context));
  },
  binary: ({ operator, left, right }) => {
    const [l, r] = [compile(left), compile(right)];
    return (context) => binary(operator, l(context), r(context));
  },
  logical: ({ operator, left, right }) => {
    const [l, r] = [compile(left), compile(right)];
    const decided = operator === '||';
    return (context) => {
      const first = l(context);
      return truthValue(isTrue(first) === decided ? decided : isTrue(r(context)), first);
    };
  },
  array: ({ first, count }) => {
    const [f, n] = [compile(first), compile(count)];
    return (context) => artificialArray(f(context), n(context));
  },
  comma: ({ left, right }) => {
    const [l, r] = [compile(left), compile(right)];
    return (context) => {
      l(context);
      return r(context);
    };
  },
  conditional: ({ condition, yes, no }) => {
    const [c, y, n] = [compile(condition), compile(yes), compile(no)];
    return (context) => {
      const truth = isTrue(c(context));
      const value = (truth ? y : n)(context);
      return chosen(value, typeWithoutEffect(truth ? n : y, context));
    };
  },
  cast: ({ type, operand }) => {
    const inner = compile(operand);
    return (context) => cast(written(type, context), inner(context));
  },
  sizeof: ({ operand }) => {
    const inner = compile(operand);
    return (context) => size(withoutWriter(inner, context).type, context);
  },
  'sizeof-type':
    ({ type }) =>
    (context) =>
      size(written(type, context), context),
  member: ({ object, name }) => {
    const inner = compile(object);
    return (context) => memberOf(inner(context), name);
  },
  index: ({ array, index }) => {
    const [a, i] = [compile(array), compile(index)];
    return (context) => elementOf(a(context), i(context));
  },
  assignment: ({ target, operator, value }) => {
    const [t, v] = [compile(target), compile(value)];
    return (context) => {
      const place = t(context);
      const source = v(context);
      return assign(place, operator ? binary(operator, place, source) : source, context);
    };
  },
  step: ({ target, operator, isPrefix }) => {
    const inner = compile(target);
    return (context) => {
      const place = inner(context);
      const before = Value.of(place.type, place.scalar(), place.frame);
      const one = Value.of(typesOf(context).int, 1n, place.frame);
      const after = assign(place, binary(operator, before, one), context);
      return isPrefix ? after : before;
    };
  },
};

/** The first type of the list that holds an integer literal (6.4.4.1). */
function integerType(node: Extract<Node, { kind: 'integer' }>, types: BasicTypes): BaseType {
  const { isDecimal, isUnsigned, longs, value } = node;
  const ranks: readonly (readonly [BaseType, BaseType])[] = [
    [types.int, types.unsignedInt],
    [types.long, types.unsignedLong],
    [types.longLong, types.unsignedLongLong],
  ];
  for (const [signed, unsigned] of ranks.slice(longs)) {
    const bits = BigInt(8 * signed.bytes);
    if (!isUnsigned && value < 1n << (bits - 1n)) return signed;
    if ((isUnsigned || !isDecimal) && value < 1n << bits) return unsigned;
  }
  return types.unsignedLongLong;
}

/** A name's binding is kept for the place at which it was asked last, as a breakpoint's condition is always at one. */
function named(find: (context: EvaluationContext) => Binding): Evaluate {
  let pc: bigint | undefined;
  let scope: DebugScope | undefined;
  let program: Program | undefined;
  let binding: Binding | undefined;
  return (context) => {
    const { frame } = context;
    const block = frame.scopes[frame.scopes.length - 1];
    if (!binding || pc !== frame.callPc || scope !== block || program !== context.program) {
      binding = find(context);
      pc = frame.callPc;
      scope = block;
      program = context.program;
    }
    return valueOf(binding, context);
  };
}

function notInScope(name: string, { name: place, callPc }: Frame): never {
  const where = place ?? `0x${callPc.toString(16)}`;
  throw new DebugError(`There is no variable, function or constant ${name} that can be seen from ${where}.`);
}

function withoutWriter(evaluate: Evaluate, { program, frame }: EvaluationContext): Value {
  return evaluate({ program, frame });
}

/** Type of a branch that is not taken; undefined where it cannot be told without taking it. */
function typeWithoutEffect(evaluate: Evaluate, context: EvaluationContext): BareType | undefined {
  try {
    return withoutWriter(evaluate, context).decayed().bare;
  } catch (error) {
    if (error instanceof DebugError) return undefined;
    throw error;
  }
}

/** The value of the branch taken, in the type that both have in common (6.5.15). */
function chosen(value: Value, other: BareType | undefined): Value {
  const decayed = value.decayed();
  const type = decayed.bare;
  if (!other) return decayed;
  if (isArithmetic(type) && isArithmetic(other)) {
    const common = commonType(promotedOf(type, decayed), promotedOf(other, decayed));
    return Value.of(common, convertScalar(decayed.scalar(), common), decayed.frame);
  }
  if (other.kind === 'pointer' && isInteger(type)) return cast(other, decayed);
  return decayed;
}

function promotedOf(type: BareType, { frame }: Value): BaseType {
  if (isFloat(type)) return type;
  if (isInteger(type)) return promoted(type, basicTypesOf(frame.architecture));
  throw new DebugError(`${typeName(type)} is no number.`);
}

function written(syntax: TypeSyntax, context: EvaluationContext): DebugType {
  return resolveType(syntax, context, ({ operand }) => withoutWriter(compile(operand), context).type);
}

function size(type: DebugType, context: EvaluationContext): Value {
  return Value.of(typesOf(context).unsignedLong, BigInt(sizeOf(type)), context.frame.activation);
}

function addressOf(value: Value, operand: Node): Value {
  const what = operand.kind === 'name' ? operand.name : 'It';
  const address = value.addressFor(what);
  return Value.of(pointerTo(value.type, value.frame.architecture), address, value.frame);
}

function dereferenced(operand: Value): Value {
  const value = operand.decayed();
  const type = value.bare;
  if (type.kind !== 'pointer')
    throw new DebugError(`* is for pointers, and this is ${typeName(operand.type)}.`);
  if (bare(type.target).kind === 'void')
    throw new DebugError('What a void * points to has no type: cast it to a pointer to something first.');
  return value.pointee();
}

/** `a[i]`: of an array without a detour over pointers, as it may lie in registers. */
function elementOf(array: Value, index: Value): Value {
  const position = index.bare;
  if (array.bare.kind === 'array' && isInteger(position)) return array.element(index.scalar() as bigint);
  return dereferenced(binary('+', array, index));
}

/** Anonymous members within one another. */
const MAX_NESTING = 16;

/** Members that lead to one by its name, through anonymous ones. */
function pathTo(type: CompositeType, name: string, depth = 0): readonly DebugMember[] | undefined {
  const own = type.members.find((each) => each.name === name);
  if (own) return [own];
  if (depth >= MAX_NESTING) return undefined;
  for (const member of type.members) {
    const inner = member.name === undefined ? bare(member.type) : undefined;
    const rest = inner && isComposite(inner) ? pathTo(inner, name, depth + 1) : undefined;
    if (rest) return [member, ...rest];
  }
  return undefined;
}

/** `.` and `->`, which, as in gdb, may stand for one another. */
function memberOf(object: Value, name: string): Value {
  const type = object.bare;
  const whole = type.kind === 'pointer' ? object.pointee() : object;
  const composite = whole.bare;
  if (!isComposite(composite)) throw new DebugError(`${typeName(object.type)} has no members.`);
  const path = pathTo(composite, name);
  if (!path) {
    sizeOf(composite); // a type that is only declared has another sentence
    throw new DebugError(`${typeName(whole.type)} has no member ${name}.`);
  }
  let value = whole;
  for (const member of path) value = value.member(member);
  return value;
}

function assign(target: Value, source: Value, { writer }: EvaluationContext): Value {
  if (!writer) throw new DebugError('Nothing can be assigned here: this expression may only read.');
  const type = target.bare;
  if (isComposite(type)) {
    if (typeName(source.bare) !== typeName(type))
      throw new DebugError(`${typeName(source.type)} cannot be assigned to ${typeName(target.type)}.`);
    target.put(source.bytes(), writer);
    return target;
  }
  const scalar = convertScalar(source.decayed().scalar(), type);
  target.assign(scalar, writer);
  return Value.of(target.type, scalar, target.frame);
}
