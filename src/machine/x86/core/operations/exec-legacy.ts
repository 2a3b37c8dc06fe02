/** Instructions that 64-bit code does not have: decimal adjustment, BOUND, and far pointers into segment registers. */
import { C_REGS, U_EXT, U_IMM, U_R1, U_SIZE } from '../state/layout';
import { loadMemory } from '../memory/access';
import { resultFlags, setRaw, statusFlags } from './flags';
import { effectiveAddress } from './operands';
import { loadDataSegment } from '../transfer/segments';
import {
  FLAG_AF,
  FLAG_CF,
  VECTOR_DE,
  fault,
  faulted,
  readReg,
  signExtend,
  writeReg,
} from '../state/state';

/** #BR. */
const VECTOR_BR = 5;
const DECIMAL_CARRY: i64 = FLAG_AF | FLAG_CF;

function al(cpu: i32): i32 {
  return load<u8>(cpu, C_REGS);
}

/** AAA (`by` 0x106) and AAS (`by` −0x106) of AX. The flags but CF and AF are undefined: those of AL. */
export function execAsciiAdjust(cpu: i32, by: i32): void {
  const adjusts = (al(cpu) & 15) > 9 || (statusFlags(cpu) & FLAG_AF) != 0;
  const ax = <i32>load<u16>(cpu, C_REGS) + (adjusts ? by : 0);
  store<u16>(cpu, <u16>(ax & 0xff0f), C_REGS);
  setRaw(cpu, resultFlags(ax & 15, 1) | (adjusts ? DECIMAL_CARRY : 0));
}

/** DAA (`sign` 1) and DAS (`sign` −1). */
export function execDecimalAdjust(cpu: i32, sign: i32): void {
  const old = al(cpu);
  const flags = statusFlags(cpu);
  let value = old;
  let next: i64 = 0;
  if ((old & 15) > 9 || flags & FLAG_AF) {
    value += 6 * sign;
    // Out of a byte: of DAA only from above 0x99, where the second step carries as well.
    next = FLAG_AF | (value < 0 || value > 255 ? FLAG_CF : 0);
  }
  if (old > 0x99 || flags & FLAG_CF) {
    value += 0x60 * sign;
    next |= FLAG_CF;
  }
  store<u8>(cpu, <u8>value, C_REGS);
  setRaw(cpu, resultFlags(value & 255, 1) | next);
}

/** AAM: AL by the immediate, quotient to AH. */
export function execAsciiMultiply(cpu: i32, pc: i32): void {
  const base = load<i32>(pc, U_IMM) & 255;
  if (base == 0) return fault(VECTOR_DE);
  const value = al(cpu);
  store<u8>(cpu, <u8>(value % base), C_REGS);
  store<u8>(cpu, <u8>(value / base), C_REGS + 1);
  setRaw(cpu, resultFlags(value % base, 1));
}

/** AAD: AH times the immediate plus AL, to AL. */
export function execAsciiDivide(cpu: i32, pc: i32): void {
  const value = (al(cpu) + <i32>load<u8>(cpu, C_REGS + 1) * load<i32>(pc, U_IMM)) & 255;
  store<u16>(cpu, <u16>value, C_REGS);
  setRaw(cpu, resultFlags(value, 1));
}

/** SALC: AL from the carry. */
export function execSalc(cpu: i32): void {
  store<u8>(cpu, statusFlags(cpu) & FLAG_CF ? 255 : 0, C_REGS);
}

/** BOUND: #BR unless the register lies between two signed bounds in memory. */
export function execBound(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const address = effectiveAddress(cpu, pc, 2 * size, false);
  if (faulted()) return;
  const lower = signExtend(loadMemory(cpu, address, size), size);
  if (faulted()) return;
  const upper = signExtend(loadMemory(cpu, address + size, size), size);
  if (faulted()) return;
  const index = signExtend(readReg(cpu, load<u16>(pc, U_R1), size), size);
  if (index < lower || index > upper) fault(VECTOR_BR);
}

/** LES, LDS, LSS, LFS, LGS: offset to the register, selector to the segment U_EXT. */
export function execLoadPointer(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const address = effectiveAddress(cpu, pc, size + 2, false);
  if (faulted()) return;
  const offset = loadMemory(cpu, address, size);
  if (faulted()) return;
  const selector = <i32>loadMemory(cpu, address + size, 2);
  if (faulted()) return;
  loadDataSegment(cpu, load<u8>(pc, U_EXT), selector);
  if (!faulted()) writeReg(cpu, load<u16>(pc, U_R1), size, offset);
}
