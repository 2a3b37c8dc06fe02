/** The inner loop: hot operations in place, everything else by `step`. */
import { C_BUDGET, C_CC, C_CCA, C_CCB, C_RIP, C_STOP, STOP_BOUNDARY, U_COST, U_RIP } from './layout';
import { resume, step } from './step';

/** Runs until the budget is used up or something stops the vCPU; C_RIP names the next instruction then. */
export function run(cpu: i32): i32 {
  let pc = resume(cpu);
  while (pc) {
    if (load<i64>(cpu, C_BUDGET) < 0) {
      store<i64>(cpu, load<i64>(pc, U_RIP), C_RIP);
      store<i32>(cpu, STOP_BOUNDARY, C_STOP);
      break;
    }
    pc = step(cpu, pc);
  }
  return load<i32>(cpu, C_STOP);
}
