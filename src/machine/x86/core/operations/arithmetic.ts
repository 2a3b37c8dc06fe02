/** Arithmetic of the general operations that needs more than one line: carries, shifts, wide products and quotients. */
import { setAdd, setLogic, setRaw, setSub, resultFlags, statusFlags } from './flags';
import {
  OP_ADC,
  OP_ADD,
  OP_AND,
  OP_CMP,
  OP_OR,
  OP_RCL,
  OP_RCR,
  OP_ROL,
  OP_ROR,
  OP_SBB,
  OP_SHL,
  OP_SHR,
  OP_SUB,
  OP_TEST,
} from '../generated/ops';
import { FLAG_AF, FLAG_CF, FLAG_OF, signExtend, sizeMask } from '../state/state';

/** The two-operand group: result of `op`, with its flags set. CMP and TEST give a result nobody stores. */
export function binary(cpu: i32, op: i32, a: i64, b: i64, size: i32): i64 {
  switch (op) {
    case OP_ADD:
      setAdd(cpu, a, b, size);
      return a + b;
    case OP_SUB:
    case OP_CMP:
      setSub(cpu, a, b, size);
      return a - b;
    case OP_ADC:
      return addCarry(cpu, a, b, statusFlags(cpu) & FLAG_CF, size);
    case OP_SBB:
      return subBorrow(cpu, a, b, statusFlags(cpu) & FLAG_CF, size);
    case OP_AND:
    case OP_TEST: {
      const r = a & b;
      setLogic(cpu, r, size);
      return r;
    }
    case OP_OR: {
      const r = a | b;
      setLogic(cpu, r, size);
      return r;
    }
    default: {
      const r = a ^ b;
      setLogic(cpu, r, size);
      return r;
    }
  }
}

function addCarry(cpu: i32, a: i64, b: i64, carry: i64, size: i32): i64 {
  const sum = a + b + carry;
  const top = <i64>(size * 8 - 1);
  // Carry out of every bit position at once: majority of the operands and the carry in (which the sum gives away).
  const carries = (a & b) | ((a | b) & ~sum);
  setRaw(
    cpu,
    resultFlags(sum, size) |
      ((carries >> top) & FLAG_CF) |
      ((a ^ b ^ sum) & FLAG_AF) |
      ((((a ^ sum) & (b ^ sum)) >> top) & 1 ? FLAG_OF : 0),
  );
  return sum;
}

function subBorrow(cpu: i32, a: i64, b: i64, borrow: i64, size: i32): i64 {
  const difference = a - b - borrow;
  const top = <i64>(size * 8 - 1);
  const borrows = (~a & b) | ((~a | b) & difference);
  setRaw(
    cpu,
    resultFlags(difference, size) |
      ((borrows >> top) & FLAG_CF) |
      ((a ^ b ^ difference) & FLAG_AF) |
      ((((a ^ b) & (a ^ difference)) >> top) & 1 ? FLAG_OF : 0),
  );
  return difference;
}

/** Keeps all flags but CF and OF, which rotates set. */
function setCarryOverflow(cpu: i32, carry: i64, overflow: i64): void {
  const rest = statusFlags(cpu) & ~(FLAG_CF | FLAG_OF);
  setRaw(cpu, rest | (carry & 1) | (overflow & 1 ? FLAG_OF : 0));
}

/** Shifts and rotates (SDM vol. 2, "RCL/RCR/ROL/ROR", "SAL/SAR/SHL/SHR"). A count of 0 leaves the flags alone. */
export function shift(cpu: i32, op: i32, value: i64, rawCount: i64, size: i32): i64 {
  const bits = <i64>(size * 8);
  const mask = sizeMask(size);
  let count = rawCount & (size == 8 ? 63 : 31);
  if (count == 0) return value;
  const v = value & mask;
  const top = bits - 1;
  if (op <= OP_RCR) return rotate(cpu, op, v, count, bits, mask);
  let result: i64;
  let carry: i64;
  let overflow: i64;
  if (op == OP_SHL) {
    result = count >= bits ? 0 : (v << count) & mask;
    carry = count > bits ? 0 : v >> (bits - count);
    overflow = (result >> top) ^ (carry & 1);
  } else if (op == OP_SHR) {
    result = count >= bits ? 0 : <i64>((<u64>v) >> (<u64>count));
    carry = count > bits ? 0 : <i64>((<u64>v) >> (<u64>(count - 1)));
    overflow = (v >> top) & 1;
  } else {
    const s = signExtend(v, size);
    count = min<i64>(count, top + 1);
    result = count > top ? s >> top : s >> count;
    carry = s >> (count - 1 > 63 ? 63 : count - 1);
    overflow = 0;
  }
  // Undefined for counts above 1; clear, as the inner loop has it.
  if (count != 1) overflow = 0;
  setRaw(cpu, resultFlags(result, size) | (carry & 1) | (overflow & 1 ? FLAG_OF : 0));
  return result;
}

