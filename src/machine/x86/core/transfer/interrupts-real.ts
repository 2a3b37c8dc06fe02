/** Delivery through the interrupt vector table of real mode (SDM vol. 3, 20.1.4). Error codes are not pushed. */
import { C_IDT_BASE, C_IDT_LIMIT, C_RIP, C_SHADOW, SEG_CS } from '../state/layout';
import { loadSystem } from '../memory/access';
import { allFlags, setAllFlags } from '../operations/flags';
import { aimHere, pushFrame, roomFor, takeFrame } from './frame';
import { loadRealSegment, selectorOf } from './segments';
import { FLAG_AC, FLAG_IF, FLAG_RF, FLAG_TF, VECTOR_GP, VECTOR_SS, faultWith, faulted } from '../state/state';

export function deliverReal(cpu: i32, vector: i32, ext: i32, flags: i64): void {
  if (<u32>(vector * 4 + 3) > load<u32>(cpu, C_IDT_LIMIT)) return faultWith(VECTOR_GP, vector * 8 + 2 + ext);
  const target = loadSystem(cpu, load<i64>(cpu, C_IDT_BASE) + <i64>(vector * 4), 4);
  if (faulted()) return;
  aimHere(cpu, load<i64>(cpu, 32));
  if (!roomFor(3, 2)) return faultWith(VECTOR_SS, ext);
  pushFrame(cpu, 2, flags);
  pushFrame(cpu, 2, selectorOf(cpu, SEG_CS));
  pushFrame(cpu, 2, load<i64>(cpu, C_RIP));
  if (faulted()) return;
  setAllFlags(cpu, allFlags(cpu) & ~(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF));
  takeFrame(cpu);
  loadRealSegment(cpu, SEG_CS, <i32>(target >> 16));
  store<i64>(cpu, target & 0xffff, C_RIP);
  store<f64>(cpu, -1, C_SHADOW);
}
