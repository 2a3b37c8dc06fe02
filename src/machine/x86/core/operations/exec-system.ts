/** System operations: interrupt flag, HLT, VMCALL, descriptor tables and segment registers. */
import {
  C_CPL,
  C_CR4,
  C_FLAGS,
  C_IDT_BASE,
  C_INDEX,
  C_SHADOW,
  C_SHADOW_SS,
  C_WINDOW,
  K_REG,
  SEG_CS,
  SEG_SS,
  SEG_TR,
  STOP_HALTED,
  U_EXT,
  U_IMM,
  U_K1,
  U_SIZE,
} from '../state/layout';
import { loadMemory, probeWrite, storeMemory } from '../memory/access';
import { hostCpuid, hostHlt, hostMissingInstruction, hostVmcall } from '../state/host';
import { admitted } from '../state/intercept';
import { LOADS, SECOND_REGISTER, globalTableAdmitted, selectorAdmitted } from './descriptor-exits';
import { effectiveAddress, put1, read1, wishStop, wishStopSoon } from './operands';
import { canonical } from '../memory/tlb';
import { loadDataSegment, selectorOf } from '../transfer/segments';
import {
  CR4_UMIP,
  FLAG_TF,
  FLAG_IF,
  FLAG_IOPL,
  VECTOR_GP,
  VECTOR_UD,
  fault,
  faultWith,
  faulted,
  needRing0,
  retired,
} from '../state/state';

/** The interrupt shadow: no interrupt is taken before the instruction after this one has retired. */
export function setShadow(cpu: i32): void {
  store<f64>(cpu, retired(cpu) + 1, C_SHADOW);
  if (load<i32>(cpu, C_WINDOW)) wishStopSoon();
}

/** CLI and STI need CPL within IOPL. */
function interruptFlagAllowed(cpu: i32): bool {
  if (load<i32>(cpu, C_CPL) <= <i32>((load<i64>(cpu, C_FLAGS) & FLAG_IOPL) >> 12)) return true;
  faultWith(VECTOR_GP, 0);
  return false;
}

export function execCli(cpu: i32): void {
  if (interruptFlagAllowed(cpu)) store<i64>(cpu, load<i64>(cpu, C_FLAGS) & ~FLAG_IF, C_FLAGS);
}

/** The shadow of a load of SS holds back #DB and NMIs as well (SDM vol. 3, 6.8.3). */
export function setStackShadow(cpu: i32): void {
  setShadow(cpu);
  store<f64>(cpu, retired(cpu) + 1, C_SHADOW_SS);
}

export function execSti(cpu: i32): void {
  if (!interruptFlagAllowed(cpu)) return;
  const flags = load<i64>(cpu, C_FLAGS);
  if (flags & FLAG_IF) return;
  store<i64>(cpu, flags | FLAG_IF, C_FLAGS);
  setShadow(cpu);
}

export function execHlt(cpu: i32): void {
  if (!needRing0(cpu)) return;
  // A single-step trap follows at once, and would end the halt.
  if (load<i64>(cpu, C_FLAGS) & FLAG_TF) return;
  hostHlt(load<i32>(cpu, C_INDEX));
  wishStop(STOP_HALTED);
}

/** WBINVD and INVD: there is no cache. */
export function execCacheControl(cpu: i32, reason: i32): void {
  if (needRing0(cpu)) admitted(cpu, reason, 0);
}

/** CPUID is answered outside, on a bare machine too. */
export function execCpuid(cpu: i32): void {
  hostCpuid(load<i32>(cpu, C_INDEX));
}

/** An instruction that the vCPU does not have: U_IMM is its mnemonic. */
export function execMissing(cpu: i32, pc: i32): void {
  hostMissingInstruction(load<i32>(cpu, C_INDEX), load<i32>(pc, U_IMM));
  fault(VECTOR_UD);
}

export function execVmcall(cpu: i32): void {
  if (!hostVmcall(load<i32>(cpu, C_INDEX))) fault(VECTOR_UD);
}

/** LGDT and LIDT; `base` and `limit` are where the register is kept. */
export function execLoadTable(cpu: i32, pc: i32, base: i32, limit: i32): void {
  if (!needRing0(cpu) || !globalTableAdmitted(cpu, pc, LOADS | tableNumber(base))) return;
  const bytes = <i32>load<u8>(pc, U_SIZE) - 2;
  const at = effectiveAddress(cpu, pc, bytes + 2, false);
  if (faulted()) return;
  const newLimit = <i32>loadMemory(cpu, at, 2);
  if (faulted()) return;
  let newBase = loadMemory(cpu, at + 2, bytes);
  if (faulted()) return;
  // With 16-bit operands the base has 24 bits.
  if (load<u8>(pc, U_EXT)) newBase &= 0xffffff;
  if (!canonical(newBase)) return faultWith(VECTOR_GP, 0);
  store<i64>(cpu + base, newBase);
  store<i32>(cpu + limit, newLimit);
}

function tableNumber(base: i32): i32 {
  return base == C_IDT_BASE ? SECOND_REGISTER : 0;
}

/** User-mode instruction prevention: #GP(0). */
function umip(cpu: i32): bool {
  if (!(load<i64>(cpu, C_CR4) & CR4_UMIP) || load<i32>(cpu, C_CPL) == 0) return false;
  faultWith(VECTOR_GP, 0);
  return true;
}

export function execStoreTable(cpu: i32, pc: i32, base: i32, limit: i32): void {
  if (umip(cpu) || !globalTableAdmitted(cpu, pc, tableNumber(base))) return;
  const bytes = <i32>load<u8>(pc, U_SIZE) - 2;
  const at = effectiveAddress(cpu, pc, bytes + 2, true);
  if (faulted() || !probeWrite(cpu, at, 2) || !probeWrite(cpu, at + 2, bytes)) return;
  storeMemory(cpu, at, 2, load<i32>(cpu + limit));
  if (!faulted()) storeMemory(cpu, at + 2, bytes, load<i64>(cpu + base));
}

/** SMSW: 16 bits to memory, zero-extended to registers. */
export function execStoreSystem(cpu: i32, pc: i32, value: i64): void {
  if (!umip(cpu)) putSystem(cpu, pc, value);
}

/** SLDT and STR likewise. @param index SEG_LDTR or SEG_TR */
export function execStoreSelector(cpu: i32, pc: i32, index: i32): void {
  if (umip(cpu) || !selectorAdmitted(cpu, pc, index == SEG_TR ? SECOND_REGISTER : 0)) return;
  putSystem(cpu, pc, selectorOf(cpu, index));
}

function putSystem(cpu: i32, pc: i32, value: i64): void {
  put1(cpu, pc, load<u8>(pc, U_K1) == K_REG ? <i32>load<u8>(pc, U_SIZE) : 2, value);
}

export function execMovFromSegment(cpu: i32, pc: i32): void {
  const size = load<u8>(pc, U_K1) == K_REG ? <i32>load<u8>(pc, U_SIZE) : 2;
  put1(cpu, pc, size, selectorOf(cpu, load<u8>(pc, U_EXT)));
}

export function execMovToSegment(cpu: i32, pc: i32): void {
  const index = <i32>load<u8>(pc, U_EXT);
  if (index == SEG_CS) return fault(VECTOR_UD);
  const selector = read1(cpu, pc, 2);
  if (faulted()) return;
  loadDataSegment(cpu, index, (<i32>selector) & 0xffff);
  if (!faulted() && index == SEG_SS) setStackShadow(cpu);
}
