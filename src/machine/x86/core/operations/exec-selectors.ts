/** Questions about selectors (LAR, LSL, VERR, VERW, ARPL; SDM vol. 3, 5.10), and loads of LDTR and TR. */
import { C_CPL, C_CR0, C_EFER, SEG_LDTR, SEG_TR, S_BASE, U_R1, U_SIZE } from '../state/layout';
import { LOADS, SECOND_REGISTER, selectorAdmitted } from './descriptor-exits';
import { allFlags, setAllFlags } from './flags';
import { put1, read1, read2 } from './operands';
import { canonical } from '../memory/tlb';
import {
  DESCRIPTOR_CODE,
  DESCRIPTOR_CONFORMING,
  DESCRIPTOR_P,
  DESCRIPTOR_S,
  DESCRIPTOR_WRITABLE,
  descriptorDpl,
  descriptorLimit,
  insideTable,
  markDescriptor,
  readDescriptor,
  readDescriptorHigh,
  segment,
  setNullSegment,
  setSegment,
} from '../transfer/segments';
import {
  CR0_PE,
  EFER_LMA,
  FLAG_ZF,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_UD,
  fault,
  faultWith,
  faulted,
  needRing0,
  writeReg,
} from '../state/state';

/**
 * System descriptors that LAR and LSL tell of, one bit for each type (SDM vol. 2, tables 3-53 and 3-62): without IA-32e TSS
 * (1, 3, 9, 11), LDT (2), and for LAR call gates (4, 12) and the task gate (5); under IA-32e LDT, TSS, call gate of 64 bits.
 */
const LAR_TYPES = 0x1a3e;
const LAR_TYPES_LONG = 0x1a04;
const LSL_TYPES = 0x0a0e;
const LSL_TYPES_LONG = 0x0a04;
/** Access rights in the upper half of a descriptor: type, S, DPL, P, AVL, L, D/B, G. */
const RIGHTS: i64 = 0xf0ff00;

const TYPE_LDT = 2;
const TYPE_TSS16 = 1;
const TYPE_TSS = 9;
const TYPE_BUSY: i64 = 1 << 41;

/** #UD unless in protected mode, where alone selectors name descriptors. */
function needProtected(cpu: i32): bool {
  if (load<i64>(cpu, C_CR0) & CR0_PE) return true;
  fault(VECTOR_UD);
  return false;
}

function setZero(cpu: i32, zero: bool): void {
  const flags = allFlags(cpu) & ~FLAG_ZF;
  setAllFlags(cpu, zero ? flags | FLAG_ZF : flags);
}

/** The selector's descriptor, 0 when there is none to be had; may fault by its page only. */
function probe(cpu: i32, selector: i32): i64 {
  if (selector >> 2 == 0 || !insideTable(cpu, selector, 8)) return 0;
  return readDescriptor(cpu, selector);
}

/** CPL and the selector's RPL may reach the segment as data, or it is conforming code. */
function reachable(cpu: i32, selector: i32, descriptor: i64): bool {
  const shared = DESCRIPTOR_S | DESCRIPTOR_CODE | DESCRIPTOR_CONFORMING;
  if ((descriptor & shared) == shared) return true;
  const dpl = descriptorDpl(descriptor);
  return load<i32>(cpu, C_CPL) <= dpl && (selector & 3) <= dpl;
}

/** LAR, or LSL with `limit`. */
export function execDescribe(cpu: i32, pc: i32, limit: bool): void {
  if (!needProtected(cpu)) return;
  const selector = (<i32>read2(cpu, pc, 2)) & 0xffff;
  if (faulted()) return;
  const descriptor = probe(cpu, selector);
  if (faulted()) return;
  const long = (load<i64>(cpu, C_EFER) & EFER_LMA) != 0;
  const types = limit ? (long ? LSL_TYPES_LONG : LSL_TYPES) : long ? LAR_TYPES_LONG : LAR_TYPES;
  const known = descriptor & DESCRIPTOR_S ? true : ((types >> ((<i32>(descriptor >> 40)) & 15)) & 1) != 0;
  const answered = descriptor != 0 && known && reachable(cpu, selector, descriptor);
  setZero(cpu, answered);
  if (!answered) return;
  const value = limit ? <i64>descriptorLimit(descriptor) : (descriptor >> 32) & RIGHTS;
  writeReg(cpu, load<u16>(pc, U_R1), load<u8>(pc, U_SIZE), value);
}

/** VERR, or VERW with `write`. */
export function execVerify(cpu: i32, pc: i32, write: bool): void {
  if (!needProtected(cpu)) return;
  const selector = (<i32>read1(cpu, pc, 2)) & 0xffff;
  if (faulted()) return;
  const descriptor = probe(cpu, selector);
  if (faulted()) return;
  const code = (descriptor & DESCRIPTOR_CODE) != 0;
  const more = (descriptor & DESCRIPTOR_WRITABLE) != 0;
  const usable = write ? !code && more : !code || more;
  setZero(cpu, (descriptor & DESCRIPTOR_S) != 0 && usable && reachable(cpu, selector, descriptor));
}

/** ARPL: raises the RPL of the first operand to that of the second. */
export function execArpl(cpu: i32, pc: i32): void {
  if (!needProtected(cpu)) return;
  const selector = <i32>read1(cpu, pc, 2);
  if (faulted()) return;
  const rpl = (<i32>read2(cpu, pc, 2)) & 3;
  if (faulted()) return;
  const raised = (selector & 3) < rpl;
  if (raised) put1(cpu, pc, 2, (selector & ~3) | rpl);
  if (!faulted()) setZero(cpu, raised);
}

/** LTR, or LLDT with `local`. */
export function execLtr(cpu: i32, pc: i32, local: bool): void {
  if (!needProtected(cpu) || !needRing0(cpu)) return;
  if (!selectorAdmitted(cpu, pc, LOADS | (local ? 0 : SECOND_REGISTER))) return;
  const selector = (<i32>read1(cpu, pc, 2)) & 0xffff;
  if (faulted()) return;
  if (selector >> 2 == 0) {
    if (!local) return faultWith(VECTOR_GP, 0);
    return setNullSegment(cpu, SEG_LDTR, selector);
  }
  const error = selector & ~3;
  if (selector & 4) return faultWith(VECTOR_GP, error);
  const descriptor = readDescriptor(cpu, selector);
  if (faulted()) return;
  const long = (load<i64>(cpu, C_EFER) & EFER_LMA) != 0;
  const type = (<i32>(descriptor >> 40)) & 0x1f;
  const right = local ? type == TYPE_LDT : type == TYPE_TSS || (type == TYPE_TSS16 && !long);
  if (!right) return faultWith(VECTOR_GP, error);
  let high: i64 = 0;
  if (long) {
    high = readDescriptorHigh(cpu, selector);
    if (faulted()) return;
    if (high & 0x1f0000000000) return faultWith(VECTOR_GP, error);
  }
  if (!(descriptor & DESCRIPTOR_P)) return faultWith(VECTOR_NP, error);
  const index = local ? SEG_LDTR : SEG_TR;
  const at = segment(cpu, index);
  const base = ((descriptor >> 16) & 0xffffff) | ((descriptor >> 32) & 0xff000000) | (high << 32);
  if (!canonical(base)) return faultWith(VECTOR_GP, error);
  if (!local) markDescriptor(cpu, selector, descriptor, TYPE_BUSY);
  if (faulted()) return;
  setSegment(cpu, index, selector, local ? descriptor : descriptor | TYPE_BUSY);
  store<i64>(at, base, S_BASE);
}
