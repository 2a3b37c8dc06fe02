/** Four-level page walks (SDM vol. 3, 4.5) and the software TLB that spares them. */
import {
  C_CPL,
  C_CR0,
  C_CR2,
  C_CR3,
  C_CR4,
  C_EFER,
  C_FLAGS,
  CONTEXT0,
  CONTEXT_SIZE,
  EMPTY_BYTE,
  PAGE_CODE,
  PAGE_DIRTY,
  SCRATCH_WALK,
  TAG_CODE,
  TAG_DEVICE,
  T_DATA,
  T_EXEC,
  T_READ,
  T_WRITE,
  TLB_ENTRIES,
  TLB_ENTRY,
} from './layout';
import { FLAG_AC, VECTOR_GP, VECTOR_PF, VECTOR_SS, faultWith, pageFlags, ramBase, ramSize } from './state';

export const ACCESS_READ = 0;
export const ACCESS_WRITE = 1;
const ACCESS_EXEC = 2;

export const PAGE_MASK: i64 = ~0xfff;
/** Physical addresses have 46 bits; entry bits above them are reserved. */
const ADDRESS_MASK: i64 = 0x3ffffffff000;
const RESERVED_BITS: i64 = 0xfc00000000000;
const PTE_P: i64 = 1;
const PTE_RW: i64 = 2;
const PTE_US: i64 = 4;
const PTE_A: i64 = 32;
const PTE_D: i64 = 64;
const PTE_PS: i64 = 128;

const PF_RESERVED = 8;
const PF_FETCH = 16;

/** True while an address on the stack segment is being translated: chooses #SS over #GP. */
let stackAccess: bool = false;
export function setStackAccess(value: bool): void {
  stackAccess = value;
}

// @ts-ignore: decorator of AssemblyScript
@inline
export function canonical(address: i64): bool {
  return (address << 16) >> 16 == address;
}

