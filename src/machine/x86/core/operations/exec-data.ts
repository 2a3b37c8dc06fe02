/** General operations that move and compute: operands of any size, in registers or memory. */
import {
  C_FLAGS,
  C_REGS,
  K_REG,
  U_EXT,
  U_IMM,
  U_K1,
  U_K2,
  U_R1,
  U_R2,
  U_SIZE,
  U_SIZE2,
} from '../state/layout';
import { loadMemory, probeRead, probeWrite, storeMemory } from '../memory/access';
import {
  binary,
  divideWide,
  doubleShift,
  multiplyHigh,
  multiplyHighSigned,
  shift,
  wideRemainder,
} from './arithmetic';
import { condition, resultFlags, setAllFlags, setIncDec, setRaw, setSub, statusFlags } from './flags';
import {
  effectiveAddress,
  effectiveOffset,
  loadOperand,
  put1,
  read1,
  read2,
  readForWrite,
  write1,
} from './operands';
import {
  OP_ADD,
  OP_CMP,
  OP_DEC,
  OP_DIV,
  OP_IDIV,
  OP_IMUL1,
  OP_INC,
  OP_NEG,
  OP_TEST,
} from '../generated/ops';
import {
  FLAG_CF,
  FLAG_DF,
  FLAG_OF,
  FLAG_ZF,
  VECTOR_DE,
  VECTOR_GP,
  fault,
  faultWith,
  faulted,
  readReg,
  signExtend,
  sizeMask,
  systemFlags,
  writeReg,
} from '../state/state';

export function execBinary(cpu: i32, pc: i32, op: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const quiet = op == OP_CMP || op == OP_TEST;
  const a = quiet ? read1(cpu, pc, size) : readForWrite(cpu, pc, size);
  if (faulted()) return;
  const b = read2(cpu, pc, size);
  if (faulted()) return;
  const result = binary(cpu, op, a, b, size);
  if (!quiet) write1(cpu, pc, size, result);
}

export function execMov(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const value = read2(cpu, pc, size);
  if (!faulted()) put1(cpu, pc, size, value);
}

/** INC, DEC, NEG, NOT. */
export function execUnary(cpu: i32, pc: i32, op: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const a = readForWrite(cpu, pc, size);
  if (faulted()) return;
  if (op == OP_INC) {
    setIncDec(cpu, a, -1, size);
    write1(cpu, pc, size, a + 1);
  } else if (op == OP_DEC) {
    setIncDec(cpu, a, 1, size);
    write1(cpu, pc, size, a - 1);
  } else if (op == OP_NEG) {
    setSub(cpu, 0, a, size);
    write1(cpu, pc, size, -a);
  } else write1(cpu, pc, size, ~a);
}

export function execShift(cpu: i32, pc: i32, op: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const a = readForWrite(cpu, pc, size);
  if (faulted()) return;
  const count = load<u8>(pc, U_K2) == K_REG ? <i64>load<u8>(cpu, C_REGS + 8) : load<i64>(pc, U_IMM);
  write1(cpu, pc, size, shift(cpu, op, a, count, size));
}

export function execDoubleShift(cpu: i32, pc: i32, left: bool): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const a = readForWrite(cpu, pc, size);
  if (faulted()) return;
  const count = load<u8>(pc, U_EXT) ? <i64>load<u8>(cpu, C_REGS + 8) : load<i64>(pc, U_IMM);
  const filler = readReg(cpu, load<u16>(pc, U_R2), size);
  write1(cpu, pc, size, doubleShift(cpu, left, a, filler, count, size));
}

/** Flags of a product: CF and OF tell that the high half matters; the rest is left as of the low half. */
function setProductFlags(cpu: i32, low: i64, size: i32, overflow: bool): void {
  setRaw(cpu, resultFlags(low, size) | (overflow ? FLAG_CF | FLAG_OF : 0));
}

/** One-operand MUL and IMUL. */
export function execMultiply(cpu: i32, pc: i32, op: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const b = read1(cpu, pc, size);
  if (faulted()) return;
  const a = readReg(cpu, 0, size);
  const signed = op == OP_IMUL1;
  if (size == 8) {
    const low = a * b;
    const high = signed ? multiplyHighSigned(a, b) : <i64>multiplyHigh(a, b);
    store<i64>(cpu, low);
    store<i64>(cpu, high, 16);
    setProductFlags(cpu, low, 8, signed ? high != low >> 63 : high != 0);
    return;
  }
  const product = signed ? signExtend(a, size) * signExtend(b, size) : a * b;
  const overflow = signed ? signExtend(product, size) != product : <i64>((<u64>product) >> (size * 8)) != 0;
  if (size == 1) store<u16>(cpu, <u16>product);
  else {
    writeReg(cpu, 0, size, product);
    writeReg(cpu, 16, size, product >> (size * 8));
  }
  setProductFlags(cpu, product, size, overflow);
}

