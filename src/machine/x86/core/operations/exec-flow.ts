/** Stack and control-flow operations. C_RIP still names the instruction itself while they run. */
import {
  C_RIP,
  C_WINDOW,
  C_CPL,
  SCRATCH_POPA,
  SEG_SS,
  U_ASIZE,
  U_EXT,
  U_IMM,
  U_LEN,
  U_SIZE,
  U_SIZE2,
} from '../state/layout';
import { loadMemory, storeMemory } from '../memory/access';
import { setStackShadow } from './exec-system';
import { allFlags, condition, setAllFlags, statusFlags } from './flags';
import { SETTABLE_FLAGS } from '../transfer/interrupts';
import { branchTo, moveStack, peekStack, push, put1, read1 } from './operands';
import { codeAllowed, cutRip, setStackPointer, stackAddress, stackOffset } from '../memory/segmentation';
import { loadDataSegment } from '../transfer/segments';
import {
  FLAG_IF,
  FLAG_IOPL,
  FLAG_RF,
  FLAG_VM,
  FLAG_ZF,
  faulted,
  readReg,
  sizeMask,
  stopAfter,
  writeReg,
} from '../state/state';

/** What follows the instruction, as CALL pushes it. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function nextRip(cpu: i32, pc: i32): i64 {
  return cutRip(cpu, load<i64>(cpu, C_RIP) + <i64>load<u8>(pc, U_LEN));
}

/** Near branch to an offset that has been cut to the operand size. */
function branchChecked(cpu: i32, rip: i64): void {
  if (codeAllowed(cpu, rip)) branchTo(rip);
}

/** PUSH of a segment register in 32-bit code takes four bytes and writes two (SDM vol. 2, "PUSH"). */
function pushSelector(cpu: i32, selector: i64): void {
  const top = stackOffset(cpu, load<i64>(cpu, 32) - 4);
  if (storeStack(cpu, top, 2, selector)) setStackPointer(cpu, top);
}

export function execPush(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const from = <i32>load<u8>(pc, U_SIZE2); // segment registers are narrower than their slot
  const value = read1(cpu, pc, from);
  if (faulted()) return;
  if (from == 2 && size == 4) return pushSelector(cpu, value);
  push(cpu, size, value);
}

export function execPop(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const value = peekStack(cpu, size, 0);
  if (faulted()) return;
  moveStack(cpu, size);
  // A memory destination addressed by RSP uses its value after the pop (SDM vol. 2, "POP").
  put1(cpu, pc, size, value);
  if (faulted()) moveStack(cpu, -(<i64>size));
}

/** POP of a segment register, U_EXT. POP SS counts the stack as it was before, and casts an interrupt shadow. */
export function execPopSegment(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const index = <i32>load<u8>(pc, U_EXT);
  const stack = load<i64>(cpu, 32);
  const value = peekStack(cpu, size, 0);
  if (faulted()) return;
  moveStack(cpu, size);
  loadDataSegment(cpu, index, <i32>value & 0xffff);
  if (faulted()) store<i64>(cpu, stack, 32);
  else if (index == SEG_SS) setStackShadow(cpu);
}

/** PUSHA and PUSHAD: AX CX DX BX SP BP SI DI, SP as it was before. */
export function execPushAll(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const stack = load<i64>(cpu, 32);
  for (let i = 0; i < 8; i++) {
    push(cpu, size, i == 4 ? stack : load<i64>(cpu + i * 8));
    if (!faulted()) continue;
    store<i64>(cpu, stack, 32);
    return;
  }
}

/** POPA and POPAD: the stack pointer's image is skipped. */
export function execPopAll(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  // All are read before any is written: a fault leaves every register as it was.
  for (let i = 0; i < 8; i++) {
    store<i64>(SCRATCH_POPA + i * 8, peekStack(cpu, size, <i64>(i * size)));
    if (faulted()) return;
  }
  for (let i = 0; i < 8; i++) {
    if (i != 3) writeReg(cpu, (7 - i) * 8, size, load<i64>(SCRATCH_POPA + i * 8));
  }
  moveStack(cpu, 8 * size);
}

export function execPushf(cpu: i32, pc: i32): void {
  push(cpu, load<u8>(pc, U_SIZE), allFlags(cpu) & ~(FLAG_RF | FLAG_VM));
}

