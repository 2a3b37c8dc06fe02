/** Frames that interrupts and call gates push: on a stack that need not be the running one, checked before anything is. */
import {
  C_CPL,
  C_MMU,
  C_STACK_MASK,
  CONTEXT0,
  CONTEXT_SIZE,
  SEG_SS,
  S_ATTR,
  S_BASE,
  S_LIMIT,
} from '../state/layout';
import { storeIn } from '../memory/access';
import { setStackAccess } from '../memory/tlb';
import { segment } from './segments';
import { faulted } from '../state/state';

/** Type field of a data segment, and its B bit, in S_ATTR. */
const ATTR_CODE = 8;
const ATTR_EXPAND_DOWN = 4;
const ATTR_BIG = 0x4000;

let context: i32 = 0;
let base: i64 = 0;
/** Bits of the stack pointer that count; −1 for one without segment. */
let mask: i64 = -1;
let pointer: i64 = 0;
let attributes: i32 = 0;
let limit: u32 = 0;

/** The translation context in which code of privilege level `cpl` reaches its stack. */
function contextOf(cpu: i32, cpl: i32): i32 {
  if (cpl == load<i32>(cpu, C_CPL)) return load<i32>(cpu, C_MMU);
  return cpu + CONTEXT0 + (cpl == 3 ? CONTEXT_SIZE : 0);
}

/** Pushes go to the running stack, from `top` on. */
export function aimHere(cpu: i32, top: i64): void {
  const at = segment(cpu, SEG_SS);
  context = load<i32>(cpu, C_MMU);
  mask = load<i64>(cpu, C_STACK_MASK);
  base = mask == -1 ? 0 : load<i64>(at, S_BASE);
  attributes = load<i32>(at, S_ATTR);
  limit = load<u32>(at, S_LIMIT);
  pointer = top;
}

/** Pushes go to the stack of code at `cpl`, in a segment with these properties. */
export function aimSegment(cpu: i32, cpl: i32, from: i64, attr: i32, last: u32, top: i64): void {
  context = contextOf(cpu, cpl);
  mask = attr & ATTR_BIG ? 0xffffffff : 0xffff;
  base = from;
  attributes = attr;
  limit = last;
  pointer = top;
}

/** Pushes go to a stack of 64-bit mode. */
export function aimFlat(cpu: i32, cpl: i32, top: i64): void {
  context = contextOf(cpu, cpl);
  mask = -1;
  base = 0;
  pointer = top;
}

/** There is room for `count` pushes of `size` bytes within the segment's limit. */
export function roomFor(count: i32, size: i32): bool {
  if (mask == -1) return true;
  const down = (attributes & (ATTR_CODE | ATTR_EXPAND_DOWN)) == ATTR_EXPAND_DOWN;
  const top: i64 = attributes & ATTR_BIG ? 0xffffffff : 0xffff;
  for (let i = 1; i <= count; i++) {
    const first = (pointer - <i64>(i * size)) & mask;
    const last = first + size - 1;
    if (down ? first <= <i64>limit || last > top : last > <i64>limit) return false;
  }
  return true;
}

/** Pushes `size` bytes; does nothing once a fault is pending. */
export function pushFrame(cpu: i32, size: i32, value: i64): void {
  pointer -= size;
  if (faulted()) return;
  setStackAccess(true);
  const offset = pointer & mask;
  storeIn(cpu, context, mask == -1 ? offset : (base + offset) & 0xffffffff, size, value);
}

/** Makes the stack pointer the frame's. SS must be the frame's own by now: SP leaves the rest of ESP alone. */
export function takeFrame(cpu: i32): void {
  if (mask == 0xffff) store<u16>(cpu, <u16>pointer, 32);
  else store<i64>(cpu, pointer & mask, 32);
}

/** As `takeFrame` after a switch of stacks: ESP is the new one's as a whole. */
export function takeNewFrame(cpu: i32, top: i64): void {
  store<i64>(cpu, mask == -1 ? pointer : ((top & ~mask) | (pointer & mask)) & 0xffffffff, 32);
}
