/** One instruction by the general path: every operation's one definition is reached from here. */
import {
  C_BUDGET,
  C_EXCEPTION_COST,
  C_FLAGS,
  C_GDT_BASE,
  C_GDT_LIMIT,
  C_IDT_BASE,
  C_IDT_LIMIT,
  C_INDEX,
  C_MMU,
  C_REASON,
  C_RIP,
  C_SHADOW,
  C_STOP,
  INTERCEPT_INVD,
  INTERCEPT_PAUSE,
  INTERCEPT_WBINVD,
  SEG_LDTR,
  SEG_TR,
  STOP_ABANDONED,
  STOP_BOUNDARY,
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
import * as op from '../operations/ops';
import { generation, lookup, lookupReason, pageAfter } from '../memory/blocks';
import { forgetCrossing } from '../memory/code';
import * as bmi from '../operations/exec-bmi';
import * as data from '../operations/exec-data';
import * as flow from '../operations/exec-flow';
import * as legacy from '../operations/exec-legacy';
import * as selectors from '../operations/exec-selectors';
import { execString } from '../operations/exec-string';
import * as system from '../operations/exec-system';
import { allFlags } from '../operations/flags';
import * as control from '../operations/control';
import * as debug from './debug';
import * as msr from '../operations/msr';
import * as syscall from '../operations/syscall';
import { EVENT_PRIVILEGED_SOFTWARE, EVENT_SOFTWARE, admitted, exceptionHandled } from '../state/intercept';
import { beginAccesses } from '../state/callout';
import { hostCpuid, hostHot, hostMissingInstruction } from '../state/host';
import { execFar, execRetFar } from '../transfer/far';
import { execIret } from '../transfer/iret';
import { DELIVERED, HANDLED, deliverFault, hardDebug, softInterrupt } from '../transfer/interrupts';
import {
  branchTarget,
  branched,
  clearEvents,
  eventful,
  stopReason,
  stopSoon,
  stopWish,
  unfinished,
  wishStop,
} from '../operations/operands';
import { translateFetch } from '../memory/paging';
import { execIn, execOut } from '../memory/ports';
import { cutRip } from '../memory/segmentation';
import { selectorOf } from '../transfer/segments';
import {
  FLAG_CF,
  FLAG_DF,
  FLAG_OF,
  FLAG_RF,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_HANDLED,
  VECTOR_OF,
  VECTOR_UD,
  fault,
  faulted,
  refresh,
  stopAfter,
} from '../state/state';

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
  // OP_CROSS: U_IMM is the physical page in which the instruction was found to go on.
  const rip = load<i64>(cpu, C_RIP);
  const second = translateFetch(cpu, load<i32>(cpu, C_MMU), pageAfter(cpu, rip));
  beginAccesses(cpu);
  if (faulted()) return deliverPending(cpu) ? goOn(cpu) : 0;
  if (second == load<i64>(pc, U_IMM)) return pc + UOP_SIZE;
  forgetCrossing(pc);
  return goOn(cpu);
}

