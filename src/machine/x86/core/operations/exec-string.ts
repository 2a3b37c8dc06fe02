/** String operations, with and without repeat prefixes. Each iteration is charged; between two of them time may run out. */
import {
  C_AMD,
  C_BUDGET,
  C_FLAGS,
  C_ITERATIONS,
  PORT_STRING,
  C_MMU,
  SEG_ES,
  T_DATA,
  T_READ,
  T_WRITE,
  UF_REP,
  UF_REPNE,
  UF_SEGMENTED,
  U_ASIZE,
  U_COST,
  U_FLAGS,
  U_OP,
  U_SEG,
  U_SIZE,
} from '../state/layout';
import { loadMemory, probeWrite, storeMemory } from '../memory/access';
import { singly } from '../run/debug';
import { setSub, statusFlags } from './flags';
import { beginAccesses, readPort, writePort } from '../state/callout';
import { OP_CMPS, OP_INS, OP_LODS, OP_MOVS, OP_OUTS, OP_RESOLVE, OP_SCAS, OP_STOS } from '../generated/ops';
import { addressAt, setUnfinished } from './operands';
import { portAllowed } from '../memory/ports';
import { PAGE_MASK, setStackAccess, tlbEntry } from '../memory/tlb';
import { linearAddress } from '../memory/segmentation';
import { FLAG_DF, FLAG_ZF, faulted, readReg, writeReg } from '../state/state';

const RCX = 8;
const RDX = 16;
const RSI = 48;
const RDI = 56;

export function execString(cpu: i32, pc: i32, op: i32): void {
  const flags = load<u8>(pc, U_FLAGS);
  const width = <i32>load<u8>(pc, U_ASIZE);
  setStackAccess(false);
  if (op >= OP_INS && !portAllowed(cpu, load<u16>(cpu, RDX), load<u8>(pc, U_SIZE))) return;
  if (!(flags & (UF_REP | UF_REPNE))) return once(cpu, pc, op, width);
  repeat(cpu, pc, op, width, flags);
  store<f64>(cpu, 0, C_ITERATIONS);
}

function repeat(cpu: i32, pc: i32, op: i32, width: i32, flags: i32): void {
  const compares = op == OP_SCAS || op == OP_CMPS;
  let count = readReg(cpu, RCX, width);
  if (count == 0) return emptyRepeat(cpu, op, width);
  const cost = load<i32>(pc, U_COST + 4);
  const plain = (op == OP_MOVS || op == OP_STOS) && width == 8 && !(load<i64>(cpu, C_FLAGS) & FLAG_DF);
  for (;;) {
    let done = plain && !singly ? bulk(cpu, pc, op, count) : 0;
    if (done == 0) {
      beginAccesses(cpu);
      store<f64>(cpu, <f64>(<u64>count), C_ITERATIONS);
      once(cpu, pc, op, width);
      if (faulted()) return;
      done = 1;
    }
    count -= done;
    writeReg(cpu, RCX, width, count);
    // The last iteration is charged as the instruction's retirement.
    const left = load<i32>(cpu, C_BUDGET + 4) - (count == 0 ? done - 1 : done) * cost;
    if (count != 0 && compares && ((statusFlags(cpu) & FLAG_ZF) != 0) != ((flags & UF_REPNE) == 0)) return;
    store<i32>(cpu, left, C_BUDGET + 4);
    if (count == 0) return;
    // An iteration may have overwritten the instruction itself: what goes on is what stands there now.
    if (left < 0 || singly || load<u16>(pc, U_OP) == OP_RESOLVE) return setUnfinished();
  }
}

/** No iteration at all: with a 32-bit counter Intel's clear the upper halves, of MOVS and STOS the pointers' too; AMD's do not. */
function emptyRepeat(cpu: i32, op: i32, width: i32): void {
  if (width != 4 || load<i32>(cpu, C_AMD)) return;
  writeReg(cpu, RCX, 4, 0);
  if (op != OP_MOVS && op != OP_STOS) return;
  writeReg(cpu, RDI, 4, load<i64>(cpu, RDI));
  if (op == OP_MOVS) writeReg(cpu, RSI, 4, load<i64>(cpu, RSI));
}

/**
 * As many iterations of MOVS or STOS as lie in pages the TLB knows, in RAM without translated code, and begin while time
 * is left. Nothing can be seen between them, so they are done as one. Returns how many; 0: one has to go the long way.
 */
