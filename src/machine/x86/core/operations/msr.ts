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
  C_PAT,
  C_RESULT_HIGH,
  C_RESULT_LOW,
  C_SFMASK,
  C_STAR,
  C_SYSENTER_CS,
  C_SYSENTER_EIP,
  C_SYSENTER_ESP,
  C_TSC_ADJUST,
  C_TSC_AUX,
  C_TSC_OFFSET,
  MODE_64,
  SEG_FS,
  SEG_GS,
  S_BASE,
  U_EXT,
  U_R1,
  U_SIZE,
} from '../state/layout';
import { writeEfer } from './control';
import { hostMsrRead, hostMsrWrite } from '../state/host';
import { canonical } from '../memory/paging';
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
  answer(cpu, timeStamp(cpu));
  if (withAux) store<i64>(cpu, load<i64>(cpu, C_TSC_AUX) & 0xffffffff, 8);
}

/** Where the core keeps an MSR, or 0. */
function msrSlot(cpu: i32, msr: u32): i32 {
  switch (msr) {
    case IA32_TSC_ADJUST:
      return cpu + C_TSC_ADJUST;
    case IA32_SYSENTER_CS:
      return cpu + C_SYSENTER_CS;
    case IA32_SYSENTER_ESP:
      return cpu + C_SYSENTER_ESP;
    case IA32_SYSENTER_EIP:
      return cpu + C_SYSENTER_EIP;
    case IA32_MISC_ENABLE:
      return cpu + C_MISC_ENABLE;
    case IA32_PAT:
      return cpu + C_PAT;
    case IA32_EFER:
      return cpu + C_EFER;
    case IA32_STAR:
      return cpu + C_STAR;
    case IA32_LSTAR:
      return cpu + C_LSTAR;
    case IA32_CSTAR:
      return cpu + C_CSTAR;
    case IA32_FMASK:
      return cpu + C_SFMASK;
    case IA32_FS_BASE:
      return segment(cpu, SEG_FS) + S_BASE;
    case IA32_GS_BASE:
      return segment(cpu, SEG_GS) + S_BASE;
    case IA32_KERNEL_GS_BASE:
      return cpu + C_KERNEL_GS;
    case IA32_TSC_AUX:
      return cpu + C_TSC_AUX;
    default:
      return 0;
  }
}

export function execRdmsr(cpu: i32): void {
  if (!needRing0(cpu)) return;
  const msr = load<u32>(cpu, 8);
  if (msr == IA32_TSC) return answer(cpu, timeStamp(cpu));
  const slot = msrSlot(cpu, msr);
  if (slot) return answer(cpu, load<i64>(slot));
  if (!hostMsrRead(load<i32>(cpu, C_INDEX), msr)) return faultWith(VECTOR_GP, 0);
  if (faulted()) return;
  store<i64>(cpu, load<u32>(cpu, C_RESULT_LOW));
  store<i64>(cpu, load<u32>(cpu, C_RESULT_HIGH), 16);
}

export function execWrmsr(cpu: i32): void {
  if (!needRing0(cpu)) return;
  const msr = load<u32>(cpu, 8);
  const value = (<i64>load<u32>(cpu)) | ((<i64>load<u32>(cpu, 16)) << 32);
  if (msr == IA32_TSC) return setTimeStamp(cpu, value);
  const slot = msrSlot(cpu, msr);
  if (!slot) {
    const low = load<i32>(cpu);
    if (!hostMsrWrite(load<i32>(cpu, C_INDEX), msr, low, load<i32>(cpu, 16))) faultWith(VECTOR_GP, 0);
    return;
  }
  switch (msr) {
    case IA32_EFER:
      return writeEfer(cpu, value);
    case IA32_TSC_ADJUST:
      // What is added to the adjustment is added to the counter (SDM vol. 3, 17.17.3).
      return adjustTimeStamp(cpu, value - load<i64>(slot));
    case IA32_SYSENTER_CS:
      return store<i64>(slot, value & 0xffffffff);
    case IA32_MISC_ENABLE:
      if (value & ~MISC_ENABLE_KNOWN) return faultWith(VECTOR_GP, 0);
      return store<i64>(slot, (value & ~MISC_ENABLE_FIXED) | (load<i64>(slot) & MISC_ENABLE_FIXED));
    case IA32_PAT:
      if (!memoryTypes(value)) return faultWith(VECTOR_GP, 0);
      return store<i64>(slot, value);
    case IA32_FMASK:
    case IA32_TSC_AUX:
      if (<u64>value >> 32) return faultWith(VECTOR_GP, 0);
      return store<i64>(slot, value);
    case IA32_STAR:
      return store<i64>(slot, value);
    default:
      // All others hold addresses.
      if (!canonical(value)) return faultWith(VECTOR_GP, 0);
      store<i64>(slot, value);
  }
}

/** A write of the counter shows in the adjustment, too. */
function setTimeStamp(cpu: i32, value: i64): void {
  adjustTimeStamp(cpu, value - timeStamp(cpu));
}

function adjustTimeStamp(cpu: i32, by: i64): void {
  store<i64>(cpu, load<i64>(cpu, C_TSC_OFFSET) + by, C_TSC_OFFSET);
  store<i64>(cpu, load<i64>(cpu, C_TSC_ADJUST) + by, C_TSC_ADJUST);
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
export function execRdpmc(): void {
  faultWith(VECTOR_GP, 0);
}