// @ts-ignore: decorator of AssemblyScript
@inline
export function tlbEntry(context: i32, address: i64): i32 {
  return context + ((<i32>(address >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY);
}

/** Set when the last walk failed: the error code without the bits of the access; −1 after success. */
let walkError: i32 = -1;

/** Physical address of `address`, or −1 with `walkError` set. With `commit` sets accessed and dirty bits. */
export function walk(cpu: i32, address: i64, access: i32, user: bool, commit: bool): i64 {
  walkError = -1;
  const cr0 = load<i64>(cpu, C_CR0);
  if (!(cr0 & 0x80000000)) return address & 0xffffffff;
  const cr4 = load<i64>(cpu, C_CR4);
  const noExecute = (load<i64>(cpu, C_EFER) & 0x800) != 0;
  let table = load<i64>(cpu, C_CR3) & ADDRESS_MASK;
  let rights: i64 = PTE_RW | PTE_US;
  let denied = false;
  let level = 3;
  let entry: i64 = 0;
  for (;;) {
    const at = table + (((address >> (12 + 9 * level)) & 511) << 3);
    if (<u64>(at + 8) > <u64>ramSize) {
      walkError = PF_RESERVED | 1;
      return -1;
    }
    store<i32>(SCRATCH_WALK + level * 4, <i32>at + ramBase);
    entry = load<i64>(<i32>at + ramBase);
    if (!(entry & PTE_P)) {
      walkError = 0;
      return -1;
    }
    const leaf = level == 0 || (level < 3 && (entry & PTE_PS) != 0);
    let reserved = RESERVED_BITS;
    if (!noExecute) reserved |= 1 << 63;
    if (level == 3) reserved |= PTE_PS;
    if (leaf && level == 1) reserved |= 0x1fe000;
    if (leaf && level == 2) reserved |= 0x3fffe000;
    if (entry & reserved) {
      walkError = PF_RESERVED | 1;
      return -1;
    }
    rights &= entry;
    if (entry < 0) denied = true;
    if (leaf) break;
    table = entry & ADDRESS_MASK;
    level--;
  }
  const userPage = (rights & PTE_US) != 0;
  const writable = (rights & PTE_RW) != 0;
  let allowed = true;
  if (user) {
    allowed = userPage && (access != ACCESS_WRITE || writable);
  } else if (access == ACCESS_WRITE) {
    allowed = writable || !(cr0 & 0x10000);
  }
  if (access == ACCESS_EXEC) {
    if (denied) allowed = false;
    if (!user && userPage && cr4 & (1 << 20)) allowed = false; // SMEP
  } else if (!user && userPage && cr4 & (1 << 21)) {
    // SMAP: implicit accesses (CPL 3) ignore EFLAGS.AC
    if (load<i32>(cpu, C_CPL) == 3 || !(load<i64>(cpu, C_FLAGS) & FLAG_AC)) allowed = false;
  }
  if (!allowed) {
    walkError = 1;
    return -1;
  }
  if (commit) markAccessed(level, access);
  const low: i64 = (1 << (12 + 9 * <i64>level)) - 1;
  return (entry & ADDRESS_MASK & ~low) | (address & low);
}

/** Sets the accessed bits of the last walk's entries and the leaf's dirty bit; table pages become dirty by it. */
function markAccessed(leaf: i32, access: i32): void {
  for (let level = 3; level >= leaf; level--) {
    const at = load<i32>(SCRATCH_WALK + level * 4);
    const entry = load<i64>(at);
    const wanted = entry | PTE_A | (level == leaf && access == ACCESS_WRITE ? PTE_D : 0);
    if (wanted == entry) continue;
    store<i64>(at, wanted);
    const flags = pageFlags + ((at - ramBase) >>> 12);
    store<u8>(flags, load<u8>(flags) | PAGE_DIRTY);
  }
}

/** Raises the page fault of the last failed walk. */
function pageFault(cpu: i32, address: i64, access: i32, user: bool): void {
  let error = walkError;
  if (access == ACCESS_WRITE) error |= 2;
  if (user) error |= 4;
  if (access == ACCESS_EXEC && (load<i64>(cpu, C_EFER) & 0x800 || load<i64>(cpu, C_CR4) & (1 << 20)))
    error |= PF_FETCH;
  store<i64>(cpu, address, C_CR2);
  faultWith(VECTOR_PF, error);
}

/**
 * Makes the TLB entry of `address` serve `access`; returns the entry, or 0 with a fault raised. RAM pages get their dirty
 * flag before a store may pass without asking; pages with translated code keep asking.
 */
export function fill(cpu: i32, context: i32, address: i64, access: i32): i32 {
  if (!canonical(address)) {
    faultWith(stackAccess ? VECTOR_SS : VECTOR_GP, 0);
    return 0;
  }
  const user = context == cpu + CONTEXT0 + CONTEXT_SIZE;
  const physical = walk(cpu, address, access, user, true);
  if (walkError >= 0) {
    pageFault(cpu, address, access, user);
    return 0;
  }
  const entry = tlbEntry(context, address);
  const page = address & PAGE_MASK;
  const physicalPage = physical & PAGE_MASK;
  const ram = <u64>physicalPage < <u64>ramSize;
  const data: i64 = ram ? <i64>(<i32>physicalPage + ramBase - <i32>page) : physicalPage;
  const tag = page | (ram ? 0 : TAG_DEVICE);
  // One entry serves three kinds of access: when it changes its page or mapping, the other two kinds go.
  if (load<i64>(entry, T_DATA) != data || !samePage(entry, page, ram ? 0 : TAG_DEVICE)) {
    memory.fill(entry, <u8>EMPTY_BYTE, TLB_ENTRY);
    store<i64>(entry, data, T_DATA);
  }
  if (access == ACCESS_READ) store<i64>(entry, tag, T_READ);
  else if (access == ACCESS_EXEC) store<i64>(entry, tag, T_EXEC);
  else if (ram) {
    const flags = pageFlags + (<i32>physicalPage >>> 12);
    const code = load<u8>(flags) & PAGE_CODE;
    store<u8>(flags, load<u8>(flags) | PAGE_DIRTY);
    store<i64>(entry, page | (code ? TAG_CODE : 0), T_WRITE);
  } else store<i64>(entry, tag, T_WRITE);
  return entry;
}

/** Every tag in use names this page and agrees about its being a device. */
function samePage(entry: i32, page: i64, device: i64): bool {
  const mask = PAGE_MASK | TAG_DEVICE;
  const wanted = page | device;
  const read = load<i64>(entry, T_READ) & mask;
  const write = load<i64>(entry, T_WRITE) & mask;
  const exec = load<i64>(entry, T_EXEC) & mask;
  return read == wanted || write == wanted || exec == wanted;
}

/** Takes the right to store without asking from every TLB entry of a RAM page. */
export function forbidQuietStores(cpu: i32, physicalPage: i32): void {
  const host = physicalPage + ramBase;
  const first = cpu + CONTEXT0;
  for (let c = 0; c < 2; c++) {
    let entry = first + c * CONTEXT_SIZE;
    for (let i = 0; i < TLB_ENTRIES; i++, entry += TLB_ENTRY) {
      const tag = load<i64>(entry, T_WRITE);
      if (!(tag & 0xfff) && <i32>tag + load<i32>(entry, T_DATA) == host) {
        store<i64>(entry, tag | TAG_CODE, T_WRITE);
      }
    }
  }
}

/** Physical address of a fetch at `address`, or −1 with a fault raised. Device pages come back with TAG_DEVICE set. */
export function translateFetch(cpu: i32, context: i32, address: i64): i64 {
  let entry = tlbEntry(context, address);
  const page = address & PAGE_MASK;
  if (load<i64>(entry, T_EXEC) != page) {
    setStackAccess(false);
    entry = fill(cpu, context, address, ACCESS_EXEC);
    if (!entry) return -1;
    if (load<i64>(entry, T_EXEC) & TAG_DEVICE) return load<i64>(entry, T_DATA) | TAG_DEVICE;
  }
  return <i64>(<u32>(<i32>address + load<i32>(entry, T_DATA) - ramBase));
}
