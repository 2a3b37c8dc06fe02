/** Conditions of Jcc, SETcc and CMOVcc, and the carry, from the flags as the core keeps them (`CC_*` of layout.ts). */
import * as L from '../core/state/layout';
import type { Condition } from '../operations/definition';
import { CC, CCA, CCB, UNKNOWN, type Emitter } from './emitter';
import { Op } from './wasm-writer';

const FLAG_CF = 1;
const FLAG_ZF = 64;

/** Comparisons of the two operands that a subtraction leaves. */
const COMPARE: Record<Exclude<Condition, 'S' | 'NS'>, number> = {
  B: Op.i64LtU,
  AE: Op.i64GeU,
  E: Op.i64Eq,
  NE: Op.i64Ne,
  BE: Op.i64LeU,
  A: Op.i64GtU,
  L: Op.i64LtS,
  GE: Op.i64GeS,
  LE: Op.i64LeS,
  G: Op.i64GtS,
};

function operands(e: Emitter, compare: number): void {
  e.w.get(CCA);
  e.w.get(CCB);
  e.w.byte(compare);
}

/** Pushes CCA + CCB or CCA - CCB, its top bit at bit 63; `shift` undefined takes the one in CC. */
function result(e: Emitter, operation: number, shift: number | undefined): void {
  const { w } = e;
  operands(e, operation);
  if (shift === 0) return;
  if (shift === undefined) w.get(CC);
  else w.i64(shift);
  w.byte(Op.i64Shl);
}

/** Pushes a bit of the flags themselves as an i32. */
function raw(e: Emitter, flag: number, holds: boolean): void {
  const { w } = e;
  w.get(CCA);
  w.i64(flag);
  w.byte(Op.i64And);
  w.byte(Op.i64Eqz);
  if (holds) w.byte(Op.i32Eqz);
}

/** The sum's carry: it is below an operand, both moved to the top. */
function addCarry(e: Emitter, shift: number | undefined, holds: boolean): void {
  const { w } = e;
  result(e, Op.i64Add, shift);
  w.get(CCB);
  if (shift !== 0) {
    if (shift === undefined) w.get(CC);
    else w.i64(shift);
    w.byte(Op.i64Shl);
  }
  w.byte(holds ? Op.i64LtU : Op.i64GeU);
}

/** The carry that an INC or a shift keeps beside its result. */
function keptCarry(e: Emitter, holds: boolean): void {
  const { w } = e;
  w.get(CC);
  w.i64(L.CC_CARRY);
  w.byte(Op.i64And);
  w.byte(Op.i64Eqz);
  if (holds) w.byte(Op.i32Eqz);
}

/** Pushes the condition for flags of a known class; false when that class needs the general path. */
function knownCondition(e: Emitter, name: Condition): boolean {
  const kind = e.known & L.CC_CLASS;
  const shift = e.known & 63;
  const equal = name === 'E' || name === 'NE';
  const carry = name === 'B' || name === 'AE';
  const sign = name === 'S' || name === 'NS';
  if (kind === L.CC_SUB || (kind === L.CC_INC && !carry && name !== 'BE' && name !== 'A')) {
    if (sign) {
      result(e, Op.i64Sub, shift);
      e.w.i64(0);
      e.w.byte(name === 'S' ? Op.i64LtS : Op.i64GeS);
    } else operands(e, COMPARE[name]);
    return true;
  }
  if (kind === L.CC_INC && carry) keptCarry(e, name === 'B');
  else if (kind === L.CC_RAW && equal) raw(e, FLAG_ZF, name === 'E');
  else if (kind === L.CC_RAW && carry) raw(e, FLAG_CF, name === 'B');
  else if (kind === L.CC_ADD && carry) addCarry(e, shift, name === 'B');
  else if (kind === L.CC_ADD && (equal || sign)) {
    result(e, Op.i64Add, shift);
    e.w.i64(0);
    e.w.byte(sign ? (name === 'S' ? Op.i64LtS : Op.i64GeS) : equal && name === 'E' ? Op.i64Eq : Op.i64Ne);
  } else return false;
  return true;
}

/** Pushes whether a bit of CC is set. */
function kindBit(e: Emitter, bits: number): void {
  e.w.get(CC);
  e.w.i64(bits);
  e.w.byte(Op.i64And);
  e.w.byte(Op.i64Eqz);
  e.w.byte(Op.i32Eqz);
}

function unknownEqual(e: Emitter, holds: boolean): void {
  const { w } = e;
  kindBit(e, L.CC_ADD);
  e.choose();
  kindBit(e, L.CC_INC);
  e.choose();
  raw(e, FLAG_ZF, holds);
  w.byte(Op.else);
  result(e, Op.i64Add, undefined);
  w.i64(0);
  w.byte(holds ? Op.i64Eq : Op.i64Ne);
  w.close();
  w.byte(Op.else);
  operands(e, holds ? Op.i64Eq : Op.i64Ne);
  w.close();
}

function unknownCarry(e: Emitter, holds: boolean): void {
  const { w } = e;
  kindBit(e, L.CC_ADD);
  e.choose();
  kindBit(e, L.CC_INC);
  e.choose();
  raw(e, FLAG_CF, holds);
  w.byte(Op.else);
  addCarry(e, undefined, holds);
  w.close();
  w.byte(Op.else);
  kindBit(e, L.CC_INC);
  e.choose();
  keptCarry(e, holds);
  w.byte(Op.else);
  operands(e, holds ? Op.i64LtU : Op.i64GeU);
  w.close();
  w.close();
}

/**
 * Pushes an i32 that tells whether the condition holds; false, with nothing pushed, when the flags are of a class that only
 * the general path can judge. For flags of an unknown class it leaves the region before the micro-op if they turn out so.
 */
export function condition(e: Emitter, name: Condition): boolean {
  if (e.known !== UNKNOWN) return knownCondition(e, name);
  if (name === 'E' || name === 'NE') unknownEqual(e, name === 'E');
  else if (name === 'B' || name === 'AE') unknownCarry(e, name === 'B');
  else {
    kindBit(e, name === 'BE' || name === 'A' ? L.CC_CLASS : L.CC_ADD);
    e.leaveIf();
    if (name === 'S' || name === 'NS') {
      result(e, Op.i64Sub, undefined);
      e.w.i64(0);
      e.w.byte(name === 'S' ? Op.i64LtS : Op.i64GeS);
    } else operands(e, COMPARE[name]);
  }
  return true;
}

/** Pushes CC_CARRY if the carry flag is set, 0 otherwise, as an i64: what INC keeps. */
export function carryBit(e: Emitter): void {
  const { w } = e;
  if (e.known === UNKNOWN) unknownCarry(e, true);
  else knownCondition(e, 'B');
  w.byte(Op.i64ExtendI32U);
  w.i64(8);
  w.byte(Op.i64Shl);
}
