/**
 * How an operation of the inner loop is written down, once for the interpreter and for the second tier: what it reads, what
 * it computes, which flags it leaves and where its result goes. `interpreter.ts` prints the interpreter's source from it,
 * `jit/operations.ts` emits WebAssembly.
 */

/** Sizes of operands and results. */
export type Bits = 8 | 16 | 32 | 64;

/** A value by its name. */
export type Atom =
  | 'first' // the first operand, extended to 64 bits
  | 'second' // the second operand, likewise
  | 'immediate' // U_IMM, a constant to compiled code
  | 'value' // what the operation has computed
  | 'address' // the address of the operation's memory access
  | 'effective' // the address of the memory operand, which is not accessed
  | 'memory' // what stands in memory
  | 'holds'; // 1 where the operation's condition holds, else 0

/** Operators on 64-bit values. '>>' is arithmetic, '>>>' logical; 'pick' gives its left side where the condition holds. */
export type Operator = '+' | '-' | '*' | '&' | '|' | '^' | '<<' | '>>' | '>>>' | 'pick';

/** What can be computed. `signed32` is the value of the low 32 bits. */
export type Expression =
  | number
  | Atom
  | { readonly register: number }
  | { readonly signed32: Expression }
  | { readonly operator: Operator; readonly left: Expression; readonly right: Expression };

/** Where an operand is: the micro-op's first or second register, memory, its immediate, or a fixed register's offset. */
export type Place = 'R1' | 'R2' | 'memory' | 'immediate' | { readonly register: number };

/** Conditions of Jcc, SETcc and CMOVcc by their names in mnemonics; parity and overflow are left to the general path. */
export const CONDITIONS = ['B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'L', 'GE', 'LE', 'G'] as const;
export type Condition = (typeof CONDITIONS)[number];

/** Flags as they are kept (`CC_*` of layout.ts): the class, and the two operands that the class works them out from. */
export interface Flags {
  kind: 'ADD' | 'SUB' | 'INC';
  a: Expression;
  b: Expression;
  /** Of class INC: the carry flag, as it was or as bit 0 of a value. */
  carry?: 'kept' | Expression;
}

/** One operation. Everything is read before anything is written; where it cannot be done in place nothing has been written. */
export interface Definition {
  /** Of the access and of registers that are written; of what is read unless `from` says otherwise. */
  bits: Bits;
  /** Of the second operand, where it is narrower. */
  from?: Bits;
  first?: Place;
  second?: Place;
  /** Operands are sign-extended; otherwise zero-extended. */
  signed?: boolean;
  /** Where in memory, if not at the micro-op's memory operand. */
  address?: Expression;
  /** Memory is written. */
  stores?: boolean;
  /** Left to the general path where the policy intercepts this (`INTERCEPT_*`). */
  intercept?: number;
  condition?: Condition;
  value?: Expression;
  /** Left to the general path unless these are values of 32 bits, signed. */
  fits?: readonly ('first' | 'second' | 'value')[];
  flags?: Flags;
  /** Registers that are written before the result, as offsets. */
  sets?: readonly (readonly [register: number, to: Expression])[];
  /** Where the value goes; left out: nowhere. */
  to?: Place;
}

/** A row of the table. */
export interface Operation {
  /** Operation, operand forms (R register, M memory, I immediate, C the count in CL) and bits, as in `ADD_RM64`. */
  name: string;
  /** For both tiers. */
  definition?: Definition;
  /** For the interpreter alone, AssemblyScript: the second tier leaves such an operation to it. */
  interpreted?: readonly string[];
}

/** Names within an expression. */
export function mentions(expression: Expression | undefined, atom: Atom): boolean {
  if (expression === undefined || typeof expression === 'number') return false;
  if (typeof expression === 'string') return expression === atom;
  if ('signed32' in expression) return mentions(expression.signed32, atom);
  if ('operator' in expression) return mentions(expression.left, atom) || mentions(expression.right, atom);
  return false;
}

/** All expressions of a definition. */
export function expressionsOf(d: Definition): Expression[] {
  const carry = d.flags?.carry;
  return [
    d.value,
    d.flags?.a,
    d.flags?.b,
    carry === 'kept' ? undefined : carry,
    ...(d.sets ?? []).map(([, to]) => to),
  ].filter((each) => each !== undefined);
}

/** Whether a definition needs to read something. */
export function uses(d: Definition, atom: Atom): boolean {
  if ((d.fits ?? []).some((each) => each === atom)) return true;
  return expressionsOf(d).some((each) => mentions(each, atom));
}

/** Whether memory is accessed. */
export function accessesMemory(d: Definition): boolean {
  return d.first === 'memory' || d.second === 'memory' || d.to === 'memory' || d.address !== undefined;
}
