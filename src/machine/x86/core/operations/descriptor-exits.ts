/**
 * Descriptor-table exiting (SDM vol. 3, 25.6.2): the instructions that read or write GDTR, IDTR, LDTR and TR leave as a whole. Faults by
 * privilege level come first, those of the memory operand after (26.1.1).
 */
import {
  C_REGS,
  C_ZERO,
  INTERCEPT_GDTR_IDTR,
  INTERCEPT_LDTR_TR,
  K_REG,
  U_ASIZE,
  U_BASE,
  U_DISP,
  U_EXT,
  U_INDEX,
  U_K1,
  U_R1,
  U_SCALE,
  U_SEGX,
} from '../state/layout';
import { leaves, passes } from '../state/intercept';

/** Instruction identities (tables 28-10 and 28-11): the low bit chooses the register, the high one the direction. */
export const SECOND_REGISTER = 1;
export const LOADS = 2;

const REGISTER_OPERAND = 1 << 10;
const OPERAND_32 = 1 << 11;
const INDEX_INVALID = 1 << 22;
const BASE_INVALID = 1 << 27;

function registerNumber(offset: i32): i32 {
  return (offset - C_REGS) >> 3;
}

/** The memory operand as VM-exit instruction information tells of it; what is undefined is 0. */
function memoryOperand(pc: i32): i32 {
  const base = <i32>load<u16>(pc, U_BASE);
  const index = <i32>load<u16>(pc, U_INDEX);
  const addressSize = load<u8>(pc, U_ASIZE) >> 2;
  let information = (<i32>addressSize << 7) | (<i32>load<u8>(pc, U_SEGX) << 15);
  if (index == C_ZERO) information |= INDEX_INVALID;
  else information |= <i32>load<u8>(pc, U_SCALE) | (registerNumber(index) << 18);
  return information | (base == C_ZERO ? BASE_INVALID : registerNumber(base) << 23);
}

/** LGDT, LIDT, SGDT and SIDT. True: the instruction goes on. */
export function globalTableAdmitted(cpu: i32, pc: i32, identity: i32): bool {
  if (!leaves(cpu, INTERCEPT_GDTR_IDTR)) return true;
  const size = load<u8>(pc, U_EXT) ? 0 : OPERAND_32;
  return passes(cpu, INTERCEPT_GDTR_IDTR, memoryOperand(pc) | size | (identity << 28), load<i64>(pc, U_DISP));
}

/** LLDT, LTR, SLDT and STR. */
export function selectorAdmitted(cpu: i32, pc: i32, identity: i32): bool {
  if (!leaves(cpu, INTERCEPT_LDTR_TR)) return true;
  const register = load<u8>(pc, U_K1) == K_REG;
  const operand = register ? REGISTER_OPERAND | (registerNumber(load<u16>(pc, U_R1)) << 3) : memoryOperand(pc);
  return passes(cpu, INTERCEPT_LDTR_TR, operand | (identity << 28), register ? 0 : load<i64>(pc, U_DISP));
}
