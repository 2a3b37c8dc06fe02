/** IN and OUT, and who may use them (SDM vol. 1, 19.5). */
import {
  C_CPL,
  C_FLAGS,
  C_REGS,
  K_IMM,
  PORT_IMMEDIATE,
  SEG_TR,
  S_BASE,
  S_LIMIT,
  U_IMM,
  U_K2,
  U_SIZE,
} from '../state/layout';
import { loadSystem } from './access';
import { notePort, watching } from '../run/debug';
import { readPort, writePort } from '../state/callout';
import { segment } from '../transfer/segments';
import { FLAG_IOPL, VECTOR_GP, faultWith, faulted, writeReg } from '../state/state';

/** CPL within IOPL, or every bit of the TSS's permission map for these ports clear; else #GP(0). */
export function portAllowed(cpu: i32, port: i32, size: i32): bool {
  if (!permitted(cpu, port, size)) return false;
  if (watching) notePort(cpu, port, size);
  return true;
}

function permitted(cpu: i32, port: i32, size: i32): bool {
  if (load<i32>(cpu, C_CPL) <= <i32>((load<i64>(cpu, C_FLAGS) & FLAG_IOPL) >> 12)) return true;
  const tr = segment(cpu, SEG_TR);
  const base = load<i64>(tr, S_BASE);
  const limit = load<u32>(tr, S_LIMIT);
  if (limit >= 103) {
    const map = <u32>loadSystem(cpu, base + 102, 2);
    if (faulted()) return false;
    const first = map + <u32>(port >> 3);
    // Two bytes are always read, so that ports over a byte's edge are seen.
    if (first + 1 <= limit) {
      const bits = <i32>loadSystem(cpu, base + <i64>first, 2);
      if (faulted()) return false;
      if (!((bits >> (port & 7)) & ((1 << size) - 1))) return true;
    }
  }
  faultWith(VECTOR_GP, 0);
  return false;
}

function portOf(cpu: i32, pc: i32): i32 {
  return load<u8>(pc, U_K2) == K_IMM ? (<i32>load<i64>(pc, U_IMM)) & 0xff : load<u16>(cpu, C_REGS + 16);
}

/** How the instruction names it. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function portForm(pc: i32): i32 {
  return load<u8>(pc, U_K2) == K_IMM ? PORT_IMMEDIATE : 0;
}

export function execIn(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const port = portOf(cpu, pc);
  if (!portAllowed(cpu, port, size)) return;
  const value = readPort(cpu, port, size, portForm(pc));
  if (!faulted()) writeReg(cpu, 0, size, value);
}

export function execOut(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const port = portOf(cpu, pc);
  if (!portAllowed(cpu, port, size)) return;
  const value = load<i32>(cpu) & (size == 4 ? -1 : size == 2 ? 0xffff : 0xff);
  writePort(cpu, port, size, portForm(pc), value);
}
