/**
 * The operations that the inner loop executes in place, each in one row: what most code consists of, in the forms that
 * compilers produce. All other forms and operations go the general path (`core/operations/exec-*.ts`), and so does what a row
 * cannot finish. The rows' numbers (field U_FAST of a micro-op), the interpreter's cases and the second tier follow from here.
 */
import { INTERCEPT_PAUSE } from '../core/state/layout';
import { calls, controls, interpretedOnly } from './interpreted';
import {
  CONDITIONS,
  type Bits,
  type Definition,
  type Expression,
  type Operation,
  type Operator,
  type Place,
} from './definition';

const RAX = { register: 0 } as const;
const RDX = { register: 16 } as const;
const RSP = 32;
const RBP = 40;

function compute(operator: Operator, left: Expression, right: Expression): Expression {
  return { operator, left, right };
}

const PLACES: Record<string, Place> = { R: 'R1', M: 'memory', I: 'immediate' };

/** First and second operand of forms such as `RM`. */
function operands(form: string): { first: Place; second: Place } {
  const second = form[1] === 'R' ? 'R2' : PLACES[form[1]];
  return { first: PLACES[form[0]], second };
}

/** Rows of one operation in several forms and sizes. */
function rows(
  name: string,
  forms: readonly string[],
  sizes: readonly Bits[],
  define: (form: string, bits: Bits) => Definition,
): Operation[] {
  return sizes.flatMap((bits) =>
    forms.map((form) => ({ name: `${name}_${form}${bits}`, definition: define(form, bits) })),
  );
}

const BINARY = ['RR', 'RI', 'RM', 'MR', 'MI'];
const REGISTERS = ['RR', 'RI'];

/** ADD and SUB: their flags come from the operands. */
function sum(name: 'ADD' | 'SUB', operator: '+' | '-'): Operation[] {
  const define = (form: string, bits: Bits): Definition => ({
    ...operands(form),
    bits,
    signed: true,
    stores: form[0] === 'M',
    value: compute(operator, 'first', 'second'),
    flags: { kind: name, a: 'first', b: 'second' },
    to: PLACES[form[0]],
  });
  return [...rows(name, BINARY, [64, 32], define), ...rows(name, REGISTERS, [8], define)];
}

/** AND, OR and XOR: their flags come from the result. */
function logic(name: string, operator: '&' | '|' | '^'): Operation[] {
  const define = (form: string, bits: Bits): Definition => ({
    ...operands(form),
    bits,
    signed: true,
    stores: form[0] === 'M',
    value: compute(operator, 'first', 'second'),
    flags: { kind: 'SUB', a: 'value', b: 0 },
    to: PLACES[form[0]],
  });
  return [...rows(name, BINARY, [64, 32], define), ...rows(name, REGISTERS, [8], define)];
}

/** CMP and TEST: flags alone. */
const comparisons: Operation[] = [
  ...rows('CMP', BINARY, [64, 32, 8], (form, bits) => ({
    ...operands(form),
    bits,
    signed: true,
    flags: { kind: 'SUB', a: 'first', b: 'second' },
  })),
  ...rows('TEST', ['RR', 'RI', 'MR', 'MI'], [64, 32, 8], (form, bits) => ({
    ...operands(form),
    bits,
    signed: true,
    value: compute('&', 'first', 'second'),
    flags: { kind: 'SUB', a: 'value', b: 0 },
  })),
];

function move(form: string, bits: Bits): Definition {
  return {
    second: operands(form).second,
    bits,
    stores: form[0] === 'M',
    value: 'second',
    to: PLACES[form[0]],
  };
}

const moves: Operation[] = [
  ...rows('MOV', ['RR'], [64, 32, 8], move),
  ...rows('MOV', ['RM', 'MR', 'MI'], [64, 32, 16, 8], move),
  // The decoder has cut the immediate to the operand size.
  { name: 'MOV_RI', definition: move('RI', 64) },
  { name: 'MOV_RI8', definition: move('RI', 8) },
  ...([64, 32] as const).map((bits): Operation => ({
    name: `LEA${bits}`,
    definition: { bits, value: 'effective', to: 'R1' },
  })),
];

/** Sources of `from` bits to registers of `bits`. */
function extensions(name: string, bits: Bits, signed: boolean, sources: readonly Bits[]): Operation[] {
  return rows(name, ['RR', 'RM'], sources, (form, from) => ({
    second: operands(form).second,
    bits,
    from,
    signed,
    value: 'second',
    to: 'R1',
  }));
}

/** RAX by its sign: to itself, or to RDX. */
function widening(name: string, bits: Bits, from: Bits, toRdx: boolean): Operation {
  const value: Expression = toRdx ? compute('>>', 'second', 63) : 'second';
  return { name, definition: { second: RAX, bits, from, signed: true, value, to: toRdx ? RDX : RAX } };
}

/** INC and DEC leave the carry alone. */
function step(name: string, by: 1 | -1): Operation[] {
  return rows(name, ['R', 'M'], [64, 32], (form, bits) => ({
    first: PLACES[form],
    bits,
    signed: true,
    stores: form === 'M',
    value: compute('+', 'first', by),
    flags: { kind: 'INC', a: 'first', b: -by, carry: 'kept' },
    to: PLACES[form],
  }));
}

