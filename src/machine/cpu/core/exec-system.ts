/** System operations: MSRs, control and debug registers, descriptor tables, SYSCALL, HLT and their like. */
import {
  C_CPL,
  C_CR0,
  C_CR2,
  C_CR3,
  C_CR4,
  C_CSTAR,
  C_DR,
  C_EFER,
  C_FLAGS,
  C_INDEX,
  C_KERNEL_GS,
  C_LSTAR,
  C_RESULT_HIGH,
  C_RESULT_LOW,
  C_SFMASK,
  C_SHADOW,
  C_STAR,
  C_TSC_AUX,
  C_TSC_OFFSET,
  C_WINDOW,
  K_REG,
  SEG_CS,
  SEG_FS,
  SEG_GS,
  SEG_SS,
  STOP_HALTED,
  STOP_UNSUPPORTED,
  S_BASE,
  U_EXT,
  U_K1,
  U_R1,
  U_SIZE,
} from './layout';
import { loadMemory, probeWrite, storeMemory } from './access';
import { allFlags, setAllFlags } from './flags';
import { hostCr8Read, hostCr8Write, hostHlt, hostMsrRead, hostMsrWrite, hostVmcall } from './host';
import { nextRip } from './exec-flow';
import { branchTo, effectiveAddress, put1, read1, wishStop, wishStopSoon } from './operands';
import { canonical } from './paging';
import { loadDataSegment, segment, selectorOf, setSegment } from './segments';
import {
  FLAG_AC,
  FLAG_IF,
  FLAG_IOPL,
  FLAG_RF,
  VECTOR_GP,
  VECTOR_UD,
  fault,
  faultWith,
  faulted,
  flushTranslations,
  needRing0,
  now,
  readReg,
  retired,
  setCpl,
  stopAfter,
  writeReg,
} from './state';

const CODE64: i64 = 0x00af9b000000ffff;
const DATA: i64 = 0x00cf93000000ffff;
const DPL3: i64 = 0x0000600000000000;

const CR0_PE: i64 = 1;
const CR0_PG: i64 = 0x80000000;
const CR0_WRITABLE: i64 = 0xe005003f;
const CR0_ET: i64 = 16;
const CR4_WRITABLE: i64 = 0x370fff;
const CR4_PAE: i64 = 32;
const EFER_LME: i64 = 0x100;
const EFER_LMA: i64 = 0x400;
const EFER_WRITABLE: i64 = 0x901;

/** The interrupt shadow: no interrupt is taken before the instruction after this one has retired. */
export function setShadow(cpu: i32): void {
  store<f64>(cpu, retired(cpu) + 1, C_SHADOW);
  if (load<i32>(cpu, C_WINDOW)) wishStopSoon();
}

/** CLI and STI need CPL within IOPL. */
function interruptFlagAllowed(cpu: i32): bool {
  if (load<i32>(cpu, C_CPL) <= <i32>((load<i64>(cpu, C_FLAGS) & FLAG_IOPL) >> 12)) return true;
  faultWith(VECTOR_GP, 0);
  return false;
}

export function execCli(cpu: i32): void {
  if (interruptFlagAllowed(cpu)) store<i64>(cpu, load<i64>(cpu, C_FLAGS) & ~FLAG_IF, C_FLAGS);
}

export function execSti(cpu: i32): void {
  if (!interruptFlagAllowed(cpu)) return;
  const flags = load<i64>(cpu, C_FLAGS);
  if (flags & FLAG_IF) return;
  store<i64>(cpu, flags | FLAG_IF, C_FLAGS);
  setShadow(cpu);
}

export function execHlt(cpu: i32): void {
  if (!needRing0(cpu)) return;
  hostHlt(load<i32>(cpu, C_INDEX));
  wishStop(STOP_HALTED);
}

export function execVmcall(cpu: i32): void {
  if (!hostVmcall(load<i32>(cpu, C_INDEX))) fault(VECTOR_UD);
}

function timeStamp(cpu: i32): i64 {
  return <i64>now(cpu) + load<i64>(cpu, C_TSC_OFFSET);
}

