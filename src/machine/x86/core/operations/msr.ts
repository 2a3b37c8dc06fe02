/** Model-specific registers that the core keeps, the time-stamp counter, and the bases of FS and GS (SDM vol. 4, 2.1). */
import {
  C_CPL,
  C_CR4,
  C_CSTAR,
  C_EFER,
  C_INDEX,
  C_KERNEL_GS,
  C_LSTAR,
  C_MISC_ENABLE,
  C_MODE,
  C_MSR_READS,
  C_MSR_WRITES,
  C_PAT,
  C_RESULT_HIGH,
  C_RESULT_LOW,
  C_SEGMENTS,
  C_SFMASK,
  C_STAR,
  C_SYSENTER_CS,
  C_SYSENTER_EIP,
  C_SYSENTER_ESP,
  C_TSC_ADJUST,
  C_TSC_AUX,
  C_TSC_OFFSET,
  INTERCEPT_RDPMC,
  INTERCEPT_RDTSC,
  INTERCEPT_RDTSCP,
  MODE_64,
  SEG_FS,
  SEG_GS,
  SEG_SIZE,
  S_BASE,
  U_EXT,
  U_R1,
  U_SIZE,
} from '../state/layout';
import { writeEfer } from './control';
import { askMsr, tellMsr } from '../state/callout';
import { hostTscChanged } from '../state/host';
import { admitted } from '../state/intercept';
import { canonical } from '../memory/tlb';
import { segment } from '../transfer/segments';
import {
  CR4_FSGSBASE,
  CR4_TSD,
  VECTOR_GP,
  VECTOR_UD,
  fault,
  faultWith,
  faulted,
  needRing0,
  now,
  readReg,
  takeFault,
  writeReg,
} from '../state/state';

const IA32_TSC: u32 = 0x10;
const IA32_TSC_ADJUST: u32 = 0x3b;
const IA32_SYSENTER_CS: u32 = 0x174;
const IA32_SYSENTER_ESP: u32 = 0x175;
const IA32_SYSENTER_EIP: u32 = 0x176;
const IA32_MISC_ENABLE: u32 = 0x1a0;
const IA32_PAT: u32 = 0x277;
const IA32_EFER: u32 = 0xc0000080;
const IA32_STAR: u32 = 0xc0000081;
const IA32_LSTAR: u32 = 0xc0000082;
const IA32_CSTAR: u32 = 0xc0000083;
const IA32_FMASK: u32 = 0xc0000084;
const IA32_FS_BASE: u32 = 0xc0000100;
const IA32_GS_BASE: u32 = 0xc0000101;
const IA32_KERNEL_GS_BASE: u32 = 0xc0000102;
const IA32_TSC_AUX: u32 = 0xc0000103;

/** IA32_MISC_ENABLE: bits that exist, and those of them that writes leave alone (performance monitoring, BTS, PEBS). */
const MISC_ENABLE_KNOWN: i64 = 0x400c51889;
const MISC_ENABLE_FIXED: i64 = 0x1880;

/** Each byte of the PAT is one of the memory types UC, WC, WT, WP, WB and UC- (SDM vol. 3, 11.12.2). */
function memoryTypes(value: i64): bool {
  for (let i = 0; i < 8; i++) {
    const type = (<u64>value >> <u64>(i * 8)) & 255;
    if (type > 7 || type == 2 || type == 3) return false;
  }
  return true;
}

function timeStamp(cpu: i32): i64 {
  return <i64>now(cpu) + load<i64>(cpu, C_TSC_OFFSET);
}

/** EDX:EAX. */
function answer(cpu: i32, value: i64): void {
  store<i64>(cpu, value & 0xffffffff);
  store<i64>(cpu, <i64>((<u64>value) >> 32), 16);
}

/** RDTSC and RDTSCP; CR4.TSD keeps them for CPL 0. */
export function execRdtsc(cpu: i32, withAux: bool): void {
  if (load<i64>(cpu, C_CR4) & CR4_TSD && load<i32>(cpu, C_CPL) != 0) return faultWith(VECTOR_GP, 0);
  if (!admitted(cpu, withAux ? INTERCEPT_RDTSCP : INTERCEPT_RDTSC, 0)) return;
  answer(cpu, timeStamp(cpu));
  if (withAux) store<i64>(cpu, load<i64>(cpu, C_TSC_AUX) & 0xffffffff, 8);
}

