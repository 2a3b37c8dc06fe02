/** Delivery of interrupts and exceptions through the IDT in 64-bit mode (SDM vol. 3, 6.14), and the return from them. */
import {
  C_CHAIN,
  C_CPL,
  C_HANDLERS,
  C_HANDLER_FRAMES,
  C_IDT_BASE,
  C_IDT_LIMIT,
  C_INDEX,
  C_NMI,
  C_RIP,
  C_SHADOW,
  C_STOP,
  C_WINDOW,
  CONTEXT0,
  CONTEXT_SIZE,
  HANDLERS_MAX,
  NMI_BLOCKED,
  SEG_CS,
  SEG_SS,
  SEG_TR,
  STOP_ABANDONED,
  STOP_SHUTDOWN,
  S_BASE,
  S_LIMIT,
  S_SELECTOR,
} from './layout';
import { loadSystem, storeIn } from './access';
import { allFlags, setAllFlags } from './flags';
import { hostInterruptReturned } from './host';
import { branchTo, peekStack } from './operands';
import { canonical, setStackAccess } from './paging';
import {
  DESCRIPTOR_BIG,
  DESCRIPTOR_CODE,
  DESCRIPTOR_CONFORMING,
  DESCRIPTOR_LONG,
  DESCRIPTOR_P,
  DESCRIPTOR_S,
  DESCRIPTOR_WRITABLE,
  descriptorDpl,
  dropPrivilegedSegments,
  markDescriptor,
  readDescriptor,
  segment,
  selectorOf,
  setNullSegment,
  setSegment,
} from './segments';
import {
  FLAG_IF,
  FLAG_IOPL,
  FLAG_NT,
  FLAG_RF,
  FLAG_TF,
  FLAG_VM,
  VECTOR_DF,
  VECTOR_GP,
  VECTOR_NMI,
  VECTOR_NP,
  VECTOR_PF,
  VECTOR_SS,
  VECTOR_TS,
  abandoned,
  clearFault,
  faultError,
  faultHasError,
  faultVector,
  faultWith,
  faulted,
  setCpl,
  stopAfter,
} from './state';

/** Flags that POPF and IRET may set, before privilege is looked at. */
export const SETTABLE_FLAGS: i64 = 0x247fd5 | 0x10000;

/** Reads a stack pointer from the TSS: RSP0-2 at 4, IST1-7 at 36. */
function tssStack(cpu: i32, offset: i32): i64 {
  const tr = segment(cpu, SEG_TR);
  if (<u32>(offset + 7) > load<u32>(tr, S_LIMIT)) {
    faultWith(VECTOR_TS, load<u16>(tr, S_SELECTOR) & ~3);
    return 0;
  }
  return loadSystem(cpu, load<i64>(tr, S_BASE) + offset, 8);
}

/**
 * One delivery. `soft` marks INT n and INT3, whose gate must admit the CPL; `external` is the EXT bit of error codes that
 * the delivery itself may raise. Nothing of the vCPU changes unless everything succeeds.
 */
function deliver(
  cpu: i32,
  vector: i32,
  soft: bool,
  external: i32,
  hasError: bool,
  error: i32,
  flags: i64,
): void {
  const ext = soft ? 0 : external;
  const gateError = vector * 8 + 2 + ext;
  if (<u32>(vector * 16 + 15) > load<u32>(cpu, C_IDT_LIMIT)) return faultWith(VECTOR_GP, gateError);
  const at = load<i64>(cpu, C_IDT_BASE) + <i64>(vector * 16);
  const low = loadSystem(cpu, at, 8);
  if (faulted()) return;
  const high = loadSystem(cpu, at + 8, 8);
  if (faulted()) return;
  const cpl = load<i32>(cpu, C_CPL);
  const type = (<i32>(low >> 40)) & 0x1f;
  if (type != 0xe && type != 0xf) return faultWith(VECTOR_GP, gateError);
  if (soft && descriptorDpl(low) < cpl) return faultWith(VECTOR_GP, gateError);
  if (!(low & DESCRIPTOR_P)) return faultWith(VECTOR_NP, gateError);

  const selector = (<i32>(low >> 16)) & 0xffff;
  if (selector >> 2 == 0) return faultWith(VECTOR_GP, ext);
  const code = readDescriptor(cpu, selector);
  if (faulted()) return;
  const dpl = descriptorDpl(code);
  if (!(code & DESCRIPTOR_S) || !(code & DESCRIPTOR_CODE) || dpl > cpl)
    return faultWith(VECTOR_GP, (selector & ~3) + ext);
  if (!(code & DESCRIPTOR_LONG) || code & DESCRIPTOR_BIG) return faultWith(VECTOR_GP, (selector & ~3) + ext);
  if (!(code & DESCRIPTOR_P)) return faultWith(VECTOR_NP, (selector & ~3) + ext);

  const inner = !(code & DESCRIPTOR_CONFORMING) && dpl < cpl;
  const newCpl = inner ? dpl : cpl;
  const ist = (<i32>(low >> 32)) & 7;
  const oldStack = load<i64>(cpu, 32);
  let stack = oldStack;
  if (ist) stack = tssStack(cpu, 28 + ist * 8);
  else if (inner) stack = tssStack(cpu, 4 + newCpl * 8);
  if (faulted()) return;
  if (!canonical(stack)) return faultWith(VECTOR_SS, ext);
  stack &= ~15;

  const context = cpu + CONTEXT0 + (newCpl == 3 ? CONTEXT_SIZE : 0);
  setStackAccess(true);
  stack = pushIn(cpu, context, stack, selectorOf(cpu, SEG_SS));
  stack = pushIn(cpu, context, stack, oldStack);
  stack = pushIn(cpu, context, stack, flags);
  stack = pushIn(cpu, context, stack, selectorOf(cpu, SEG_CS));
  stack = pushIn(cpu, context, stack, load<i64>(cpu, C_RIP));
  if (hasError) stack = pushIn(cpu, context, stack, <i64>(<u32>error));
  if (faulted()) return;
  const target = (low & 0xffff) | ((low >> 32) & 0xffff0000) | (high << 32);
  if (!canonical(target)) return faultWith(VECTOR_GP, ext);
  markDescriptor(cpu, selector, code, 1 << 40);
  if (faulted()) return;

  let next = allFlags(cpu) & ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
  if (type == 0xe) next &= ~FLAG_IF;
  setAllFlags(cpu, next);
  setCpl(cpu, newCpl);
  setSegment(cpu, SEG_CS, (selector & ~3) | newCpl, code);
  if (inner) setNullSegment(cpu, SEG_SS, newCpl);
  store<i64>(cpu, stack, 32);
  store<i64>(cpu, target, C_RIP);
  store<f64>(cpu, -1, C_SHADOW);
}

