/** Far JMP, CALL and RET: other code segments, and call gates (SDM vol. 3, 5.8; vol. 2, "CALL", "JMP", "RET"). */
import {
  C_CPL,
  C_CR0,
  C_EFER,
  K_IMM,
  REASON_TASK,
  SEG_CS,
  SEG_SS,
  S_LIMIT,
  U_DISP,
  U_IMM,
  U_K1,
  U_SIZE,
} from '../state/layout';
import { loadMemory } from '../memory/access';
import { nextRip } from '../operations/exec-flow';
import { aimFlat, aimHere, aimSegment, pushFrame, roomFor, takeFrame, takeNewFrame } from './frame';
import { gateCode, innerDescriptor, innerPointer, innerSelector, innerStack, longStack } from './gates';
import { branchTo, effectiveAddress, moveStack, peekStack, wishUnsupported } from '../operations/operands';
import { canonical } from '../memory/tlb';
import { returnFar } from './return';
import {
  DESCRIPTOR_ACCESSED,
  DESCRIPTOR_BIG,
  DESCRIPTOR_CODE,
  DESCRIPTOR_CONFORMING,
  DESCRIPTOR_LONG,
  DESCRIPTOR_P,
  DESCRIPTOR_S,
  descriptorBase,
  descriptorDpl,
  descriptorLimit,
  loadRealSegment,
  longDescriptor,
  markDescriptor,
  readDescriptor,
  readDescriptorHigh,
  segment,
  selectorOf,
  setNullSegment,
  setSegment,
} from './segments';
import { CR0_PE, EFER_LMA, VECTOR_GP, VECTOR_NP, VECTOR_SS, faultWith, faulted, setCpl } from '../state/state';

/** Types of system descriptors (SDM vol. 3, table 3-2). Bit 3: of 32 bits, or under IA-32e of 64. */
const TYPE_CALL_GATE16 = 4;
const TYPE_CALL_GATE = 12;
const TYPE_TASK_GATE = 5;
/** Available TSS of 16 or, with bit 3, 32 bits. */
const TYPE_TSS = 1;

/** JMP and CALL through a far pointer: in memory, or U_IMM and the selector in U_DISP. */
export function execFar(cpu: i32, pc: i32, call: bool): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  let target = load<i64>(pc, U_IMM);
  let selector = load<i32>(pc, U_DISP);
  if (load<u8>(pc, U_K1) != K_IMM) {
    const address = effectiveAddress(cpu, pc, size + 2, false);
    if (faulted()) return;
    target = loadMemory(cpu, address, size);
    if (faulted()) return;
    selector = <i32>loadMemory(cpu, address + size, 2);
    if (faulted()) return;
  }
  const next = nextRip(cpu, pc);
  if (!(load<i64>(cpu, C_CR0) & CR0_PE)) return realTransfer(cpu, size, selector, target, next, call);
  if (selector >> 2 == 0) return faultWith(VECTOR_GP, 0);
  const descriptor = readDescriptor(cpu, selector);
  if (faulted()) return;
  if (!(descriptor & DESCRIPTOR_S)) return systemTransfer(cpu, selector, descriptor, next, call);
  codeTransfer(cpu, size, selector, descriptor, target, next, call);
}

/** Aims a CALL's frame at the running stack; false with a fault raised: it has no room there. */
function aimOrigin(cpu: i32, size: i32): bool {
  aimHere(cpu, load<i64>(cpu, 32));
  if (roomFor(2, size)) return true;
  faultWith(VECTOR_SS, 0);
  return false;
}

/** Pushes where a CALL comes from; false with a fault raised. */
function pushOrigin(cpu: i32, size: i32, next: i64): bool {
  pushFrame(cpu, size, selectorOf(cpu, SEG_CS));
  pushFrame(cpu, size, next);
  return !faulted();
}

function realTransfer(cpu: i32, size: i32, selector: i32, target: i64, next: i64, call: bool): void {
  if (<u64>target > <u64>load<u32>(segment(cpu, SEG_CS), S_LIMIT)) return faultWith(VECTOR_GP, 0);
  if (call) {
    if (!aimOrigin(cpu, size) || !pushOrigin(cpu, size, next)) return;
    takeFrame(cpu);
  }
  loadRealSegment(cpu, SEG_CS, selector);
  branchTo(target);
}

/** `target` may be executed in the code segment: canonical in 64-bit code, within the limit elsewhere. */
function targetAllowed(cpu: i32, code: i64, target: i64): bool {
  const long = (load<i64>(cpu, C_EFER) & EFER_LMA) != 0 && longDescriptor(code);
  if (long ? canonical(target) : <u64>target <= <u64>descriptorLimit(code)) return true;
  faultWith(VECTOR_GP, 0);
  return false;
}

