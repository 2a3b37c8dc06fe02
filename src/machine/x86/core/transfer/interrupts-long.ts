/** Delivery through 16-byte gates, from 64-bit and compatibility code (SDM vol. 3, 6.14). */
import { C_CPL, C_IDT_BASE, C_IDT_LIMIT, C_RIP, C_SHADOW, SEG_CS, SEG_SS } from '../state/layout';
import { loadSystem } from '../memory/access';
import { allFlags, setAllFlags } from '../operations/flags';
import { aimFlat, pushFrame, takeNewFrame } from './frame';
import { gateCode, longStack } from './gates';
import { canonical } from '../memory/tlb';
import {
  DESCRIPTOR_ACCESSED,
  DESCRIPTOR_CONFORMING,
  DESCRIPTOR_P,
  descriptorDpl,
  markDescriptor,
  selectorOf,
  setNullSegment,
  setSegment,
} from './segments';
import {
  FLAG_IF,
  FLAG_NT,
  FLAG_RF,
  FLAG_TF,
  FLAG_VM,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_SS,
  faultWith,
  faulted,
  setCpl,
} from '../state/state';

const GATE_INTERRUPT = 14;
const GATE_TRAP = 15;

/** Parameters as for `deliver` of `interrupts.ts`. */
export function deliverLong(
  cpu: i32,
  vector: i32,
  soft: bool,
  ext: i32,
  hasError: bool,
  error: i32,
  flags: i64,
): void {
  const gateError = vector * 8 + 2 + ext;
  if (<u32>(vector * 16 + 15) > load<u32>(cpu, C_IDT_LIMIT)) return faultWith(VECTOR_GP, gateError);
  const at = load<i64>(cpu, C_IDT_BASE) + <i64>(vector * 16);
  const low = loadSystem(cpu, at, 8);
  if (faulted()) return;
  const high = loadSystem(cpu, at + 8, 8);
  if (faulted()) return;
  const cpl = load<i32>(cpu, C_CPL);
  const type = (<i32>(low >> 40)) & 0x1f;
  if (type != GATE_INTERRUPT && type != GATE_TRAP) return faultWith(VECTOR_GP, gateError);
  if (soft && descriptorDpl(low) < cpl) return faultWith(VECTOR_GP, gateError);
  if (!(low & DESCRIPTOR_P)) return faultWith(VECTOR_NP, gateError);

  const selector = (<i32>(low >> 16)) & 0xffff;
  const code = gateCode(cpu, selector, ext, true);
  if (faulted()) return;
  const dpl = descriptorDpl(code);
  const inner = !(code & DESCRIPTOR_CONFORMING) && dpl < cpl;
  const newCpl = inner ? dpl : cpl;
  const ist = (<i32>(low >> 32)) & 7;
  const oldStack = load<i64>(cpu, 32);
  let stack = oldStack;
  if (ist) stack = longStack(cpu, 28 + ist * 8, ext);
  else if (inner) stack = longStack(cpu, 4 + newCpl * 8, ext);
  if (faulted()) return;
  if (!canonical(stack)) return faultWith(VECTOR_SS, ext);
  const target = (low & 0xffff) | ((low >> 32) & 0xffff0000) | (high << 32);
  if (!canonical(target)) return faultWith(VECTOR_GP, ext);

  aimFlat(cpu, newCpl, stack & ~15);
  pushFrame(cpu, 8, selectorOf(cpu, SEG_SS));
  pushFrame(cpu, 8, oldStack);
  pushFrame(cpu, 8, flags);
  pushFrame(cpu, 8, selectorOf(cpu, SEG_CS));
  pushFrame(cpu, 8, load<i64>(cpu, C_RIP));
  if (hasError) pushFrame(cpu, 8, <i64>(<u32>error));
  if (faulted()) return;
  markDescriptor(cpu, selector, code, DESCRIPTOR_ACCESSED);
  if (faulted()) return;

  setCpl(cpu, newCpl);
  setSegment(cpu, SEG_CS, (selector & ~3) | newCpl, code | DESCRIPTOR_ACCESSED);
  if (inner) setNullSegment(cpu, SEG_SS, newCpl);
  let next = allFlags(cpu) & ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
  if (type == GATE_INTERRUPT) next &= ~FLAG_IF;
  setAllFlags(cpu, next);
  takeNewFrame(cpu, stack);
  store<i64>(cpu, target, C_RIP);
  store<f64>(cpu, -1, C_SHADOW);
}
