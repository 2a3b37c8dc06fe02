/** One instruction by the general path: every operation's one definition is reached from here. */
import {
  C_BEGUN,
  C_BEGUN_RIP,
  C_BUDGET,
  C_EXCEPTION_COST,
  C_FLAGS,
  C_INDEX,
  C_MMU,
  C_REASON,
  C_RIP,
  C_SHADOW,
  C_STOP,
  STOP_ABANDONED,
  STOP_BOUNDARY,
  STOP_BREAKPOINT,
  STOP_UNSUPPORTED,
  UF_NEAR,
  UOP_SIZE,
  U_COST,
  U_FLAGS,
  U_HITS,
  U_IMM,
  U_LEN,
  U_OP,
  U_RIP,
  U_TARGET,
} from '../state/layout';
import { execute } from '../generated/dispatch';
import * as op from '../generated/ops';
import { generation, lookup, lookupReason, pageAfter } from '../memory/blocks';
import { forgetCrossing } from '../memory/code';
import { beginAccesses } from '../state/callout';
import { hostHot, hostReached } from '../state/host';
import { DELIVERED, HANDLED, deliverFault } from '../transfer/interrupts';
import {
  branchTarget,
  branched,
  clearEvents,
  eventful,
  stopReason,
  stopSoon,
  stopWish,
  unfinished,
} from '../operations/operands';
import { translateFetch } from '../memory/paging';
import { cutRip } from '../memory/segmentation';
import { FLAG_RF, faulted, refresh, retired, stopAfter } from '../state/state';

function unsupported(cpu: i32, reason: i32): i32 {
  store<i32>(cpu, reason, C_REASON);
  store<i32>(cpu, STOP_UNSUPPORTED, C_STOP);
  return 0;
}

/** Instructions are executed one by one, by the debug loop: none is fetched before it is its turn. */
let debugging: bool = false;
export function setDebugging(value: bool): void {
  debugging = value;
}

export function charge(cpu: i32, cost: i64): bool {
  const left = load<i64>(cpu, C_BUDGET) - cost;
  store<i64>(cpu, left, C_BUDGET);
  return left >= 0;
}

/**
 * The micro-op at C_RIP, delivering what faults its fetch raises; 0 to stop. A fetch belongs to the instruction it
 * fetches: it happens only while time is left, so that running in slices sees the same faults at the same time.
 */
export function resume(cpu: i32): i32 {
  while (true) {
    if (load<i64>(cpu, C_BUDGET) < 0) {
      store<i32>(cpu, STOP_BOUNDARY, C_STOP);
      return 0;
    }
    const pc = lookup(cpu, load<i64>(cpu, C_RIP));
    if (pc) return pc;
    if (lookupReason) return unsupported(cpu, lookupReason);
    beginAccesses(cpu);
    if (!deliverPending(cpu)) return 0;
    if (debugging) return boundary(cpu);
  }
}

function boundary(cpu: i32): i32 {
  store<i32>(cpu, STOP_BOUNDARY, C_STOP);
  return 0;
}

/** What comes next is at C_RIP. */
function goOn(cpu: i32): i32 {
  return debugging ? boundary(cpu) : resume(cpu);
}

/**
 * Delivers the pending fault at its cost; false after a shutdown, or when a call-out gave the instruction up, which costs
 * nothing, as what the VMM handles does. A delivery retires no instruction.
 */
function deliverPending(cpu: i32): bool {
  const end = deliverFault(cpu, -1);
  if (end == HANDLED) return true;
  const alive = end == DELIVERED;
  if (alive || load<i32>(cpu, C_STOP) != STOP_ABANDONED) charge(cpu, load<i64>(cpu, C_EXCEPTION_COST));
  return alive;
}

/**
 * Executes the micro-op at `pc`. The vCPU's state is in memory, with the budget as before the instruction. Returns the
 * next micro-op, or 0 with C_STOP and C_RIP set.
 */
export function step(cpu: i32, pc: i32): i32 {
  const rip = load<i64>(pc, U_RIP);
  store<i64>(cpu, rip, C_RIP);
  const operation = <i32>load<u16>(pc, U_OP);
  if (operation <= op.OP_CROSS) return pseudo(cpu, pc, operation);
  if (operation == op.OP_GOTO) return goOn(cpu);
  if (eventful) clearEvents();
  beginAccesses(cpu);
  execute(cpu, pc, operation);
  if (faulted()) return deliverPending(cpu) ? goOn(cpu) : 0;
  if (!eventful && !debugging) {
    charge(cpu, load<i64>(pc, U_COST));
    return pc + UOP_SIZE;
  }
  return finish(cpu, pc, rip);
}

/** The end of an operation that branched, stopped or did not retire. */
function finish(cpu: i32, pc: i32, rip: i64): i32 {
  if (unfinished) {
    // To the interrupt shadow an iteration is an instruction. What comes between two saves RF set (SDM vol. 3, 17.3.1.1).
    store<f64>(cpu, -1, C_SHADOW);
    store<f64>(cpu, retired(cpu), C_BEGUN);
    store<i64>(cpu, rip, C_BEGUN_RIP);
    store<i64>(cpu, load<i64>(cpu, C_FLAGS) | FLAG_RF, C_FLAGS);
    refresh(cpu);
    return boundary(cpu);
  }
  if (stopWish == STOP_UNSUPPORTED) return unsupported(cpu, stopReason);
  store<i64>(cpu, branched ? branchTarget : cutRip(cpu, rip + <i64>load<u8>(pc, U_LEN)), C_RIP);
  const left = charge(cpu, load<i64>(pc, U_COST));
  if (stopWish) {
    store<i32>(cpu, stopWish, C_STOP);
    return 0;
  }
  if (stopSoon && left) stopAfter(cpu, 1);
  if (!branched) return pc + UOP_SIZE;
  const before = generation;
  const next = goOn(cpu);
  // A direct branch that was taken often enough has made its target hot; within its page it goes straight there from now on.
  if (next && before == generation && load<i64>(next, U_RIP) == branchTarget) {
    const hits = load<i32>(pc, U_HITS);
    if (hits <= 1 && load<u8>(pc, U_FLAGS) & UF_NEAR) store<i32>(pc, next, U_TARGET);
    if (hits == 1) {
      store<i32>(pc, 0, U_HITS);
      hostHot(next);
    }
  }
  return next;
}

/** Micro-ops that are no instructions. */
function pseudo(cpu: i32, pc: i32, operation: i32): i32 {
  if (operation == op.OP_RESOLVE) return goOn(cpu);
  if (operation == op.OP_BREAK) {
    if (!hostReached(load<i32>(cpu, C_INDEX))) return pc + UOP_SIZE;
    store<i32>(cpu, STOP_BREAKPOINT, C_STOP);
    return 0;
  }
  // OP_CROSS: U_IMM is the physical page in which the instruction was found to go on.
  const rip = load<i64>(cpu, C_RIP);
  const second = translateFetch(cpu, load<i32>(cpu, C_MMU), pageAfter(cpu, rip));
  beginAccesses(cpu);
  if (faulted()) return deliverPending(cpu) ? goOn(cpu) : 0;
  if (second == load<i64>(pc, U_IMM)) return pc + UOP_SIZE;
  forgetCrossing(pc);
  return goOn(cpu);
}
