/** DWARF expressions (DWARF 5, 2.5 and 2.6; DWARF 4, 2.5): where a variable lies, worked out with a frame at hand. */
import { ByteReader } from '../../guest/elf/byte-reader';
import { readOffset } from '../../guest/dwarf/form';
import { GuestImageError } from '../../guest/errors';
import type { DebugType, ExpressionContext } from '../../guest/dwarf/model';
import { sizeOf } from '../../guest/dwarf/types';
import {
  DwarfArithmetic,
  type BaseType,
  type BinaryName,
  type DwarfValue,
  type UnaryName,
} from './dwarf-value';
import { DebugError, ImplicitPointerError, OptimisedOutError } from './errors';
import {
  fetch,
  OPTIMISED_OUT,
  registerValue,
  type Location,
  type LocationFrame,
  type Piece,
} from './location';
import { integerOf, readExactly } from './machine';

/** What an expression asks of the frame that it is worked out in. */
export interface ExpressionFrame extends LocationFrame {
  /** The address by which locations of variables are looked up. */
  readonly lookupPc: bigint;
  /** What DW_OP_fbreg counts from. Throws DebugError when it is not known. */
  frameBase(): bigint;
  /** Canonical frame address. Throws DebugError when it is not known. */
  cfa(): bigint;
  /**
   * What a register or a place held when the function was entered, by what the caller's call site says.
   * @param expression the block of DW_OP_entry_value, or DW_OP_GNU_parameter_ref whole
   * Throws DebugError when the caller does not tell.
   */
  entryValue(expression: Uint8Array): bigint;
}

/** Operations that one expression may take, branches backwards included. */
const MAX_STEPS = 10_000;
const MAX_DEPTH = 256;
const MAX_PIECES = 256;
/** Locations that are worked out from variables whose locations are worked out from variables. */
const MAX_NESTING = 16;

const FBREG = 0x91;
const CALL_FRAME_CFA = 0x9c;
/** Bytes of DW_OP_fbreg with an offset that a frame can have: longer ones are left to the evaluation. */
const MOST_OFFSET_BYTES = 5;
const offsets = new WeakMap<Uint8Array, bigint | false>();

/**
 * The offset of an expression that is DW_OP_fbreg and nothing else, as those of nearly all variables of unoptimised code are; a
 * condition is worked out at each hit. Undefined for every other expression.
 */
function frameOffset(expression: Uint8Array): bigint | undefined {
  let known = offsets.get(expression);
  if (known === undefined) offsets.set(expression, (known = readFrameOffset(expression)));
  return known === false ? undefined : known;
}

function readFrameOffset(expression: Uint8Array): bigint | false {
  const { length } = expression;
  if (expression[0] !== FBREG || length < 2 || length > 1 + MOST_OFFSET_BYTES) return false;
  let value = 0n;
  for (let i = 1; i < length; i++) {
    const byte = expression[i];
    value |= BigInt(byte & 0x7f) << BigInt(7 * (i - 1));
    if ((byte & 0x80) === 0 && i < length - 1) return false;
  }
  return expression[length - 1] & 0x80 ? false : BigInt.asIntN(7 * (length - 1), value);
}

/**
 * Works out a location.
 * @param initial what lies on the stack at the beginning
 * @throws DebugError with a sentence about what is not known or damaged
 */
export function locate(
  expression: Uint8Array,
  unit: ExpressionContext,
  frame: ExpressionFrame,
  initial: readonly bigint[] = [],
): Location {
  return locateNested(expression, unit, frame, initial, 0);
}