function rotate(cpu: i32, op: i32, v: i64, count: i64, bits: i64, mask: i64): i64 {
  const top = bits - 1;
  if (op == OP_ROL || op == OP_ROR) {
    const turn = count & top;
    const left = op == OP_ROL ? turn : (bits - turn) & top;
    const result = left == 0 ? v : ((v << left) | (<i64>((<u64>v) >> (<u64>(bits - left))))) & mask;
    const high = (<i64>((<u64>result) >> (<u64>top))) & 1;
    if (op == OP_ROL) setCarryOverflow(cpu, result & 1, high ^ (result & 1));
    else setCarryOverflow(cpu, high, high ^ ((<i64>((<u64>result) >> (<u64>(top - 1)))) & 1));
    return result;
  }
  let carry = statusFlags(cpu) & FLAG_CF;
  let result = v;
  const turns = <i32>(count % (bits + 1));
  let overflow: i64 = 0;
  for (let i = 0; i < turns; i++) {
    if (op == OP_RCL) {
      const out = (<i64>((<u64>result) >> (<u64>top))) & 1;
      result = ((result << 1) | carry) & mask;
      carry = out;
    } else {
      const out = result & 1;
      result = (<i64>((<u64>result) >> 1)) | (carry << top);
      carry = out;
    }
  }
  const high = (<i64>((<u64>result) >> (<u64>top))) & 1;
  overflow = op == OP_RCL ? high ^ carry : high ^ ((<i64>((<u64>result) >> (<u64>(top - 1)))) & 1);
  setCarryOverflow(cpu, carry, overflow);
  return result;
}

/** SHLD (`left`) and SHRD: shifts `value`, filling from `filler`. */
export function doubleShift(cpu: i32, left: bool, value: i64, filler: i64, rawCount: i64, size: i32): i64 {
  const bits = <i64>(size * 8);
  const mask = sizeMask(size);
  const count = rawCount & (size == 8 ? 63 : 31);
  if (count == 0) return value;
  const v = value & mask;
  const f = filler & mask;
  let result: i64;
  let carry: i64;
  if (count > bits) {
    // 16-bit operands with a larger count: undefined by the manual; the value is shifted in once more.
    const rest = count - bits;
    result = left ? ((f << rest) | (v >> (bits - rest))) & mask : ((f >> rest) | (v << (bits - rest))) & mask;
    carry = left ? f >> (bits - rest) : f >> (rest - 1);
  } else if (left) {
    result = ((v << count) | (count == bits ? f : <i64>((<u64>f) >> (<u64>(bits - count))))) & mask;
    if (count == bits) result = f;
    carry = <i64>((<u64>v) >> (<u64>(bits - count)));
  } else {
    result = count == bits ? f : ((<i64>((<u64>v) >> (<u64>count))) | (f << (bits - count))) & mask;
    carry = <i64>((<u64>v) >> (<u64>(count - 1)));
  }
  const flipped = ((v ^ result) >> (bits - 1)) & 1;
  setRaw(cpu, resultFlags(result, size) | (carry & 1) | (flipped ? FLAG_OF : 0));
  return result;
}

/** High half of the 128-bit unsigned product. */
export function multiplyHigh(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const low = aLow * bLow;
  const mid1 = aHigh * bLow + (low >> 32);
  const mid2 = aLow * bHigh + (mid1 & 0xffffffff);
  return aHigh * bHigh + (mid1 >> 32) + (mid2 >> 32);
}

export function multiplyHighSigned(a: i64, b: i64): i64 {
  return <i64>multiplyHigh(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0);
}

/** Remainder of the last `divideWide`. */
export let wideRemainder: u64 = 0;

/** high:low / divisor for high < divisor: the quotient fits 64 bits. */
export function divideWide(high: u64, low: u64, divisor: u64): u64 {
  if (high == 0) {
    wideRemainder = low % divisor;
    return low / divisor;
  }
  let remainder = high;
  let quotient: u64 = 0;
  for (let i = 63; i >= 0; i--) {
    const carry = remainder >> 63;
    remainder = (remainder << 1) | ((low >> i) & 1);
    if (carry || remainder >= divisor) {
      remainder -= divisor;
      quotient |= (<u64>1) << i;
    }
  }
  wideRemainder = remainder;
  return quotient;
}
