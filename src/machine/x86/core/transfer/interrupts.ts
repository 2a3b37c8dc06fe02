/**
 * Interrupts and exceptions (SDM vol. 3, 6): which of two that meet is delivered, and what is remembered of handlers. How
 * one is delivered depends on the mode: `interrupts-real`, `interrupts-protected` and `interrupts-long`.
 */
import {
  C_CHAIN,
  C_CR0,
  C_CR2,
  C_EFER,
  C_HANDLERS,
  C_HANDLER_FRAMES,
  C_INDEX,
  C_NMI,
  C_REASON,
  C_RIP,
  C_STACK_MASK,
  C_STOP,
  HANDLERS_MAX,
  NMI_BLOCKED,
  STOP_ABANDONED,
  STOP_SHUTDOWN,
  STOP_UNSUPPORTED,
} from '../state/layout';
import { DR6_BD, enterDebug } from '../run/debug';
import { allFlags } from '../operations/flags';
import { refusal, refuse } from './gates';
import { hostInterruptReturned } from '../state/host';
import { beginAccesses } from '../state/callout';
import { EVENT_HARDWARE, exceptionHandled } from '../state/intercept';
import { deliverLong } from './interrupts-long';
import { deliverProtected } from './interrupts-protected';
import { deliverReal } from './interrupts-real';
import { branchTo, wishUnsupported } from '../operations/operands';
import {
  CR0_PE,
  EFER_LMA,
  FLAG_RF,
  VECTOR_DB,
  VECTOR_DF,
  VECTOR_GP,
  VECTOR_HANDLED,
  VECTOR_NMI,
  VECTOR_PF,
  VECTOR_TS,
  abandoned,
  clearFault,
  faultAddress,
  faultError,
  faultHasError,
  faultVector,
  faulted,
} from '../state/state';

/** Flags that POPF and IRET may set, before privilege is looked at. */
export const SETTABLE_FLAGS: i64 = 0x247fd5 | 0x10000;

/**
 * One delivery. `soft` marks INT n, INT3 and INTO, whose gate must admit the CPL; `ext` is the EXT bit of error codes that
 * the delivery itself may raise. `flags` is the image of RFLAGS to push. Nothing of the vCPU changes unless everything
 * succeeds: otherwise a fault is pending, or `refusal` is set.
 */
function deliver(cpu: i32, vector: i32, soft: bool, ext: i32, hasError: bool, error: i32, flags: i64): void {
  if (!(load<i64>(cpu, C_CR0) & CR0_PE)) deliverReal(cpu, vector, ext, flags);
  else if (load<i64>(cpu, C_EFER) & EFER_LMA) deliverLong(cpu, vector, soft, ext, hasError, error, flags);
  else deliverProtected(cpu, vector, soft, ext, hasError, error, flags);
}

