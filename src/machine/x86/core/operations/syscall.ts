/** Fast system calls (SDM vol. 3, 5.8.7 and 5.8.8). */
import {
  C_AMD,
  C_CPL,
  C_CR0,
  C_CSTAR,
  C_EFER,
  C_LSTAR,
  C_MODE,
  C_PENDING_DB,
  C_SFMASK,
  C_STAR,
  C_SYSENTER_CS,
  C_SYSENTER_EIP,
  C_SYSENTER_ESP,
  C_WINDOW,
  MODE_64,
  SEG_CS,
  SEG_SS,
  U_SIZE,
} from '../state/layout';
import { DR6_BS } from '../run/debug';
import { nextRip } from './exec-flow';
import { allFlags, setAllFlags } from './flags';
import { branchTo } from './operands';
import { canonical } from '../memory/tlb';
import { setSegment } from '../transfer/segments';
import {
  CR0_PE,
  EFER_LMA,
  EFER_SCE,
  FLAG_IF,
  FLAG_RF,
  FLAG_TF,
  FLAG_VM,
  VECTOR_GP,
  VECTOR_UD,
  fault,
  faultWith,
  needRing0,
  setCpl,
  stopAfter,
} from '../state/state';

/** Flat descriptors of 4 GiB, present, accessed: 64-bit code, 32-bit code, data; and what makes them CPL 3's. */
const CODE64: i64 = 0x00af9b000000ffff;
const CODE32: i64 = 0x00cf9b000000ffff;
const DATA: i64 = 0x00cf93000000ffff;
const DPL3: i64 = 0x0000600000000000;
const RSP = 32;
const RCX = 8;
const RDX = 16;
const R11 = 88;
/** Flags that SYSRET loads. */
const SYSRET_FLAGS: i64 = 0x3c7fd7;

/** CS and SS as the fast instructions load them: from the selector alone. The privilege level follows. */
function flatSegments(cpu: i32, cs: i32, ss: i32, code: i64, cpl: i32): void {
  const dpl = cpl == 3 ? DPL3 : 0;
  setSegment(cpu, SEG_CS, cs | cpl, code | dpl);
  setSegment(cpu, SEG_SS, ss | cpl, DATA | dpl);
  setCpl(cpu, cpl);
}

/** EFER.SCE, and 64-bit mode on Intel's; AMD's have the pair in protected and compatibility mode as well. */
function available(cpu: i32): bool {
  if (!(load<i64>(cpu, C_EFER) & EFER_SCE)) return false;
  return load<i32>(cpu, C_MODE) == MODE_64 || (load<i32>(cpu, C_AMD) && load<i64>(cpu, C_CR0) & CR0_PE);
}

/** SYSCALL of legacy mode (AMD64 vol. 2, 6.1.1): no R11, no mask, the target in STAR. */
function legacySyscall(cpu: i32, pc: i32): void {
  const star = load<i64>(cpu, C_STAR);
  const selector = (<i32>(star >> 32)) & 0xfffc;
  store<i64>(cpu, nextRip(cpu, pc) & 0xffffffff, RCX);
  flatSegments(cpu, selector, selector + 8, CODE32, 0);
  setAllFlags(cpu, allFlags(cpu) & ~(FLAG_IF | FLAG_VM | FLAG_RF));
  branchTo(star & 0xffffffff);
}

export function execSyscall(cpu: i32, pc: i32): void {
  if (!available(cpu)) return fault(VECTOR_UD);
  if (!(load<i64>(cpu, C_EFER) & EFER_LMA)) return legacySyscall(cpu, pc);
  const target = load<i32>(cpu, C_MODE) == MODE_64 ? C_LSTAR : C_CSTAR;
  const flags = allFlags(cpu);
  store<i64>(cpu, nextRip(cpu, pc), RCX);
  store<i64>(cpu, flags & ~FLAG_RF, R11);
  const selector = (<i32>(load<i64>(cpu, C_STAR) >> 32)) & 0xfffc;
  flatSegments(cpu, selector, selector + 8, CODE64, 0);
  setAllFlags(cpu, flags & ~(load<i64>(cpu, C_SFMASK) | FLAG_RF));
  branchTo(load<i64>(cpu + target));
}

