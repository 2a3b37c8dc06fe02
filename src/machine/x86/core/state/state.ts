/** Shared state of the core: where the areas lie, the pending fault, and small accessors. */
import { hostPrivilegeChanged } from './host';
import {
  C_BUDGET,
  C_CPL,
  C_PRIVILEGE_TOLD,
  C_INDEX,
  C_CR0,
  C_CR4,
  C_DEBUG,
  C_DR,
  C_EXEMPT_USED,
  C_FLAGS,
  C_MMU,
  C_PENDING_DB,
  C_RETIRED,
  C_TARGET,
  C_WP_USED,
  CONTEXT0,
  CONTEXTS,
  CONTEXT_SIZE,
  CPU_BASE,
  CPU_SIZE,
  DEBUG_ALIGNMENT,
  DEBUG_BREAKPOINTS,
  DEBUG_PENDING,
  DEBUG_RESUME,
  DEBUG_STEP,
  EMPTY_BYTE,
} from './layout';

export let ramBase: i32 = 0;
export let ramSize: u32 = 0;
export let cpuCount: i32 = 0;
export let hashHeads: i32 = 0;
export let pageFlags: i32 = 0;
export let pageLists: i32 = 0;
export let granules: i32 = 0;
export let uopBase: i32 = 0;
export let uopEnd: i32 = 0;

export function setAreas(
  cpus: i32,
  ram: i32,
  size: i32,
  heads: i32,
  flags: i32,
  lists: i32,
  bits: i32,
  uops: i32,
  end: i32,
): void {
  cpuCount = cpus;
  ramBase = ram;
  ramSize = size;
  hashHeads = heads;
  pageFlags = flags;
  pageLists = lists;
  granules = bits;
  uopBase = uops;
  uopEnd = end;
}

/** Vector of the exception the current operation raised, or −1. Whoever calls something that can fault looks here. */
export let faultVector: i32 = -1;
export let faultError: i32 = 0;
/** Whether `faultError` is pushed. */
export let faultHasError: bool = false;

export const VECTOR_DE = 0;
export const VECTOR_DB = 1;
export const VECTOR_NMI = 2;
export const VECTOR_BP = 3;
export const VECTOR_OF = 4;
export const VECTOR_UD = 6;
export const VECTOR_NM = 7;
export const VECTOR_DF = 8;
export const VECTOR_TS = 10;
export const VECTOR_NP = 11;
export const VECTOR_SS = 12;
export const VECTOR_GP = 13;
export const VECTOR_PF = 14;
export const VECTOR_AC = 17;

/**
 * Not an exception: a call-out gave the instruction up. It passes through every operation as a fault does, so that whatever
 * looks for one stops before it changes anything, and no fault takes its place.
 */
export const VECTOR_ABANDONED = 256;

/** Not an exception either: the VMM has dealt with one, and execution goes on at RIP. */
export const VECTOR_HANDLED = 257;

/** From a call-out: gives up the running instruction. */
export function abandon(): void {
  faultVector = VECTOR_ABANDONED;
}

// @ts-ignore: decorator of AssemblyScript
@inline
export function abandoned(): bool {
  return faultVector == VECTOR_ABANDONED;
}

export function fault(vector: i32): void {
  if (abandoned()) return;
  faultVector = vector;
  faultHasError = false;
  faultError = 0;
}

export function faultWith(vector: i32, error: i32): void {
  if (abandoned()) return;
  faultVector = vector;
  faultHasError = true;
  faultError = error;
}

/** Where the last page fault was: CR2 once it is delivered. */
export let faultAddress: i64 = 0;

export function pageFaultAt(address: i64, error: i32): void {
  if (!abandoned()) faultAddress = address;
  faultWith(VECTOR_PF, error);
}

export function clearFault(): void {
  faultVector = -1;
}

// @ts-ignore: decorator of AssemblyScript
@inline
export function faulted(): bool {
  return faultVector >= 0;
}

/** Whether what the VMM asked for raised a fault, which is for the VMM alone to know of. */
export function takeFault(): bool {
  if (faultVector < 0 || abandoned()) return false;
  clearFault();
  return true;
}

/** #GP(0) unless CPL is 0. */
export function needRing0(cpu: i32): bool {
  if (load<i32>(cpu, C_CPL) == 0) return true;
  faultWith(VECTOR_GP, 0);
  return false;
}

export const CR0_PE: i64 = 1;
export const CR0_WP: i64 = 0x10000;
export const CR0_AM: i64 = 0x40000;
export const CR0_PG: i64 = 0x80000000;
export const CR4_TSD: i64 = 4;
export const CR4_DE: i64 = 8;
export const CR4_PSE: i64 = 0x10;
export const CR4_PAE: i64 = 0x20;
export const CR4_PGE: i64 = 0x80;
export const CR4_UMIP: i64 = 0x800;
export const CR4_FSGSBASE: i64 = 0x10000;
export const CR4_PCIDE: i64 = 0x20000;
export const CR4_SMEP: i64 = 0x100000;
export const CR4_SMAP: i64 = 0x200000;
export const EFER_SCE: i64 = 1;
export const EFER_LME: i64 = 0x100;
export const EFER_LMA: i64 = 0x400;
export const EFER_NXE: i64 = 0x800;

/** Makes the privilege level the given one, by the guest's doing. */
export function setCpl(cpu: i32, cpl: i32): void {
  const before = load<i32>(cpu, C_CPL);
  placeCpl(cpu, cpl);
  if ((before == 3) != (cpl == 3) && load<i32>(cpu, C_PRIVILEGE_TOLD)) {
    hostPrivilegeChanged(load<i32>(cpu, C_INDEX));
  }
}

