/** Register states in which a vCPU begins: power-up, INIT and start-up IPI, and as boot loaders leave it. */
import * as L from './core/state/layout';
import type { CpuMode } from './types';

/** The vCPU's register block in the core's memory, in units of 4 and of 8 bytes. */
export interface RegisterViews {
  u32: Uint32Array;
  u64: BigUint64Array;
}

/** Hidden part of a segment register: bytes, and bits 40-55 of the descriptor. */
interface Hidden {
  limit: number;
  attributes: number;
}

const FLAT_CODE64: Hidden = { limit: 0xffffffff, attributes: 0xa09b };
const FLAT_CODE32: Hidden = { limit: 0xffffffff, attributes: 0xc09b };
const FLAT_DATA: Hidden = { limit: 0xffffffff, attributes: 0xc093 };
/** Present, read/write, accessed, 64 KiB (SDM vol. 3, table 9-1). */
const REAL_SEGMENT: Hidden = { limit: 0xffff, attributes: 0x93 };
const REAL_LDTR: Hidden = { limit: 0xffff, attributes: 0x82 };
const REAL_TR: Hidden = { limit: 0xffff, attributes: 0x8b };
const ABSENT: Hidden = { limit: 0, attributes: 0 };
const SEGMENTS = 8;

/** PE, MP, ET, NE, WP, PG. */
const LONG_CR0 = 0x80010033n;
/** PAE, PGE, OSFXSR, OSXMMEXCPT. */
const LONG_CR4 = 0x6a0n;
/** SCE off; LME, LMA, NXE. */
const LONG_EFER = 0xd00n;
const CR0_PE = 1n;
const CR0_ET = 0x10n;
/** CD and NW: set by power-up, left alone by INIT. */
const CR0_CACHE = 0x60000000n;
const EFER_LMA = 0x400n;
/** WB, WT, UC-, UC and the same again (SDM vol. 3, 11.12.4). */
const POWER_UP_PAT = 0x0007_0406_0007_0406n;
/** Fast strings; no branch trace storage, no PEBS. */
const POWER_UP_MISC_ENABLE = 0x1801n;
const ATTRIBUTE_LONG = 0x2000;
/** Family 6, model 0x55, stepping 4: what CPUID.1:EAX reports, and INIT leaves in EDX. */
const SIGNATURE = 0x50654n;

function setSegment(
  { u32, u64 }: RegisterViews,
  index: number,
  selector: number,
  base: number,
  hidden: Hidden,
): void {
  const at = L.C_SEGMENTS + index * L.SEG_SIZE;
  u64[(at + L.S_BASE) / 8] = BigInt(base);
  u32[(at + L.S_SELECTOR) / 4] = selector;
  u32[(at + L.S_LIMIT) / 4] = hidden.limit;
  u32[(at + L.S_ATTR) / 4] = hidden.attributes;
}

function setTables({ u32, u64 }: RegisterViews, limit: number): void {
  for (const [base, size] of [
    [L.C_GDT_BASE, L.C_GDT_LIMIT],
    [L.C_IDT_BASE, L.C_IDT_LIMIT],
  ]) {
    u64[base / 8] = 0n;
    u32[size / 4] = limit;
  }
}

/** What every beginning has in common: no flags, no shadow, nothing in service or pending. */
function clearEvents({ u32, u64 }: RegisterViews): void {
  u64[L.C_FLAGS / 8] = 2n;
  u64[L.C_CC / 8] = BigInt(L.CC_RAW);
  u64[L.C_CCA / 8] = 0n;
  u64[L.C_CCB / 8] = 0n;
  u32[L.C_NMI / 4] = 0;
  u32[L.C_DEBUG / 4] = 0;
  u32[L.C_PENDING_DB / 4] = 0;
  u32[L.C_HANDLERS / 4] = 0;
}

/**
 * After INIT (SDM vol. 3, table 9-1). MSRs of SYSCALL, SYSENTER and the TSC keep their values; EFER and the segment bases
 * belong to the mode and do not.
 */