/** The MSRs that the core keeps; the position of each is its bit in C_MSR_READS and C_MSR_WRITES. */
const NUMBERS: StaticArray<u32> = [
  IA32_TSC,
  IA32_TSC_ADJUST,
  IA32_SYSENTER_CS,
  IA32_SYSENTER_ESP,
  IA32_SYSENTER_EIP,
  IA32_MISC_ENABLE,
  IA32_PAT,
  IA32_EFER,
  IA32_STAR,
  IA32_LSTAR,
  IA32_CSTAR,
  IA32_FMASK,
  IA32_FS_BASE,
  IA32_GS_BASE,
  IA32_KERNEL_GS_BASE,
  IA32_TSC_AUX,
];
/** Where in the register block; of the counter what is added to the time. */
const PLACES: StaticArray<i32> = [
  C_TSC_OFFSET,
  C_TSC_ADJUST,
  C_SYSENTER_CS,
  C_SYSENTER_ESP,
  C_SYSENTER_EIP,
  C_MISC_ENABLE,
  C_PAT,
  C_EFER,
  C_STAR,
  C_LSTAR,
  C_CSTAR,
  C_SFMASK,
  C_SEGMENTS + SEG_FS * SEG_SIZE + S_BASE,
  C_SEGMENTS + SEG_GS * SEG_SIZE + S_BASE,
  C_KERNEL_GS,
  C_TSC_AUX,
];

/** Bit of an MSR in the masks of the policy, −1 for one that the core does not keep. */
export function msrBit(msr: u32): i32 {
  for (let i = 0; i < NUMBERS.length; i++) if (unchecked(NUMBERS[i]) == msr) return i;
  return -1;
}

/** The core keeps the MSR and may serve it without leaving the guest. */
function served(bit: i32, leaving: u32): bool {
  return bit >= 0 && !((leaving >> bit) & 1);
}

function keptMsr(cpu: i32, bit: i32): i64 {
  return bit == 0 ? timeStamp(cpu) : load<i64>(cpu + unchecked(PLACES[bit]));
}

export function execRdmsr(cpu: i32): void {
  if (!needRing0(cpu)) return;
  const msr = load<u32>(cpu, 8);
  const bit = msrBit(msr);
  if (served(bit, load<u32>(cpu, C_MSR_READS))) return answer(cpu, keptMsr(cpu, bit));
  if (!askMsr(cpu, msr)) return faultWith(VECTOR_GP, 0);
  if (faulted()) return;
  store<i64>(cpu, load<u32>(cpu, C_RESULT_LOW));
  store<i64>(cpu, load<u32>(cpu, C_RESULT_HIGH), 16);
}

export function execWrmsr(cpu: i32): void {
  if (!needRing0(cpu)) return;
  const msr = load<u32>(cpu, 8);
  const low = load<i32>(cpu);
  const high = load<i32>(cpu, 16);
  const bit = msrBit(msr);
  if (served(bit, load<u32>(cpu, C_MSR_WRITES))) return writeKept(cpu, bit, low, high);
  if (!tellMsr(cpu, msr, low, high)) faultWith(VECTOR_GP, 0);
}

