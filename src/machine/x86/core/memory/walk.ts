/** Page walks: no paging, 32-bit, PAE and 4-level paging (SDM vol. 3, chapter 4). */
import {
  ACCESS_EXEC,
  ACCESS_PEEK,
  ACCESS_READ,
  ACCESS_WRITE,
  C_CR0,
  C_CR3,
  C_CR4,
  C_EFER,
  C_INDEX,
  C_PDPTE,
  C_TRANSLATION,
  C_WP_USED,
  PAGE_CODE,
  PAGE_DIRTY,
  PAGE_ROM,
  PAGE_WRITES_WATCHED,
  PHYSICAL_BITS,
  SCRATCH_WALK,
  TRANSLATE_SOFTWARE,
} from '../state/layout';
import {
  CR0_PG,
  CR0_WP,
  CR4_PAE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_LMA,
  EFER_NXE,
  pageFlags,
  ramBase,
} from '../state/state';
import { hostTlbMiss, hostWatched } from '../state/host';
import { invalidateCode } from './code';
import { hostPhysical } from './second-stage';
import { reserveTables, watchTable } from './tables';

/** Whose access it is: a supervisor's, a user's, or a supervisor's explicit one that EFLAGS.AC exempts from SMAP. */
export const BY_SUPERVISOR = 0;
export const BY_USER = 1;
export const BY_EXEMPT = 2;

/** Bits of an entry that hold a physical address. */
export const ADDRESS_MASK: i64 = ((1 << <i64>PHYSICAL_BITS) - 1) & ~0xfff;
/** Bits 51 down to the physical width, and for PAE paging 62 down to it. */
const RESERVED_4LEVEL: i64 = 0xfffffffffffff & ~0xfff & ~ADDRESS_MASK;
const RESERVED_PAE: i64 = i64.MAX_VALUE & ~0xfff & ~ADDRESS_MASK;
const PTE_P: i64 = 1;
const PTE_RW: i64 = 2;
const PTE_US: i64 = 4;
const PTE_A: u8 = 32;
const PTE_D: u8 = 64;
const PTE_PS: i64 = 128;
const PTE_XD: i64 = i64.MIN_VALUE;

export const PF_PRESENT = 1;
const PF_RESERVED = 8;

/** Set when the last walk failed: P and RSVD of the error code; −1 after success. */
export let walkError: i32 = -1;

function fail(error: i32): i64 {
  walkError = error;
  return -1;
}

/** Bits that must be clear in a present entry, besides those reserved at every level. */
function reservedAt(level: i32, leaf: bool, pae: bool): i64 {
  if (!pae) return leaf && level == 1 ? 1 << 21 : 0;
  if (level == 3) return PTE_PS;
  if (!leaf || level == 0) return 0;
  return level == 1 ? 0x1fe000 : 0x3fffe000;
}

/**
 * Physical address of `address`, or −1 with `walkError` set; `by` is BY_*. With `commit` sets accessed and dirty bits, and
 * has the tables watched.
 */
