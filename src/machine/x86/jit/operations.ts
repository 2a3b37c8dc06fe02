/**
 * How each of the inner loop's operations that is not a branch is compiled. Found by the operation's name (`core/fast-ops.ts`:
 * operation, operand forms, bits), so that a form added there is met here by the same rule, or not compiled at all.
 */
import * as fast from '../core/operations/fast-ops';
import * as L from '../core/state/layout';
import { carryBit, condition, type Condition } from './conditions';
import { CCA, CCB, CC, CPU, X, Y, type Emitter } from './emitter';
import { Op } from './wasm-writer';

/** Emits one micro-op; false, with nothing emitted that matters, when it cannot: the region then ends before it. */
export type Operation = (e: Emitter) => boolean;

/** Where an operand is: a register field, memory, or the immediate. */
type Form = 'R' | 'M' | 'I';

const RSP = 32;
const RBP = 40;

/** Bits short of 64: what C_CC holds. */
const shiftOf = (bits: number): number => 64 - bits;

function constant(e: Emitter, value: number, local: number): void {
  e.w.i64(value);
  e.w.set(local);
}

/** Pushes the second operand, sign-extended. */
function pushSource(e: Emitter, form: Form, bits: number): void {
  if (form === 'I') e.field(L.U_IMM);
  else if (form === 'R') e.pushRegister(e.u16(L.U_R2), bits, true);
  else e.load(bits, true);
}

const ARITHMETIC: Record<string, number> = {
  ADD: Op.i64Add,
  SUB: Op.i64Sub,
  CMP: Op.i64Sub,
  AND: Op.i64And,
  TEST: Op.i64And,
  OR: Op.i64Or,
  XOR: Op.i64Xor,
};

/** ADD, SUB, AND, OR, XOR, CMP, TEST. */
function binary(name: string, first: Form, second: Form, bits: number): Operation {
  const keeps = name !== 'CMP' && name !== 'TEST';
  const logic = name === 'AND' || name === 'OR' || name === 'XOR' || name === 'TEST';
  const kind = (name === 'ADD' ? L.CC_ADD : L.CC_SUB) | shiftOf(bits);
  return (e) => {
    const { w } = e;
    const inMemory = first === 'M' || second === 'M';
    if (inMemory) {
      e.address();
      e.translate(bits, first === 'M' && keeps ? L.T_WRITE : L.T_READ);
    }
    if (first === 'M') e.load(bits, true);
    else e.pushRegister(e.u16(L.U_R1), bits, true);
    if (logic) {
      pushSource(e, second, bits);
      w.byte(ARITHMETIC[name]);
      w.set(CCA);
      constant(e, 0, CCB);
    } else {
      w.set(X);
      pushSource(e, second, bits);
      w.set(CCB);
      w.get(X);
      w.set(CCA);
    }
    e.setKind(kind);
    if (!keeps) return true;
    const push = (): void => {
      w.get(CCA);
      if (logic) return;
      w.get(CCB);
      w.byte(ARITHMETIC[name]);
    };
    if (first === 'M') e.store(bits, push);
    else {
      push();
      e.popRegister(e.u16(L.U_R1), bits);
    }
    return true;
  };
}

function move(first: Form, second: Form, bits: number): Operation {
  return (e) => {
    const inMemory = first === 'M' || second === 'M';
    if (inMemory) {
      e.address();
      e.translate(bits, first === 'M' ? L.T_WRITE : L.T_READ);
    }
    const push = (): void => {
      if (second === 'I') e.field(L.U_IMM);
      else if (second === 'R') e.pushRegister(e.u16(L.U_R2), bits, false);
      else e.load(bits, false);
    };
    if (first === 'M') e.store(bits, push);
    else {
      push();
      e.popRegister(e.u16(L.U_R1), bits);
    }
    return true;
  };
}

function lea(bits: number): Operation {
  return (e) => {
    e.address();
    e.popRegister(e.u16(L.U_R1), bits);
    return true;
  };
}

/** MOVZX and MOVSX: a source of `from` bits to a register of `bits`. */
function extend(form: Form, from: number, bits: number, signed: boolean): Operation {
  return (e) => {
    if (form === 'M') {
      e.address();
      e.translate(from, L.T_READ);
      e.load(from, signed);
    } else e.pushRegister(e.u16(L.U_R2), from, signed);
    e.popRegister(e.u16(L.U_R1), bits);
    return true;
  };
}

