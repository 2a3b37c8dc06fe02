/**
 * Instructions one by one, for as long as C_DEBUG asks: single-stepping, breakpoints, RF, alignment checks. Each goes the
 * general path; what it costs, retires and shows is as in the inner loop, which therefore need not know of any of this.
 *
 * A trap belongs to the instruction it follows: both happen before the next boundary, ahead of interrupts. An instruction
 * breakpoint belongs to the instruction it precedes: interrupts at the boundary come first (SDM vol. 3, 6.9).
 */
import {
  C_BUDGET,
  C_DEBUG,
  C_DR,
  C_EXCEPTION_COST,
  C_FLAGS,
  C_PENDING_DB,
  C_SHADOW,
  C_SHADOW_SS,
  C_STOP,
  STOP_ABANDONED,
  STOP_BOUNDARY,
  STOP_UNSUPPORTED,
  U_OP,
} from '../state/layout';
import { DR6_BS, beginWatch, breakpointsHere, endWatch, enterDebug, hits } from './debug';
import { STOPPED, deliverDebug, deliverFault } from '../transfer/interrupts';
import { OP_CROSS, OP_INT, OP_INT1, OP_INT3, OP_INTO, OP_SYSCALL, OP_SYSRET } from '../generated/ops';
import { branched, unfinished } from '../operations/operands';
import { beginAccesses } from '../state/callout';
import { EVENT_HARDWARE, exceptionHandled } from '../state/intercept';
import { FLAG_RF, FLAG_TF, VECTOR_DB, abandoned, refresh, retired } from '../state/state';
import { charge, resume, setDebugging, step } from './step';

/** Runs a vCPU whose C_DEBUG is not 0 until it is, or until its budget is used up; returns STOP_*. */
export function runDebugged(cpu: i32): i32 {
  setDebugging(true);
  let stop = STOP_BOUNDARY;
  while (load<i32>(cpu, C_DEBUG) && load<i64>(cpu, C_BUDGET) >= 0) {
    if (one(cpu)) continue;
    stop = load<i32>(cpu, C_STOP);
    break;
  }
  setDebugging(false);
  store<i32>(cpu, stop, C_STOP);
  return stop;
}

/** The boundary lies in the shadow of a load of SS: no #DB is taken here but those that are faults of the instruction. */
function blocked(cpu: i32): bool {
  const count = retired(cpu);
  return load<f64>(cpu, C_SHADOW) == count && load<f64>(cpu, C_SHADOW_SS) == count;
}

/** #DB for `cause`, as bits of DR6. False: the vCPU stops; DR6 and DR7 are as before when the delivery was given up. */
function raise(cpu: i32, cause: i32): bool {
  beginAccesses(cpu);
  if (exceptionHandled(cpu, VECTOR_DB, EVENT_HARDWARE, false, 0, cause)) return true;
  if (abandoned()) return deliverFault(cpu, -1) != STOPPED;
  const status = load<i64>(cpu + 48, C_DR);
  const control = load<i64>(cpu + 56, C_DR);
  enterDebug(cpu, cause);
  const alive = deliverDebug(cpu);
  if (!alive && load<i32>(cpu, C_STOP) == STOP_ABANDONED) {
    store<i64>(cpu + 48, status, C_DR);
    store<i64>(cpu + 56, control, C_DR);
    return false;
  }
  charge(cpu, load<i64>(cpu, C_EXCEPTION_COST));
  refresh(cpu);
  return alive;
}

/** Raises what has been pending. */
function raisePending(cpu: i32): bool {
  const cause = load<i32>(cpu, C_PENDING_DB);
  store<i32>(cpu, 0, C_PENDING_DB);
  const alive = raise(cpu, cause);
  if (!alive && load<i32>(cpu, C_STOP) == STOP_ABANDONED) {
    store<i32>(cpu, cause, C_PENDING_DB);
    refresh(cpu);
  }
  return alive;
}

/** One instruction, or a #DB in its place; false to stop, for the reason in C_STOP. */
function one(cpu: i32): bool {
  const free = !blocked(cpu);
  if (free && load<i32>(cpu, C_PENDING_DB)) return raisePending(cpu);
  const flags = load<i64>(cpu, C_FLAGS);
  if (free && !(flags & FLAG_RF)) {
    const found = breakpointsHere(cpu);
    if (found) return raise(cpu, found);
  }
  let pc = resume(cpu);
  while (pc && load<u16>(pc, U_OP) <= OP_CROSS) pc = step(cpu, pc);
  if (!pc) return load<i32>(cpu, C_STOP) == STOP_BOUNDARY;
  const before = retired(cpu);
  // Whatever the instruction itself does to RF stays: only IRET sets it.
  store<i64>(cpu, flags & ~FLAG_RF, C_FLAGS);
  beginWatch(cpu);
  const next = step(cpu, pc);
  endWatch();
  const stop = next ? STOP_BOUNDARY : load<i32>(cpu, C_STOP);
  const done = retired(cpu) != before;
  if (stop == STOP_ABANDONED || stop == STOP_UNSUPPORTED) {
    // It has not been executed: RF still holds for it.
    store<i64>(cpu, load<i64>(cpu, C_FLAGS) | (flags & FLAG_RF), C_FLAGS);
  } else if (done || (stop == STOP_BOUNDARY && unfinished)) {
    if (!traps(cpu, load<u16>(pc, U_OP), (flags & FLAG_TF) != 0)) return false;
  }
  refresh(cpu);
  store<i32>(cpu, stop, C_STOP);
  return stop == STOP_BOUNDARY;
}

/** The traps of an instruction, or of an iteration, that has completed. False: the vCPU stops. */
function traps(cpu: i32, operation: i32, stepping: bool): bool {
  let cause = hits | load<i32>(cpu, C_PENDING_DB);
  store<i32>(cpu, 0, C_PENDING_DB);
  if (operation == OP_INT1) {
    // It has entered the handler of #DB already.
    if (cause) enterDebug(cpu, cause);
    return true;
  }
  // SYSCALL and SYSRET trap by the TF they load; a handler that INT enters is not stepped into.
  if (operation == OP_SYSCALL || operation == OP_SYSRET) stepping = (load<i64>(cpu, C_FLAGS) & FLAG_TF) != 0;
  else if (operation == OP_INT || operation == OP_INT3 || (operation == OP_INTO && branched)) stepping = false;
  const shadow = blocked(cpu);
  if (stepping && !shadow) cause |= DR6_BS;
  if (!cause) return true;
  store<i32>(cpu, cause, C_PENDING_DB);
  return shadow || raisePending(cpu);
}