function locateNested(
  expression: Uint8Array,
  unit: ExpressionContext,
  frame: ExpressionFrame,
  initial: readonly bigint[],
  nesting: number,
): Location {
  try {
    const offset = initial.length === 0 ? frameOffset(expression) : undefined;
    if (offset !== undefined)
      return {
        kind: 'memory',
        address: BigInt.asUintN(8 * unit.addressSize, frame.frameBase() + offset),
      };
    if (expression.length === 1 && expression[0] === CALL_FRAME_CFA)
      return { kind: 'memory', address: frame.cfa() };
    return new Evaluation(expression, unit, frame, initial, nesting).run();
  } catch (error) {
    if (error instanceof GuestImageError)
      throw new DebugError(`The debug information is damaged. ${error.message}`);
    throw error;
  }
}

/**
 * Works out an expression that is a value and no place: rules of frames, frame bases, call-site parameters.
 * @throws DebugError as `locate` does
 */
export function compute(
  expression: Uint8Array,
  unit: ExpressionContext,
  frame: ExpressionFrame,
  initial: readonly bigint[] = [],
): bigint {
  const location = locate(expression, unit, frame, initial);
  switch (location.kind) {
    case 'memory':
      return location.address;
    case 'register':
      return registerValue(location.register, frame);
    case 'value':
      return integerOf(location.bytes);
    case 'lost':
      throw new OptimisedOutError(location.why);
    case 'implicit-pointer':
      throw new ImplicitPointerError();
    case 'pieces':
      throw new DebugError('The debug information is damaged: an address is said to lie in pieces.');
  }
}

class Evaluation {
  readonly reader: ByteReader;
  readonly arithmetic: DwarfArithmetic;
  private readonly stack: DwarfValue[];
  private readonly pieces: Piece[] = [];
  /** Set by an operation that ends a location: a register, or a value that lies nowhere. */
  private ended: Location | undefined;

  constructor(
    expression: Uint8Array,
    readonly unit: ExpressionContext,
    readonly frame: ExpressionFrame,
    initial: readonly bigint[],
    private readonly nesting: number,
  ) {
    this.reader = new ByteReader(expression, 'a DWARF expression');
    this.arithmetic = new DwarfArithmetic(unit.addressSize);
    this.stack = initial.map((value) => this.arithmetic.generic(value));
  }

  run(): Location {
    if (this.reader.left === 0) return OPTIMISED_OUT;
    for (let steps = 0; this.reader.left > 0; steps++) {
      if (steps >= MAX_STEPS)
        throw new DebugError(
          `The debug information is damaged: an expression takes more than ${MAX_STEPS} steps.`,
        );
      const opcode = this.reader.u8();
      const operation = OPERATIONS[opcode];
      if (!operation)
        throw new DebugError(
          `The debug information has an operation that is not known: 0x${opcode.toString(16)}.`,
        );
      if (this.ended && !AFTER_LOCATION.has(opcode))
        throw new DebugError('The debug information is damaged: a location goes on after its end.');
      operation(this);
    }
    if (this.pieces.length > 0) return { kind: 'pieces', pieces: this.pieces };
    return this.ended ?? { kind: 'memory', address: this.pop().bits };
  }

  push(value: DwarfValue): void {
    if (this.stack.length >= MAX_DEPTH)
      throw new DebugError(
        `The debug information is damaged: an expression keeps more than ${MAX_DEPTH} values.`,
      );
    this.stack.push(value);
  }

  pushGeneric(value: bigint): void {
    this.push(this.arithmetic.generic(value));
  }

  pop(): DwarfValue {
    const value = this.stack.pop();
    if (!value) throw new DebugError('The debug information is damaged: an expression lacks an operand.');
    return value;
  }

  /** The entry `depth` below the top, which stays. */
  peek(depth: number): DwarfValue {
    const value = this.stack.at(-1 - depth);
    if (!value) throw new DebugError('The debug information is damaged: an expression lacks an operand.');
    return value;
  }

  end(location: Location): void {
    this.ended = location;
  }

  /** What has been worked out since the last piece becomes the next. */
  piece(bits: number, first: number): void {
    if (this.pieces.length >= MAX_PIECES)
      throw new DebugError(
        `The debug information is damaged: a value lies in more than ${MAX_PIECES} pieces.`,
      );
    const address = this.ended ? undefined : this.stack.pop();
    const location = this.ended ?? (address ? { kind: 'memory', address: address.bits } : OPTIMISED_OUT);
    this.pieces.push({ bits, first, location });
    this.ended = undefined;
  }