function bulk(cpu: i32, pc: i32, op: i32, count: i64): i32 {
  const size = <i32>load<u8>(pc, U_SIZE);
  const target = load<i64>(cpu, RDI);
  const mmu = load<i32>(cpu, C_MMU);
  const entry = tlbEntry(mmu, target);
  if (load<i64>(entry, T_WRITE) != (target & PAGE_MASK)) return 0;
  let most = (4096 - (<i32>target & 0xfff)) / size;
  const inTime = load<i32>(cpu, C_BUDGET + 4) / load<i32>(pc, U_COST + 4) + 1;
  if (most > inTime) most = inTime;
  if (<u64>count < <u64>most) most = <i32>count;
  const to = <i32>target + load<i32>(entry, T_DATA);
  if (op == OP_STOS) {
    fillMemory(to, most * size, size, load<i64>(cpu));
    store<i64>(cpu, target + <i64>(most * size), RDI);
    return most;
  }
  const source = load<i64>(cpu, RSI);
  const from = source + load<i64>(cpu + <i32>load<u16>(pc, U_SEG));
  const sourceEntry = tlbEntry(mmu, from);
  if (load<i64>(sourceEntry, T_READ) != (from & PAGE_MASK)) return 0;
  most = min<i32>(most, (4096 - (<i32>from & 0xfff)) / size);
  const at = <i32>from + load<i32>(sourceEntry, T_DATA);
  // A target that overlaps the source from above repeats what was just written: only up to there at once.
  if (to > at) most = min<i32>(most, (to - at) / size);
  if (most <= 0) return 0;
  memory.copy(to, at, most * size);
  store<i64>(cpu, source + <i64>(most * size), RSI);
  store<i64>(cpu, target + <i64>(most * size), RDI);
  return most;
}

function fillMemory(at: i32, bytes: i32, size: i32, value: i64): void {
  if (size == 1) {
    memory.fill(at, <u8>value, bytes);
    return;
  }
  for (const end = at + bytes; at < end; at += size) {
    if (size == 8) store<i64>(at, value);
    else if (size == 4) store<u32>(at, <u32>value);
    else store<u16>(at, <u16>value);
  }
}

/** One iteration; the index registers move only when it succeeded. */
function once(cpu: i32, pc: i32, op: i32, width: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const by: i64 = load<i64>(cpu, C_FLAGS) & FLAG_DF ? -size : size;
  const source = readReg(cpu, RSI, width);
  const target = readReg(cpu, RDI, width);
  const readsSource = op == OP_MOVS || op == OP_LODS || op == OP_CMPS || op == OP_OUTS;
  const usesTarget = op != OP_LODS && op != OP_OUTS;
  const from = readsSource ? addressAt(cpu, pc, source, size, false) : 0;
  if (faulted()) return;
  let to = target;
  if (usesTarget && load<u8>(pc, U_FLAGS) & UF_SEGMENTED) {
    to = linearAddress(cpu, SEG_ES, target, size, op != OP_SCAS && op != OP_CMPS);
    if (faulted()) return;
  }
  if (op == OP_STOS) storeMemory(cpu, to, size, load<i64>(cpu));
  else if (op == OP_MOVS) {
    const value = loadMemory(cpu, from, size);
    if (!faulted()) storeMemory(cpu, to, size, value);
  } else if (op == OP_LODS) {
    const value = loadMemory(cpu, from, size);
    if (!faulted()) writeReg(cpu, 0, size, value);
  } else if (op == OP_SCAS) {
    const value = loadMemory(cpu, to, size);
    if (!faulted()) setSub(cpu, readReg(cpu, 0, size), value, size);
  } else if (op == OP_CMPS) {
    const a = loadMemory(cpu, from, size);
    if (faulted()) return;
    const b = loadMemory(cpu, to, size);
    if (!faulted()) setSub(cpu, a, b, size);
  } else if (op == OP_INS) {
    // The port is read only when its value has somewhere to go: reading may have effects.
    if (!probeWrite(cpu, to, size)) return;
    const value = readPort(cpu, load<u16>(cpu, RDX), size, PORT_STRING);
    if (!faulted()) storeMemory(cpu, to, size, value);
  } else {
    const value = loadMemory(cpu, from, size);
    if (!faulted()) writePort(cpu, load<u16>(cpu, RDX), size, PORT_STRING, <i32>value);
  }
  if (faulted()) return;
  if (readsSource) writeReg(cpu, RSI, width, source + by);
  if (usesTarget) writeReg(cpu, RDI, width, target + by);
}
