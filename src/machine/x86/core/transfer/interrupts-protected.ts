/** Delivery through 8-byte gates of 32 and 16 bits (SDM vol. 3, 6.12; vol. 2, "INT n"), for protected mode without IA-32e. */
import { C_CPL, C_IDT_BASE, C_IDT_LIMIT, C_RIP, C_SHADOW, REASON_TASK, SEG_CS, SEG_SS } from '../state/layout';
import { loadSystem } from '../memory/access';
import { allFlags, setAllFlags } from '../operations/flags';
import { aimHere, aimSegment, pushFrame, roomFor, takeFrame, takeNewFrame } from './frame';
import { gateCode, innerDescriptor, innerPointer, innerSelector, innerStack, refuse } from './gates';
import {
  DESCRIPTOR_ACCESSED,
  DESCRIPTOR_CONFORMING,
  DESCRIPTOR_P,
  descriptorBase,
  descriptorDpl,
  descriptorLimit,
  markDescriptor,
  selectorOf,
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

const GATE_TASK = 5;
const GATE_INTERRUPT16 = 6;
const GATE_INTERRUPT = 14;

/** Parameters as for `deliver` of `interrupts.ts`. */
export function deliverProtected(
  cpu: i32,
  vector: i32,
  soft: bool,
  ext: i32,
  hasError: bool,
  error: i32,
  flags: i64,
): void {
  const gateError = vector * 8 + 2 + ext;
  if (<u32>(vector * 8 + 7) > load<u32>(cpu, C_IDT_LIMIT)) return faultWith(VECTOR_GP, gateError);
  const gate = loadSystem(cpu, load<i64>(cpu, C_IDT_BASE) + <i64>(vector * 8), 8);
  if (faulted()) return;
  const cpl = load<i32>(cpu, C_CPL);
  const type = (<i32>(gate >> 40)) & 0x1f;
  // Types 6, 7, 14 and 15: bit 0 tells trap gates, bit 3 those of 32 bits.
  if (type != GATE_TASK && (type & ~9) != GATE_INTERRUPT16) return faultWith(VECTOR_GP, gateError);
  if (soft && descriptorDpl(gate) < cpl) return faultWith(VECTOR_GP, gateError);
  if (!(gate & DESCRIPTOR_P)) return faultWith(VECTOR_NP, gateError);
  if (type == GATE_TASK) return refuse(REASON_TASK);

  const size = type & 8 ? 4 : 2;
  const selector = (<i32>(gate >> 16)) & 0xffff;
  const target = (gate & 0xffff) | (size == 4 ? (gate >> 32) & 0xffff0000 : 0);
  const code = gateCode(cpu, selector, ext, false);
  if (faulted()) return;
  const dpl = descriptorDpl(code);
  const inner = !(code & DESCRIPTOR_CONFORMING) && dpl < cpl;
  const newCpl = inner ? dpl : cpl;
  const oldStack = load<i64>(cpu, 32);
  if (inner) {
    innerStack(cpu, dpl, ext);
    if (faulted()) return;
    const attributes = (<i32>(innerDescriptor >> 40)) & 0xffff;
    const from = descriptorBase(innerDescriptor);
    aimSegment(cpu, dpl, from, attributes, descriptorLimit(innerDescriptor), innerPointer);
  } else aimHere(cpu, oldStack);
  const words = (inner ? 5 : 3) + (hasError ? 1 : 0);
  if (!roomFor(words, size)) return faultWith(VECTOR_SS, inner ? (innerSelector & ~3) | ext : ext);
  if (<u64>target > <u64>descriptorLimit(code)) return faultWith(VECTOR_GP, ext);

  if (inner) {
    pushFrame(cpu, size, selectorOf(cpu, SEG_SS));
    pushFrame(cpu, size, oldStack);
  }
  pushFrame(cpu, size, flags);
  pushFrame(cpu, size, selectorOf(cpu, SEG_CS));
  pushFrame(cpu, size, load<i64>(cpu, C_RIP));
  if (hasError) pushFrame(cpu, size, <i64>(<u32>error));
  if (faulted()) return;
  markDescriptor(cpu, selector, code, DESCRIPTOR_ACCESSED);
  if (faulted()) return;
  if (inner) {
    markDescriptor(cpu, innerSelector, innerDescriptor, DESCRIPTOR_ACCESSED);
    if (faulted()) return;
    setSegment(cpu, SEG_SS, innerSelector, innerDescriptor | DESCRIPTOR_ACCESSED);
    takeNewFrame(cpu, innerPointer);
  } else takeFrame(cpu);
  setCpl(cpu, newCpl);
  setSegment(cpu, SEG_CS, (selector & ~3) | newCpl, code | DESCRIPTOR_ACCESSED);
  let next = allFlags(cpu) & ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
  if ((type | 8) == GATE_INTERRUPT) next &= ~FLAG_IF;
  setAllFlags(cpu, next);
  store<i64>(cpu, target, C_RIP);
  store<f64>(cpu, -1, C_SHADOW);
}