/**
 * SYSRET; with an operand of 4 bytes it returns to compatibility mode. AMD's go to any address, and fault when they fetch there
 * as the user; outside 64-bit mode they set IF and leave the other flags (AMD64 vol. 3, "SYSRET").
 */
export function execSysret(cpu: i32, pc: i32): void {
  if (!available(cpu)) return fault(VECTOR_UD);
  if (!needRing0(cpu)) return;
  const long = load<u8>(pc, U_SIZE) == 8;
  const target = long ? load<i64>(cpu, RCX) : <i64>load<u32>(cpu, RCX);
  const amd = load<i32>(cpu, C_AMD) != 0;
  if (!amd && !canonical(target)) return faultWith(VECTOR_GP, 0);
  const fromR11 = !amd || load<i32>(cpu, C_MODE) == MODE_64;
  const flags = fromR11 ? load<i64>(cpu, R11) & SYSRET_FLAGS : allFlags(cpu) | FLAG_IF;
  const selector = (<i32>(load<i64>(cpu, C_STAR) >> 48)) & 0xfffc;
  flatSegments(cpu, long ? selector + 16 : selector, selector + 8, long ? CODE64 : CODE32, 3);
  setAllFlags(cpu, flags);
  // The TF that SYSRET loads traps at once, not after the next instruction; it may have come here without the debug loop.
  if (flags & FLAG_TF) store<i32>(cpu, load<i32>(cpu, C_PENDING_DB) | DR6_BS, C_PENDING_DB);
  branchTo(target);
  if (load<i32>(cpu, C_WINDOW)) stopAfter(cpu, 0);
}

/** AMD's do not have SYSENTER and SYSEXIT in long mode, neither in 64-bit nor in compatibility mode (AMD64 vol. 3, "SYSENTER"). */
function sysenterMissing(cpu: i32): bool {
  if (!load<i32>(cpu, C_AMD) || !(load<i64>(cpu, C_EFER) & EFER_LMA)) return false;
  fault(VECTOR_UD);
  return true;
}

/** The selector in IA32_SYSENTER_CS, or 0 with #GP(0) raised: null, or not in protected mode. */
function sysenterSelector(cpu: i32): i32 {
  const selector = load<i32>(cpu, C_SYSENTER_CS) & 0xfffc;
  if (selector && load<i64>(cpu, C_CR0) & CR0_PE) return selector;
  faultWith(VECTOR_GP, 0);
  return 0;
}

export function execSysenter(cpu: i32): void {
  if (sysenterMissing(cpu)) return;
  const selector = sysenterSelector(cpu);
  if (!selector) return;
  const long = (load<i64>(cpu, C_EFER) & EFER_LMA) != 0;
  const mask: i64 = long ? -1 : 0xffffffff;
  flatSegments(cpu, selector, selector + 8, long ? CODE64 : CODE32, 0);
  setAllFlags(cpu, allFlags(cpu) & ~(FLAG_IF | FLAG_VM | FLAG_RF));
  store<i64>(cpu, load<i64>(cpu, C_SYSENTER_ESP) & mask, RSP);
  branchTo(load<i64>(cpu, C_SYSENTER_EIP) & mask);
}

/** SYSEXIT; an operand of 8 bytes returns to 64-bit mode. */
export function execSysexit(cpu: i32, pc: i32): void {
  if (sysenterMissing(cpu)) return;
  if (load<i32>(cpu, C_CPL)) return faultWith(VECTOR_GP, 0);
  const selector = sysenterSelector(cpu);
  if (!selector) return;
  const long = load<u8>(pc, U_SIZE) == 8;
  const mask: i64 = long ? -1 : 0xffffffff;
  const stack = load<i64>(cpu, RCX) & mask;
  const target = load<i64>(cpu, RDX) & mask;
  if (!canonical(stack) || !canonical(target)) return faultWith(VECTOR_GP, 0);
  const code = selector + (long ? 32 : 16);
  flatSegments(cpu, code, code + 8, long ? CODE64 : CODE32, 3);
  store<i64>(cpu, stack, RSP);
  branchTo(target);
}
