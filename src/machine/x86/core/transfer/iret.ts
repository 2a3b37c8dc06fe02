/** IRET in every mode (SDM vol. 2, "IRET"; vol. 3, 6.12.1). */
import {
  C_CPL,
  C_CR0,
  C_EFER,
  C_MODE,
  C_NMI,
  C_SHADOW,
  C_WINDOW,
  MODE_64,
  REASON_TASK,
  REASON_VM86,
  SEG_CS,
  S_LIMIT,
  U_SIZE,
} from '../state/layout';
import { allFlags, setAllFlags } from '../operations/flags';
import { SETTABLE_FLAGS, leaveHandler, stackTop } from './interrupts';
import { branchTo, moveStack, peekStack, wishUnsupported } from '../operations/operands';
import { returnFar } from './return';
import { loadRealSegment, segment } from './segments';
import {
  CR0_PE,
  EFER_LMA,
  FLAG_IF,
  FLAG_IOPL,
  FLAG_NT,
  FLAG_VM,
  VECTOR_GP,
  abandoned,
  faultWith,
  faulted,
  stopAfter,
} from '../state/state';

/** IRET lets NMIs in again even when it faults (SDM vol. 3, 6.7.1 and 27.2.3). */
export function execIret(cpu: i32, pc: i32): void {
  const size = <i32>load<u8>(pc, U_SIZE);
  if (load<i64>(cpu, C_CR0) & CR0_PE) protectedReturn(cpu, size);
  else realReturn(cpu, size);
  if (abandoned()) return;
  store<i32>(cpu, 0, C_NMI);
  if (load<i32>(cpu, C_WINDOW)) stopAfter(cpu, 0);
}

/** The part of IRET that comes last: RFLAGS, by what the level before the return was allowed. */
function finish(cpu: i32, size: i32, frame: i64, popped: i64, writable: i64): void {
  const kept = size == 2 ? writable & 0xffff : writable;
  setAllFlags(cpu, (allFlags(cpu) & ~kept) | (popped & kept));
  store<f64>(cpu, -1, C_SHADOW);
  leaveHandler(cpu, frame);
}

function realReturn(cpu: i32, size: i32): void {
  const step = <i64>size;
  const frame = stackTop(cpu);
  const rip = peekStack(cpu, size, 0);
  if (faulted()) return;
  const cs = (<i32>peekStack(cpu, size, step)) & 0xffff;
  if (faulted()) return;
  const popped = peekStack(cpu, size, 2 * step);
  if (faulted()) return;
  if (<u64>rip > <u64>load<u32>(segment(cpu, SEG_CS), S_LIMIT)) return faultWith(VECTOR_GP, 0);
  moveStack(cpu, 3 * step);
  loadRealSegment(cpu, SEG_CS, cs);
  branchTo(rip);
  finish(cpu, size, frame, popped, SETTABLE_FLAGS);
}

function protectedReturn(cpu: i32, size: i32): void {
  const before = allFlags(cpu);
  const long = (load<i64>(cpu, C_EFER) & EFER_LMA) != 0;
  if (before & FLAG_NT) {
    if (long) faultWith(VECTOR_GP, 0);
    else wishUnsupported(REASON_TASK);
    return;
  }
  const frame = stackTop(cpu);
  // In the order of the frame: the first of its words that is not there is the one to be named.
  let popped: i64 = 0;
  for (let i = 0; i < 3; i++) {
    popped = peekStack(cpu, size, <i64>(i * size));
    if (faulted()) return;
  }
  const cpl = load<i32>(cpu, C_CPL);
  if (!long && size == 4 && cpl == 0 && popped & FLAG_VM) return wishUnsupported(REASON_VM86);
  let writable: i64 = SETTABLE_FLAGS;
  if (cpl != 0) writable &= ~FLAG_IOPL;
  if (cpl > <i32>((before & FLAG_IOPL) >> 12)) writable &= ~FLAG_IF;
  returnFar(cpu, size, size, 0, load<i32>(cpu, C_MODE) == MODE_64);
  if (!faulted()) finish(cpu, size, frame, popped, writable);
}