  branch(): void {
    const distance = BigInt.asIntN(16, BigInt(this.reader.u16()));
    this.reader.seek(this.reader.offset + Number(distance));
  }

  /** A base type by offset of its entry; offset 0 is the generic type. */
  type(): BaseType | undefined {
    return this.typeAt(this.reader.ulebNumber());
  }

  private typeAt(offset: number): BaseType | undefined {
    if (offset === 0) return undefined;
    const type = this.unit.baseType(offset);
    if (type?.kind !== 'base' || type.bytes > 16)
      throw new DebugError('The debug information is damaged: an expression names a type that is none.');
    return type;
  }

  register(register: number): bigint {
    return registerValue(register, this.frame);
  }

  /** DW_OP_GNU_variable_value: what the variable has whose entry is at an offset of .debug_info. */
  variableValue(entry: number): bigint {
    const variable = this.unit.variable(entry);
    const location = variable?.locationAt(this.frame.lookupPc);
    if (!variable || !location)
      throw new OptimisedOutError(
        'It has been optimised out: the variable that it is worked out from is not known here.',
      );
    if (this.nesting >= MAX_NESTING)
      throw new DebugError(
        `The debug information is damaged: more than ${MAX_NESTING} variables are worked out from each other.`,
      );
    const place: Location =
      location.kind === 'constant'
        ? { kind: 'value', bytes: location.bytes }
        : locateNested(location.bytes, location.unit, this.frame, [], this.nesting + 1);
    return integerIn(variable.type, place, this.frame);
  }

  /** DW_OP_entry_value: of a register, in the generic type or in that of DW_OP_regval_type. */
  entryValue(block: Uint8Array): void {
    if (block[0] !== 0xa5 && block[0] !== 0xf5) return this.pushGeneric(this.frame.entryValue(block));
    const reader = new ByteReader(block, 'a DWARF expression', 1);
    const register = reader.ulebNumber();
    const type = this.typeAt(reader.ulebNumber());
    const plain = register < 32 ? [0x50 + register] : [0x90, register & 0x7f];
    const bits = BigInt.asUintN(
      8 * this.arithmetic.bytes(type),
      this.frame.entryValue(Uint8Array.from(plain)),
    );
    this.push({ bits, ...(type && { type }) });
  }

  dereference(size: number, type: BaseType | undefined): void {
    if (size > 16) throw new DebugError(`The debug information is damaged: ${size} bytes are read at once.`);
    const bits = integerOf(readExactly(this.frame, this.pop().bits, size));
    this.push({ bits, ...(type && { type }) });
  }
}

/** What an integer or a pointer at a place is. */
function integerIn(type: DebugType, place: Location, frame: ExpressionFrame): bigint {
  let bare = type;
  for (let count = 0; (bare.kind === 'typedef' || bare.kind === 'qualified') && count < MAX_DEPTH; count++)
    bare = bare.target;
  const bytes = sizeOf(bare) ?? 0;
  const isInteger = bare.kind === 'pointer' || bare.kind === 'enum' || bare.kind === 'base';
  if (!isInteger || bytes === 0 || bytes > 8 || (bare.kind === 'base' && bare.encoding === 'float'))
    throw new DebugError(
      'The debug information is damaged: a location is worked out from what is no integer.',
    );
  const value = integerOf(fetch(place, bytes, frame));
  const isSigned =
    (bare.kind === 'base' && (bare.encoding === 'signed' || bare.encoding === 'character')) ||
    (bare.kind === 'enum' && bare.signed);
  return isSigned ? BigInt.asIntN(8 * bytes, value) : value;
}

type Operation = (at: Evaluation) => void;