function answer(cpu: i32, value: i64): void {
  store<i64>(cpu, value & 0xffffffff);
  store<i64>(cpu, <i64>((<u64>value) >> 32), 16);
}

export function execRdtsc(cpu: i32, withAux: bool): void {
  if (load<i64>(cpu, C_CR4) & 4 && load<i32>(cpu, C_CPL) != 0) return faultWith(VECTOR_GP, 0);
  answer(cpu, timeStamp(cpu));
  if (withAux) store<i64>(cpu, load<i64>(cpu, C_TSC_AUX) & 0xffffffff, 8);
}

/** Where the core keeps an MSR, or 0. */
function msrSlot(cpu: i32, msr: u32): i32 {
  switch (msr) {
    case 0xc0000080:
      return cpu + C_EFER;
    case 0xc0000081:
      return cpu + C_STAR;
    case 0xc0000082:
      return cpu + C_LSTAR;
    case 0xc0000083:
      return cpu + C_CSTAR;
    case 0xc0000084:
      return cpu + C_SFMASK;
    case 0xc0000100:
      return segment(cpu, SEG_FS) + S_BASE;
    case 0xc0000101:
      return segment(cpu, SEG_GS) + S_BASE;
    case 0xc0000102:
      return cpu + C_KERNEL_GS;
    case 0xc0000103:
      return cpu + C_TSC_AUX;
    default:
      return 0;
  }
}

export function execRdmsr(cpu: i32): void {
  if (!needRing0(cpu)) return;
  const msr = load<u32>(cpu, 8);
  if (msr == 0x10) return answer(cpu, timeStamp(cpu));
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
  if (msr == 0x10) {
    store<i64>(cpu, value - <i64>now(cpu), C_TSC_OFFSET);
    return;
  }
  const slot = msrSlot(cpu, msr);
  if (!slot) {
    const low = load<i32>(cpu);
    if (!hostMsrWrite(load<i32>(cpu, C_INDEX), msr, low, load<i32>(cpu, 16))) faultWith(VECTOR_GP, 0);
    return;
  }
  if (msr == 0xc0000080) return writeEfer(cpu, value);
  const address = msr == 0xc0000082 || msr == 0xc0000083 || (msr >= 0xc0000100 && msr <= 0xc0000102);
  if (address && !canonical(value)) return faultWith(VECTOR_GP, 0);
  store<i64>(slot, value);
}

function writeEfer(cpu: i32, value: i64): void {
  const old = load<i64>(cpu, C_EFER);
  if (value & ~(EFER_WRITABLE | EFER_LMA)) return faultWith(VECTOR_GP, 0);
  if ((value ^ old) & EFER_LME && load<i64>(cpu, C_CR0) & CR0_PG) return faultWith(VECTOR_GP, 0);
  store<i64>(cpu, (value & EFER_WRITABLE) | (old & EFER_LMA), C_EFER);
  flushTranslations(cpu);
}

export function execMovFromCr(cpu: i32, pc: i32): void {
  if (!needRing0(cpu)) return;
  let value: i64 = 0;
  switch (load<u8>(pc, U_EXT)) {
    case 0:
      value = load<i64>(cpu, C_CR0);
      break;
    case 2:
      value = load<i64>(cpu, C_CR2);
      break;
    case 3:
      value = load<i64>(cpu, C_CR3);
      break;
    case 4:
      value = load<i64>(cpu, C_CR4);
      break;
    case 8:
      value = hostCr8Read(load<i32>(cpu, C_INDEX));
      break;
    default:
      return fault(VECTOR_UD);
  }
  writeReg(cpu, load<u16>(pc, U_R1), load<u8>(pc, U_SIZE), value);
}

export function execMovToCr(cpu: i32, pc: i32): void {
  if (!needRing0(cpu)) return;
  const value = readReg(cpu, load<u16>(pc, U_R1), load<u8>(pc, U_SIZE));
  switch (load<u8>(pc, U_EXT)) {
    case 0:
      return writeCr0(cpu, value);
    case 2:
      store<i64>(cpu, value, C_CR2);
      return;
    case 3:
      if (value & 0x7fffc00000000000) return faultWith(VECTOR_GP, 0);
      store<i64>(cpu, value & i64.MAX_VALUE, C_CR3);
      return flushTranslations(cpu);
    case 4:
      // Long mode cannot be without PAE.
      if (value & ~CR4_WRITABLE || !(value & CR4_PAE)) return faultWith(VECTOR_GP, 0);
      store<i64>(cpu, value, C_CR4);
      return flushTranslations(cpu);
    case 8:
      if (value & ~15) return faultWith(VECTOR_GP, 0);
      return hostCr8Write(load<i32>(cpu, C_INDEX), <i32>value);
    default:
      return fault(VECTOR_UD);
  }
}

