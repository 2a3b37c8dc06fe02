/** Far returns, of RETF and IRET alike: which code segment and stack they may go to (SDM vol. 2, "IRET" and "RET"). */
import { C_CPL, C_EFER, C_MODE, C_STACK_MASK, MODE_64, SEG_CS, SEG_SS } from '../state/layout';
import { branchTo, moveStack, peekStack } from '../operations/operands';
import { canonical } from '../memory/tlb';
import {
  DESCRIPTOR_ACCESSED,
  DESCRIPTOR_CODE,
  DESCRIPTOR_CONFORMING,
  DESCRIPTOR_LONG,
  DESCRIPTOR_BIG,
  DESCRIPTOR_P,
  DESCRIPTOR_S,
  DESCRIPTOR_WRITABLE,
  descriptorDpl,
  descriptorLimit,
  dropPrivilegedSegments,
  longDescriptor,
  markDescriptor,
  readDescriptor,
  setNullSegment,
  setSegment,
} from './segments';
import { EFER_LMA, VECTOR_GP, VECTOR_NP, VECTOR_SS, faultWith, faulted, setCpl } from '../state/state';

/** The code descriptor of a return's selector. */
function returnCode(cpu: i32, selector: i32): i64 {
  if (selector >> 2 == 0) {
    faultWith(VECTOR_GP, 0);
    return 0;
  }
  const code = readDescriptor(cpu, selector);
  if (faulted()) return 0;
  const rpl = selector & 3;
  const dpl = descriptorDpl(code);
  const both =
    (load<i64>(cpu, C_EFER) & EFER_LMA) != 0 && (code & DESCRIPTOR_LONG) != 0 && (code & DESCRIPTOR_BIG) != 0;
  let bad = !(code & DESCRIPTOR_S) || !(code & DESCRIPTOR_CODE) || rpl < load<i32>(cpu, C_CPL) || both;
  bad = bad || (code & DESCRIPTOR_CONFORMING ? dpl > rpl : dpl != rpl);
  if (bad) faultWith(VECTOR_GP, selector & ~3);
  else if (!(code & DESCRIPTOR_P)) faultWith(VECTOR_NP, selector & ~3);
  return code;
}

/** The stack descriptor of a return to level `rpl`; 0 for a null selector, which 64-bit code below level 3 may have. */
function returnStack(cpu: i32, selector: i32, rpl: i32, long: bool): i64 {
  const error = selector & ~3;
  if (selector >> 2 == 0) {
    if (!long || rpl == 3 || (selector & 3) != rpl) faultWith(VECTOR_GP, error);
    return 0;
  }
  const stack = readDescriptor(cpu, selector);
  if (faulted()) return 0;
  const data =
    (stack & (DESCRIPTOR_S | DESCRIPTOR_CODE | DESCRIPTOR_WRITABLE)) == (DESCRIPTOR_S | DESCRIPTOR_WRITABLE);
  if (!data || (selector & 3) != rpl || descriptorDpl(stack) != rpl) faultWith(VECTOR_GP, error);
  else if (!(stack & DESCRIPTOR_P)) faultWith(VECTOR_SS, error);
  return stack;
}

/**
 * Returns to a protected code segment. The frame's words of `size` bytes: RIP, CS, `between` bytes of something else, then RSP
 * and SS if the return is to an outer level (or, with `always`, in any case). Drops the frame and `release` bytes of
 * parameters, on both stacks. Nothing changes when a fault is raised.
 */
export function returnFar(cpu: i32, size: i32, between: i64, release: i64, always: bool): void {
  const step = <i64>size;
  const cpl = load<i32>(cpu, C_CPL);
  const rip = peekStack(cpu, size, 0);
  if (faulted()) return;
  const cs = (<i32>peekStack(cpu, size, step)) & 0xffff;
  if (faulted()) return;
  const rpl = cs & 3;
  const code = returnCode(cpu, cs);
  if (faulted()) return;
  const long = (load<i64>(cpu, C_EFER) & EFER_LMA) != 0 && longDescriptor(code);
  const popsStack = always || rpl > cpl;
  let rsp: i64 = 0;
  let ss = 0;
  let stack: i64 = 0;
  if (popsStack) {
    const depth = 2 * step + between + release;
    rsp = peekStack(cpu, size, depth);
    if (faulted()) return;
    ss = (<i32>peekStack(cpu, size, depth + step)) & 0xffff;
    if (faulted()) return;
    stack = returnStack(cpu, ss, rpl, long);
    if (faulted()) return;
  }
  if (long ? !canonical(rip) : <u64>rip > <u64>descriptorLimit(code)) return faultWith(VECTOR_GP, 0);
  markDescriptor(cpu, cs, code, DESCRIPTOR_ACCESSED);
  if (faulted()) return;
  if (popsStack) {
    if (ss >> 2 != 0) markDescriptor(cpu, ss, stack, DESCRIPTOR_ACCESSED);
    if (faulted()) return;
  } else moveStack(cpu, 2 * step + between + release);
  setCpl(cpu, rpl);
  setSegment(cpu, SEG_CS, cs, code | DESCRIPTOR_ACCESSED);
  if (popsStack) {
    if (ss >> 2 == 0) setNullSegment(cpu, SEG_SS, ss);
    else setSegment(cpu, SEG_SS, ss, stack | DESCRIPTOR_ACCESSED);
    popStackPointer(cpu, size, rsp + release);
  }
  if (rpl > cpl) dropPrivilegedSegments(cpu, rpl);
  branchTo(rip);
}

/** RSP, ESP or SP by the stack that was returned to; its upper part is left alone where the stack does not use it. */
function popStackPointer(cpu: i32, size: i32, value: i64): void {
  const mask = load<i64>(cpu, C_STACK_MASK);
  const popped = size == 8 ? value : value & (size == 4 ? 0xffffffff : 0xffff);
  if (load<i32>(cpu, C_MODE) == MODE_64) store<i64>(cpu, popped, 32);
  else if (mask == 0xffff) store<u16>(cpu, <u16>popped, 32);
  else store<i64>(cpu, popped & 0xffffffff, 32);
}