const OPERATIONS: (Operation | undefined)[] = [];
/** Operations that may follow a complete location: pieces, nop and DW_OP_GNU_uninit. */
const AFTER_LOCATION: ReadonlySet<number> = new Set([0x93, 0x9d, 0x96, 0xf0]);

function define(opcodes: number | readonly number[], operation: Operation): void {
  for (const opcode of typeof opcodes === 'number' ? [opcodes] : opcodes) OPERATIONS[opcode] = operation;
}

function refuse(opcodes: readonly number[], why: string): void {
  define(opcodes, () => {
    throw new DebugError(why);
  });
}

function constant(opcode: number, read: (reader: ByteReader) => bigint): void {
  define(opcode, (at) => at.pushGeneric(read(at.reader)));
}

function binary(opcode: number, name: BinaryName): void {
  define(opcode, (at) => {
    const right = at.pop();
    at.push(at.arithmetic.binary(name, at.pop(), right));
  });
}

function unary(opcode: number, name: UnaryName): void {
  define(opcode, (at) => at.push(at.arithmetic.unary(name, at.pop())));
}

const sized = (bits: number, read: (reader: ByteReader) => number) => (reader: ByteReader) =>
  BigInt.asIntN(bits, BigInt(read(reader)));

// 2.5.1.1, literals
define(0x03, (at) => {
  const raw = at.unit.addressSize === 8 ? at.reader.u64() : BigInt(at.reader.u32());
  at.pushGeneric(raw + at.unit.bias);
});
constant(0x08, (reader) => BigInt(reader.u8()));
constant(
  0x09,
  sized(8, (reader) => reader.u8()),
);
constant(0x0a, (reader) => BigInt(reader.u16()));
constant(
  0x0b,
  sized(16, (reader) => reader.u16()),
);
constant(0x0c, (reader) => BigInt(reader.u32()));
constant(
  0x0d,
  sized(32, (reader) => reader.u32()),
);
constant(0x0e, (reader) => reader.u64());
constant(0x0f, (reader) => reader.u64());
constant(0x10, (reader) => reader.uleb());
constant(0x11, (reader) => reader.sleb());
for (let literal = 0; literal < 32; literal++) constant(0x30 + literal, () => BigInt(literal));
define([0xa1, 0xfb], (at) => at.pushGeneric(at.unit.address(at.reader.ulebNumber()))); // addrx, GNU_addr_index
define([0xa2, 0xfc], (at) => at.pushGeneric(at.unit.address(at.reader.ulebNumber()) - at.unit.bias)); // constx
define([0xa4, 0xf4], (at) => {
  // const_type
  const type = at.type();
  at.push({ bits: integerOf(at.reader.span(at.reader.u8())), ...(type && { type }) });
});

// 2.5.1.2, registers
define(0x91, (at) => at.pushGeneric(at.frame.frameBase() + at.reader.sleb()));
for (let register = 0; register < 32; register++) {
  define(0x50 + register, (at) => at.end({ kind: 'register', register }));
  define(0x70 + register, (at) => at.pushGeneric(at.register(register) + at.reader.sleb()));
}
define(0x90, (at) => at.end({ kind: 'register', register: at.reader.ulebNumber() }));
define(0x92, (at) => {
  const register = at.reader.ulebNumber();
  at.pushGeneric(at.register(register) + at.reader.sleb());
});
define([0xa5, 0xf5], (at) => {
  // regval_type
  const register = at.reader.ulebNumber();
  const type = at.type();
  const bits = BigInt.asUintN(8 * at.arithmetic.bytes(type), at.register(register));
  at.push({ bits, ...(type && { type }) });
});

