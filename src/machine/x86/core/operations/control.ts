/** Control registers and what of memory management hangs on them (SDM vol. 3, 2.5 and 4.1-4.11). */
import {
  ACCESS_READ,
  C_CPL,
  C_CR0,
  C_CR0_MASK,
  C_CR0_SHADOW,
  C_CR2,
  C_CR3,
  C_CR4,
  C_CR4_MASK,
  C_CR4_SHADOW,
  C_EFER,
  C_FLAGS,
  C_INDEX,
  C_MODE,
  C_PDPTE,
  C_SHADOWED,
  C_WP_USED,
  FIXED_SHADOW_CR0,
  FIXED_SHADOW_CR4,
  INTERCEPT_CR3_LOAD,
  INTERCEPT_CR3_STORE,
  INTERCEPT_CR_ACCESS,
  INTERCEPT_INVLPG,
  INTERCEPT_INVPCID,
  K_MEM,
  MODE_64,
  PHYSICAL_BITS,
  SEG_CS,
  SEG_TR,
  S_ATTR,
  U_EXT,
  U_K1,
  U_R1,
  U_R2,
} from '../state/layout';
import { loadMemory } from '../memory/access';
import { hostCr8Read, hostCr8Write } from '../state/host';
import { admitted, leaves, passes } from '../state/intercept';
import { effectiveAddress, read1 } from './operands';
import { canonical } from '../memory/tlb';
import { segment, updateMode } from '../transfer/segments';
import {
  CR0_PE,
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  EFER_SCE,
  FLAG_AC,
  VECTOR_GP,
  VECTOR_NM,
  VECTOR_UD,
  fault,
  faultWith,
  faulted,
  flushTranslations,
  needRing0,
  ramBase,
  refresh,
  takeFault,
} from '../state/state';
import { hostPhysical } from '../memory/second-stage';
import { ADDRESS_MASK } from '../memory/walk';

/** PE, MP, EM, TS, ET, NE, WP, AM, NW, CD, PG; ET is always set, other bits read as 0 whatever is written. */
const CR0_WRITABLE: i64 = 0xe005003f;
const CR0_ET: i64 = 0x10;
const CR0_EM: i64 = 4;
const CR0_TS: i64 = 8;
const CR0_NW: i64 = 0x20000000;
const CR0_CD: i64 = 0x40000000;
/**
 * TSD, DE, PSE, PAE, PGE, OSFXSR, OSXMMEXCPT, UMIP, FSGSBASE, PCIDE, SMEP, SMAP: what CPUID tells of. OSFXSR and OSXMMEXCPT
 * are there for kernels that set them unasked: every 64-bit processor has them.
 */
const CR4_WRITABLE: i64 = 0x330ebc;
const EFER_WRITABLE: i64 = EFER_SCE | EFER_LME | EFER_NXE;
/** What page walks look at. */
const CR4_TRANSLATION: i64 = CR4_PAE | CR4_PSE | CR4_SMEP | CR4_SMAP;
/** Bits 11:0 of CR3 with CR4.PCIDE. */
const PCID: i64 = 0xfff;
/** Of a page-directory-pointer-table entry: P, PWT, PCD, three ignored bits and the address; others are reserved. */
const PDPTE_RESERVED: i64 = ~(ADDRESS_MASK | 0xe19);
const ATTR_LONG = 0x2000;
/** A 16-bit TSS, busy or not: type and S. */
const ATTR_TSS16 = 1;
const ATTR_TYPE = 0x1d;

function generalProtection(): void {
  faultWith(VECTOR_GP, 0);
}

/** Access types in the qualification of INTERCEPT_CR_ACCESS (SDM vol. 3, table 28-3). */
const MOV_TO = 0 << 4;
const MOV_FROM = 1 << 4;
const CLTS = 2 << 4;
const LMSW = 3 << 4;
const LMSW_MEMORY = 1 << 6;

/** What the guest reads in the bits of a control register that belong to the VMM. */
function shadowOf(cpu: i32, own: i32, register: i32, shadow: i32): i64 {
  return load<i64>(cpu + (load<i32>(cpu, C_SHADOWED) & own ? shadow : register));
}

function shadowOfCr0(cpu: i32): i64 {
  return shadowOf(cpu, FIXED_SHADOW_CR0, C_CR0, C_CR0_SHADOW);
}