/** Directly to a code segment, which never changes the privilege level. */
function codeTransfer(
  cpu: i32,
  size: i32,
  selector: i32,
  code: i64,
  target: i64,
  next: i64,
  call: bool,
): void {
  const error = selector & ~3;
  const cpl = load<i32>(cpu, C_CPL);
  const dpl = descriptorDpl(code);
  if (!(code & DESCRIPTOR_CODE)) return faultWith(VECTOR_GP, error);
  const allowed = code & DESCRIPTOR_CONFORMING ? dpl <= cpl : dpl == cpl && (selector & 3) <= cpl;
  const both = (code & DESCRIPTOR_LONG) != 0 && (code & DESCRIPTOR_BIG) != 0;
  if (!allowed || (both && load<i64>(cpu, C_EFER) & EFER_LMA)) return faultWith(VECTOR_GP, error);
  if (!(code & DESCRIPTOR_P)) return faultWith(VECTOR_NP, error);
  // The target is checked before anything is pushed (SDM vol. 2, "CALL").
  if (call && !aimOrigin(cpu, size)) return;
  if (!targetAllowed(cpu, code, target)) return;
  if (call && !pushOrigin(cpu, size, next)) return;
  markDescriptor(cpu, selector, code, DESCRIPTOR_ACCESSED);
  if (faulted()) return;
  if (call) takeFrame(cpu);
  setSegment(cpu, SEG_CS, error | cpl, code | DESCRIPTOR_ACCESSED);
  branchTo(target);
}

/** To a call gate, or to what would switch tasks. */
function systemTransfer(cpu: i32, selector: i32, descriptor: i64, next: i64, call: bool): void {
  const error = selector & ~3;
  const type = (<i32>(descriptor >> 40)) & 15;
  const long = (load<i64>(cpu, C_EFER) & EFER_LMA) != 0;
  const gate = type == TYPE_CALL_GATE || (type == TYPE_CALL_GATE16 && !long);
  const task = !long && (type == TYPE_TASK_GATE || (type & ~8) == TYPE_TSS);
  if (!gate && !task) return faultWith(VECTOR_GP, error);
  const dpl = descriptorDpl(descriptor);
  if (dpl < load<i32>(cpu, C_CPL) || dpl < (selector & 3)) return faultWith(VECTOR_GP, error);
  if (long) {
    const high = readDescriptorHigh(cpu, selector);
    if (faulted()) return;
    if (high & 0x1f0000000000) return faultWith(VECTOR_GP, error);
    if (!(descriptor & DESCRIPTOR_P)) return faultWith(VECTOR_NP, error);
    return throughLongGate(cpu, descriptor, high, next, call);
  }
  if (!(descriptor & DESCRIPTOR_P)) return faultWith(VECTOR_NP, error);
  if (task) return wishUnsupported(REASON_TASK);
  throughGate(cpu, descriptor, type == TYPE_CALL_GATE ? 4 : 2, next, call);
}

/** The code segment of a call gate. JMP may not change the privilege level. */
function callCode(cpu: i32, selector: i32, long: bool, call: bool): i64 {
  const code = gateCode(cpu, selector, 0, long);
  if (faulted() || call || code & DESCRIPTOR_CONFORMING) return code;
  if (descriptorDpl(code) != load<i32>(cpu, C_CPL)) faultWith(VECTOR_GP, selector & ~3);
  return code;
}

/** Goes to a call gate's code at privilege level `cpl`: the end of every transfer through one. */
function enter(cpu: i32, selector: i32, code: i64, cpl: i32, target: i64): void {
  setCpl(cpu, cpl);
  setSegment(cpu, SEG_CS, (selector & ~3) | cpl, code | DESCRIPTOR_ACCESSED);
  branchTo(target);
}