/** The same from outside, by a snapshot, INIT or power-up: nobody is told. */
export function placeCpl(cpu: i32, cpl: i32): void {
  store<i32>(cpu, cpl, C_CPL);
  refresh(cpu);
}

/**
 * After a change of CPL, of TF, RF or AC in RFLAGS, of CR0, CR4, DR7 or C_PENDING_DB: picks the translation context, and
 * tells whether instructions have to go one by one. When that begins, the running loop ends after its instruction.
 */
export function refresh(cpu: i32): void {
  const user = load<i32>(cpu, C_CPL) == 3;
  const flags = load<i64>(cpu, C_FLAGS);
  const ac = (flags & FLAG_AC) != 0;
  const exempt = !user && ac && (load<i64>(cpu, C_CR4) & CR4_SMAP) != 0;
  if (exempt) store<i32>(cpu, 1, C_EXEMPT_USED);
  store<i32>(cpu, cpu + CONTEXT0 + (user ? 1 : exempt ? 2 : 0) * CONTEXT_SIZE, C_MMU);
  let debug = 0;
  if (flags & FLAG_TF) debug |= DEBUG_STEP;
  if (flags & FLAG_RF) debug |= DEBUG_RESUME;
  if (load<i64>(cpu + 56, C_DR) & 0xff) debug |= DEBUG_BREAKPOINTS;
  if (load<i32>(cpu, C_PENDING_DB)) debug |= DEBUG_PENDING;
  if (user && ac && load<i64>(cpu, C_CR0) & CR0_AM) debug |= DEBUG_ALIGNMENT;
  const before = load<i32>(cpu, C_DEBUG);
  store<i32>(cpu, debug, C_DEBUG);
  if (debug && !before) stopAfter(cpu, 0);
}

/** Forgets a vCPU's translations: for its own tables being other ones. What stores to tables do is `tables.ts`. */
export function flushTranslations(cpu: i32): void {
  const used = load<i32>(cpu, C_EXEMPT_USED) ? CONTEXTS : CONTEXTS - 1;
  store<i32>(cpu, load<i32>(cpu, C_MMU) == cpu + CONTEXT0 + 2 * CONTEXT_SIZE ? 1 : 0, C_EXEMPT_USED);
  store<i32>(cpu, 0, C_WP_USED);
  memory.fill(cpu + CONTEXT0, <u8>EMPTY_BYTE, used * CONTEXT_SIZE);
}

export function flushAllTranslations(): void {
  for (let i = 0; i < cpuCount; i++) flushTranslations(CPU_BASE + i * CPU_SIZE);
}

/** Present time: cycles as a double. */
export function now(cpu: i32): f64 {
  return load<f64>(cpu, C_TARGET) - <f64>(load<i32>(cpu, C_BUDGET + 4) + 1);
}

export function retired(cpu: i32): f64 {
  return load<f64>(cpu, C_RETIRED) + <f64>(0xffffffff - load<u32>(cpu, C_BUDGET));
}

/** Makes the core stop at the first boundary `cycles` from now; the wrapper then decides what to do. */
export function stopAfter(cpu: i32, cycles: i32): void {
  store<f64>(cpu, now(cpu) + <f64>cycles, C_TARGET);
  store<i32>(cpu, cycles - 1, C_BUDGET + 4);
}

export const FLAG_CF: i64 = 1;
export const FLAG_PF: i64 = 4;
export const FLAG_AF: i64 = 16;
export const FLAG_ZF: i64 = 64;
export const FLAG_SF: i64 = 128;
export const FLAG_TF: i64 = 0x100;
export const FLAG_IF: i64 = 0x200;
export const FLAG_DF: i64 = 0x400;
export const FLAG_OF: i64 = 0x800;
export const FLAG_IOPL: i64 = 0x3000;
export const FLAG_NT: i64 = 0x4000;
export const FLAG_RF: i64 = 0x10000;
export const FLAG_VM: i64 = 0x20000;
export const FLAG_AC: i64 = 0x40000;
export const STATUS_FLAGS: i64 = 0x8d5;

// @ts-ignore: decorator of AssemblyScript
@inline
export function systemFlags(cpu: i32): i64 {
  return load<i64>(cpu, C_FLAGS);
}

/** All ones in the low `size` bytes. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function sizeMask(size: i32): i64 {
  return <i64>(<u64>-1 >> (64 - size * 8));
}

/** Sign-extends the low `size` bytes. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function signExtend(value: i64, size: i32): i64 {
  const shift = <i64>(64 - size * 8);
  return (value << shift) >> shift;
}

export function readReg(cpu: i32, offset: i32, size: i32): i64 {
  const at = cpu + offset;
  if (size == 8) return load<i64>(at);
  if (size == 4) return <i64>load<u32>(at);
  if (size == 2) return <i64>load<u16>(at);
  return <i64>load<u8>(at);
}

/** Writes a register as the instruction set does: a 32-bit result clears the upper half, smaller ones keep the rest. */
export function writeReg(cpu: i32, offset: i32, size: i32, value: i64): void {
  const at = cpu + offset;
  if (size == 8) store<i64>(at, value);
  else if (size == 4) store<i64>(at, value & 0xffffffff);
  else if (size == 2) store<u16>(at, <u16>value);
  else store<u8>(at, <u8>value);
}
