/** Operands of the general operations, and what an operation may say about where execution goes on. */
import {
  C_CC,
  C_CCA,
  C_CCB,
  K_IMM,
  K_MEM,
  K_REG,
  UF_SEGMENTED,
  REASON_INSTRUCTION,
  STOP_UNSUPPORTED,
  UF_STACK,
  U_ASIZE,
  U_BASE,
  U_DISP,
  U_FLAGS,
  U_IMM,
  U_INDEX,
  U_K1,
  U_K2,
  U_R1,
  U_R2,
  U_SCALE,
  U_SEG,
  U_SEGX,
} from '../state/layout';
import { loadMemory, probeWrite, storeMemory } from '../memory/access';
import { setStackAccess } from '../memory/tlb';
import { linearAddress, setStackPointer, stackAddress, stackOffset } from '../memory/segmentation';
import { faulted, readReg, writeReg } from '../state/state';

/** Linear address of the memory operand, once worked out. */
export let operandAddress: i64 = 0;
/** Where to go on instead of the next instruction, if `branched`. */
export let branchTarget: i64 = 0;
export let branched: bool = false;
/** A repeated instruction ran out of time between iterations: it has not retired. */
export let unfinished: bool = false;
/** Non-zero (`STOP_*`): leave the loop after this operation. */
export let stopWish: i32 = 0;
/** With STOP_UNSUPPORTED: why. */
export let stopReason: i32 = 0;

/** The loop is to stop one instruction later, counted from this one's retirement. */
export let stopSoon: bool = false;
/** Any of the above is set: most operations set none, and one look tells. */
export let eventful: bool = false;

/** Clears what the last operation left behind. */
export function clearEvents(): void {
  branched = false;
  unfinished = false;
  stopWish = 0;
  stopSoon = false;
  eventful = false;
}

export function branchTo(rip: i64): void {
  eventful = true;
  branched = true;
  branchTarget = rip;
}

export function setUnfinished(): void {
  eventful = true;
  unfinished = true;
}

export function wishStopSoon(): void {
  eventful = true;
  stopSoon = true;
}

export function wishStop(code: i32): void {
  eventful = true;
  stopWish = code;
  stopReason = REASON_INSTRUCTION;
}

/** The vCPU lacks what the instruction asks for: stop at it, for `reason` (`REASON_*`). */
export function wishUnsupported(reason: i32): void {
  wishStop(STOP_UNSUPPORTED);
  stopReason = reason;
}

/** Cuts an offset to the operand's address size. */
export function cutOffset(pc: i32, offset: i64): i64 {
  const size = load<u8>(pc, U_ASIZE);
  if (size == 8) return offset;
  return offset & (size == 4 ? 0xffffffff : 0xffff);
}

/** Offset part of the memory operand's address, without segment base. */
export function effectiveOffset(cpu: i32, pc: i32): i64 {
  const offset =
    load<i64>(cpu + <i32>load<u16>(pc, U_BASE)) +
    (load<i64>(cpu + <i32>load<u16>(pc, U_INDEX)) << (<i64>load<u8>(pc, U_SCALE))) +
    load<i64>(pc, U_DISP);
  return cutOffset(pc, offset);
}

/** Linear address of `size` bytes at an offset in the memory operand's segment. May fault in 32- and 16-bit code. */
export function addressAt(cpu: i32, pc: i32, offset: i64, size: i32, write: bool): i64 {
  const flags = load<u8>(pc, U_FLAGS);
  if (flags & UF_SEGMENTED) return linearAddress(cpu, load<u8>(pc, U_SEGX), offset, size, write);
  setStackAccess((flags & UF_STACK) != 0);
  return offset + load<i64>(cpu + <i32>load<u16>(pc, U_SEG));
}

/** Linear address of the memory operand for an access of `size` bytes. May fault in 32- and 16-bit code. */
export function effectiveAddress(cpu: i32, pc: i32, size: i32, write: bool): i64 {
  operandAddress = addressAt(cpu, pc, effectiveOffset(cpu, pc), size, write);
  return operandAddress;
}

/** Reads the memory operand. */
export function loadOperand(cpu: i32, pc: i32, size: i32): i64 {
  const address = effectiveAddress(cpu, pc, size, false);
  return faulted() ? 0 : loadMemory(cpu, address, size);
}

/** Reads the first operand. */
export function read1(cpu: i32, pc: i32, size: i32): i64 {
  const kind = load<u8>(pc, U_K1);
  if (kind == K_REG) return readReg(cpu, load<u16>(pc, U_R1), size);
  if (kind == K_MEM) return loadOperand(cpu, pc, size);
  return load<i64>(pc, U_IMM);
}

/** Status flags before an operation that reads, computes and writes: they come back when a device gives the write up. */
let keptCc: i64 = 0;
let keptA: i64 = 0;
let keptB: i64 = 0;

/** Reads the first operand with intent to write it: memory must be writable before anything happens. */
export function readForWrite(cpu: i32, pc: i32, size: i32): i64 {
  if (load<u8>(pc, U_K1) == K_REG) return readReg(cpu, load<u16>(pc, U_R1), size);
  keptCc = load<i64>(cpu, C_CC);
  keptA = load<i64>(cpu, C_CCA);
  keptB = load<i64>(cpu, C_CCB);
  const address = effectiveAddress(cpu, pc, size, true);
  if (faulted() || !probeWrite(cpu, address, size)) return 0;
  return loadMemory(cpu, address, size);
}

/**
 * Writes the first operand after `readForWrite`. A write that is given up takes the status flags back; other registers
 * must not change before it.
 */
export function write1(cpu: i32, pc: i32, size: i32, value: i64): void {
  if (load<u8>(pc, U_K1) == K_REG) return writeReg(cpu, load<u16>(pc, U_R1), size, value);
  storeMemory(cpu, operandAddress, size, value);
  if (!faulted()) return;
  store<i64>(cpu, keptCc, C_CC);
  store<i64>(cpu, keptA, C_CCA);
  store<i64>(cpu, keptB, C_CCB);
}

/** Writes the first operand, working out its address. */
export function put1(cpu: i32, pc: i32, size: i32, value: i64): void {
  if (load<u8>(pc, U_K1) == K_REG) return writeReg(cpu, load<u16>(pc, U_R1), size, value);
  const address = effectiveAddress(cpu, pc, size, true);
  if (!faulted()) storeMemory(cpu, address, size, value);
}

export function read2(cpu: i32, pc: i32, size: i32): i64 {
  const kind = load<u8>(pc, U_K2);
  if (kind == K_REG) return readReg(cpu, load<u16>(pc, U_R2), size);
  if (kind == K_IMM) return load<i64>(pc, U_IMM);
  return loadOperand(cpu, pc, size);
}

/** Pushes a value of `size` bytes; the stack pointer moves only when the store succeeded. */
export function push(cpu: i32, size: i32, value: i64): void {
  const top = stackOffset(cpu, load<i64>(cpu, 32) - <i64>size);
  const address = stackAddress(cpu, top, size, true);
  if (!faulted()) storeMemory(cpu, address, size, value);
  if (!faulted()) setStackPointer(cpu, top);
}

/** Reads `size` bytes that lie `depth` bytes above the top of the stack. */
export function peekStack(cpu: i32, size: i32, depth: i64): i64 {
  const address = stackAddress(cpu, stackOffset(cpu, load<i64>(cpu, 32) + depth), size, false);
  return faulted() ? 0 : loadMemory(cpu, address, size);
}

export function moveStack(cpu: i32, by: i64): void {
  setStackPointer(cpu, load<i64>(cpu, 32) + by);
}