/** Call gate of 32 or 16 bits. */
function throughGate(cpu: i32, gate: i64, size: i32, next: i64, call: bool): void {
  const selector = (<i32>(gate >> 16)) & 0xffff;
  const target = (gate & 0xffff) | (size == 4 ? (gate >> 32) & 0xffff0000 : 0);
  const code = callCode(cpu, selector, false, call);
  if (faulted()) return;
  const cpl = load<i32>(cpu, C_CPL);
  const dpl = descriptorDpl(code);
  const inner = call && !(code & DESCRIPTOR_CONFORMING) && dpl < cpl;
  if (inner) innerCall(cpu, gate, size, code, target, next);
  else {
    if (call && !aimOrigin(cpu, size)) return;
    if (!targetAllowed(cpu, code, target)) return;
    if (call) pushOrigin(cpu, size, next);
  }
  if (faulted()) return;
  markDescriptor(cpu, selector, code, DESCRIPTOR_ACCESSED);
  if (faulted()) return;
  if (inner) {
    markDescriptor(cpu, innerSelector, innerDescriptor, DESCRIPTOR_ACCESSED);
    if (faulted()) return;
    setSegment(cpu, SEG_SS, innerSelector, innerDescriptor | DESCRIPTOR_ACCESSED);
    takeNewFrame(cpu, innerPointer);
  } else if (call) takeFrame(cpu);
  enter(cpu, selector, code, inner ? dpl : cpl, target);
}

/** Pushes the frame of a call to an inner level: the old stack, the gate's count of parameters from it, and the origin. */
function innerCall(cpu: i32, gate: i64, size: i32, code: i64, target: i64, next: i64): void {
  const dpl = descriptorDpl(code);
  innerStack(cpu, dpl, 0);
  if (faulted()) return;
  const count = (<i32>(gate >> 32)) & 31;
  const attributes = (<i32>(innerDescriptor >> 40)) & 0xffff;
  const from = descriptorBase(innerDescriptor);
  aimSegment(cpu, dpl, from, attributes, descriptorLimit(innerDescriptor), innerPointer);
  if (!roomFor(4 + count, size)) return faultWith(VECTOR_SS, innerSelector & ~3);
  if (!targetAllowed(cpu, code, target)) return;
  pushFrame(cpu, size, selectorOf(cpu, SEG_SS));
  pushFrame(cpu, size, load<i64>(cpu, 32));
  for (let i = count - 1; i >= 0 && !faulted(); i--) {
    pushFrame(cpu, size, peekStack(cpu, size, <i64>(i * size)));
  }
  pushFrame(cpu, size, selectorOf(cpu, SEG_CS));
  pushFrame(cpu, size, next);
}

/** Call gate of IA-32e: leads to 64-bit code, copies no parameters. */
function throughLongGate(cpu: i32, gate: i64, high: i64, next: i64, call: bool): void {
  const selector = (<i32>(gate >> 16)) & 0xffff;
  const target = (gate & 0xffff) | ((gate >> 32) & 0xffff0000) | (high << 32);
  const code = callCode(cpu, selector, true, call);
  if (faulted()) return;
  const cpl = load<i32>(cpu, C_CPL);
  const dpl = descriptorDpl(code);
  const inner = call && !(code & DESCRIPTOR_CONFORMING) && dpl < cpl;
  const oldStack = load<i64>(cpu, 32);
  let stack = oldStack;
  if (inner) stack = longStack(cpu, 4 + dpl * 8, 0);
  if (faulted()) return;
  if (!canonical(stack)) return faultWith(VECTOR_SS, 0);
  if (!canonical(target)) return faultWith(VECTOR_GP, 0);
  if (call) {
    aimFlat(cpu, inner ? dpl : cpl, stack);
    if (inner) {
      pushFrame(cpu, 8, selectorOf(cpu, SEG_SS));
      pushFrame(cpu, 8, oldStack);
    }
    pushFrame(cpu, 8, selectorOf(cpu, SEG_CS));
    pushFrame(cpu, 8, next);
    if (faulted()) return;
  }
  markDescriptor(cpu, selector, code, DESCRIPTOR_ACCESSED);
  if (faulted()) return;
  enter(cpu, selector, code, inner ? dpl : cpl, target);
  if (inner) setNullSegment(cpu, SEG_SS, dpl);
  if (call) takeNewFrame(cpu, stack);
}

/** Far RET; U_IMM is what else to drop. */
export function execRetFar(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  const drop = load<i64>(pc, U_IMM);
  if (load<i64>(cpu, C_CR0) & CR0_PE) return returnFar(cpu, size, 0, drop, false);
  const rip = peekStack(cpu, size, 0);
  if (faulted()) return;
  const cs = (<i32>peekStack(cpu, size, size)) & 0xffff;
  if (faulted()) return;
  if (<u64>rip > <u64>load<u32>(segment(cpu, SEG_CS), S_LIMIT)) return faultWith(VECTOR_GP, 0);
  moveStack(cpu, 2 * <i64>size + drop);
  loadRealSegment(cpu, SEG_CS, cs);
  branchTo(rip);
}