/** INC and DEC of a register or memory: the carry stays. */
function step(by: 1 | -1, form: Form, bits: number): Operation {
  return (e) => {
    const { w } = e;
    if (form === 'M') {
      e.address();
      e.translate(bits, L.T_WRITE);
    }
    w.i64(L.CC_INC | shiftOf(bits));
    carryBit(e);
    w.byte(Op.i64Or);
    w.set(CC);
    e.known = L.CC_INC | shiftOf(bits);
    if (form === 'M') e.load(bits, true);
    else e.pushRegister(e.u16(L.U_R1), bits, true);
    w.set(CCA);
    constant(e, -by, CCB);
    const push = (): void => {
      w.get(CCA);
      w.i64(by);
      w.byte(Op.i64Add);
    };
    if (form === 'M') e.store(bits, push);
    else {
      push();
      e.popRegister(e.u16(L.U_R1), bits);
    }
    return true;
  };
}

function negate(bits: number): Operation {
  return (e) => {
    const { w } = e;
    e.pushRegister(e.u16(L.U_R1), bits, true);
    w.set(CCB);
    constant(e, 0, CCA);
    e.setKind(L.CC_SUB | shiftOf(bits));
    w.i64(0);
    w.get(CCB);
    w.byte(Op.i64Sub);
    e.popRegister(e.u16(L.U_R1), bits);
    return true;
  };
}

function complement(bits: number): Operation {
  return (e) => {
    e.pushRegister(e.u16(L.U_R1), bits, true);
    e.w.i64(-1);
    e.w.byte(Op.i64Xor);
    e.popRegister(e.u16(L.U_R1), bits);
    return true;
  };
}

const SHIFTS: Record<string, number> = { SHL: Op.i64Shl, SHR: Op.i64ShrU, SAR: Op.i64ShrS };

/** Shifts by an immediate from 1 (SAR) or 2 up: the result with the last bit shifted out as carry. */
function shift(name: string, bits: number): Operation {
  return (e) => {
    const { w } = e;
    const count = e.u32(L.U_IMM);
    e.pushRegister(e.u16(L.U_R1), bits, name === 'SAR');
    w.tee(X);
    w.i64(name === 'SHL' ? bits - count : count - 1);
    w.byte(name === 'SAR' ? Op.i64ShrS : Op.i64ShrU);
    w.i64(1);
    w.byte(Op.i64And);
    w.i64(8);
    w.byte(Op.i64Shl);
    w.i64(L.CC_INC | shiftOf(bits));
    w.byte(Op.i64Or);
    w.set(CC);
    e.known = L.CC_INC | shiftOf(bits);
    w.get(X);
    w.i64(count);
    w.byte(SHIFTS[name]);
    if (name === 'SHL' && bits === 32) w.byte(Op.i64Extend32S);
    w.set(CCA);
    constant(e, 0, CCB);
    w.get(CCA);
    e.popRegister(e.u16(L.U_R1), bits);
    return true;
  };
}

/** Pushes whether X, or Y, is beyond 32 bits signed. */
function wide(e: Emitter, local: number): void {
  const { w } = e;
  w.get(local);
  w.byte(Op.i64Extend32S);
  w.get(local);
  w.byte(Op.i64Ne);
}

/** IMUL with a register for result; products that overflow, and wide operands, are left to the general path. */
function multiply(three: boolean, form: Form, bits: number): Operation {
  return (e) => {
    const { w } = e;
    if (form === 'M') {
      e.address();
      e.translate(bits, L.T_READ);
    }
    e.pushRegister(e.u16(three ? L.U_R2 : L.U_R1), bits, true);
    w.set(X);
    if (three) e.field(L.U_IMM);
    else pushSource(e, form, bits);
    w.set(Y);
    if (bits === 64) {
      wide(e, X);
      wide(e, Y);
      w.byte(Op.i32Or);
      e.leaveIf();
    }
    w.get(X);
    w.get(Y);
    w.byte(Op.i64Mul);
    w.set(X);
    if (bits === 32) {
      wide(e, X);
      e.leaveIf();
    }
    w.get(X);
    w.set(CCA);
    constant(e, 0, CCB);
    e.setKind(L.CC_SUB | shiftOf(bits));
    w.get(X);
    e.popRegister(e.u16(L.U_R1), bits);
    return true;
  };
}

