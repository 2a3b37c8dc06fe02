/** Operands of the general operations, and what an operation may say about where execution goes on. */
import {
  K_IMM,
  K_MEM,
  K_REG,
  UF_ADDR32,
  UF_STACK,
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
} from './layout';
import { loadMemory, probeWrite, storeMemory } from './access';
import { setStackAccess } from './paging';
import { faulted, readReg, writeReg } from './state';

/** Linear address of the memory operand, once worked out. */
export let operandAddress: i64 = 0;
/** Where to go on instead of the next instruction, if `branched`. */
export let branchTarget: i64 = 0;
export let branched: bool = false;
/** A repeated instruction ran out of time between iterations: it has not retired. */
export let unfinished: bool = false;
/** Non-zero (`STOP_*`): leave the loop after this operation. */
export let stopWish: i32 = 0;

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
}

/** Offset part of the memory operand's address, without segment base. */
export function effectiveOffset(cpu: i32, pc: i32): i64 {
  const address =
    load<i64>(cpu + <i32>load<u16>(pc, U_BASE)) +
    (load<i64>(cpu + <i32>load<u16>(pc, U_INDEX)) << (<i64>load<u8>(pc, U_SCALE))) +
    load<i64>(pc, U_DISP);
  return load<u8>(pc, U_FLAGS) & UF_ADDR32 ? address & 0xffffffff : address;
}

export function effectiveAddress(cpu: i32, pc: i32): i64 {
  setStackAccess((load<u8>(pc, U_FLAGS) & UF_STACK) != 0);
  operandAddress = effectiveOffset(cpu, pc) + load<i64>(cpu + <i32>load<u16>(pc, U_SEG));
  return operandAddress;
}

/** Reads the first operand. */
export function read1(cpu: i32, pc: i32, size: i32): i64 {
  const kind = load<u8>(pc, U_K1);
  if (kind == K_REG) return readReg(cpu, load<u16>(pc, U_R1), size);
  if (kind == K_MEM) return loadMemory(cpu, effectiveAddress(cpu, pc), size);
  return load<i64>(pc, U_IMM);
}

/** Reads the first operand with intent to write it: memory must be writable before anything happens. */
export function readForWrite(cpu: i32, pc: i32, size: i32): i64 {
  if (load<u8>(pc, U_K1) == K_REG) return readReg(cpu, load<u16>(pc, U_R1), size);
  const address = effectiveAddress(cpu, pc);
  if (!probeWrite(cpu, address, size)) return 0;
  return loadMemory(cpu, address, size);
}

/** Writes the first operand; a memory operand's address must have been worked out. */
export function write1(cpu: i32, pc: i32, size: i32, value: i64): void {
  if (load<u8>(pc, U_K1) == K_REG) writeReg(cpu, load<u16>(pc, U_R1), size, value);
  else storeMemory(cpu, operandAddress, size, value);
}

/** Writes the first operand, working out its address. */
export function put1(cpu: i32, pc: i32, size: i32, value: i64): void {
  if (load<u8>(pc, U_K1) == K_REG) writeReg(cpu, load<u16>(pc, U_R1), size, value);
  else storeMemory(cpu, effectiveAddress(cpu, pc), size, value);
}

export function read2(cpu: i32, pc: i32, size: i32): i64 {
  const kind = load<u8>(pc, U_K2);
  if (kind == K_REG) return readReg(cpu, load<u16>(pc, U_R2), size);
  if (kind == K_IMM) return load<i64>(pc, U_IMM);
  return loadMemory(cpu, effectiveAddress(cpu, pc), size);
}

/** Pushes a value of `size` bytes; RSP moves only when the store succeeded. */
export function push(cpu: i32, size: i32, value: i64): void {
  const stack = load<i64>(cpu, 32) - <i64>size;
  setStackAccess(true);
  storeMemory(cpu, stack, size, value);
  if (!faulted()) store<i64>(cpu, stack, 32);
}

/** Reads `depth` bytes above the top of the stack. */
export function peekStack(cpu: i32, size: i32, depth: i64): i64 {
  setStackAccess(true);
  return loadMemory(cpu, load<i64>(cpu, 32) + depth, size);
}

export function moveStack(cpu: i32, by: i64): void {
  store<i64>(cpu, load<i64>(cpu, 32) + by, 32);
}
