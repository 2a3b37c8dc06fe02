/** Registers of the decoder as offsets within the core's vCPU block. */
import type { Instruction } from 'iced-x86';
import * as L from '../core/state/layout';
import { MemorySizeExt, OpKind, Register } from './iced';

interface RegisterSlot {
  offset: number;
  size: number;
}

const slots = new Map<number, RegisterSlot>();

function addRange(first: number, count: number, number: number, size: number): void {
  for (let i = 0; i < count; i++) slots.set(first + i, { offset: (number + i) * 8, size });
}

addRange(Register.AL, 4, 0, 1);
for (let i = 0; i < 4; i++) slots.set(Register.AH + i, { offset: i * 8 + 1, size: 1 });
addRange(Register.SPL, 4, 4, 1);
addRange(Register.R8L, 8, 8, 1);
addRange(Register.AX, 16, 0, 2);
addRange(Register.EAX, 16, 0, 4);
addRange(Register.RAX, 16, 0, 8);

/** True for the sixteen general registers and their parts. */
export function isGeneralRegister(register: number): boolean {
  return slots.has(register);
}

/** ES 0 … GS 5, −1 for anything else. */
export function segmentIndex(register: number): number {
  return register >= Register.ES && register <= Register.GS ? register - Register.ES : -1;
}

/** Offset of a general register, or of a segment register's selector. Throws RangeError for others. */
export function registerOffset(register: number): number {
  const segment = segmentIndex(register);
  if (segment >= 0) return L.C_SEGMENTS + segment * L.SEG_SIZE + L.S_SELECTOR;
  const slot = slots.get(register);
  if (!slot) throw new RangeError(`register ${Register[register]} has no place in the vCPU`);
  return slot.offset;
}

/** Bytes of a general register; 0 for others. */
export function registerSize(register: number): number {
  return slots.get(register)?.size ?? 0;
}

/** Bytes of a register or memory operand. */
export function operandBytes(insn: Instruction, operand: number): number {
  return insn.opKind(operand) === OpKind.Register
    ? registerSize(insn.opRegister(operand))
    : MemorySizeExt.size(insn.memorySize);
}