export function execPopf(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const value = peekStack(cpu, size, 0);
  if (faulted()) return;
  const old = allFlags(cpu);
  const cpl = load<i32>(cpu, C_CPL);
  let writable = SETTABLE_FLAGS & ~FLAG_RF;
  if (cpl != 0) writable &= ~FLAG_IOPL;
  if (cpl > <i32>((old & FLAG_IOPL) >> 12)) writable &= ~FLAG_IF;
  if (size == 2) writable &= 0xffff;
  setAllFlags(cpu, ((old & ~writable) | (value & writable)) & ~FLAG_RF);
  moveStack(cpu, size);
  if (load<i32>(cpu, C_WINDOW)) stopAfter(cpu, 0);
}

export function execLeave(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const frame = stackOffset(cpu, load<i64>(cpu, 40));
  const address = stackAddress(cpu, frame, size, false);
  if (faulted()) return;
  const value = loadMemory(cpu, address, size);
  if (faulted()) return;
  setStackPointer(cpu, frame + size);
  writeReg(cpu, 40, size, value);
}

/** Stores to the stack segment at an offset; false with a fault raised. */
function storeStack(cpu: i32, offset: i64, size: i32, value: i64): bool {
  const address = stackAddress(cpu, offset, size, true);
  if (!faulted()) storeMemory(cpu, address, size, value);
  return !faulted();
}

/** ENTER: U_IMM is the frame size, U_EXT the nesting level. */
export function execEnter(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const level = <i32>load<u8>(pc, U_EXT) & 31;
  const oldFrame = load<i64>(cpu, 40);
  let stack = stackOffset(cpu, load<i64>(cpu, 32) - size);
  if (!storeStack(cpu, stack, size, oldFrame)) return;
  const frame = stack;
  let link = oldFrame;
  for (let i = 1; i < level; i++) {
    link = stackOffset(cpu, link - size);
    const from = stackAddress(cpu, link, size, false);
    if (faulted()) return;
    const value = loadMemory(cpu, from, size);
    if (faulted()) return;
    stack = stackOffset(cpu, stack - size);
    if (!storeStack(cpu, stack, size, value)) return;
  }
  if (level > 0) {
    stack = stackOffset(cpu, stack - size);
    if (!storeStack(cpu, stack, size, frame)) return;
  }
  setStackPointer(cpu, stack - (load<i64>(pc, U_IMM) & 0xffff));
  writeReg(cpu, 40, size, frame);
}

function callTo(cpu: i32, pc: i32, target: i64): void {
  if (!codeAllowed(cpu, target)) return;
  push(cpu, load<u8>(pc, U_SIZE), nextRip(cpu, pc));
  if (!faulted()) branchTo(target);
}

export function execCall(cpu: i32, pc: i32): void {
  callTo(cpu, pc, load<i64>(pc, U_IMM));
}

export function execCallIndirect(cpu: i32, pc: i32): void {
  const target = read1(cpu, pc, load<u8>(pc, U_SIZE));
  if (!faulted()) callTo(cpu, pc, target);
}

export function execJmp(cpu: i32, pc: i32): void {
  branchChecked(cpu, load<i64>(pc, U_IMM));
}

export function execJmpIndirect(cpu: i32, pc: i32): void {
  const target = read1(cpu, pc, load<u8>(pc, U_SIZE));
  if (!faulted()) branchChecked(cpu, target);
}

/** Near RET; U_IMM is what else to drop from the stack. */
export function execRet(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const target = peekStack(cpu, size, 0);
  if (faulted()) return;
  branchChecked(cpu, target);
  if (!faulted()) moveStack(cpu, <i64>size + load<i64>(pc, U_IMM));
}

export function execJcc(cpu: i32, pc: i32): void {
  if (condition(cpu, load<u8>(pc, U_EXT))) branchChecked(cpu, load<i64>(pc, U_IMM));
}

/** LOOPNE, LOOPE, LOOP (U_EXT 0-2) and JRCXZ (3); the counter is CX, ECX or RCX by address size. */
export function execLoop(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_ASIZE);
  const kind = load<u8>(pc, U_EXT);
  const before = readReg(cpu, 8, size);
  if (kind == 3) {
    if (before == 0) branchChecked(cpu, load<i64>(pc, U_IMM));
    return;
  }
  const count = (before - 1) & sizeMask(size);
  const zero = (statusFlags(cpu) & FLAG_ZF) != 0;
  if (count != 0 && (kind == 2 || zero == (kind == 1))) branchChecked(cpu, load<i64>(pc, U_IMM));
  if (!faulted()) writeReg(cpu, 8, size, count);
}
