/** Leaving the guest for what the policy intercepts, and what the VMM's answer means to the instruction. */
import {
  ANSWER_GENERAL_PROTECTION,
  ANSWER_HANDLED,
  ANSWER_INVALID_OPCODE,
  ANSWER_PROCEED,
  C_EXCEPTIONS,
  C_INTERCEPTS,
  C_PAGE_FAULT_MASK,
  C_PAGE_FAULT_MATCH,
  INTERCEPT_EXCEPTION,
} from './layout';
import { leave } from './callout';
import { VECTOR_GP, VECTOR_PF, VECTOR_UD, fault, faultWith, faulted } from './state';

/** Types of an event (SDM vol. 3, table 25-17, "VM-exit interruption information"). */
export const EVENT_HARDWARE = 3;
export const EVENT_PRIVILEGED_SOFTWARE = 5;
export const EVENT_SOFTWARE = 6;
const EVENT_HAS_ERROR = 0x800;

/** The policy intercepts `reason`. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function leaves(cpu: i32, reason: i32): bool {
  return ((load<u32>(cpu, C_INTERCEPTS) >> reason) & 1) != 0;
}

/**
 * Leaves the guest. True: the instruction goes on as if it had not. Otherwise it is done with, a fault is pending, or it
 * was given up.
 */
export function passes(cpu: i32, reason: i32, detail: i32, value: i64): bool {
  const answer = leave(cpu, reason, detail, value);
  if (faulted()) return false;
  if (answer == ANSWER_GENERAL_PROTECTION) faultWith(VECTOR_GP, 0);
  else if (answer == ANSWER_INVALID_OPCODE) fault(VECTOR_UD);
  return answer == ANSWER_PROCEED;
}

/** As `passes` for what leaves only if the policy says so. */
export function admitted(cpu: i32, reason: i32, detail: i32): bool {
  return !leaves(cpu, reason) || passes(cpu, reason, detail, 0);
}

/** The exception bitmap has the vector; of a page fault the error code takes part (SDM vol. 3, 26.2). */
function exceptionLeaves(cpu: i32, vector: i32, error: i32): bool {
  const bit = ((load<u32>(cpu, C_EXCEPTIONS) >> vector) & 1) != 0;
  if (vector != VECTOR_PF) return bit;
  return ((error & load<i32>(cpu, C_PAGE_FAULT_MASK)) == load<i32>(cpu, C_PAGE_FAULT_MATCH)) == bit;
}

/**
 * An exception is about to be delivered: leaves the guest if the bitmap says so. True: the VMM has dealt with it, and
 * execution goes on at RIP. The instruction may have been given up meanwhile. `type` is EVENT_*.
 */
export function exceptionHandled(cpu: i32, vector: i32, type: i32, hasError: bool, error: i32, value: i64): bool {
  if (!exceptionLeaves(cpu, vector, hasError ? error : 0)) return false;
  const detail = vector | (type << 8) | (hasError ? EVENT_HAS_ERROR | (error << 16) : 0);
  return leave(cpu, INTERCEPT_EXCEPTION, detail, value) == ANSWER_HANDLED;
}