function shadowOfCr4(cpu: i32): i64 {
  return shadowOf(cpu, FIXED_SHADOW_CR4, C_CR4, C_CR4_SHADOW);
}

/** CR0 as the guest reads it (SDM vol. 3, 26.3). */
export function visibleCr0(cpu: i32): i64 {
  const mask = load<i64>(cpu, C_CR0_MASK);
  return (load<i64>(cpu, C_CR0) & ~mask) | (shadowOfCr0(cpu) & mask);
}

function visibleCr4(cpu: i32): i64 {
  const mask = load<i64>(cpu, C_CR4_MASK);
  return (load<i64>(cpu, C_CR4) & ~mask) | (shadowOfCr4(cpu) & mask);
}

/** Number of the register of a MOV, where the qualification has it. */
function operandBits(pc: i32): i32 {
  return (<i32>load<u16>(pc, U_R1) >> 3) << 8;
}

/** MOV from a control register. */
export function execMovFromCr(cpu: i32, pc: i32): void {
  if (!needRing0(cpu)) return;
  let value: i64 = 0;
  switch (load<u8>(pc, U_EXT)) {
    case 0:
      value = visibleCr0(cpu);
      break;
    case 2:
      value = load<i64>(cpu, C_CR2);
      break;
    case 3:
      if (leaves(cpu, INTERCEPT_CR3_STORE) && !passesCr(cpu, 3 | MOV_FROM | operandBits(pc), 0)) return;
      value = load<i64>(cpu, C_CR3);
      break;
    case 4:
      value = visibleCr4(cpu);
      break;
    case 8:
      value = hostCr8Read(load<i32>(cpu, C_INDEX));
      break;
    default:
      return fault(VECTOR_UD);
  }
  if (load<i32>(cpu, C_MODE) != MODE_64) value &= 0xffffffff;
  store<i64>(cpu + <i32>load<u16>(pc, U_R1), value);
}

function passesCr(cpu: i32, qualification: i32, value: i64): bool {
  return passes(cpu, INTERCEPT_CR_ACCESS, qualification, value);
}

/** MOV to CR0: leaves when it would give a bit of the VMM's another value than its shadow (SDM vol. 3, 26.1.3). */
function moveToCr0(cpu: i32, pc: i32, value: i64): void {
  const mask = load<i64>(cpu, C_CR0_MASK);
  if (mask) {
    if (!((value ^ shadowOfCr0(cpu)) & mask)) value = (value & ~mask) | (load<i64>(cpu, C_CR0) & mask);
    else if (!passesCr(cpu, MOV_TO | operandBits(pc), value)) return;
  }
  writeCr0(cpu, value);
}

function moveToCr4(cpu: i32, pc: i32, value: i64): void {
  const mask = load<i64>(cpu, C_CR4_MASK);
  if (mask) {
    if (!((value ^ shadowOfCr4(cpu)) & mask)) value = (value & ~mask) | (load<i64>(cpu, C_CR4) & mask);
    else if (!passesCr(cpu, 4 | MOV_TO | operandBits(pc), value)) return;
  }
  writeCr4(cpu, value);
}

/** MOV to a control register. */
export function execMovToCr(cpu: i32, pc: i32): void {
  if (!needRing0(cpu)) return;
  let value = load<i64>(cpu + <i32>load<u16>(pc, U_R1));
  if (load<i32>(cpu, C_MODE) != MODE_64) value &= 0xffffffff;
  switch (load<u8>(pc, U_EXT)) {
    case 0:
      return moveToCr0(cpu, pc, value);
    case 2:
      store<i64>(cpu, value, C_CR2);
      return;
    case 3:
      if (leaves(cpu, INTERCEPT_CR3_LOAD) && !passesCr(cpu, 3 | MOV_TO | operandBits(pc), value)) return;
      return writeCr3(cpu, value);
    case 4:
      return moveToCr4(cpu, pc, value);
    case 8:
      if (value & ~15) return generalProtection();
      return hostCr8Write(load<i32>(cpu, C_INDEX), <i32>value);
    default:
      return fault(VECTOR_UD);
  }
}

/** For the VMM: writes CR0, CR3 or CR4 as MOV does, whoever its bits belong to; false: #GP would be raised. */
export function writeControl(cpu: i32, register: i32, low: i32, high: i32): bool {
  const value = <i64>(<u32>low) | (<i64>high << 32);
  if (register == 0) writeCr0(cpu, value);
  else if (register == 3) writeCr3(cpu, value);
  else writeCr4(cpu, value);
  return !takeFault();
}