const unary: Operation[] = [
  ...step('INC', 1),
  ...step('DEC', -1),
  ...rows('NEG', ['R'], [64, 32], (_form, bits) => ({
    first: 'R1',
    bits,
    signed: true,
    value: compute('-', 0, 'first'),
    flags: { kind: 'SUB', a: 0, b: 'first' },
    to: 'R1',
  })),
  ...rows('NOT', ['R'], [64, 32], (_form, bits) => ({
    first: 'R1',
    bits,
    signed: true,
    value: compute('^', 'first', -1),
    to: 'R1',
  })),
];

/** Shifts by an immediate from 2 up, SAR from 1: by 1 the overflow flag is defined, and SAR clears it always. */
function shift(name: string, operator: '<<' | '>>' | '>>>'): Operation[] {
  return rows(name, ['RI'], [64, 32], (_form, bits) => {
    const shifted = compute(operator, 'first', 'immediate');
    const last = operator === '<<' ? compute('-', bits, 'immediate') : compute('-', 'immediate', 1);
    return {
      first: 'R1',
      bits,
      signed: operator === '>>',
      value: operator === '<<' && bits === 32 ? { signed32: shifted } : shifted,
      flags: { kind: 'INC', a: 'value', b: 0, carry: compute('&', compute('>>', 'first', last), 1) },
      to: 'R1',
    };
  });
}

/** IMUL to a register: products that overflow, and wide operands, are left to the general path. */
const products: Operation[] = ([64, 32] as const).flatMap((bits) => [
  ...['RR', 'RM'].map((form): Operation => ({
    name: `IMUL2_${form}${bits}`,
    definition: {
      ...operands(form),
      bits,
      signed: true,
      value: compute('*', 'first', 'second'),
      fits: bits === 64 ? ['first', 'second'] : ['value'],
      flags: { kind: 'SUB', a: 'value', b: 0 },
      to: 'R1',
    },
  })),
  {
    name: `IMUL3_R${bits}`,
    definition: {
      // An immediate never has more than 32 bits.
      second: 'R2',
      bits,
      signed: true,
      value: compute('*', 'second', 'immediate'),
      fits: bits === 64 ? ['second'] : ['value'],
      flags: { kind: 'SUB', a: 'value', b: 0 },
      to: 'R1',
    },
  },
]);

const below = compute('-', { register: RSP }, 8);

const stack: Operation[] = [
  ...(['R', 'I'] as const).map((form): Operation => ({
    name: `PUSH_${form}`,
    definition: {
      second: PLACES[form],
      bits: 64,
      address: below,
      stores: true,
      value: 'second',
      sets: [[RSP, 'address']],
      to: 'memory',
    },
  })),
  {
    name: 'POP_R',
    definition: {
      bits: 64,
      address: { register: RSP },
      sets: [[RSP, compute('+', 'address', 8)]],
      value: 'memory',
      to: 'R1',
    },
  },
  {
    name: 'LEAVE',
    definition: {
      bits: 64,
      address: { register: RBP },
      sets: [[RSP, compute('+', 'address', 8)]],
      value: 'memory',
      to: { register: RBP },
    },
  },
];

const conditional: Operation[] = CONDITIONS.flatMap((condition): Operation[] => [
  { name: `SET${condition}_R`, definition: { bits: 8, condition, value: 'holds', to: 'R1' } },
  // The register is written either way: at 32 bits its upper half goes.
  ...rows(`CMOV${condition}`, ['RR'], [64, 32], (form, bits) => ({
    ...operands(form),
    bits,
    condition,
    value: compute('pick', 'second', 'first'),
    to: 'R1',
  })),
]);

/** All rows. A row's number is its position from 1 on; 0 is the general path. */
export const OPERATIONS: readonly Operation[] = [
  ...sum('ADD', '+'),
  ...sum('SUB', '-'),
  ...logic('AND', '&'),
  ...logic('OR', '|'),
  ...logic('XOR', '^'),
  ...comparisons,
  ...moves,
  ...extensions('MOVZX', 64, false, [8, 16]),
  ...extensions('MOVSX32', 32, true, [8, 16]),
  ...extensions('MOVSX64', 64, true, [8, 16, 32]),
  ...unary,
  ...shift('SHL', '<<'),
  ...shift('SHR', '>>>'),
  ...shift('SAR', '>>'),
  widening('CDQE', 64, 32, false),
  widening('CWDE', 32, 16, false),
  widening('CQO', 64, 64, true),
  widening('CDQ', 32, 32, true),
  { name: 'NOP', definition: { bits: 64 } },
  { name: 'PAUSE', definition: { bits: 64, intercept: INTERCEPT_PAUSE } },
  ...stack,
  ...controls,
  ...conditional,
  ...products,
  ...interpretedOnly,
  ...calls,
];

/** Done by `core/run/direct.ts`, not by the inner loop itself. */
const DIRECT = ['IN', 'OUT', 'PUSHF', 'POPF'];
/** The block has a compiled region: B_FAST of its header is the micro-op's own operation. */
const REGION_NAME = 'REGION';

/** Names of all numbers of U_FAST from 1 on. */
export const FAST_NAMES: readonly string[] = [...OPERATIONS.map(({ name }) => name), ...DIRECT, REGION_NAME];

const numbers: ReadonlyMap<string, number> = new Map(FAST_NAMES.map((name, i) => [name, i + 1]));

/** Number of the row of a name, or 0: there is none, and the general path has it. */
export function operationNumber(name: string): number {
  return numbers.get(name) ?? 0;
}

/** Number of a row that has to be there; throws RangeError when it is not. */
export function numberOf(name: string): number {
  const number = numbers.get(name);
  if (number === undefined) throw new RangeError(`no operation ${name} in the table of operations`);
  return number;
}

export const REGION = numberOf(REGION_NAME);