function execute(cpu: i32, pc: i32, operation: i32): void {
  switch (operation) {
    case op.OP_UD:
      return fault(VECTOR_UD);
    case op.OP_MISSING:
      hostMissingInstruction(load<i32>(cpu, C_INDEX), load<i32>(pc, U_IMM));
      return fault(VECTOR_UD);
    case op.OP_MOV:
      return data.execMov(cpu, pc);
    case op.OP_ADD:
    case op.OP_OR:
    case op.OP_ADC:
    case op.OP_SBB:
    case op.OP_AND:
    case op.OP_SUB:
    case op.OP_XOR:
    case op.OP_CMP:
    case op.OP_TEST:
      return data.execBinary(cpu, pc, operation);
    case op.OP_INC:
    case op.OP_DEC:
    case op.OP_NEG:
    case op.OP_NOT:
      return data.execUnary(cpu, pc, operation);
    case op.OP_ROL:
    case op.OP_ROR:
    case op.OP_RCL:
    case op.OP_RCR:
    case op.OP_SHL:
    case op.OP_SHR:
    case op.OP_SAR:
      return data.execShift(cpu, pc, operation);
    case op.OP_SHLD:
    case op.OP_SHRD:
      return data.execDoubleShift(cpu, pc, operation == op.OP_SHLD);
    case op.OP_MUL:
    case op.OP_IMUL1:
      return data.execMultiply(cpu, pc, operation);
    case op.OP_DIV:
    case op.OP_IDIV:
      return data.execDivide(cpu, pc, operation);
    case op.OP_IMUL2:
    case op.OP_IMUL3:
      return data.execMultiplyTo(cpu, pc, operation == op.OP_IMUL3);
    case op.OP_MOVZX:
    case op.OP_MOVSX:
      return data.execExtend(cpu, pc, operation == op.OP_MOVSX);
    case op.OP_LEA:
      return data.execLea(cpu, pc);
    case op.OP_XCHG:
      return data.execXchg(cpu, pc);
    case op.OP_XADD:
      return data.execXadd(cpu, pc);
    case op.OP_CMPXCHG:
      return data.execCmpxchg(cpu, pc);
    case op.OP_CMPXCHG8B:
      return data.execCmpxchgPair(cpu, pc, 4);
    case op.OP_CMPXCHG16B:
      return data.execCmpxchgPair(cpu, pc, 8);
    case op.OP_BT:
    case op.OP_BTS:
    case op.OP_BTR:
    case op.OP_BTC:
      return data.execBitTest(cpu, pc, operation);
    case op.OP_BSF:
    case op.OP_BSR:
    case op.OP_TZCNT:
    case op.OP_LZCNT:
    case op.OP_POPCNT:
      return data.execBitScan(cpu, pc, operation);
    case op.OP_ANDN:
    case op.OP_BEXTR:
    case op.OP_BLSI:
    case op.OP_BLSMSK:
    case op.OP_BLSR:
    case op.OP_BZHI:
    case op.OP_MULX:
    case op.OP_PDEP:
    case op.OP_PEXT:
    case op.OP_RORX:
    case op.OP_SARX:
    case op.OP_SHLX:
    case op.OP_SHRX:
      return bmi.execBmi(cpu, pc, operation);
    case op.OP_ADCX:
    case op.OP_ADOX:
      return bmi.execAddFlag(cpu, pc, operation);
    case op.OP_RDPID:
      return bmi.execRdpid(cpu, pc);
    case op.OP_CACHE_LINE:
      return data.execCacheLine(cpu, pc);
    case op.OP_BSWAP:
      return data.execBswap(cpu, pc);
    case op.OP_MOVBE:
      return data.execMovbe(cpu, pc);
    case op.OP_SETCC:
      return data.execSetcc(cpu, pc);
    case op.OP_CMOVCC:
      return data.execCmovcc(cpu, pc);
    case op.OP_CBW:
      return data.execCbw(cpu, pc);
    case op.OP_CWD:
      return data.execCwd(cpu, pc);
    case op.OP_LAHF:
      return data.execLahf(cpu);
    case op.OP_SAHF:
      return data.execSahf(cpu);
    case op.OP_CLC:
      return data.execCarry(cpu, 0, 0);
    case op.OP_STC:
      return data.execCarry(cpu, 0, FLAG_CF);
    case op.OP_CMC:
      return data.execCarry(cpu, FLAG_CF, FLAG_CF);
    case op.OP_CLD:
      return store<i64>(cpu, load<i64>(cpu, C_FLAGS) & ~FLAG_DF, C_FLAGS);
    case op.OP_STD:
      return store<i64>(cpu, load<i64>(cpu, C_FLAGS) | FLAG_DF, C_FLAGS);
    case op.OP_NOP:
      return;
    case op.OP_PAUSE:
      admitted(cpu, INTERCEPT_PAUSE, 0);
      return;
    case op.OP_XLAT:
      return data.execXlat(cpu, pc);
    case op.OP_PUSH:
      return flow.execPush(cpu, pc);
    case op.OP_POP:
      return flow.execPop(cpu, pc);
    case op.OP_POP_SEG:
      return flow.execPopSegment(cpu, pc);
    case op.OP_PUSHF:
      return flow.execPushf(cpu, pc);
    case op.OP_POPF:
      return flow.execPopf(cpu, pc);
    case op.OP_PUSHA:
      return flow.execPushAll(cpu, pc);
    case op.OP_POPA:
      return flow.execPopAll(cpu, pc);
    case op.OP_ENTER:
      return flow.execEnter(cpu, pc);
    case op.OP_LEAVE:
      return flow.execLeave(cpu, pc);
    case op.OP_CALL:
      return flow.execCall(cpu, pc);
    case op.OP_CALL_IND:
      return flow.execCallIndirect(cpu, pc);
    case op.OP_RET:
      return flow.execRet(cpu, pc);
    case op.OP_JMP:
      return flow.execJmp(cpu, pc);
    case op.OP_JMP_IND:
      return flow.execJmpIndirect(cpu, pc);
    case op.OP_JCC:
      return flow.execJcc(cpu, pc);
    case op.OP_LOOP:
      return flow.execLoop(cpu, pc);
    case op.OP_MOVS:
    case op.OP_STOS:
    case op.OP_LODS:
    case op.OP_SCAS:
    case op.OP_CMPS:
    case op.OP_INS:
    case op.OP_OUTS:
      return execString(cpu, pc, operation);
    default:
      return executeSystem(cpu, pc, operation);
  }
}