function writeCr0(cpu: i32, value: i64): void {
  const bad =
    (value & CR0_PG && !(value & CR0_PE)) ||
    (value & 0x20000000 && !(value & 0x40000000)) ||
    (<u64>value) >> 32 != 0 ||
    !(value & CR0_PG); // 64-bit code cannot leave paging
  if (bad) return faultWith(VECTOR_GP, 0);
  store<i64>(cpu, (value & CR0_WRITABLE) | CR0_ET, C_CR0);
  flushTranslations(cpu);
}

export function execLmsw(cpu: i32, pc: i32): void {
  if (!needRing0(cpu)) return;
  const value = read1(cpu, pc, 2);
  if (faulted()) return;
  const cr0 = load<i64>(cpu, C_CR0);
  store<i64>(cpu, (cr0 & ~14) | (value & 15), C_CR0);
}

export function execClts(cpu: i32): void {
  if (needRing0(cpu)) store<i64>(cpu, load<i64>(cpu, C_CR0) & ~8, C_CR0);
}

/** DR4 and DR5 are names of DR6 and DR7 while CR4.DE is clear (SDM vol. 3, 17.2.2). */
function debugRegister(cpu: i32, pc: i32): i32 {
  let index = <i32>load<u8>(pc, U_EXT);
  if (index == 4 || index == 5) {
    if (load<i64>(cpu, C_CR4) & 8) {
      fault(VECTOR_UD);
      return 0;
    }
    index += 2;
  }
  return cpu + C_DR + index * 8;
}

export function execMovFromDr(cpu: i32, pc: i32): void {
  if (!needRing0(cpu)) return;
  const at = debugRegister(cpu, pc);
  if (at) writeReg(cpu, load<u16>(pc, U_R1), load<u8>(pc, U_SIZE), load<i64>(at));
}

export function execMovToDr(cpu: i32, pc: i32): void {
  if (!needRing0(cpu)) return;
  const at = debugRegister(cpu, pc);
  if (!at) return;
  let value = readReg(cpu, load<u16>(pc, U_R1), load<u8>(pc, U_SIZE));
  const index = (at - cpu - C_DR) >> 3;
  if (index >= 6 && (<u64>value) >> 32 != 0) return faultWith(VECTOR_GP, 0);
  if (index == 6) value = (value & 0xe00f) | 0xffff0ff0;
  if (index == 7) value = (value & 0xffff2bff) | 0x400;
  store<i64>(at, value);
}

/** LGDT and LIDT; `base` and `limit` are where the register is kept. */
export function execLoadTable(cpu: i32, pc: i32, base: i32, limit: i32): void {
  if (!needRing0(cpu)) return;
  const bytes = <i32>load<u8>(pc, U_SIZE) - 2;
  const at = effectiveAddress(cpu, pc, bytes + 2, false);
  if (faulted()) return;
  const newLimit = <i32>loadMemory(cpu, at, 2);
  if (faulted()) return;
  let newBase = loadMemory(cpu, at + 2, bytes);
  if (faulted()) return;
  // With 16-bit operands the base has 24 bits.
  if (load<u8>(pc, U_EXT)) newBase &= 0xffffff;
  if (!canonical(newBase)) return faultWith(VECTOR_GP, 0);
  store<i64>(cpu + base, newBase);
  store<i32>(cpu + limit, newLimit);
}

function umip(cpu: i32): bool {
  if (!(load<i64>(cpu, C_CR4) & 0x800) || load<i32>(cpu, C_CPL) == 0) return false;
  faultWith(VECTOR_GP, 0);
  return true;
}