/** CR4.PAE without IA-32e mode, under paging: the four top entries live in registers. */
function paePaging(cr0: i64, cr4: i64, efer: i64): bool {
  return (cr0 & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0 && !(efer & EFER_LMA);
}

/** Loads and checks the entries that PAE paging keeps in registers; #GP(0) and no change when one is bad. */
function loadPdptes(cpu: i32, cr3: i64): bool {
  const table = cr3 & 0xffffffe0;
  for (let pass = 0; pass < 2; pass++) {
    for (let i = 0; i < 4; i++) {
      const at = table + i * 8;
      const place = hostPhysical(cpu, at, ACCESS_READ);
      if (faulted()) return false;
      // Nothing answers outside RAM: it reads as ones.
      const entry = place >= 0 ? load<i64>(<i32>place + ramBase) : -1;
      if (pass) store<i64>(cpu + i * 8, entry, C_PDPTE);
      else if (entry & 1 && entry & PDPTE_RESERVED) {
        generalProtection();
        return false;
      }
    }
  }
  return true;
}

function writeCr0(cpu: i32, written: i64): void {
  if ((<u64>written) >> 32 != 0) return generalProtection();
  const value = (written & CR0_WRITABLE) | CR0_ET;
  const old = load<i64>(cpu, C_CR0);
  const cr4 = load<i64>(cpu, C_CR4);
  let efer = load<i64>(cpu, C_EFER);
  if (value & CR0_PG && !(value & CR0_PE)) return generalProtection();
  if (value & CR0_NW && !(value & CR0_CD)) return generalProtection();
  const toggled = (value ^ old) & CR0_PG;
  const long = (load<i32>(segment(cpu, SEG_CS), S_ATTR) & ATTR_LONG) != 0;
  if (toggled && value & CR0_PG && efer & EFER_LME) {
    if (!(cr4 & CR4_PAE) || long) return generalProtection();
    if ((load<i32>(segment(cpu, SEG_TR), S_ATTR) & ATTR_TYPE) == ATTR_TSS16) return generalProtection();
    efer |= EFER_LMA;
  } else if (toggled && !(value & CR0_PG)) {
    // 64-bit code cannot leave paging; compatibility mode can, and IA-32e mode with it.
    if ((efer & EFER_LMA && long) || cr4 & CR4_PCIDE) return generalProtection();
    efer &= ~EFER_LMA;
  }
  const reload = (value ^ old) & (CR0_PG | CR0_CD | CR0_NW);
  if (reload && paePaging(value, cr4, efer) && !loadPdptes(cpu, load<i64>(cpu, C_CR3))) return;
  store<i64>(cpu, value, C_CR0);
  store<i64>(cpu, efer, C_EFER);
  // No translation outlives what it rests on: those that another bit has nothing to do with stay.
  const protects = (value & ~old & CR0_WP) != 0 && load<i32>(cpu, C_WP_USED) != 0;
  if (reload || protects) flushTranslations(cpu);
  updateMode(cpu);
  refresh(cpu);
}

function writeCr3(cpu: i32, written: i64): void {
  const cr4 = load<i64>(cpu, C_CR4);
  // With PCIDs, bit 63 asks to keep what is cached for the new one; it is not stored.
  const value = cr4 & CR4_PCIDE ? written & i64.MAX_VALUE : written;
  if (<u64>value >> PHYSICAL_BITS != 0) return generalProtection();
  const pae = paePaging(load<i64>(cpu, C_CR0), cr4, load<i64>(cpu, C_EFER));
  if (pae && !loadPdptes(cpu, value)) return;
  const old = load<i64>(cpu, C_CR3);
  store<i64>(cpu, value, C_CR3);
  // The same tables give the same translations.
  if (pae || (old ^ value) & ~PCID) flushTranslations(cpu);
}

function writeCr4(cpu: i32, value: i64): void {
  const old = load<i64>(cpu, C_CR4);
  const efer = load<i64>(cpu, C_EFER);
  const long = (efer & EFER_LMA) != 0;
  if (value & ~CR4_WRITABLE) return generalProtection();
  if (long && !(value & CR4_PAE)) return generalProtection();
  if (value & ~old & CR4_PCIDE && (!long || load<i64>(cpu, C_CR3) & PCID)) return generalProtection();
  const reload = (value ^ old) & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP);
  const pae = paePaging(load<i64>(cpu, C_CR0), value, efer);
  if (reload && pae && !loadPdptes(cpu, load<i64>(cpu, C_CR3))) return;
  store<i64>(cpu, value, C_CR4);
  if ((value ^ old) & CR4_TRANSLATION || (reload && pae)) flushTranslations(cpu);
  refresh(cpu);
}

