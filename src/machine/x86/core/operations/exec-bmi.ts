/** BMI1, BMI2, ADX and RDPID: operations with a third operand, or flags of their own (SDM vol. 2, by name). */
import { C_CR0, C_REGS, C_TSC_AUX, U_EXT, U_IMM, U_R1, U_SIZE } from '../state/layout';
import { multiplyHigh } from './arithmetic';
import { resultFlags, setRaw, statusFlags } from './flags';
import { read2 } from './operands';
import {
  OP_ADCX,
  OP_ANDN,
  OP_BEXTR,
  OP_BLSI,
  OP_BLSMSK,
  OP_BZHI,
  OP_MULX,
  OP_PDEP,
  OP_PEXT,
  OP_RORX,
  OP_SARX,
  OP_SHLX,
} from '../generated/ops';
import {
  FLAG_CF,
  FLAG_OF,
  FLAG_SF,
  FLAG_ZF,
  VECTOR_UD,
  fault,
  faulted,
  readReg,
  signExtend,
  sizeMask,
  writeReg,
} from '../state/state';

const RDX = 16;
const CR0_PE: i64 = 1;

/** The register operand beside destination and r/m: its number is U_EXT. */
// @ts-ignore: decorator of AssemblyScript
@inline
function third(cpu: i32, pc: i32, size: i32): i64 {
  return readReg(cpu, C_REGS + (<i32>load<u8>(pc, U_EXT) << 3), size);
}

/** SF and ZF of a result with a carry; the parity and adjust flags, which the manual leaves undefined, are clear. */
function setResult(cpu: i32, result: i64, size: i32, carry: bool): void {
  setRaw(cpu, (resultFlags(result, size) & (FLAG_ZF | FLAG_SF)) | (carry ? FLAG_CF : 0));
}

/** Every VEX-encoded operation on general registers. Real mode does not know the prefix. */
export function execBmi(cpu: i32, pc: i32, op: i32): void {
  if (!(load<i64>(cpu, C_CR0) & CR0_PE)) return fault(VECTOR_UD);
  const size = <i32>load<u8>(pc, U_SIZE);
  const source = read2(cpu, pc, size);
  if (faulted()) return;
  if (op <= OP_BZHI) return writeReg(cpu, load<u16>(pc, U_R1), size, withFlags(cpu, pc, op, source, size));
  if (op == OP_MULX) return mulx(cpu, pc, source, size);
  writeReg(cpu, load<u16>(pc, U_R1), size, withoutFlags(cpu, pc, op, source, size));
}

function withFlags(cpu: i32, pc: i32, op: i32, source: i64, size: i32): i64 {
  const mask = sizeMask(size);
  const bits = <u64>(size * 8);
  let result: i64;
  let carry = false;
  if (op == OP_ANDN) result = ~third(cpu, pc, size) & source;
  else if (op == OP_BEXTR) {
    const control = third(cpu, pc, size);
    const start = <u64>(control & 255);
    const length = <u64>((control >> 8) & 255);
    result = start >= bits ? 0 : <i64>((<u64>source) >> start);
    if (length < bits) result &= (<i64>1 << <i64>length) - 1;
  } else if (op == OP_BZHI) {
    const index = <u64>(third(cpu, pc, size) & 255);
    carry = index >= bits;
    result = carry ? source : source & ((<i64>1 << <i64>index) - 1);
  } else if (op == OP_BLSI) {
    result = -source & source;
    carry = source != 0;
  } else {
    result = op == OP_BLSMSK ? (source - 1) ^ source : (source - 1) & source;
    carry = source == 0;
  }
  setResult(cpu, result & mask, size, carry);
  return result;
}

function withoutFlags(cpu: i32, pc: i32, op: i32, source: i64, size: i32): i64 {
  const bits = <i64>(size * 8);
  if (op == OP_RORX) {
    const turn = load<i64>(pc, U_IMM) & (bits - 1);
    const low = source & sizeMask(size);
    return turn == 0 ? low : <i64>((<u64>low) >> (<u64>turn)) | (low << (bits - turn));
  }
  const other = third(cpu, pc, size);
  if (op == OP_PDEP) return deposit(other, source);
  if (op == OP_PEXT) return extract(other, source);
  const count = other & (bits - 1);
  if (op == OP_SARX) return signExtend(source, size) >> count;
  return op == OP_SHLX ? source << count : <i64>((<u64>source) >> (<u64>count));
}

/** The low bits of `value` go to where `mask` has ones. */
function deposit(value: i64, mask: i64): i64 {
  let result: i64 = 0;
  while (mask) {
    const bit = mask & -mask;
    if (value & 1) result |= bit;
    value >>= 1;
    mask ^= bit;
  }
  return result;
}

function extract(value: i64, mask: i64): i64 {
  let result: i64 = 0;
  for (let at: i64 = 0; mask; at++) {
    const bit = mask & -mask;
    if (value & bit) result |= <i64>1 << at;
    mask ^= bit;
  }
  return result;
}

/** The high half is written last: it stays when both destinations are one register. */
function mulx(cpu: i32, pc: i32, source: i64, size: i32): void {
  const other = readReg(cpu, RDX, size);
  const low = source * other;
  const high = size == 8 ? <i64>multiplyHigh(source, other) : <i64>((<u64>low) >> 32);
  writeReg(cpu, C_REGS + (<i32>load<u8>(pc, U_EXT) << 3), size, low);
  writeReg(cpu, load<u16>(pc, U_R1), size, high);
}

/** ADCX counts with the carry flag, ADOX with the overflow flag; neither touches another one. */
export function execAddFlag(cpu: i32, pc: i32, op: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const b = read2(cpu, pc, size);
  if (faulted()) return;
  const flag = op == OP_ADCX ? FLAG_CF : FLAG_OF;
  const flags = statusFlags(cpu);
  const a = readReg(cpu, load<u16>(pc, U_R1), size);
  const sum = a + b + (flags & flag ? 1 : 0);
  const out = ((a & b) | ((a | b) & ~sum)) >> (<i64>(size * 8) - 1);
  setRaw(cpu, (flags & ~flag) | (out & 1 ? flag : 0));
  writeReg(cpu, load<u16>(pc, U_R1), size, sum);
}

export function execRdpid(cpu: i32, pc: i32): void {
  writeReg(cpu, load<u16>(pc, U_R1), 8, load<i64>(cpu, C_TSC_AUX) & 0xffffffff);
}