// 2.5.1.3, stack
define(0x12, (at) => at.push(at.peek(0)));
define(0x13, (at) => void at.pop());
define(0x14, (at) => at.push(at.peek(1)));
define(0x15, (at) => at.push(at.peek(at.reader.u8())));
define(0x16, (at) => {
  const [top, below] = [at.pop(), at.pop()];
  at.push(top);
  at.push(below);
});
define(0x17, (at) => {
  const [first, second, third] = [at.pop(), at.pop(), at.pop()];
  at.push(first);
  at.push(third);
  at.push(second);
});
define(0x06, (at) => at.dereference(at.unit.addressSize, undefined));
define(0x94, (at) => at.dereference(at.reader.u8(), undefined));
define([0xa6, 0xf6], (at) => {
  const size = at.reader.u8();
  at.dereference(size, at.type());
});
define(0x9c, (at) => at.pushGeneric(at.frame.cfa()));

// 2.5.1.4 and 2.5.1.5, arithmetic and comparisons
unary(0x19, 'abs');
binary(0x1a, 'and');
binary(0x1b, 'div');
binary(0x1c, 'minus');
binary(0x1d, 'mod');
binary(0x1e, 'mul');
unary(0x1f, 'neg');
unary(0x20, 'not');
binary(0x21, 'or');
binary(0x22, 'plus');
define(0x23, (at) => {
  const value = at.pop();
  const addend = at.arithmetic.convert(at.arithmetic.generic(at.reader.uleb()), value.type);
  at.push(at.arithmetic.binary('plus', value, addend));
});
binary(0x24, 'shl');
binary(0x25, 'shr');
binary(0x26, 'shra');
binary(0x27, 'xor');
binary(0x29, 'eq');
binary(0x2a, 'ge');
binary(0x2b, 'gt');
binary(0x2c, 'le');
binary(0x2d, 'lt');
binary(0x2e, 'ne');
define([0xa8, 0xf7], (at) => {
  const value = at.pop();
  at.push(at.arithmetic.convert(value, at.type()));
});
define([0xa9, 0xf9], (at) => {
  const value = at.pop();
  at.push(at.arithmetic.reinterpret(value, at.type()));
});

// Control flow and what a value was at the entry
define(0x2f, (at) => at.branch());
define(0x28, (at) => {
  if (at.pop().bits !== 0n) at.branch();
  else at.reader.skip(2);
});
define([0x96, 0xf0], () => undefined); // nop, GNU_uninit
define([0xa3, 0xf3], (at) => at.entryValue(at.reader.span(at.reader.ulebNumber())));

define(0xfa, (at) => {
  // GNU_parameter_ref
  const reference = Uint8Array.from([0xfa, ...at.reader.span(4)]);
  at.pushGeneric(at.frame.entryValue(reference));
});
define(0xfd, (at) => at.pushGeneric(at.variableValue(readOffset(at.reader, at.unit.offsetSize)))); // GNU_variable_value

// 2.6, locations
define(0x93, (at) => at.piece(8 * at.reader.ulebNumber(), 0));
define(0x9d, (at) => {
  const bits = at.reader.ulebNumber();
  at.piece(bits, at.reader.ulebNumber());
});
define(0x9e, (at) => at.end({ kind: 'value', bytes: at.reader.span(at.reader.ulebNumber()) }));
define(0x9f, (at) => at.end({ kind: 'value', bytes: at.arithmetic.encode(at.pop()) }));
define([0xa0, 0xf2], (at) => {
  // implicit_pointer
  const entry = readOffset(at.reader, at.unit.offsetSize);
  const offset = Number(at.reader.sleb());
  at.end({ kind: 'implicit-pointer', target: { variable: at.unit.variable(entry), offset } });
});

refuse([0x9b, 0xe0], 'It is a variable of a thread (TLS), and a guest has no threads of that kind.');
refuse([0x18, 0x95, 0xa7], 'It lies in another address space, which x86 does not have.');
refuse(
  [0x98, 0x99, 0x9a],
  'Its location is worked out by another entry of the debug information, which is not followed.',
);
refuse([0x97], 'Its location depends on an object that is not at hand (DW_OP_push_object_address).');
refuse([0xf1], 'Its location is an encoded address (DW_OP_GNU_encoded_addr), which is not read.');
