/** General operations on single bits and on the order of bytes. */
import { K_REG, U_K1, U_K2, U_R1, U_SIZE } from '../state/layout';
import { loadMemory, probeWrite, storeMemory } from '../memory/access';
import { OP_BSF, OP_BSR, OP_BT, OP_BTR, OP_BTS, OP_POPCNT, OP_TZCNT } from '../generated/ops';
import { setRaw, statusFlags } from './flags';
import { addressAt, cutOffset, effectiveOffset, put1, read2 } from './operands';
import { FLAG_CF, FLAG_ZF, faulted, readReg, signExtend, writeReg } from '../state/state';

/** BT, BTS, BTR, BTC. A register bit index reaches beyond a memory operand (SDM vol. 2, "BT"). */
export function execBitTest(cpu: i32, pc: i32, op: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const bits = <i64>(size * 8);
  let index = read2(cpu, pc, size);
  const inRegister = load<u8>(pc, U_K1) == K_REG;
  let address: i64 = 0;
  let value: i64;
  if (inRegister) value = readReg(cpu, load<u16>(pc, U_R1), size);
  else {
    let offset = effectiveOffset(cpu, pc);
    if (load<u8>(pc, U_K2) == K_REG)
      offset += (signExtend(index, size) >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * <i64>size;
    address = addressAt(cpu, pc, cutOffset(pc, offset), size, op != OP_BT);
    if (faulted()) return;
    if (op != OP_BT && !probeWrite(cpu, address, size)) return;
    value = loadMemory(cpu, address, size);
    if (faulted()) return;
  }
  index &= bits - 1;
  const carry = (value >> index) & 1;
  if (op != OP_BT) {
    const bit = (<i64>1) << index;
    if (op == OP_BTS) value |= bit;
    else if (op == OP_BTR) value &= ~bit;
    else value ^= bit;
    if (inRegister) writeReg(cpu, load<u16>(pc, U_R1), size, value);
    else storeMemory(cpu, address, size, value);
    if (faulted()) return;
  }
  setRaw(cpu, (statusFlags(cpu) & ~FLAG_CF) | carry);
}

/** BSF, BSR, TZCNT, LZCNT, POPCNT. */
export function execBitScan(cpu: i32, pc: i32, op: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const value = read2(cpu, pc, size);
  if (faulted()) return;
  const to = <i32>load<u16>(pc, U_R1);
  const bits = <i64>(size * 8);
  if (op == OP_BSF || op == OP_BSR) {
    setRaw(cpu, (statusFlags(cpu) & ~FLAG_ZF) | (value == 0 ? FLAG_ZF : 0));
    // A source of 0 leaves the destination alone, as processors do.
    if (value != 0) writeReg(cpu, to, size, op == OP_BSF ? ctz(value) : 63 - clz(value));
    return;
  }
  let result: i64;
  if (op == OP_POPCNT) result = popcnt(value);
  else if (op == OP_TZCNT) result = value == 0 ? bits : ctz(value);
  else result = clz(value) - (64 - bits);
  const zero = op == OP_POPCNT ? value == 0 : result == 0;
  const carry = op != OP_POPCNT && value == 0;
  setRaw(cpu, (zero ? FLAG_ZF : 0) | (carry ? FLAG_CF : 0));
  writeReg(cpu, to, size, result);
}

function swapBytes(value: i64, size: i32): i64 {
  if (size == 8) return bswap<i64>(value);
  if (size == 4) return <i64>(<u32>bswap<i32>(<i32>value));
  return <i64>(((value & 0xff) << 8) | ((value >> 8) & 0xff));
}

export function execBswap(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const at = <i32>load<u16>(pc, U_R1);
  // BSWAP of a 16-bit register is undefined; processors give 0.
  writeReg(cpu, at, size, size == 2 ? 0 : swapBytes(readReg(cpu, at, size), size));
}

export function execMovbe(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const value = read2(cpu, pc, size);
  if (!faulted()) put1(cpu, pc, size, swapBytes(value, size));
}