/** WRMSR to an MSR of the core. */
function writeKept(cpu: i32, bit: i32, low: i32, high: i32): void {
  const value = <i64>(<u32>low) | (<i64>high << 32);
  const at = cpu + unchecked(PLACES[bit]);
  switch (unchecked(NUMBERS[bit])) {
    case IA32_TSC:
      return setTimeStamp(cpu, value);
    case IA32_EFER:
      return writeEfer(cpu, value);
    case IA32_TSC_ADJUST:
      // What is added to the adjustment is added to the counter (SDM vol. 3, 17.17.3).
      return adjustTimeStamp(cpu, value - load<i64>(at));
    case IA32_SYSENTER_CS:
      return store<i64>(at, value & 0xffffffff);
    case IA32_MISC_ENABLE:
      if (value & ~MISC_ENABLE_KNOWN) return faultWith(VECTOR_GP, 0);
      return store<i64>(at, (value & ~MISC_ENABLE_FIXED) | (load<i64>(at) & MISC_ENABLE_FIXED));
    case IA32_PAT:
      if (!memoryTypes(value)) return faultWith(VECTOR_GP, 0);
      return store<i64>(at, value);
    case IA32_FMASK:
    case IA32_TSC_AUX:
      if (<u64>value >> 32) return faultWith(VECTOR_GP, 0);
      return store<i64>(at, value);
    case IA32_STAR:
      return store<i64>(at, value);
    default:
      // All others hold addresses.
      if (!canonical(value)) return faultWith(VECTOR_GP, 0);
      store<i64>(at, value);
  }
}

/** For the VMM: reads an MSR of the core to C_RESULT_*; false: it keeps none of that number. */
export function readMsr(cpu: i32, msr: i32): bool {
  const bit = msrBit(<u32>msr);
  if (bit < 0) return false;
  const value = keptMsr(cpu, bit);
  store<i32>(cpu, <i32>value, C_RESULT_LOW);
  store<i32>(cpu, <i32>(value >> 32), C_RESULT_HIGH);
  return true;
}

/** For the VMM: writes an MSR of the core as WRMSR does; false: #GP would be raised, or it keeps none of that number. */
export function writeMsr(cpu: i32, msr: i32, low: i32, high: i32): bool {
  const bit = msrBit(<u32>msr);
  if (bit < 0) return false;
  writeKept(cpu, bit, low, high);
  return !takeFault();
}

/** A write of the counter shows in the adjustment, too. */
function setTimeStamp(cpu: i32, value: i64): void {
  adjustTimeStamp(cpu, value - timeStamp(cpu));
}

function adjustTimeStamp(cpu: i32, by: i64): void {
  store<i64>(cpu, load<i64>(cpu, C_TSC_OFFSET) + by, C_TSC_OFFSET);
  store<i64>(cpu, load<i64>(cpu, C_TSC_ADJUST) + by, C_TSC_ADJUST);
  hostTscChanged(load<i32>(cpu, C_INDEX));
}

/** SWAPGS; the decoder knows it in 64-bit mode only. */
export function execSwapgs(cpu: i32): void {
  if (!needRing0(cpu)) return;
  const at = segment(cpu, SEG_GS);
  const base = load<i64>(at, S_BASE);
  store<i64>(at, load<i64>(cpu, C_KERNEL_GS), S_BASE);
  store<i64>(cpu, base, C_KERNEL_GS);
}

/** RDFSBASE, RDGSBASE, WRFSBASE and WRGSBASE at any CPL, once CR4.FSGSBASE allows them; U_EXT is the segment. */
export function execSegmentBase(cpu: i32, pc: i32, write: bool): void {
  if (load<i32>(cpu, C_MODE) != MODE_64 || !(load<i64>(cpu, C_CR4) & CR4_FSGSBASE)) return fault(VECTOR_UD);
  const at = segment(cpu, load<u8>(pc, U_EXT));
  const size = <i32>load<u8>(pc, U_SIZE);
  const register = <i32>load<u16>(pc, U_R1);
  if (!write) return writeReg(cpu, register, size, load<i64>(at, S_BASE));
  const value = readReg(cpu, register, size);
  if (!canonical(value)) return faultWith(VECTOR_GP, 0);
  store<i64>(at, value, S_BASE);
}

/** RDPMC: there is no counter that could be read (SDM vol. 2, "RDPMC"). */
export function execRdpmc(cpu: i32): void {
  // Only at CPL 0 is it not a matter of privilege, which comes first: CR4.PCE is not there.
  if (load<i32>(cpu, C_CPL) == 0 && !admitted(cpu, INTERCEPT_RDPMC, 0)) return;
  faultWith(VECTOR_GP, 0);
}