/** A delivery came upon what the vCPU lacks: stops it. */
function stopRefused(cpu: i32): bool {
  if (!refusal) return false;
  store<i32>(cpu, refusal, C_REASON);
  store<i32>(cpu, STOP_UNSUPPORTED, C_STOP);
  refuse(0);
  return true;
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

/** What became of a pending fault: an exception of the guest's; the VMM's, execution goes on at RIP; a stop (C_STOP). */
export const DELIVERED = 0;
export const HANDLED = 1;
export const STOPPED = 2;

/** What the VMM is told of a fault besides its vector; a #DB that is one is general detection. */
function qualification(vector: i32, address: i64): i64 {
  if (vector == VECTOR_PF) return address;
  return vector == VECTOR_DB ? DR6_BD : 0;
}

/**
 * Delivers the pending fault; what that raises in turn is delivered instead, or becomes #DF, or ends in shutdown
 * (SDM vol. 3, table 6-5). Each of them, and the #DF, may be the VMM's. An instruction that a call-out gave up stops the
 * vCPU instead, at once. `first` is the event that was being delivered already, −1 for none. CR2, DR6 and DR7 change with
 * the delivery, not when it is given up or is the VMM's. Returns DELIVERED, HANDLED or STOPPED.
 */
export function deliverFault(cpu: i32, first: i32): i32 {
  let previous = first;
  let address = load<i64>(cpu, C_CR2);
  let detected = false;
  store<i32>(cpu, 0, C_CHAIN);
  if (first >= 0) noteChain(cpu, first);
  while (true) {
    if (abandoned()) {
      clearFault();
      store<i32>(cpu, STOP_ABANDONED, C_STOP);
      return STOPPED;
    }
    let vector = faultVector;
    if (vector == VECTOR_HANDLED) {
      clearFault();
      return HANDLED;
    }
    let hasError = faultHasError;
    let error = faultError;
    const where = qualification(vector, faultAddress);
    clearFault();
    noteChain(cpu, vector);
    if (exceptionHandled(cpu, vector, EVENT_HARDWARE, hasError, error, where)) return HANDLED;
    if (abandoned()) continue;
    if (vector == VECTOR_PF) address = where;
    if (vector == VECTOR_DB) detected = true;
    if (previous == VECTOR_DF) {
      store<i64>(cpu, address, C_CR2);
      store<i32>(cpu, STOP_SHUTDOWN, C_STOP);
      return STOPPED;
    }
    const escalates =
      (contributory(previous) && contributory(vector)) ||
      (previous == VECTOR_PF && (contributory(vector) || vector == VECTOR_PF));
    if (previous >= 0 && escalates) {
      vector = VECTOR_DF;
      hasError = true;
      error = 0;
      if (exceptionHandled(cpu, vector, EVENT_HARDWARE, true, 0, 0)) return HANDLED;
      if (abandoned()) continue;
    }
    // The saved image of RFLAGS has RF set for faults, not for the abort #DF (SDM vol. 3, 17.3.1.1).
    const flags = allFlags(cpu);
    deliver(cpu, vector, false, 1, hasError, error, vector == VECTOR_DF ? flags : flags | FLAG_RF);
    if (stopRefused(cpu)) return STOPPED;
    if (!faulted()) {
      store<i64>(cpu, address, C_CR2);
      if (detected) enterDebug(cpu, DR6_BD);
      return DELIVERED;
    }
    previous = vector;
  }
}

/**
 * The VMM injects an exception at an instruction boundary: the bitmap has no say in it, but in what its delivery raises
 * (SDM vol. 3, 27.6.1.2). False: the vCPU stops (C_STOP). `low` and `high` are what CR2 becomes with a page fault.
 */
export function injectException(cpu: i32, vector: i32, hasError: bool, error: i32, low: i32, high: i32): bool {
  beginAccesses(cpu);
  const flags = allFlags(cpu);
  const address = load<i64>(cpu, C_CR2);
  if (vector == VECTOR_PF) store<i64>(cpu, <i64>(<u32>low) | (<i64>high << 32), C_CR2);
  deliver(cpu, vector, false, 1, hasError, error, vector == VECTOR_DF ? flags : flags | FLAG_RF);
  if (stopRefused(cpu)) return false;
  if (!faulted()) return true;
  if (abandoned()) store<i64>(cpu, address, C_CR2);
  return deliverFault(cpu, vector) != STOPPED;
}

/** INT n, INT3 and INTO: C_RIP already names the next instruction. */
export function softInterrupt(cpu: i32, vector: i32): void {
  enterSoft(cpu, vector, true, 0);
}

/** INT1: as #DB from outside, whose gate need not admit the CPL. C_RIP already names the next instruction. */
export function hardDebug(cpu: i32): void {
  enterSoft(cpu, VECTOR_DB, false, 1);
}

function enterSoft(cpu: i32, vector: i32, soft: bool, ext: i32): void {
  deliver(cpu, vector, soft, ext, false, 0, allFlags(cpu));
  if (refusal) {
    wishUnsupported(refusal);
    refuse(0);
  } else if (!faulted()) branchTo(load<i64>(cpu, C_RIP));
}

/**
 * #DB at an instruction boundary, C_RIP naming the instruction to return to. Traps and instruction breakpoints leave the
 * pushed RF as it is (SDM vol. 3, 17.3.1.1); a #DB that is a fault of an instruction is raised as any other fault. False:
 * the vCPU stops (C_STOP).
 */
export function deliverDebug(cpu: i32): bool {
  deliver(cpu, VECTOR_DB, false, 1, false, 0, allFlags(cpu));
  if (stopRefused(cpu)) return false;
  return !faulted() || deliverFault(cpu, VECTOR_DB) != STOPPED;
}

/**
 * An external interrupt at an instruction boundary. False: the vCPU stops (C_STOP), or another exception took the place of
 * the handler.
 */
export function deliverExternal(cpu: i32, vector: i32): bool {
  beginAccesses(cpu);
  deliver(cpu, vector, false, 1, false, 0, allFlags(cpu));
  if (stopRefused(cpu)) return false;
  if (faulted()) {
    deliverFault(cpu, -1);
    return false;
  }
  const count = load<i32>(cpu, C_HANDLERS);
  const kept = count < HANDLERS_MAX ? count : HANDLERS_MAX - 1;
  // A guest that never returns would fill the list: the oldest entry goes.
  if (count == HANDLERS_MAX) memory.copy(cpu + C_HANDLER_FRAMES, cpu + C_HANDLER_FRAMES + 8, kept * 8);
  store<i64>(cpu + kept * 8, stackTop(cpu), C_HANDLER_FRAMES);
  store<i32>(cpu, kept + 1, C_HANDLERS);
  return true;
}

/** An NMI at an instruction boundary, as `deliverExternal`. Further ones are held back until IRET, whatever became of this one. */
export function deliverNmi(cpu: i32): bool {
  store<i32>(cpu, NMI_BLOCKED, C_NMI);
  return deliverExternal(cpu, VECTOR_NMI);
}

/** What handlers are known by: the part of the stack pointer that counts. */
export function stackTop(cpu: i32): i64 {
  return load<i64>(cpu, 32) & load<i64>(cpu, C_STACK_MASK);
}

/**
 * An IRET popped the frame at `frame`: if that leaves a handler of `deliverExternal`, tells which. A kernel that changes stacks
 * leaves its handlers in any order, so that only the one goes whose frame it was.
 */
export function leaveHandler(cpu: i32, frame: i64): void {
  const last = load<i32>(cpu, C_HANDLERS) - 1;
  for (let i = last; i >= 0; i--) {
    const at = cpu + i * 8 + C_HANDLER_FRAMES;
    if (load<i64>(at) != frame) continue;
    memory.copy(at, at + 8, (last - i) * 8);
    store<i32>(cpu, last, C_HANDLERS);
    hostInterruptReturned(load<i32>(cpu, C_INDEX), i);
    return;
  }
}