function pushIn(cpu: i32, context: i32, stack: i64, value: i64): i64 {
  const at = stack - 8;
  if (!faulted()) storeIn(cpu, context, at, 8, value);
  return at;
}

function contributory(vector: i32): bool {
  return vector == 0 || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

function noteChain(cpu: i32, vector: i32): void {
  const count = load<u8>(cpu, C_CHAIN);
  if (count >= 3) return;
  store<u8>(cpu, count + 1, C_CHAIN);
  store<u8>(cpu + count, vector, C_CHAIN + 1);
}

/**
 * Delivers the pending fault; what that raises in turn is delivered instead, or becomes #DF, or ends in shutdown
 * (SDM vol. 3, table 6-5). An instruction that a call-out gave up stops the vCPU instead, at once. `first` is the event that was being delivered already, −1 for none.
 */
export function deliverFault(cpu: i32, first: i32): bool {
  let previous = first;
  store<i32>(cpu, 0, C_CHAIN);
  if (first >= 0) noteChain(cpu, first);
  while (true) {
    if (abandoned()) {
      clearFault();
      store<i32>(cpu, STOP_ABANDONED, C_STOP);
      return false;
    }
    let vector = faultVector;
    let hasError = faultHasError;
    let error = faultError;
    clearFault();
    noteChain(cpu, vector);
    if (previous == VECTOR_DF) {
      store<i32>(cpu, STOP_SHUTDOWN, C_STOP);
      return false;
    }
    const escalates =
      (contributory(previous) && contributory(vector)) ||
      (previous == VECTOR_PF && (contributory(vector) || vector == VECTOR_PF));
    if (previous >= 0 && escalates) {
      vector = VECTOR_DF;
      hasError = true;
      error = 0;
    }
    // The saved image of RFLAGS has RF set for faults (SDM vol. 3, 17.3.1.1).
    deliver(cpu, vector, false, 1, hasError, error, allFlags(cpu) | FLAG_RF);
    if (!faulted()) return true;
    previous = vector;
  }
}

/** INT n and INT3: C_RIP already names the next instruction. */
export function softInterrupt(cpu: i32, vector: i32): void {
  deliver(cpu, vector, true, 0, false, 0, allFlags(cpu));
  if (!faulted()) branchTo(load<i64>(cpu, C_RIP));
}

/** An external interrupt or NMI at an instruction boundary. False: the vCPU shut down, or another exception took its place. */
export function deliverExternal(cpu: i32, vector: i32): bool {
  deliver(cpu, vector, false, 1, false, 0, allFlags(cpu));
  if (faulted()) {
    deliverFault(cpu, -1);
    return false;
  }
  const count = load<i32>(cpu, C_HANDLERS);
  const kept = count < HANDLERS_MAX ? count : HANDLERS_MAX - 1;
  // A guest that never returns would fill the list: the oldest entry goes.
  if (count == HANDLERS_MAX) memory.copy(cpu + C_HANDLER_FRAMES, cpu + C_HANDLER_FRAMES + 8, kept * 8);
  store<i64>(cpu + kept * 8, load<i64>(cpu, 32), C_HANDLER_FRAMES);
  store<i32>(cpu, kept + 1, C_HANDLERS);
  return true;
}

/** An NMI at an instruction boundary, as `deliverExternal`. Further ones are held back until IRET, whatever became of this one. */
export function deliverNmi(cpu: i32): bool {
  store<i32>(cpu, NMI_BLOCKED, C_NMI);
  return deliverExternal(cpu, VECTOR_NMI);
}

/** An IRET popped the frame at `frame`: tells whether that leaves a handler of `deliverExternal`. */
function leaveHandler(cpu: i32, frame: i64): bool {
  for (let i = load<i32>(cpu, C_HANDLERS) - 1; i >= 0; i--) {
    if (load<i64>(cpu + i * 8, C_HANDLER_FRAMES) != frame) continue;
    store<i32>(cpu, i, C_HANDLERS);
    return true;
  }
  return false;
}

/** IRET with operands of `size` bytes. It lets NMIs in again even when it faults (SDM vol. 3, 6.7.1 and 27.2.3). */
export function interruptReturn(cpu: i32, size: i32): void {
  returnFromInterrupt(cpu, size);
  store<i32>(cpu, 0, C_NMI);
  if (load<i32>(cpu, C_WINDOW)) stopAfter(cpu, 0);
}

/** In 64-bit mode: SS and RSP are always popped. */
function returnFromInterrupt(cpu: i32, size: i32): void {
  if (allFlags(cpu) & FLAG_NT) return faultWith(VECTOR_GP, 0);
  const step = <i64>size;
  const frame = load<i64>(cpu, 32);
  const rip = peekStack(cpu, size, 0);
  if (faulted()) return;
  const cs = (<i32>peekStack(cpu, size, step)) & 0xffff;
  if (faulted()) return;
  const flags = peekStack(cpu, size, 2 * step);
  if (faulted()) return;
  const rsp = peekStack(cpu, size, 3 * step);
  if (faulted()) return;
  const ss = (<i32>peekStack(cpu, size, 4 * step)) & 0xffff;
  if (faulted()) return;
  returnTo(cpu, rip, cs, rsp, ss, true);
  if (faulted()) return;
  const cpl = <i32>returnCpl;
  let writable: i64 = SETTABLE_FLAGS;
  if (cpl != 0) writable &= ~FLAG_IOPL;
  if (cpl > <i32>((allFlags(cpu) & FLAG_IOPL) >> 12)) writable &= ~FLAG_IF;
  if (size == 2) writable &= 0xffff;
  const old = allFlags(cpu);
  setAllFlags(cpu, (old & ~writable) | (flags & writable));
  store<f64>(cpu, -1, C_SHADOW);
  if (leaveHandler(cpu, frame)) hostInterruptReturned(load<i32>(cpu, C_INDEX));
}

/** CPL before the last `returnTo`. */
let returnCpl: i32 = 0;

/** The common part of IRET and far RET: checks CS and SS, then sets CS, RIP, SS, RSP and the CPL. */
export function returnTo(cpu: i32, rip: i64, cs: i32, rsp: i64, ss: i32, always: bool): void {
  const cpl = load<i32>(cpu, C_CPL);
  returnCpl = cpl;
  const rpl = cs & 3;
  if (cs >> 2 == 0) return faultWith(VECTOR_GP, 0);
  const error = cs & ~3;
  const code = readDescriptor(cpu, cs);
  if (faulted()) return;
  const dpl = descriptorDpl(code);
  const conforming = (code & DESCRIPTOR_CONFORMING) != 0;
  if (!(code & DESCRIPTOR_S) || !(code & DESCRIPTOR_CODE) || rpl < cpl) return faultWith(VECTOR_GP, error);
  if (conforming ? dpl > rpl : dpl != rpl) return faultWith(VECTOR_GP, error);
  if (!(code & DESCRIPTOR_P)) return faultWith(VECTOR_NP, error);
  if (!(code & DESCRIPTOR_LONG) || code & DESCRIPTOR_BIG) return faultWith(VECTOR_GP, error);
  if (!canonical(rip)) return faultWith(VECTOR_GP, 0);
  const popsStack = always || rpl != cpl;
  if (popsStack) {
    if (ss >> 2 == 0) {
      if (rpl == 3 || (ss & 3) != rpl) return faultWith(VECTOR_GP, ss & ~3);
      setNullSegment(cpu, SEG_SS, ss);
    } else {
      const stack = readDescriptor(cpu, ss);
      if (faulted()) return;
      const data = stack & DESCRIPTOR_S && !(stack & DESCRIPTOR_CODE) && stack & DESCRIPTOR_WRITABLE;
      if (!data || (ss & 3) != rpl || descriptorDpl(stack) != rpl) return faultWith(VECTOR_GP, ss & ~3);
      if (!(stack & DESCRIPTOR_P)) return faultWith(VECTOR_SS, ss & ~3);
      setSegment(cpu, SEG_SS, ss, stack);
    }
    store<i64>(cpu, rsp, 32);
  }
  setSegment(cpu, SEG_CS, cs, code);
  setCpl(cpu, rpl);
  if (rpl > cpl) dropPrivilegedSegments(cpu, rpl);
  branchTo(rip);
}
