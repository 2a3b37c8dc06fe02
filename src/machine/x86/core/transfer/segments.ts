/** Segment registers and descriptors (SDM vol. 3, 3.4 and 5). In 64-bit mode only FS, GS, privilege and code size count. */
import {
  C_CPL,
  C_CR0,
  C_EFER,
  C_GDT_BASE,
  C_GDT_LIMIT,
  C_CODE_BASE,
  C_CODE_LIMIT,
  C_MODE,
  C_SEGMENTS,
  C_STACK_MASK,
  CONTEXT0,
  CONTEXTS,
  CONTEXT_SIZE,
  EMPTY_BYTE,
  JUMP_CACHE,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  MODE_16,
  MODE_32,
  MODE_64,
  SEG_CS,
  SEG_DS,
  SEG_ES,
  SEG_GS,
  SEG_LDTR,
  SEG_SIZE,
  SEG_SS,
  S_ATTR,
  S_BASE,
  S_LIMIT,
  S_SELECTOR,
} from '../state/layout';
import { loadSystem, storeSystem } from '../memory/access';
import { CR0_PE, EFER_LMA, VECTOR_GP, VECTOR_NP, VECTOR_SS, faultWith, faulted } from '../state/state';

// @ts-ignore: decorator of AssemblyScript
@inline
export function segment(cpu: i32, index: i32): i32 {
  return cpu + C_SEGMENTS + index * SEG_SIZE;
}

export function selectorOf(cpu: i32, index: i32): i32 {
  return load<u16>(segment(cpu, index), S_SELECTOR);
}

export const DESCRIPTOR_P: i64 = 1 << 47;
export const DESCRIPTOR_S: i64 = 1 << 44;
export const DESCRIPTOR_CODE: i64 = 1 << 43;
export const DESCRIPTOR_CONFORMING: i64 = 1 << 42;
export const DESCRIPTOR_WRITABLE: i64 = 1 << 41;
export const DESCRIPTOR_ACCESSED: i64 = 1 << 40;
export const DESCRIPTOR_LONG: i64 = 1 << 53;
export const DESCRIPTOR_BIG: i64 = 1 << 54;

export function descriptorDpl(descriptor: i64): i32 {
  return <i32>(descriptor >> 45) & 3;
}

/** 64-bit code: L without D. */
export function longDescriptor(descriptor: i64): bool {
  return (descriptor & (DESCRIPTOR_LONG | DESCRIPTOR_BIG)) == DESCRIPTOR_LONG;
}

/** `bytes` of the selector's descriptor lie within its table. */
export function insideTable(cpu: i32, selector: i32, bytes: i32): bool {
  const last = <u32>((selector & ~7) + bytes - 1);
  if (!(selector & 4)) return last <= load<u32>(cpu, C_GDT_LIMIT);
  const ldt = segment(cpu, SEG_LDTR);
  return load<u16>(ldt, S_SELECTOR) >> 2 != 0 && last <= load<u32>(ldt, S_LIMIT);
}

function tableAddress(cpu: i32, selector: i32): i64 {
  const local = (selector & 4) != 0;
  const base = local ? load<i64>(segment(cpu, SEG_LDTR), S_BASE) : load<i64>(cpu, C_GDT_BASE);
  return base + <i64>(selector & ~7);
}

/** The descriptor of a selector; `vector` with the selector and the EXT bit when it lies outside its table. */
export function readDescriptorFor(cpu: i32, selector: i32, vector: i32, ext: i32): i64 {
  if (insideTable(cpu, selector, 8)) return loadSystem(cpu, tableAddress(cpu, selector), 8);
  faultWith(vector, (selector & ~3) | ext);
  return 0;
}

/** The descriptor of a selector, or a fault (#GP with the selector when it lies outside its table). */
export function readDescriptor(cpu: i32, selector: i32): i64 {
  return readDescriptorFor(cpu, selector, VECTOR_GP, 0);
}

/** Upper half of a 16-byte system descriptor. */
export function readDescriptorHigh(cpu: i32, selector: i32): i64 {
  if (insideTable(cpu, selector, 16)) return loadSystem(cpu, tableAddress(cpu, selector) + 8, 8);
  faultWith(VECTOR_GP, selector & ~3);
  return 0;
}

/** Sets bits in the descriptor's type field (accessed, TSS busy). */
export function markDescriptor(cpu: i32, selector: i32, descriptor: i64, bits: i64): void {
  if ((descriptor & bits) == bits) return;
  storeSystem(cpu, tableAddress(cpu, selector) + 5, 1, (descriptor | bits) >> 40);
}

/** Base address in a segment descriptor. */
export function descriptorBase(descriptor: i64): i64 {
  return ((descriptor >> 16) & 0xffffff) | ((descriptor >> 32) & 0xff000000);
}

/** Last offset of a segment, by the granularity bit. */
export function descriptorLimit(descriptor: i64): u32 {
  const limit = <u32>(descriptor & 0xffff) | (<u32>(descriptor >> 32) & 0xf0000);
  return descriptor & (1 << 55) ? (limit << 12) | 0xfff : limit;
}

/** Fills the hidden part of a segment register. */
export function setSegment(cpu: i32, index: i32, selector: i32, descriptor: i64): void {
  const at = segment(cpu, index);
  store<i64>(at, descriptorBase(descriptor), S_BASE);
  store<i32>(at, selector, S_SELECTOR);
  store<u32>(at, descriptorLimit(descriptor), S_LIMIT);
  store<i32>(at, <i32>(descriptor >> 40) & 0xffff, S_ATTR);
  if (index == SEG_CS || index == SEG_SS) updateMode(cpu);
}

