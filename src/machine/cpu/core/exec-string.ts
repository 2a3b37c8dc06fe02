/** String operations, with and without repeat prefixes. Each iteration is charged; between two of them time may run out. */
import {
  C_BUDGET,
  C_FLAGS,
  C_INDEX,
  UF_ADDR32,
  UF_REP,
  UF_REPNE,
  U_COST,
  U_FLAGS,
  U_SEG,
  U_SIZE,
} from './layout';
import { loadMemory, probeWrite, storeMemory } from './access';
import { setSub, statusFlags } from './flags';
import { hostPortIn, hostPortOut } from './host';
import { OP_CMPS, OP_INS, OP_LODS, OP_MOVS, OP_OUTS, OP_SCAS, OP_STOS } from './ops';
import { setUnfinished } from './operands';
import { portAllowed } from './ports';
import { setStackAccess } from './paging';
import { FLAG_DF, FLAG_ZF, faulted, readReg, writeReg } from './state';

const RCX = 8;
const RDX = 16;
const RSI = 48;
const RDI = 56;

export function execString(cpu: i32, pc: i32, op: i32): void {
  const flags = load<u8>(pc, U_FLAGS);
  const width = flags & UF_ADDR32 ? 4 : 8;
  setStackAccess(false);
  if (op >= OP_INS && !portAllowed(cpu, load<u16>(cpu, RDX), load<u8>(pc, U_SIZE))) return;
  if (!(flags & (UF_REP | UF_REPNE))) return once(cpu, pc, op, width);
  const compares = op == OP_SCAS || op == OP_CMPS;
  let count = readReg(cpu, RCX, width);
  if (count == 0) return;
  for (;;) {
    once(cpu, pc, op, width);
    if (faulted()) return;
    count--;
    writeReg(cpu, RCX, width, count);
    if (count == 0) return;
    if (compares && ((statusFlags(cpu) & FLAG_ZF) != 0) != ((flags & UF_REPNE) == 0)) return;
    const left = load<i32>(cpu, C_BUDGET + 4) - load<i32>(pc, U_COST + 4);
    store<i32>(cpu, left, C_BUDGET + 4);
    if (left < 0) return setUnfinished();
  }
}

/** One iteration; the index registers move only when it succeeded. */
function once(cpu: i32, pc: i32, op: i32, width: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const by: i64 = load<i64>(cpu, C_FLAGS) & FLAG_DF ? -size : size;
  const source = readReg(cpu, RSI, width);
  const target = readReg(cpu, RDI, width);
  const from = source + load<i64>(cpu + <i32>load<u16>(pc, U_SEG));
  if (op == OP_STOS) storeMemory(cpu, target, size, load<i64>(cpu));
  else if (op == OP_MOVS) {
    const value = loadMemory(cpu, from, size);
    if (!faulted()) storeMemory(cpu, target, size, value);
  } else if (op == OP_LODS) {
    const value = loadMemory(cpu, from, size);
    if (!faulted()) writeReg(cpu, 0, size, value);
  } else if (op == OP_SCAS) {
    const value = loadMemory(cpu, target, size);
    if (!faulted()) setSub(cpu, readReg(cpu, 0, size), value, size);
  } else if (op == OP_CMPS) {
    const a = loadMemory(cpu, from, size);
    if (faulted()) return;
    const b = loadMemory(cpu, target, size);
    if (!faulted()) setSub(cpu, a, b, size);
  } else if (op == OP_INS) {
    // The port is read only when its value has somewhere to go: reading may have effects.
    if (!probeWrite(cpu, target, size)) return;
    const value = hostPortIn(load<i32>(cpu, C_INDEX), load<u16>(cpu, RDX), size);
    storeMemory(cpu, target, size, value);
  } else {
    const value = loadMemory(cpu, from, size);
    if (!faulted()) hostPortOut(load<i32>(cpu, C_INDEX), load<u16>(cpu, RDX), size, <i32>value);
  }
  if (faulted()) return;
  if (op == OP_MOVS || op == OP_LODS || op == OP_CMPS || op == OP_OUTS)
    writeReg(cpu, RSI, width, source + by);
  if (op != OP_LODS && op != OP_OUTS) writeReg(cpu, RDI, width, target + by);
}
