/** Stack and control-flow operations. C_RIP still names the instruction itself while they run. */
import {
  C_RIP,
  C_WINDOW,
  C_CPL,
  SEG_CS,
  UF_ADDR32,
  U_EXT,
  U_FLAGS,
  U_IMM,
  U_LEN,
  U_SIZE,
  U_SIZE2,
} from './layout';
import { loadMemory, storeMemory } from './access';
import { allFlags, condition, setAllFlags, statusFlags } from './flags';
import { SETTABLE_FLAGS, returnTo } from './interrupts';
import { branchTo, effectiveAddress, moveStack, peekStack, push, put1, read1 } from './operands';
import { canonical, setStackAccess } from './paging';
import { loadDataSegment, selectorOf } from './segments';
import {
  FLAG_IF,
  FLAG_IOPL,
  FLAG_RF,
  FLAG_VM,
  FLAG_ZF,
  VECTOR_GP,
  faultWith,
  faulted,
  readReg,
  signExtend,
  stopAfter,
  writeReg,
} from './state';

// @ts-ignore: decorator of AssemblyScript
@inline
export function nextRip(cpu: i32, pc: i32): i64 {
  return load<i64>(cpu, C_RIP) + <i64>load<u8>(pc, U_LEN);
}

function branchChecked(rip: i64): void {
  if (canonical(rip)) branchTo(rip);
  else faultWith(VECTOR_GP, 0);
}

export function execPush(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const from = <i32>load<u8>(pc, U_SIZE2); // segment registers are narrower than their slot
  const value = read1(cpu, pc, from);
  if (!faulted()) push(cpu, size, value);
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

/** POP FS and POP GS; `variant` is the segment. */
export function execPopSegment(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const value = peekStack(cpu, size, 0);
  if (faulted()) return;
  loadDataSegment(cpu, load<u8>(pc, U_EXT), <i32>value & 0xffff);
  if (!faulted()) moveStack(cpu, size);
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
  const frame = load<i64>(cpu, 40);
  setStackAccess(true);
  const value = loadMemory(cpu, frame, size);
  if (faulted()) return;
  store<i64>(cpu, frame + size, 32);
  writeReg(cpu, 40, size, value);
}

/** ENTER: U_IMM is the frame size, U_EXT the nesting level. */
export function execEnter(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const level = <i32>load<u8>(pc, U_EXT) & 31;
  const oldStack = load<i64>(cpu, 32);
  const oldFrame = load<i64>(cpu, 40);
  let stack = oldStack - size;
  setStackAccess(true);
  storeMemory(cpu, stack, size, oldFrame);
  if (faulted()) return;
  const frame = stack;
  let link = oldFrame;
  for (let i = 1; i < level; i++) {
    link -= size;
    const value = loadMemory(cpu, link, size);
    if (faulted()) return;
    stack -= size;
    storeMemory(cpu, stack, size, value);
    if (faulted()) return;
  }
  if (level > 0) {
    stack -= size;
    storeMemory(cpu, stack, size, frame);
    if (faulted()) return;
  }
  store<i64>(cpu, stack - (load<i64>(pc, U_IMM) & 0xffff), 32);
  writeReg(cpu, 40, size, frame);
}

export function execCall(cpu: i32, pc: i32): void {
  push(cpu, 8, nextRip(cpu, pc));
  if (!faulted()) branchTo(load<i64>(pc, U_IMM));
}

export function execCallIndirect(cpu: i32, pc: i32): void {
  const target = read1(cpu, pc, 8);
  if (faulted()) return;
  if (!canonical(target)) return faultWith(VECTOR_GP, 0);
  push(cpu, 8, nextRip(cpu, pc));
  if (!faulted()) branchTo(target);
}

export function execJmp(pc: i32): void {
  branchTo(load<i64>(pc, U_IMM));
}

export function execJmpIndirect(cpu: i32, pc: i32): void {
  const target = read1(cpu, pc, 8);
  if (!faulted()) branchChecked(target);
}

/** Near RET; U_IMM is what else to drop from the stack. */
export function execRet(cpu: i32, pc: i32): void {
  const target = peekStack(cpu, 8, 0);
  if (faulted()) return;
  branchChecked(target);
  if (!faulted()) moveStack(cpu, 8 + load<i64>(pc, U_IMM));
}

export function execJcc(cpu: i32, pc: i32): void {
  if (condition(cpu, load<u8>(pc, U_EXT))) branchTo(load<i64>(pc, U_IMM));
}

/** LOOPNE, LOOPE, LOOP (U_EXT 0-2) and JRCXZ (3): RCX or ECX by address size. */
export function execLoop(cpu: i32, pc: i32): void {
  const size = load<u8>(pc, U_FLAGS) & UF_ADDR32 ? 4 : 8;
  const kind = load<u8>(pc, U_EXT);
  let count = readReg(cpu, 8, size);
  if (kind == 3) {
    if (count == 0) branchTo(load<i64>(pc, U_IMM));
    return;
  }
  count = size == 4 ? (count - 1) & 0xffffffff : count - 1;
  writeReg(cpu, 8, size, count);
  const zero = (statusFlags(cpu) & FLAG_ZF) != 0;
  if (count != 0 && (kind == 2 || zero == (kind == 1))) branchTo(load<i64>(pc, U_IMM));
}

/** Far RET; U_IMM is what else to drop. */
export function execRetFar(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const drop = load<i64>(pc, U_IMM);
  const rip = peekStack(cpu, size, 0);
  if (faulted()) return;
  const cs = <i32>peekStack(cpu, size, size) & 0xffff;
  if (faulted()) return;
  const outer = (cs & 3) > load<i32>(cpu, C_CPL);
  let rsp: i64 = 0;
  let ss = 0;
  if (outer) {
    rsp = peekStack(cpu, size, <i64>size * 2 + drop);
    if (faulted()) return;
    ss = <i32>peekStack(cpu, size, <i64>size * 3 + drop) & 0xffff;
    if (faulted()) return;
  }
  returnTo(cpu, rip, cs, rsp, ss, false);
  if (!faulted()) moveStack(cpu, outer ? drop : <i64>size * 2 + drop);
}

/** JMP and CALL through a far pointer in memory. Call gates are not known. */
export function execFar(cpu: i32, pc: i32, call: bool): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const address = effectiveAddress(cpu, pc);
  const raw = loadMemory(cpu, address, size);
  if (faulted()) return;
  const selector = <i32>loadMemory(cpu, address + size, 2);
  if (faulted()) return;
  const cpl = load<i32>(cpu, C_CPL);
  const stack = load<i64>(cpu, 32);
  if (call) {
    push(cpu, size, selectorOf(cpu, SEG_CS));
    if (faulted()) return;
    push(cpu, size, nextRip(cpu, pc));
    if (faulted()) {
      store<i64>(cpu, stack, 32);
      return;
    }
  }
  const rip = size == 8 ? raw : signExtend(raw, size) & (size == 4 ? 0xffffffff : 0xffff);
  returnTo(cpu, rip, (selector & ~3) | cpl, 0, 0, false);
  if (faulted()) store<i64>(cpu, stack, 32);
}
