/**
 * Addresses of 32- and 16-bit code: offset, segment limit and rights, linear address (SDM vol. 3, 5.3 and 5.5). In 64-bit
 * mode segments have no limits, and the bases of FS and GS are added where the operand is (`operands.ts`).
 */
import {
  C_CODE_BASE,
  C_CODE_LIMIT,
  C_CR0,
  C_MODE,
  C_STACK_MASK,
  MODE_64,
  SEG_SS,
  S_ATTR,
  S_BASE,
  S_LIMIT,
} from '../state/layout';
import { canonical, setStackAccess } from './tlb';
import { segment } from '../transfer/segments';
import { VECTOR_GP, VECTOR_SS, faultWith } from '../state/state';

/** Bits of S_ATTR: the type field's, present, and the D/B bit. */
const ATTR_CODE = 8;
const ATTR_EXPAND_DOWN = 4;
/** Data: may be written. Code: may be read. */
const ATTR_MORE = 2;
const ATTR_P = 0x80;
const ATTR_B = 0x4000;
const CR0_PE: i64 = 1;

/** Rights of the segment: real mode does not look at them. */
function allowed(attributes: i32, write: bool): bool {
  if (!(attributes & ATTR_P)) return false;
  if (attributes & ATTR_CODE) return !write && (attributes & ATTR_MORE) != 0;
  return !write || (attributes & ATTR_MORE) != 0;
}

/**
 * Linear address of `size` bytes at `offset` in a segment, cut to 32 bits. A null segment, one without the right, or bytes
 * beyond the limit raise #GP(0), or #SS(0) for SS; the result means nothing then.
 */
export function linearAddress(cpu: i32, index: i32, offset: i64, size: i32, write: bool): i64 {
  const at = segment(cpu, index);
  const attributes = load<i32>(at, S_ATTR);
  const limit = <i64>load<u32>(at, S_LIMIT);
  const last = offset + size - 1;
  const down = (attributes & (ATTR_CODE | ATTR_EXPAND_DOWN)) == ATTR_EXPAND_DOWN;
  const inside = down ? offset > limit && last <= (attributes & ATTR_B ? 0xffffffff : 0xffff) : last <= limit;
  if (!inside || (load<i64>(cpu, C_CR0) & CR0_PE && !allowed(attributes, write)))
    faultWith(index == SEG_SS ? VECTOR_SS : VECTOR_GP, 0);
  return (load<i64>(at, S_BASE) + offset) & 0xffffffff;
}

/** Linear address of `size` bytes at an offset in the stack segment; may fault outside 64-bit mode. */
export function stackAddress(cpu: i32, offset: i64, size: i32, write: bool): i64 {
  if (load<i32>(cpu, C_MODE) != MODE_64) return linearAddress(cpu, SEG_SS, offset, size, write);
  setStackAccess(true);
  return offset;
}

/** `offset` cut to what the stack pointer counts: 64, 32 or 16 bits. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function stackOffset(cpu: i32, offset: i64): i64 {
  return offset & load<i64>(cpu, C_STACK_MASK);
}

/** The stack pointer's value for an offset: SP leaves the rest of RSP alone, ESP clears its upper half. */
export function setStackPointer(cpu: i32, offset: i64): void {
  const mask = load<i64>(cpu, C_STACK_MASK);
  if (mask == 0xffff) store<u16>(cpu, <u16>offset, 32);
  else store<i64>(cpu, offset & mask, 32);
}

/** Linear address of code at `rip` in the running mode. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function codeAddress(cpu: i32, rip: i64): i64 {
  if (load<i32>(cpu, C_MODE) == MODE_64) return rip;
  return (load<i64>(cpu, C_CODE_BASE) + rip) & 0xffffffff;
}

/** Where execution goes on after an instruction: EIP counts 32 bits, in 16-bit code too. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function cutRip(cpu: i32, rip: i64): i64 {
  return load<i32>(cpu, C_MODE) == MODE_64 ? rip : rip & 0xffffffff;
}

/** A near branch may go to `rip`: canonical in 64-bit mode, else within the code segment. Otherwise #GP(0). */
export function codeAllowed(cpu: i32, rip: i64): bool {
  const inside =
    load<i32>(cpu, C_MODE) == MODE_64 ? canonical(rip) : <u64>rip <= <u64>load<u32>(cpu, C_CODE_LIMIT);
  if (!inside) faultWith(VECTOR_GP, 0);
  return inside;
}