export function initState(views: RegisterViews): void {
  const { u64 } = views;
  u64.fill(0n, L.C_REGS / 8, L.C_REGS / 8 + 16);
  u64[L.C_REGS / 8 + 2] = SIGNATURE;
  u64[L.C_RIP / 8] = 0xfff0n;
  u64[L.C_CR0 / 8] = (u64[L.C_CR0 / 8] & CR0_CACHE) | CR0_ET;
  u64[L.C_CR2 / 8] = 0n;
  u64[L.C_CR3 / 8] = 0n;
  u64[L.C_CR4 / 8] = 0n;
  u64[L.C_EFER / 8] = 0n;
  u64.fill(0n, L.C_DR / 8, L.C_DR / 8 + 8);
  u64[L.C_DR / 8 + 6] = 0xffff0ff0n;
  u64[L.C_DR / 8 + 7] = 0x400n;
  for (let i = 0; i < SEGMENTS; i++) setSegment(views, i, 0, 0, REAL_SEGMENT);
  setSegment(views, L.SEG_CS, 0xf000, 0xffff0000, REAL_SEGMENT);
  setSegment(views, L.SEG_LDTR, 0, 0, REAL_LDTR);
  setSegment(views, L.SEG_TR, 0, 0, REAL_TR);
  setTables(views, 0xffff);
  clearEvents(views);
}

/** MSRs that INIT leaves alone and power-up does not. */
const CLEARED_MSRS = [
  ...[L.C_STAR, L.C_LSTAR, L.C_CSTAR, L.C_SFMASK, L.C_KERNEL_GS, L.C_TSC_AUX],
  ...[L.C_SYSENTER_CS, L.C_SYSENTER_ESP, L.C_SYSENTER_EIP, L.C_TSC_ADJUST],
];

/** After power-up: as INIT, with the caches off and MSRs at their first values. */
export function powerUpState(views: RegisterViews): void {
  for (const msr of CLEARED_MSRS) views.u64[msr / 8] = 0n;
  views.u64[L.C_CR0 / 8] = CR0_CACHE;
  views.u64[L.C_PAT / 8] = POWER_UP_PAT;
  views.u64[L.C_MISC_ENABLE / 8] = POWER_UP_MISC_ENABLE;
  initState(views);
}

/** A start-up IPI names the 4 KiB page at which real-mode execution begins (SDM vol. 3, 8.4.4.1). */
export function startUpState(views: RegisterViews, vector: number): void {
  setSegment(views, L.SEG_CS, vector << 8, vector << 12, REAL_SEGMENT);
  views.u64[L.C_RIP / 8] = 0n;
}

/** Flat segments and no descriptor tables: a boot loader's own need not outlive it. */
function flatState(views: RegisterViews, code: Hidden): void {
  for (let i = L.SEG_ES; i <= L.SEG_GS; i++) setSegment(views, i, 16, 0, FLAT_DATA);
  setSegment(views, L.SEG_CS, 8, 0, code);
  setSegment(views, L.SEG_LDTR, 0, 0, ABSENT);
  setSegment(views, L.SEG_TR, 0, 0, ABSENT);
  setTables(views, 0);
  clearEvents(views);
}

/** 64-bit mode under `cr3`; general registers other than RSP keep their values. */
export function longModeState(views: RegisterViews, entry: bigint, stack: bigint, cr3: number): void {
  const { u64 } = views;
  u64[L.C_CR0 / 8] = LONG_CR0;
  u64[L.C_CR3 / 8] = BigInt(cr3);
  u64[L.C_CR4 / 8] = LONG_CR4;
  u64[L.C_EFER / 8] = LONG_EFER;
  flatState(views, FLAT_CODE64);
  u64[L.C_REGS / 8 + 4] = stack;
  u64[L.C_RIP / 8] = entry;
}

/** 32-bit protected mode without paging; general registers other than EAX and EBX are 0. */
export function protectedModeState(views: RegisterViews, entry: number, eax: number, ebx: number): void {
  initState(views);
  const { u64 } = views;
  u64[L.C_CR0 / 8] = CR0_PE | CR0_ET;
  flatState(views, FLAT_CODE32);
  u64[L.C_REGS / 8] = BigInt(eax >>> 0);
  u64[L.C_REGS / 8 + 2] = 0n;
  u64[L.C_REGS / 8 + 3] = BigInt(ebx >>> 0);
  u64[L.C_RIP / 8] = BigInt(entry >>> 0);
}

/** Operating mode by CR0.PE, EFER.LMA and CS.L (SDM vol. 3, 2.2). */
export function modeOf({ u32, u64 }: RegisterViews): CpuMode {
  if ((u64[L.C_CR0 / 8] & CR0_PE) === 0n) return 'real';
  if ((u64[L.C_EFER / 8] & EFER_LMA) === 0n) return 'protected';
  const attributes = u32[(L.C_SEGMENTS + L.SEG_CS * L.SEG_SIZE + L.S_ATTR) / 4];
  return attributes & ATTRIBUTE_LONG ? 'long' : 'compatibility';
}