/** Bits of S_ATTR: 64-bit code; 32-bit code, or a stack addressed by ESP. */
const ATTR_LONG = 0x2000;
const ATTR_BIG = 0x4000;

/**
 * Works out C_MODE and C_STACK_MASK after CS, SS or EFER.LMA changed. The jump cache knows offsets within one code segment
 * only: it is emptied with every change of mode, base or limit.
 */
export function updateMode(cpu: i32): void {
  const cs = segment(cpu, SEG_CS);
  const attributes = load<i32>(cs, S_ATTR);
  const long = (load<i64>(cpu, C_EFER) & EFER_LMA) != 0 && (attributes & ATTR_LONG) != 0;
  const mode = long ? MODE_64 : attributes & ATTR_BIG ? MODE_32 : MODE_16;
  const big = (load<i32>(segment(cpu, SEG_SS), S_ATTR) & ATTR_BIG) != 0;
  const base: i64 = long ? 0 : load<i64>(cs, S_BASE);
  const limit: u32 = long ? 0xffffffff : load<u32>(cs, S_LIMIT);
  store<i64>(cpu, long ? -1 : big ? 0xffffffff : 0xffff, C_STACK_MASK);
  const same = load<i64>(cpu, C_CODE_BASE) == base && load<u32>(cpu, C_CODE_LIMIT) == limit;
  if (same && load<i32>(cpu, C_MODE) == mode) return;
  store<i32>(cpu, mode, C_MODE);
  store<i64>(cpu, base, C_CODE_BASE);
  store<u32>(cpu, limit, C_CODE_LIMIT);
  for (let c = 0; c < CONTEXTS; c++) {
    const cache = cpu + CONTEXT0 + c * CONTEXT_SIZE + JUMP_CACHE;
    memory.fill(cache, <u8>EMPTY_BYTE, JUMP_ENTRIES * JUMP_ENTRY);
  }
}

/** Makes a segment register null; FS and GS lose their base as on Intel processors. */
export function setNullSegment(cpu: i32, index: i32, selector: i32): void {
  setSegment(cpu, index, selector, 0);
}

/** Real mode: a selector is a sixteenth of its base; limit and attributes stay as they are (SDM vol. 3, 20.1.1). */
export function loadRealSegment(cpu: i32, index: i32, selector: i32): void {
  const at = segment(cpu, index);
  store<i64>(at, (<i64>selector & 0xffff) << 4, S_BASE);
  store<i32>(at, selector & 0xffff, S_SELECTOR);
  if (index == SEG_CS || index == SEG_SS) updateMode(cpu);
}

/** Loads ES, SS, DS, FS or GS as MOV, POP and LDS do (SDM vol. 2, "MOV"). */
export function loadDataSegment(cpu: i32, index: i32, selector: i32): void {
  if (!(load<i64>(cpu, C_CR0) & CR0_PE)) return loadRealSegment(cpu, index, selector);
  const cpl = load<i32>(cpu, C_CPL);
  const rpl = selector & 3;
  if (selector >> 2 == 0) {
    const allowed = load<i32>(cpu, C_MODE) == MODE_64 && cpl != 3 && rpl == cpl;
    if (index == SEG_SS && !allowed) return faultWith(VECTOR_GP, 0);
    return setNullSegment(cpu, index, selector);
  }
  const error = selector & ~3;
  const descriptor = readDescriptor(cpu, selector);
  if (faulted()) return;
  const dpl = descriptorDpl(descriptor);
  const code = (descriptor & DESCRIPTOR_CODE) != 0;
  let bad = !(descriptor & DESCRIPTOR_S);
  if (index == SEG_SS) {
    if (code || !(descriptor & DESCRIPTOR_WRITABLE) || rpl != cpl || dpl != cpl) bad = true;
  } else {
    if (code && !(descriptor & DESCRIPTOR_WRITABLE)) bad = true; // execute-only
    if (!(code && descriptor & DESCRIPTOR_CONFORMING) && (rpl > dpl || cpl > dpl)) bad = true;
  }
  if (bad) return faultWith(VECTOR_GP, error);
  if (!(descriptor & DESCRIPTOR_P)) return faultWith(index == SEG_SS ? VECTOR_SS : VECTOR_NP, error);
  markDescriptor(cpu, selector, descriptor, DESCRIPTOR_ACCESSED);
  if (!faulted()) setSegment(cpu, index, selector, descriptor | DESCRIPTOR_ACCESSED);
}

/** Bit of S_ATTR. */
const ATTR_PRESENT = 0x80;

/** A return to a less privileged level takes away data segments that level may not have (SDM vol. 3, 5.8.6). */
export function dropPrivilegedSegments(cpu: i32, cpl: i32): void {
  for (let index = SEG_ES; index <= SEG_GS; index++) {
    if (index > SEG_ES && index < SEG_DS) continue;
    const attributes = load<i32>(segment(cpu, index), S_ATTR);
    const conforming = (attributes & 0xc) == 0xc;
    if (conforming || !(attributes & 0x10) || ((attributes >> 5) & 3) >= cpl) continue;
    // Selector and validity go; the base stays, by which 64-bit code goes on using FS and GS.
    store<i32>(segment(cpu, index), 0, S_SELECTOR);
    store<i32>(segment(cpu, index), attributes & ~ATTR_PRESENT, S_ATTR);
  }
}
