/**
 * Status flags. They are kept as the last operation and its operands (`CC_*` of layout.ts), and worked out when asked for.
 * Operands are sign-extended to 64 bits: that keeps both signed and unsigned order, so comparisons need no size.
 */
import {
  C_CC,
  C_CCA,
  C_CCB,
  C_FLAGS,
  CC_ADD,
  CC_CARRY,
  CC_CLASS,
  CC_INC,
  CC_RAW,
  CC_SUB,
} from '../state/layout';
import {
  FLAG_AC,
  FLAG_AF,
  FLAG_CF,
  FLAG_OF,
  FLAG_PF,
  FLAG_RF,
  FLAG_SF,
  FLAG_TF,
  FLAG_ZF,
  STATUS_FLAGS,
  refresh,
  signExtend,
} from '../state/state';

/** The shift that moves a `size`-byte value to the top of 64 bits: bits 0-5 of C_CC. */
// @ts-ignore: decorator of AssemblyScript
@inline
function topShift(size: i32): i64 {
  return <i64>(64 - size * 8);
}

function setCc(cpu: i32, cc: i64, a: i64, b: i64): void {
  store<i64>(cpu, cc, C_CC);
  store<i64>(cpu, a, C_CCA);
  store<i64>(cpu, b, C_CCB);
}

export function setSub(cpu: i32, a: i64, b: i64, size: i32): void {
  setCc(cpu, CC_SUB | topShift(size), signExtend(a, size), signExtend(b, size));
}

export function setAdd(cpu: i32, a: i64, b: i64, size: i32): void {
  setCc(cpu, CC_ADD | topShift(size), signExtend(a, size), signExtend(b, size));
}

export function setLogic(cpu: i32, result: i64, size: i32): void {
  setCc(cpu, CC_SUB | topShift(size), signExtend(result, size), 0);
}

/** INC: `b` = −1; DEC: `b` = 1. The carry stays. */
export function setIncDec(cpu: i32, a: i64, b: i64, size: i32): void {
  const carry = statusFlags(cpu) & FLAG_CF;
  setCc(cpu, CC_INC | topShift(size) | (carry ? CC_CARRY : 0), signExtend(a, size), b);
}

export function setRaw(cpu: i32, flags: i64): void {
  setCc(cpu, CC_RAW, flags & STATUS_FLAGS, 0);
}

/** PF, ZF and SF of a result. */
export function resultFlags(result: i64, size: i32): i64 {
  const value = signExtend(result, size);
  return (
    (value == 0 ? FLAG_ZF : 0) | (value < 0 ? FLAG_SF : 0) | (popcnt<i32>(<i32>value & 255) & 1 ? 0 : FLAG_PF)
  );
}

/** Flags of a − b at the size given by `shift`. */
function subFlags(a: i64, b: i64, shift: i64): i64 {
  const difference = a - b;
  let flags: i64 = a == b ? FLAG_ZF : 0;
  if (<u64>a < <u64>b) flags |= FLAG_CF;
  if (difference << shift < 0) flags |= FLAG_SF;
  if (((a ^ b) & (a ^ difference)) << shift < 0) flags |= FLAG_OF;
  if (!(popcnt<i32>(<i32>difference & 255) & 1)) flags |= FLAG_PF;
  return flags | ((a ^ b ^ difference) & FLAG_AF);
}

function addFlags(a: i64, b: i64, shift: i64): i64 {
  const sum = a + b;
  let flags: i64 = sum << shift == 0 ? FLAG_ZF : 0;
  if (<u64>(sum << shift) < <u64>(b << shift)) flags |= FLAG_CF;
  if (sum << shift < 0) flags |= FLAG_SF;
  if (((a ^ sum) & (b ^ sum)) << shift < 0) flags |= FLAG_OF;
  if (!(popcnt<i32>(<i32>sum & 255) & 1)) flags |= FLAG_PF;
  return flags | ((a ^ b ^ sum) & FLAG_AF);
}

/** The six status flags in their RFLAGS positions. */
export function statusFlags(cpu: i32): i64 {
  const cc = load<i64>(cpu, C_CC);
  const a = load<i64>(cpu, C_CCA);
  const b = load<i64>(cpu, C_CCB);
  const kind = <i32>cc & CC_CLASS;
  const shift = cc & 63;
  if (kind == CC_RAW) return a;
  if (kind == CC_ADD) return addFlags(a, b, shift);
  const flags = subFlags(a, b, shift);
  if (kind == CC_SUB) return flags;
  const adjusted = b < 0 ? flags ^ FLAG_AF : flags;
  return (adjusted & ~FLAG_CF) | (cc & CC_CARRY ? FLAG_CF : 0);
}

export function allFlags(cpu: i32): i64 {
  return statusFlags(cpu) | load<i64>(cpu, C_FLAGS) | 2;
}

/** Sets status and system flags alike. */
export function setAllFlags(cpu: i32, flags: i64): void {
  setRaw(cpu, flags);
  const changed = load<i64>(cpu, C_FLAGS) ^ flags;
  store<i64>(cpu, (flags & ~STATUS_FLAGS) | 2, C_FLAGS);
  if (changed & (FLAG_AC | FLAG_TF | FLAG_RF)) refresh(cpu);
}

/** A condition code 0-15 as Jcc encodes it. */
export function condition(cpu: i32, code: i32): bool {
  const flags = statusFlags(cpu);
  let holds = false;
  switch (code >> 1) {
    case 0:
      holds = (flags & FLAG_OF) != 0;
      break;
    case 1:
      holds = (flags & FLAG_CF) != 0;
      break;
    case 2:
      holds = (flags & FLAG_ZF) != 0;
      break;
    case 3:
      holds = (flags & (FLAG_CF | FLAG_ZF)) != 0;
      break;
    case 4:
      holds = (flags & FLAG_SF) != 0;
      break;
    case 5:
      holds = (flags & FLAG_PF) != 0;
      break;
    case 6:
      holds = ((flags >> 7) ^ (flags >> 11)) & 1 ? true : false;
      break;
    default:
      holds = (((flags >> 7) ^ (flags >> 11) ^ 0) & 1) != 0 || (flags & FLAG_ZF) != 0;
  }
  return holds != ((code & 1) != 0);
}