export function execStoreTable(cpu: i32, pc: i32, base: i32, limit: i32): void {
  if (umip(cpu)) return;
  const bytes = <i32>load<u8>(pc, U_SIZE) - 2;
  const at = effectiveAddress(cpu, pc, bytes + 2, true);
  if (faulted() || !probeWrite(cpu, at, 2) || !probeWrite(cpu, at + 2, bytes)) return;
  storeMemory(cpu, at, 2, load<i32>(cpu + limit));
  storeMemory(cpu, at + 2, bytes, load<i64>(cpu + base));
}

/** STR, SLDT, SMSW: 16 bits to memory, zero-extended to registers. */
export function execStoreSystem(cpu: i32, pc: i32, value: i64): void {
  if (umip(cpu)) return;
  put1(cpu, pc, load<u8>(pc, U_K1) == K_REG ? <i32>load<u8>(pc, U_SIZE) : 2, value);
}

export function execMovFromSegment(cpu: i32, pc: i32): void {
  const size = load<u8>(pc, U_K1) == K_REG ? <i32>load<u8>(pc, U_SIZE) : 2;
  put1(cpu, pc, size, selectorOf(cpu, load<u8>(pc, U_EXT)));
}

export function execMovToSegment(cpu: i32, pc: i32): void {
  const index = <i32>load<u8>(pc, U_EXT);
  if (index == SEG_CS) return fault(VECTOR_UD);
  const selector = read1(cpu, pc, 2);
  if (faulted()) return;
  loadDataSegment(cpu, index, (<i32>selector) & 0xffff);
  if (!faulted() && index == SEG_SS) setShadow(cpu);
}

export function execSwapgs(cpu: i32): void {
  if (!needRing0(cpu)) return;
  const at = segment(cpu, SEG_GS);
  const base = load<i64>(at, S_BASE);
  store<i64>(at, load<i64>(cpu, C_KERNEL_GS), S_BASE);
  store<i64>(cpu, base, C_KERNEL_GS);
}

export function execInvlpg(cpu: i32): void {
  if (needRing0(cpu)) flushTranslations(cpu);
}

export function execSyscall(cpu: i32, pc: i32): void {
  if (!(load<i64>(cpu, C_EFER) & 1)) return fault(VECTOR_UD);
  const flags = allFlags(cpu);
  store<i64>(cpu, nextRip(cpu, pc), 8);
  store<i64>(cpu, flags & ~FLAG_RF, 88);
  const selector = (<i32>(load<i64>(cpu, C_STAR) >> 32)) & 0xfffc;
  setSegment(cpu, SEG_CS, selector, CODE64);
  setSegment(cpu, SEG_SS, selector + 8, DATA);
  setCpl(cpu, 0);
  setAllFlags(cpu, flags & ~(load<i64>(cpu, C_SFMASK) | FLAG_RF));
  branchTo(load<i64>(cpu, C_LSTAR));
}

export function execSysret(cpu: i32, pc: i32): void {
  if (!(load<i64>(cpu, C_EFER) & 1)) return fault(VECTOR_UD);
  if (!needRing0(cpu)) return;
  if (load<u8>(pc, U_SIZE) != 8) return wishStop(STOP_UNSUPPORTED);
  const target = load<i64>(cpu, 8);
  if (!canonical(target)) return faultWith(VECTOR_GP, 0);
  const selector = (<i32>(load<i64>(cpu, C_STAR) >> 48)) & 0xffff;
  setSegment(cpu, SEG_CS, (selector + 16) | 3, CODE64 | DPL3);
  setSegment(cpu, SEG_SS, (selector + 8) | 3, DATA | DPL3);
  setCpl(cpu, 3);
  setAllFlags(cpu, load<i64>(cpu, 88) & 0x3c7fd7);
  branchTo(target);
  if (load<i32>(cpu, C_WINDOW)) stopAfter(cpu, 0);
}

/** STAC and CLAC. */
export function execAc(cpu: i32, set: bool): void {
  if (!needRing0(cpu)) return;
  const flags = load<i64>(cpu, C_FLAGS) & ~FLAG_AC;
  store<i64>(cpu, set ? flags | FLAG_AC : flags, C_FLAGS);
  flushTranslations(cpu);
}
