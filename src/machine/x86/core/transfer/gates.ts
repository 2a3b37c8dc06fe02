/** What interrupt gates and call gates share: the code segment they name, and the stack of the level they lead to. */
import { C_CPL, SEG_TR, S_ATTR, S_BASE, S_LIMIT, S_SELECTOR } from '../state/layout';
import { loadSystem } from '../memory/access';
import {
  DESCRIPTOR_CODE,
  DESCRIPTOR_P,
  DESCRIPTOR_S,
  DESCRIPTOR_WRITABLE,
  descriptorDpl,
  longDescriptor,
  readDescriptorFor,
  segment,
} from './segments';
import { VECTOR_GP, VECTOR_NP, VECTOR_SS, VECTOR_TS, faultWith, faulted } from '../state/state';

/** Hardware task switching or virtual-8086 mode came up (`REASON_*`): the vCPU has neither and has to stop. 0: no. */
export let refusal: i32 = 0;
export function refuse(reason: i32): void {
  refusal = reason;
}

/**
 * The code descriptor of a gate's selector, checked as SDM vol. 3, 5.8.3 and 6.12.1 have it: a code segment, not less
 * privileged than the running code, present, and of 64 bits if `long`. `ext` is the EXT bit of error codes.
 */
export function gateCode(cpu: i32, selector: i32, ext: i32, long: bool): i64 {
  if (selector >> 2 == 0) {
    faultWith(VECTOR_GP, ext);
    return 0;
  }
  const error = (selector & ~3) | ext;
  const code = readDescriptorFor(cpu, selector, VECTOR_GP, ext);
  if (faulted()) return 0;
  let bad = !(code & DESCRIPTOR_S) || !(code & DESCRIPTOR_CODE);
  bad = bad || descriptorDpl(code) > load<i32>(cpu, C_CPL) || (long && !longDescriptor(code));
  if (bad) faultWith(VECTOR_GP, error);
  else if (!(code & DESCRIPTOR_P)) faultWith(VECTOR_NP, error);
  return code;
}

/** Stack of `innerStack`. */
export let innerSelector: i32 = 0;
export let innerDescriptor: i64 = 0;
export let innerPointer: i64 = 0;

/** Reads SS and (E)SP of level `dpl` from the TSS, of 32 or 16 bits, and checks them. */
export function innerStack(cpu: i32, dpl: i32, ext: i32): void {
  const tr = segment(cpu, SEG_TR);
  const wide = (load<i32>(tr, S_ATTR) & 8) != 0;
  const offset = wide ? 4 + dpl * 8 : 2 + dpl * 4;
  const bytes = wide ? 4 : 2;
  if (<u32>(offset + bytes + 1) > load<u32>(tr, S_LIMIT)) {
    return faultWith(VECTOR_TS, (load<u16>(tr, S_SELECTOR) & ~3) | ext);
  }
  const at = load<i64>(tr, S_BASE) + offset;
  innerPointer = loadSystem(cpu, at, bytes);
  if (faulted()) return;
  innerSelector = <i32>loadSystem(cpu, at + bytes, 2);
  if (faulted()) return;
  if (innerSelector >> 2 == 0) return faultWith(VECTOR_TS, ext);
  const error = (innerSelector & ~3) | ext;
  innerDescriptor = readDescriptorFor(cpu, innerSelector, VECTOR_TS, ext);
  if (faulted()) return;
  const type = innerDescriptor & (DESCRIPTOR_S | DESCRIPTOR_CODE | DESCRIPTOR_WRITABLE);
  const bad = type != (DESCRIPTOR_S | DESCRIPTOR_WRITABLE) || descriptorDpl(innerDescriptor) != dpl;
  if (bad || (innerSelector & 3) != dpl) return faultWith(VECTOR_TS, error);
  if (!(innerDescriptor & DESCRIPTOR_P)) faultWith(VECTOR_SS, error);
}

/** A stack pointer of the 64-bit TSS: RSP0-2 at 4, IST1-7 at 36. */
export function longStack(cpu: i32, offset: i32, ext: i32): i64 {
  const tr = segment(cpu, SEG_TR);
  if (<u32>(offset + 7) <= load<u32>(tr, S_LIMIT)) return loadSystem(cpu, load<i64>(tr, S_BASE) + offset, 8);
  faultWith(VECTOR_TS, (load<u16>(tr, S_SELECTOR) & ~3) | ext);
  return 0;
}