export function walk(cpu: i32, address: i64, access: i32, by: i32, commit: bool): i64 {
  walkError = -1;
  if (load<i32>(cpu, C_TRANSLATION) & TRANSLATE_SOFTWARE) return ask(cpu, address, commit ? access : ACCESS_PEEK, by);
  const cr0 = load<i64>(cpu, C_CR0);
  if (!(cr0 & CR0_PG)) return address & 0xffffffff;
  const cr4 = load<i64>(cpu, C_CR4);
  const efer = load<i64>(cpu, C_EFER);
  const pae = (cr4 & CR4_PAE) != 0;
  let reserved: i64 = pae && !(efer & EFER_NXE) ? PTE_XD : 0;
  let table = load<i64>(cpu, C_CR3);
  let level = 1;
  if (efer & EFER_LMA) {
    level = 3;
    reserved |= RESERVED_4LEVEL;
  } else if (pae) {
    table = load<i64>(cpu + ((<i32>(address >> 30)) & 3) * 8, C_PDPTE);
    if (!(table & PTE_P)) return fail(0);
    reserved |= RESERVED_PAE;
  } else {
    table &= 0xffffffff;
  }
  const top = level;
  const indexBits = pae ? 9 : 10;
  const entryBits = pae ? 3 : 2;
  let rights: i64 = PTE_RW | PTE_US;
  let denied = false;
  let entry: i64 = 0;
  for (;;) {
    const index = (address >> <i64>(12 + indexBits * level)) & <i64>((1 << indexBits) - 1);
    const at = (table & ADDRESS_MASK) + (index << <i64>entryBits);
    const place = hostPhysical(cpu, at, commit ? ACCESS_READ : ACCESS_PEEK);
    // Nothing answers outside RAM: the entry reads as ones, reserved bits and all.
    if (place < 0) return fail(PF_RESERVED | PF_PRESENT);
    const host = <i32>place + ramBase;
    store<i32>(SCRATCH_WALK + level * 4, host);
    entry = pae ? load<i64>(host) : <i64>load<u32>(host);
    if (!(entry & PTE_P)) return fail(0);
    const large = (entry & PTE_PS) != 0 && (pae ? level < 3 : (cr4 & CR4_PSE) != 0);
    const leaf = level == 0 || large;
    if (entry & (reserved | reservedAt(level, leaf, pae))) return fail(PF_RESERVED | PF_PRESENT);
    rights &= entry;
    if (pae && entry < 0) denied = true;
    if (leaf) break;
    table = entry;
    level--;
  }
  const userPage = (rights & PTE_US) != 0;
  const writable = (rights & PTE_RW) != 0;
  let allowed = true;
  if (by == BY_USER) allowed = userPage && (access != ACCESS_WRITE || writable);
  else if (access == ACCESS_WRITE) allowed = writable || !(cr0 & CR0_WP);
  if (access == ACCESS_EXEC) {
    if (denied || (by != BY_USER && userPage && cr4 & CR4_SMEP)) allowed = false;
  } else if (by == BY_SUPERVISOR && userPage && cr4 & CR4_SMAP) allowed = false;
  if (!allowed) return fail(PF_PRESENT);
  if (commit && access == ACCESS_WRITE && !writable) store<i32>(cpu, 1, C_WP_USED);
  if (commit) commitWalk(cpu, top, level, access);
  return leafAddress(entry, address, level, indexBits, pae);
}

/** Software TLB: the VMM translates. */
function ask(cpu: i32, address: i64, access: i32, by: i32): i64 {
  const user = by == BY_USER ? 1 : 0;
  const answer = hostTlbMiss(load<i32>(cpu, C_INDEX), <i32>address, <i32>(address >> 32), access, user);
  if (answer < 0) return fail(<i32>(-1 - answer) & (PF_PRESENT | PF_RESERVED));
  return (<i64>answer & ~0xfff) | (address & 0xfff);
}

function leafAddress(entry: i64, address: i64, level: i32, indexBits: i32, pae: bool): i64 {
  const low: i64 = ((<i64>1) << <i64>(12 + indexBits * level)) - 1;
  // PSE-36: bits 20:13 of a 4 MiB page's entry are bits 39:32 of its address.
  const high: i64 = !pae && level == 1 ? (entry & 0x1fe000) << 19 : 0;
  return (entry & ADDRESS_MASK & ~low) | high | (address & low);
}

/** Sets the accessed bits of the last walk's entries and the leaf's dirty bit; table pages become dirty by it. */
function commitWalk(cpu: i32, top: i32, leaf: i32, access: i32): void {
  reserveTables();
  for (let level = top; level >= leaf; level--) {
    const at = load<i32>(SCRATCH_WALK + level * 4);
    const entry = load<u8>(at);
    const wanted = entry | PTE_A | (level == leaf && access == ACCESS_WRITE ? PTE_D : 0);
    const physical = at - ramBase;
    const flags = pageFlags + (physical >>> 12);
    if (wanted != entry && !(load<u8>(flags) & PAGE_ROM)) {
      if (load<u8>(flags) & PAGE_WRITES_WATCHED) hostWatched(load<i32>(cpu, C_INDEX), physical, 1, true);
      store<u8>(at, wanted);
      store<u8>(flags, load<u8>(flags) | PAGE_DIRTY);
      if (load<u8>(flags) & PAGE_CODE) invalidateCode(physical, physical);
    }
    watchTable(physical >>> 12);
  }
}