/** Two- and three-operand IMUL: the first operand is a register. */
export function execMultiplyTo(cpu: i32, pc: i32, three: bool): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const b = read2(cpu, pc, size);
  if (faulted()) return;
  const a = three ? load<i64>(pc, U_IMM) : readReg(cpu, load<u16>(pc, U_R1), size);
  const x = signExtend(a, size);
  const y = signExtend(b, size);
  const product = x * y;
  const overflow =
    size == 8 ? multiplyHighSigned(x, y) != product >> 63 : signExtend(product, size) != product;
  writeReg(cpu, load<u16>(pc, U_R1), size, product);
  setProductFlags(cpu, product, size, overflow);
}

/** DIV and IDIV: #DE when the quotient does not fit. Flags are undefined by the manual and left alone. */
export function execDivide(cpu: i32, pc: i32, op: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const divisor = read1(cpu, pc, size);
  if (faulted()) return;
  if (divisor == 0) return fault(VECTOR_DE);
  if (size == 8) return divide64(cpu, divisor, op == OP_IDIV);
  const bits = <i64>(size * 8);
  const dividend = size == 1 ? <i64>load<u16>(cpu) : readReg(cpu, 0, size) | (readReg(cpu, 16, size) << bits);
  let quotient: i64;
  let remainder: i64;
  if (op == OP_DIV) {
    quotient = <i64>(<u64>dividend / <u64>divisor);
    remainder = <i64>(<u64>dividend % <u64>divisor);
    if (<u64>quotient > <u64>sizeMask(size)) return fault(VECTOR_DE);
  } else {
    const a = size == 4 ? dividend : signExtend(dividend, size * 2);
    const b = signExtend(divisor, size);
    if (a == i64.MIN_VALUE && b == -1) return fault(VECTOR_DE);
    quotient = a / b;
    remainder = a % b;
    if (signExtend(quotient, size) != quotient) return fault(VECTOR_DE);
  }
  if (size == 1) store<u16>(cpu, <u16>((quotient & 0xff) | ((remainder & 0xff) << 8)));
  else {
    writeReg(cpu, 0, size, quotient);
    writeReg(cpu, 16, size, remainder);
  }
}

function divide64(cpu: i32, divisor: i64, signed: bool): void {
  let low = load<i64>(cpu);
  let high = load<i64>(cpu, 16);
  if (!signed) {
    if (<u64>high >= <u64>divisor) return fault(VECTOR_DE);
    store<i64>(cpu, <i64>divideWide(high, low, divisor));
    store<i64>(cpu, <i64>wideRemainder, 16);
    return;
  }
  const negative = high < 0;
  if (negative) {
    low = -low;
    high = ~high + (low == 0 ? 1 : 0);
  }
  const b = divisor < 0 ? -divisor : divisor;
  if (<u64>high >= <u64>b) return fault(VECTOR_DE);
  const magnitude = divideWide(high, low, b);
  const below = negative != divisor < 0;
  // −2^63 is the one quotient whose magnitude does not fit a signed number.
  if (magnitude > <u64>i64.MAX_VALUE && !(below && magnitude == <u64>i64.MIN_VALUE)) return fault(VECTOR_DE);
  store<i64>(cpu, below ? -(<i64>magnitude) : <i64>magnitude);
  store<i64>(cpu, negative ? -(<i64>wideRemainder) : <i64>wideRemainder, 16);
}

export function execExtend(cpu: i32, pc: i32, signed: bool): void {
  const from = <i32>load<u8>(pc, U_SIZE2);
  const value = read2(cpu, pc, from);
  if (faulted()) return;
  writeReg(cpu, load<u16>(pc, U_R1), load<u8>(pc, U_SIZE), signed ? signExtend(value, from) : value);
}

export function execLea(cpu: i32, pc: i32): void {
  writeReg(cpu, load<u16>(pc, U_R1), load<u8>(pc, U_SIZE), effectiveOffset(cpu, pc));
}

export function execXchg(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const a = readForWrite(cpu, pc, size);
  if (faulted()) return;
  const r2 = <i32>load<u16>(pc, U_R2);
  const b = readReg(cpu, r2, size);
  write1(cpu, pc, size, b);
  if (!faulted()) writeReg(cpu, r2, size, a);
}

export function execXadd(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const a = readForWrite(cpu, pc, size);
  if (faulted()) return;
  const r2 = <i32>load<u16>(pc, U_R2);
  const sum = binary(cpu, OP_ADD, a, readReg(cpu, r2, size), size);
  if (load<u8>(pc, U_K1) == K_REG) {
    // The sum is written last: it stays when both operands are one register.
    writeReg(cpu, r2, size, a);
    return write1(cpu, pc, size, sum);
  }
  write1(cpu, pc, size, sum);
  if (!faulted()) writeReg(cpu, r2, size, a);
}

