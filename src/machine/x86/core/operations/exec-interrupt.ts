/** INT n, INT3, INTO and INT1. */
import { C_RIP, U_IMM } from '../state/layout';
import { OP_INT, OP_INT1, OP_INT3, OP_INTO } from '../generated/ops';
import { nextRip } from './exec-flow';
import { allFlags } from './flags';
import { branched } from './operands';
import { EVENT_PRIVILEGED_SOFTWARE, EVENT_SOFTWARE, exceptionHandled } from '../state/intercept';
import { FLAG_OF, VECTOR_BP, VECTOR_DB, VECTOR_HANDLED, VECTOR_OF, fault, faulted } from '../state/state';
import { hardDebug, softInterrupt } from '../transfer/interrupts';

/** INT1, INT3 and INTO are subject to the exception bitmap, INT n is not. What the VMM handles does not retire. */
function softExceptionHandled(cpu: i32, operation: i32): bool {
  const vector = operation == OP_INT1 ? VECTOR_DB : operation == OP_INT3 ? VECTOR_BP : VECTOR_OF;
  const type = operation == OP_INT1 ? EVENT_PRIVILEGED_SOFTWARE : EVENT_SOFTWARE;
  if (exceptionHandled(cpu, vector, type, false, 0, 0)) fault(VECTOR_HANDLED);
  return faulted();
}

/** The pushed RIP is the next instruction's; a delivery that faults or cannot be served names INT itself. */
export function execInt(cpu: i32, pc: i32, operation: i32): void {
  if (operation == OP_INTO && !(allFlags(cpu) & FLAG_OF)) return;
  if (operation != OP_INT && softExceptionHandled(cpu, operation)) return;
  const rip = load<i64>(cpu, C_RIP);
  store<i64>(cpu, nextRip(cpu, pc), C_RIP);
  if (operation == OP_INT1) hardDebug(cpu);
  else if (operation == OP_INT3) softInterrupt(cpu, VECTOR_BP);
  else if (operation == OP_INTO) softInterrupt(cpu, VECTOR_OF);
  else softInterrupt(cpu, (<i32>load<i64>(pc, U_IMM)) & 255);
  if (!branched) store<i64>(cpu, rip, C_RIP);
}
