/**
 * How the operations of the table that are not branches are compiled: each by its one definition, a value of it in a local
 * as soon as more than one thing needs it.
 */
import * as L from '../core/state/layout';
import {
  accessesMemory,
  uses,
  type Definition,
  type Expression,
  type Flags,
  type Operator,
  type Place,
} from '../operations/definition';
import { OPERATIONS } from '../operations/table';
import { carryBit, condition } from './conditions';
import { AT, CC, CCA, CCB, CPU, X, Y, type Emitter } from './emitter';
import { Op } from './wasm-writer';

/** Emits one micro-op; false, with nothing emitted that matters, when it cannot: the region then ends before it. */
export type Compile = (e: Emitter) => boolean;

const RSP = 32;

const OPCODES: Record<Exclude<Operator, 'pick'>, number> = {
  '+': Op.i64Add,
  '-': Op.i64Sub,
  '*': Op.i64Mul,
  '&': Op.i64And,
  '|': Op.i64Or,
  '^': Op.i64Xor,
  '<<': Op.i64Shl,
  '>>': Op.i64ShrS,
  '>>>': Op.i64ShrU,
};

/** Locals that hold the named values; the address is of no use any more once there is a value, and neither is the condition. */
const LOCALS = { first: X, second: Y, value: AT, address: AT, holds: AT } as const;

/** What a difference of constants and the immediate comes to, which is known now. */
function known(e: Emitter, expression: Expression): number | undefined {
  if (typeof expression === 'number') return expression;
  if (expression === 'immediate') return e.u32(L.U_IMM);
  if (typeof expression !== 'object' || !('operator' in expression) || expression.operator !== '-')
    return undefined;
  const left = known(e, expression.left);
  const right = known(e, expression.right);
  return left === undefined || right === undefined ? undefined : left - right;
}

/** Pushes a value. */
function push(e: Emitter, d: Definition, expression: Expression): void {
  const { w } = e;
  if (typeof expression === 'number') return w.i64(expression);
  switch (expression) {
    case 'immediate':
      return e.field(L.U_IMM);
    case 'effective':
      return e.address();
    case 'memory':
      return e.load(d.bits, false);
    case 'first':
    case 'second':
    case 'value':
    case 'address':
    case 'holds':
      return w.get(LOCALS[expression]);
  }
  if ('register' in expression) return e.pushRegister(expression.register, 64, false);
  if ('signed32' in expression) {
    push(e, d, expression.signed32);
    return w.byte(Op.i64Extend32S);
  }
  pushCombined(e, d, expression);
}

function pushCombined(
  e: Emitter,
  d: Definition,
  expression: { operator: Operator; left: Expression; right: Expression },
): void {
  const { w } = e;
  const constant = known(e, expression);
  if (constant !== undefined) return w.i64(constant);
  push(e, d, expression.left);
  push(e, d, expression.right);
  if (expression.operator !== 'pick') return w.byte(OPCODES[expression.operator]);
  w.get(LOCALS.holds);
  w.byte(Op.i32WrapI64);
  w.byte(Op.select);
}

/** Pushes an operand, extended. */
function pushOperand(e: Emitter, place: Place, bits: number, signed: boolean): void {
  if (place === 'immediate') e.field(L.U_IMM);
  else if (place === 'memory') e.load(bits, signed);
  else e.pushRegister(registerOf(e, place), bits, signed);
}

function registerOf(e: Emitter, place: 'R1' | 'R2' | { readonly register: number }): number {
  if (place === 'R1') return e.u16(L.U_R1);
  return place === 'R2' ? e.u16(L.U_R2) : place.register;
}

/** Leaves the region where the policy intercepts the instruction. */
function checkIntercept(e: Emitter, reason: number): void {
  const { w } = e;
  w.get(CPU);
  w.memory(Op.i32Load, L.C_INTERCEPTS);
  w.i32(1 << reason);
  w.byte(Op.i32And);
  e.leaveIf();
}

function reachMemory(e: Emitter, d: Definition): void {
  if (!accessesMemory(d)) return;
  if (d.address === undefined) e.address();
  else push(e, d, d.address);
  e.translate(d.second === 'memory' ? (d.from ?? d.bits) : d.bits, d.stores ? L.T_WRITE : L.T_READ);
}

/** Leaves the region unless a local is a value of 32 bits, signed. */
function checkFits(e: Emitter, local: number): void {
  const { w } = e;
  w.get(local);
  w.byte(Op.i64Extend32S);
  w.get(local);
  w.byte(Op.i64Ne);
  e.leaveIf();
}

function setFlags(e: Emitter, d: Definition, flags: Flags): void {
  const { w } = e;
  const kind = L[`CC_${flags.kind}`] | (64 - d.bits);
  if (flags.carry !== undefined) {
    w.i64(kind);
    if (flags.carry === 'kept') carryBit(e);
    else {
      push(e, d, flags.carry);
      w.i64(8);
      w.byte(Op.i64Shl);
    }
    w.byte(Op.i64Or);
    w.set(CC);
    e.known = kind;
  } else e.setKind(kind);
  push(e, d, flags.a);
  w.set(CCA);
  push(e, d, flags.b);
  w.set(CCB);
}

/** Writes registers and the result; nothing is in the way any more. */
function write(e: Emitter, d: Definition): void {
  for (const [register, to] of d.sets ?? []) {
    push(e, d, to);
    e.popRegister(register, 64);
  }
  if (d.to === undefined || d.to === 'immediate') return;
  const result = d.value ?? 0;
  // A value that the operation keeps in a local need not be worked out again.
  const again = d.address === undefined ? 'value' : result;
  if (d.to === 'memory') e.store(d.bits, () => push(e, d, again));
  else {
    push(e, d, again);
    e.popRegister(registerOf(e, d.to), d.bits);
  }
}

/** The compiler of a definition. */
function compilerOf(d: Definition): Compile {
  return (e) => {
    const { w } = e;
    if (d.intercept !== undefined) checkIntercept(e, d.intercept);
    if (d.condition) {
      if (!condition(e, d.condition)) return false;
      w.byte(Op.i64ExtendI32U);
      w.set(LOCALS.holds);
    }
    reachMemory(e, d);
    const signed = d.signed ?? false;
    if (d.first && uses(d, 'first')) {
      pushOperand(e, d.first, d.bits, signed);
      w.set(LOCALS.first);
    }
    if (d.second && uses(d, 'second')) {
      pushOperand(e, d.second, d.from ?? d.bits, signed);
      w.set(LOCALS.second);
    }
    if (d.value !== undefined && d.address === undefined) {
      push(e, d, d.value);
      w.set(LOCALS.value);
    }
    for (const each of d.fits ?? []) checkFits(e, LOCALS[each]);
    if (d.flags) setFlags(e, d, d.flags);
    write(e, d);
    return true;
  };
}

/** Pushes onto the guest's stack what `value` pushes. */
export function pushStack(e: Emitter, value: () => void): void {
  const { w } = e;
  e.pushRegister(RSP, 64, false);
  w.i64(8);
  w.byte(Op.i64Sub);
  w.tee(X);
  e.translate(64, L.T_WRITE);
  e.store(64, value);
  w.get(X);
  e.popRegister(RSP, 64);
}

/** By their numbers; undefined where a region has to end. */
export const operations: readonly (Compile | undefined)[] = [
  undefined,
  ...OPERATIONS.map(({ definition }) => definition && compilerOf(definition)),
];
