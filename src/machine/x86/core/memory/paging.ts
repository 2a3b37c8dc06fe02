/** Page walks fill the TLB; the faults of those that fail. */
import {
  ACCESS_EXEC,
  ACCESS_READ,
  ACCESS_WRITE,
  C_CR4,
  C_EFER,
  CONTEXT0,
  CONTEXT_SIZE,
  EMPTY_BYTE,
  PAGE_CODE,
  PAGE_DIRTY,
  PAGE_GUARDED,
  PAGE_READS_WATCHED,
  PAGE_TABLE,
  PAGE_WRITES_WATCHED,
  TAG_ASK,
  TAG_DEVICE,
  T_DATA,
  T_EXEC,
  T_READ,
  T_WRITE,
  TLB_ENTRY,
} from '../state/layout';
import {
  CR4_PAE,
  CR4_SMEP,
  EFER_NXE,
  VECTOR_GP,
  VECTOR_SS,
  faultWith,
  faulted,
  pageFaultAt,
  pageFlags,
  ramBase,
} from '../state/state';
import { hostPhysical } from './second-stage';
import { PAGE_MASK, canonical, setStackAccess, stackAccess, tlbEntry } from './tlb';
import { BY_USER, walk, walkError } from './walk';

const PF_WRITE = 2;
const PF_USER = 4;
const PF_FETCH = 16;

/** Raises the page fault of the last failed walk. */
function pageFault(cpu: i32, address: i64, access: i32, by: i32): void {
  let error = walkError;
  if (access == ACCESS_WRITE) error |= PF_WRITE;
  if (by == BY_USER) error |= PF_USER;
  if (access == ACCESS_EXEC) {
    const cr4 = load<i64>(cpu, C_CR4);
    const noExecute = (cr4 & CR4_PAE) != 0 && (load<i64>(cpu, C_EFER) & EFER_NXE) != 0;
    if (noExecute || cr4 & CR4_SMEP) error |= PF_FETCH;
  }
  pageFaultAt(address, error);
}

/**
 * Makes the TLB entry of `address` serve `access`; returns the entry, or 0 with a fault raised. RAM pages get their dirty
 * flag before a store may pass without asking; pages with translated code or page tables keep asking.
 */
export function fill(cpu: i32, context: i32, address: i64, access: i32): i32 {
  if (!canonical(address)) {
    faultWith(stackAccess ? VECTOR_SS : VECTOR_GP, 0);
    return 0;
  }
  const by = (context - cpu - CONTEXT0) / CONTEXT_SIZE;
  const physical = walk(cpu, address, access, by, true);
  if (faulted()) return 0;
  if (walkError >= 0) {
    pageFault(cpu, address, access, by);
    return 0;
  }
  const entry = tlbEntry(context, address);
  const page = address & PAGE_MASK;
  const guestPage = physical & PAGE_MASK;
  const physicalPage = hostPhysical(cpu, guestPage, access);
  if (faulted()) return 0;
  const ram = physicalPage >= 0 && !(access == ACCESS_WRITE && guarded(<i32>physicalPage));
  const data: i64 = ram ? <i64>(<i32>physicalPage + ramBase - <i32>page) : guestPage;
  const tag = page | (ram ? 0 : TAG_DEVICE);
  // One entry serves three kinds of access: when it changes its page or mapping, the other two kinds go.
  if (load<i64>(entry, T_DATA) != data || !samePage(entry, page, ram ? 0 : TAG_DEVICE)) {
    memory.fill(entry, <u8>EMPTY_BYTE, TLB_ENTRY);
    store<i64>(entry, data, T_DATA);
  }
  if (access == ACCESS_READ) {
    const watched = ram && (load<u8>(pageFlags + (<i32>physicalPage >>> 12)) & PAGE_READS_WATCHED) != 0;
    store<i64>(entry, tag | (watched ? TAG_ASK : 0), T_READ);
  }
  else if (access == ACCESS_EXEC) store<i64>(entry, tag, T_EXEC);
  else if (ram) {
    const flags = pageFlags + (<i32>physicalPage >>> 12);
    const asked = load<u8>(flags) & (PAGE_CODE | PAGE_TABLE | PAGE_WRITES_WATCHED);
    store<u8>(flags, load<u8>(flags) | PAGE_DIRTY);
    store<i64>(entry, page | (asked ? TAG_ASK : 0), T_WRITE);
  } else store<i64>(entry, tag, T_WRITE);
  return entry;
}

function guarded(physicalPage: i32): bool {
  return (load<u8>(pageFlags + (physicalPage >>> 12)) & PAGE_GUARDED) != 0;
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

/** What `translateFetch` gives for a page that is no RAM. */
export const FETCH_OUTSIDE: i64 = -2;

/** Host-physical address of a fetch at `address`; −1 with a fault raised; FETCH_OUTSIDE. */
export function translateFetch(cpu: i32, context: i32, address: i64): i64 {
  let entry = tlbEntry(context, address);
  const page = address & PAGE_MASK;
  if (load<i64>(entry, T_EXEC) != page) {
    setStackAccess(false);
    entry = fill(cpu, context, address, ACCESS_EXEC);
    if (!entry) return -1;
    if (load<i64>(entry, T_EXEC) & TAG_DEVICE) return FETCH_OUTSIDE;
  }
  return <i64>(<u32>(<i32>address + load<i32>(entry, T_DATA) - ramBase));
}