/** WRMSR to EFER. LMA follows LME and CR0.PG; what is written to it is ignored. */
export function writeEfer(cpu: i32, value: i64): void {
  const old = load<i64>(cpu, C_EFER);
  if (value & ~(EFER_WRITABLE | EFER_LMA)) return generalProtection();
  if ((value ^ old) & EFER_LME && load<i64>(cpu, C_CR0) & CR0_PG) return generalProtection();
  store<i64>(cpu, (value & EFER_WRITABLE) | (old & EFER_LMA), C_EFER);
  if ((value ^ old) & EFER_NXE) flushTranslations(cpu);
}

/** LMSW: PE, MP, EM and TS; PE can be set by it, not cleared. */
export function execLmsw(cpu: i32, pc: i32): void {
  if (!needRing0(cpu)) return;
  const value = read1(cpu, pc, 2);
  if (faulted()) return;
  let own: i64 = 15 & ~load<i64>(cpu, C_CR0_MASK);
  const changed = (value ^ shadowOfCr0(cpu)) & ~own;
  if (changed & 14 || changed & value & 1) {
    const memory = load<u8>(pc, U_K1) == K_MEM ? LMSW_MEMORY : 0;
    if (!passesCr(cpu, LMSW | memory | (<i32>value << 16), value)) return;
    own = 15;
  }
  const cr0 = load<i64>(cpu, C_CR0);
  store<i64>(cpu, (cr0 & ~(14 & own)) | (value & own), C_CR0);
  updateMode(cpu);
}

/** CLTS leaves alone a TS that belongs to the VMM and that the guest sees clear (SDM vol. 3, 26.3). */
export function execClts(cpu: i32): void {
  if (!needRing0(cpu)) return;
  if (load<i64>(cpu, C_CR0_MASK) & CR0_TS) {
    if (!(shadowOfCr0(cpu) & CR0_TS) || !passesCr(cpu, CLTS, 0)) return;
  }
  store<i64>(cpu, load<i64>(cpu, C_CR0) & ~CR0_TS, C_CR0);
}

/**
 * FNINIT of a processor without an x87 unit: nobody takes the instruction, and nothing comes of it (Intel486 SX). Firmware
 * executes it before it knows what processor it has. Nothing else of the x87 is there.
 */
export function execFninit(cpu: i32): void {
  if (load<i64>(cpu, C_CR0) & (CR0_EM | CR0_TS)) fault(VECTOR_NM);
}

/** INVLPG: privilege is all there is to it, for no translation outlives its entry (`tables.ts`). */
export function execInvlpg(cpu: i32): void {
  if (needRing0(cpu)) admitted(cpu, INTERCEPT_INVLPG, 0);
}

/** INVPCID: its checks (SDM vol. 2); U_R2 is the register with the type, the descriptor is in memory. */
export function execInvpcid(cpu: i32, pc: i32): void {
  if (!needRing0(cpu) || !admitted(cpu, INTERCEPT_INVPCID, 0)) return;
  let type = load<i64>(cpu + <i32>load<u16>(pc, U_R2));
  if (load<i32>(cpu, C_MODE) != MODE_64) type &= 0xffffffff;
  const at = effectiveAddress(cpu, pc, 16, false);
  if (faulted()) return;
  const pcid = loadMemory(cpu, at, 8);
  if (faulted()) return;
  const address = loadMemory(cpu, at + 8, 8);
  if (faulted()) return;
  if (<u64>type > 3 || pcid & ~PCID) return generalProtection();
  if (<u64>type > 1) return;
  if (pcid && !(load<i64>(cpu, C_CR4) & CR4_PCIDE)) return generalProtection();
  if (type == 0 && !canonical(address)) return generalProtection();
}

/** STAC and CLAC. */
export function execAc(cpu: i32, set: bool): void {
  if (load<i32>(cpu, C_CPL)) return fault(VECTOR_UD);
  const flags = load<i64>(cpu, C_FLAGS) & ~FLAG_AC;
  store<i64>(cpu, set ? flags | FLAG_AC : flags, C_FLAGS);
  refresh(cpu);
}