function executeSystem(cpu: i32, pc: i32, operation: i32): void {
  switch (operation) {
    case op.OP_IN:
      return execIn(cpu, pc);
    case op.OP_OUT:
      return execOut(cpu, pc);
    case op.OP_CLI:
      return system.execCli(cpu);
    case op.OP_STI:
      return system.execSti(cpu);
    case op.OP_HLT:
      return system.execHlt(cpu);
    case op.OP_CPUID:
      return hostCpuid(load<i32>(cpu, C_INDEX));
    case op.OP_RDTSC:
    case op.OP_RDTSCP:
      return msr.execRdtsc(cpu, operation == op.OP_RDTSCP);
    case op.OP_RDMSR:
      return msr.execRdmsr(cpu);
    case op.OP_WRMSR:
      return msr.execWrmsr(cpu);
    case op.OP_LGDT:
      return system.execLoadTable(cpu, pc, C_GDT_BASE, C_GDT_LIMIT);
    case op.OP_LIDT:
      return system.execLoadTable(cpu, pc, C_IDT_BASE, C_IDT_LIMIT);
    case op.OP_SGDT:
      return system.execStoreTable(cpu, pc, C_GDT_BASE, C_GDT_LIMIT);
    case op.OP_SIDT:
      return system.execStoreTable(cpu, pc, C_IDT_BASE, C_IDT_LIMIT);
    case op.OP_LTR:
    case op.OP_LLDT:
      return selectors.execLtr(cpu, pc, operation == op.OP_LLDT);
    case op.OP_STR:
      return system.execStoreSystem(cpu, pc, selectorOf(cpu, SEG_TR));
    case op.OP_SLDT:
      return system.execStoreSystem(cpu, pc, selectorOf(cpu, SEG_LDTR));
    case op.OP_SMSW:
      return system.execStoreSystem(cpu, pc, control.visibleCr0(cpu));
    case op.OP_LMSW:
      return control.execLmsw(cpu, pc);
    case op.OP_CLTS:
      return control.execClts(cpu);
    case op.OP_MOV_FROM_CR:
      return control.execMovFromCr(cpu, pc);
    case op.OP_MOV_TO_CR:
      return control.execMovToCr(cpu, pc);
    case op.OP_MOV_FROM_DR:
      return debug.execMovFromDr(cpu, pc);
    case op.OP_MOV_TO_DR:
      return debug.execMovToDr(cpu, pc);
    case op.OP_INVLPG:
      return control.execInvlpg(cpu);
    case op.OP_WBINVD:
      return system.execCacheControl(cpu, INTERCEPT_WBINVD);
    case op.OP_INVD:
      return system.execCacheControl(cpu, INTERCEPT_INVD);
    case op.OP_IRET:
      return execIret(cpu, pc);
    case op.OP_RETF:
      return execRetFar(cpu, pc);
    case op.OP_INT1:
    case op.OP_INT3:
    case op.OP_INTO:
    case op.OP_INT:
      return execInt(cpu, pc, operation);
    case op.OP_VMCALL:
      return system.execVmcall(cpu);
    case op.OP_SWAPGS:
      return msr.execSwapgs(cpu);
    case op.OP_SYSCALL:
      return syscall.execSyscall(cpu, pc);
    case op.OP_SYSRET:
      return syscall.execSysret(cpu, pc);
    case op.OP_SYSENTER:
      return syscall.execSysenter(cpu);
    case op.OP_SYSEXIT:
      return syscall.execSysexit(cpu, pc);
    case op.OP_READ_BASE:
    case op.OP_WRITE_BASE:
      return msr.execSegmentBase(cpu, pc, operation == op.OP_WRITE_BASE);
    case op.OP_INVPCID:
      return control.execInvpcid(cpu, pc);
    case op.OP_RDPMC:
      return msr.execRdpmc(cpu);
    case op.OP_MOV_FROM_SEG:
      return system.execMovFromSegment(cpu, pc);
    case op.OP_MOV_TO_SEG:
      return system.execMovToSegment(cpu, pc);
    case op.OP_JMP_FAR:
    case op.OP_CALL_FAR:
      return execFar(cpu, pc, operation == op.OP_CALL_FAR);
    case op.OP_LAR:
    case op.OP_LSL:
      return selectors.execDescribe(cpu, pc, operation == op.OP_LSL);
    case op.OP_VERR:
    case op.OP_VERW:
      return selectors.execVerify(cpu, pc, operation == op.OP_VERW);
    case op.OP_ARPL:
      return selectors.execArpl(cpu, pc);
    case op.OP_STAC:
    case op.OP_CLAC:
      return control.execAc(cpu, operation == op.OP_STAC);
    default:
      return executeLegacy(cpu, pc, operation);
  }
}