export function execCmpxchg(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const a = readForWrite(cpu, pc, size);
  if (faulted()) return;
  const expected = readReg(cpu, 0, size);
  setSub(cpu, expected, a, size);
  if (((expected ^ a) & sizeMask(size)) == 0) {
    write1(cpu, pc, size, readReg(cpu, load<u16>(pc, U_R2), size));
  } else {
    // A memory destination is written back in any case; a register destination is left alone, upper half and all.
    if (load<u8>(pc, U_K1) != K_REG) write1(cpu, pc, size, a);
    if (!faulted()) writeReg(cpu, 0, size, a);
  }
}

/** CMPXCHG8B (`half` = 4) and CMPXCHG16B (`half` = 8). */
export function execCmpxchgPair(cpu: i32, pc: i32, half: i32): void {
  const address = effectiveAddress(cpu, pc, 2 * half, true);
  if (faulted()) return;
  if (half == 8 && address & 15) return faultWith(VECTOR_GP, 0);
  if (!probeWrite(cpu, address, 8)) return;
  // Eight bytes are one access; sixteen are aligned, so that both halves lie in one page.
  const first = loadMemory(cpu, address, 8);
  if (faulted()) return;
  const second = half == 8 ? loadMemory(cpu, address + 8, 8) : 0;
  if (faulted()) return;
  const low = half == 8 ? first : first & 0xffffffff;
  const high = half == 8 ? second : <i64>((<u64>first) >> 32);
  const same = low == readReg(cpu, 0, half) && high == readReg(cpu, 16, half);
  const rbx = readReg(cpu, 24, half);
  const rcx = readReg(cpu, 8, half);
  // The destination is written back in any case, as by CMPXCHG.
  storeMemory(cpu, address, 8, same ? (half == 8 ? rbx : rbx | (rcx << 32)) : first);
  if (faulted()) return;
  if (half == 8) storeMemory(cpu, address + 8, 8, same ? rcx : second);
  if (faulted()) return;
  setRaw(cpu, (statusFlags(cpu) & ~FLAG_ZF) | (same ? FLAG_ZF : 0));
  if (same) return;
  writeReg(cpu, 0, half, low);
  writeReg(cpu, 16, half, high);
}

export function execSetcc(cpu: i32, pc: i32): void {
  put1(cpu, pc, 1, condition(cpu, load<u8>(pc, U_EXT)) ? 1 : 0);
}

/** The source is read, and the upper half of a 32-bit destination cleared, whether or not the condition holds. */
export function execCmovcc(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const value = read2(cpu, pc, size);
  if (faulted()) return;
  const to = <i32>load<u16>(pc, U_R1);
  writeReg(cpu, to, size, condition(cpu, load<u8>(pc, U_EXT)) ? value : readReg(cpu, to, size));
}

/** CBW, CWDE, CDQE: size is the result's. */
export function execCbw(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  writeReg(cpu, 0, size, signExtend(readReg(cpu, 0, size >> 1), size >> 1));
}

/** CWD, CDQ, CQO. */
export function execCwd(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  writeReg(cpu, 16, size, signExtend(readReg(cpu, 0, size), size) >> 63);
}

export function execLahf(cpu: i32): void {
  store<u8>(cpu, <u8>((statusFlags(cpu) & 0xd5) | 2), 1);
}

export function execSahf(cpu: i32): void {
  setAllFlags(cpu, (statusFlags(cpu) & FLAG_OF) | (<i64>(load<u8>(cpu, 1) & 0xd5)) | systemFlags(cpu));
}

/** CLC, STC, CMC: `and` then `xor` on the carry. */
export function execCarry(cpu: i32, keep: i64, flip: i64): void {
  const flags = statusFlags(cpu);
  setRaw(cpu, (flags & ~FLAG_CF) | ((flags & keep) ^ flip));
}

/** CLD and STD. */
export function execDirection(cpu: i32, set: bool): void {
  const flags = load<i64>(cpu, C_FLAGS) & ~FLAG_DF;
  store<i64>(cpu, set ? flags | FLAG_DF : flags, C_FLAGS);
}

/** CLFLUSH, CLFLUSHOPT, CLWB: there is no cache, but the line must be one that could be read. */
export function execCacheLine(cpu: i32, pc: i32): void {
  const address = effectiveAddress(cpu, pc, 1, false);
  if (!faulted()) probeRead(cpu, address);
}

export function execXlat(cpu: i32, pc: i32): void {
  // The decoder gives base RBX and index RAX; only AL counts.
  const whole = load<i64>(cpu);
  store<i64>(cpu, whole & 0xff);
  const value = loadOperand(cpu, pc, 1);
  store<i64>(cpu, whole);
  if (!faulted()) store<u8>(cpu, <u8>value);
}