function push(form: Form): Operation {
  return (e) => {
    if (form === 'M') return false;
    pushStack(e, () => (form === 'I' ? e.field(L.U_IMM) : e.pushRegister(e.u16(L.U_R1), 64, false)));
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

function pop(e: Emitter): boolean {
  const { w } = e;
  e.pushRegister(RSP, 64, false);
  e.translate(64, L.T_READ);
  e.pushRegister(RSP, 64, false);
  w.i64(8);
  w.byte(Op.i64Add);
  e.popRegister(RSP, 64);
  e.load(64, false);
  e.popRegister(e.u16(L.U_R1), 64);
  return true;
}

function leave(e: Emitter): boolean {
  const { w } = e;
  e.pushRegister(RBP, 64, false);
  w.tee(X);
  e.translate(64, L.T_READ);
  w.get(X);
  w.i64(8);
  w.byte(Op.i64Add);
  e.popRegister(RSP, 64);
  e.load(64, false);
  e.popRegister(RBP, 64);
  return true;
}

function setIf(name: Condition): Operation {
  return (e) => {
    if (!condition(e, name)) return false;
    e.w.byte(Op.i64ExtendI32U);
    e.popRegister(e.u16(L.U_R1), 8);
    return true;
  };
}

/** The register is written either way: at 32 bits its upper half goes. */
function moveIf(name: Condition, bits: number): Operation {
  return (e) => {
    const { w } = e;
    if (!condition(e, name)) return false;
    w.byte(Op.i64ExtendI32U);
    w.set(X);
    e.pushRegister(e.u16(L.U_R2), bits, false);
    e.pushRegister(e.u16(L.U_R1), bits, false);
    w.get(X);
    w.byte(Op.i32WrapI64);
    w.byte(Op.select);
    e.popRegister(e.u16(L.U_R1), bits);
    return true;
  };
}

/** CDQE, CWDE, CQO, CDQ: RAX by sign to itself or to RDX. */
function widen(from: number, bits: number, toRdx: boolean): Operation {
  return (e) => {
    e.pushRegister(0, from, true);
    if (toRdx) {
      e.w.i64(63);
      e.w.byte(Op.i64ShrS);
    }
    e.popRegister(toRdx ? 16 : 0, bits);
    return true;
  };
}

/** PAUSE is a NOP, unless the policy intercepts it. */
function pause(e: Emitter): boolean {
  const { w } = e;
  w.get(CPU);
  w.memory(Op.i32Load, L.C_INTERCEPTS);
  w.i32(1 << L.INTERCEPT_PAUSE);
  w.byte(Op.i32And);
  e.leaveIf();
  return true;
}

const FIXED: Record<string, Operation> = {
  MOV_RI: move('R', 'I', 64),
  LEA64: lea(64),
  LEA32: lea(32),
  CDQE: widen(32, 64, false),
  CWDE: widen(16, 32, false),
  CQO: widen(64, 64, true),
  CDQ: widen(32, 32, true),
  NOP: () => true,
  PAUSE: pause,
  PUSH_R: push('R'),
  PUSH_I: push('I'),
  POP_R: pop,
  LEAVE: leave,
};

/** Names by shape, and what makes the operation from their parts. */
const SHAPES: readonly [RegExp, (...parts: string[]) => Operation][] = [
  [
    /^(ADD|SUB|AND|OR|XOR|CMP|TEST)_([RM])([RMI])(64|32|8)$/,
    (name, first, second, bits) => binary(name, first as Form, second as Form, +bits),
  ],
  [/^MOV_([RM])([RMI])(64|32|16|8)$/, (first, second, bits) => move(first as Form, second as Form, +bits)],
  [/^MOVZX_R([RM])(8|16)$/, (form, from) => extend(form as Form, +from, 64, false)],
  [/^MOVSX(32|64)_R([RM])(8|16|32)$/, (bits, form, from) => extend(form as Form, +from, +bits, true)],
  [/^INC_([RM])(64|32)$/, (form, bits) => step(1, form as Form, +bits)],
  [/^DEC_([RM])(64|32)$/, (form, bits) => step(-1, form as Form, +bits)],
  [/^NEG_R(64|32)$/, (bits) => negate(+bits)],
  [/^NOT_R(64|32)$/, (bits) => complement(+bits)],
  [/^(SHL|SHR|SAR)_RI(64|32)$/, (name, bits) => shift(name, +bits)],
  [/^IMUL2_R([RM])(64|32)$/, (form, bits) => multiply(false, form as Form, +bits)],
  [/^IMUL3_R(64|32)$/, (bits) => multiply(true, 'R', +bits)],
  [/^SET([A-Z]+)_R$/, (name) => setIf(name as Condition)],
  [/^CMOV([A-Z]+)_RR(64|32)$/, (name, bits) => moveIf(name as Condition, +bits)],
];

function operationOf(name: string): Operation | undefined {
  if (FIXED[name]) return FIXED[name];
  for (const [shape, make] of SHAPES) {
    const parts = shape.exec(name);
    if (parts) return make(...parts.slice(1));
  }
  return undefined;
}

/** Operations by their number; undefined where a region has to end. */
export const operations: readonly (Operation | undefined)[] = (() => {
  const table: (Operation | undefined)[] = [];
  for (const [name, number] of Object.entries(fast)) table[number] = operationOf(name.slice(2));
  return table;
})();