function executeLegacy(cpu: i32, pc: i32, operation: i32): void {
  switch (operation) {
    case op.OP_AAA:
    case op.OP_AAS:
      return legacy.execAsciiAdjust(cpu, operation == op.OP_AAA ? 0x106 : -0x106);
    case op.OP_DAA:
    case op.OP_DAS:
      return legacy.execDecimalAdjust(cpu, operation == op.OP_DAA ? 1 : -1);
    case op.OP_AAM:
      return legacy.execAsciiMultiply(cpu, pc);
    case op.OP_AAD:
      return legacy.execAsciiDivide(cpu, pc);
    case op.OP_SALC:
      return legacy.execSalc(cpu);
    case op.OP_BOUND:
      return legacy.execBound(cpu, pc);
    case op.OP_LOAD_POINTER:
      return legacy.execLoadPointer(cpu, pc);
    default:
      return wishStop(STOP_UNSUPPORTED);
  }
}

/** INT1, INT3 and INTO are subject to the exception bitmap, INT n is not. What the VMM handles does not retire. */
function softExceptionHandled(cpu: i32, operation: i32): bool {
  const vector = operation == op.OP_INT1 ? VECTOR_DB : operation == op.OP_INT3 ? VECTOR_BP : VECTOR_OF;
  const type = operation == op.OP_INT1 ? EVENT_PRIVILEGED_SOFTWARE : EVENT_SOFTWARE;
  if (exceptionHandled(cpu, vector, type, false, 0, 0)) fault(VECTOR_HANDLED);
  return faulted();
}

/** The pushed RIP is the next instruction's; a delivery that faults or cannot be served names INT itself. */
function execInt(cpu: i32, pc: i32, operation: i32): void {
  if (operation == op.OP_INTO && !(allFlags(cpu) & FLAG_OF)) return;
  if (operation != op.OP_INT && softExceptionHandled(cpu, operation)) return;
  const rip = load<i64>(cpu, C_RIP);
  store<i64>(cpu, flow.nextRip(cpu, pc), C_RIP);
  if (operation == op.OP_INT1) hardDebug(cpu);
  else if (operation == op.OP_INT3) softInterrupt(cpu, VECTOR_BP);
  else if (operation == op.OP_INTO) softInterrupt(cpu, VECTOR_OF);
  else softInterrupt(cpu, (<i32>load<i64>(pc, U_IMM)) & 255);
  if (!branched) store<i64>(cpu, rip, C_RIP);
}
