/** Loads and stores of guest-virtual memory: RAM, devices, page-crossing, and stores to translated code. */
import {
  ACCESS_READ,
  ACCESS_WRITE,
  C_INDEX,
  C_MMU,
  CONTEXT0,
  PAGE_CODE,
  PAGE_DIRTY,
  PAGE_TABLE,
  PAGE_WRITES_WATCHED,
  TAG_ASK,
  TAG_DEVICE,
  T_DATA,
  T_READ,
  T_WRITE,
} from '../state/layout';
import { invalidateCode } from './code';
import { misaligned, noteAccess, watching } from '../run/debug';
import { readDevice, writeDevice } from '../state/callout';
import { hostWatched } from '../state/host';
import { fill } from './paging';
import { PAGE_MASK, tlbEntry } from './tlb';
import { changesTable, holdTables, releaseTables, tablesChanged } from './tables';
import { VECTOR_AC, faultWith, faulted, pageFlags, ramBase, sizeMask } from '../state/state';

// @ts-ignore: decorator of AssemblyScript
@inline
function hostLoad(at: i32, size: i32): i64 {
  if (size == 8) return load<i64>(at);
  if (size == 4) return <i64>load<u32>(at);
  if (size == 2) return <i64>load<u16>(at);
  return <i64>load<u8>(at);
}

// @ts-ignore: decorator of AssemblyScript
@inline
function hostStore(at: i32, size: i32, value: i64): void {
  if (size == 8) store<i64>(at, value);
  else if (size == 4) store<u32>(at, <u32>value);
  else if (size == 2) store<u16>(at, <u16>value);
  else store<u8>(at, <u8>value);
}

// @ts-ignore: decorator of AssemblyScript
@inline
function crosses(address: i64, size: i32): bool {
  return (<i32>address & 0xfff) + size > 4096;
}

/** The entry that serves the access, filled if need be; 0 with a fault raised. */
// @ts-ignore: decorator of AssemblyScript
@inline
function entryFor(cpu: i32, context: i32, address: i64, kind: i32, access: i32): i32 {
  const entry = tlbEntry(context, address);
  // What fills empty entries has other low bits than a tag's, so that no address matches it.
  const tag = load<i64>(entry + kind);
  if ((tag & ~(TAG_DEVICE | TAG_ASK)) == (address & PAGE_MASK)) return entry;
  return fill(cpu, context, address, access);
}

/** The active context's load, zero-extended. */
// @ts-ignore: decorator of AssemblyScript
@inline
export function loadMemory(cpu: i32, address: i64, size: i32): i64 {
  if (watching && !observe(cpu, address, size, false)) return 0;
  return loadIn(cpu, load<i32>(cpu, C_MMU), address, size);
}

// @ts-ignore: decorator of AssemblyScript
@inline
export function storeMemory(cpu: i32, address: i64, size: i32, value: i64): void {
  if (watching && !observe(cpu, address, size, true)) return;
  storeIn(cpu, load<i32>(cpu, C_MMU), address, size, value);
}

/** Under the debug loop: notes an access that will succeed, or raises what it faults with; a page fault goes before #AC. */
function observe(cpu: i32, address: i64, size: i32, write: bool): bool {
  const context = load<i32>(cpu, C_MMU);
  const kind = write ? T_WRITE : T_READ;
  const access = write ? ACCESS_WRITE : ACCESS_READ;
  if (!entryFor(cpu, context, address, kind, access)) return false;
  if (crosses(address, size) && !entryFor(cpu, context, (address + size - 1) & PAGE_MASK, kind, access)) return false;
  if (misaligned(cpu, address, size)) {
    faultWith(VECTOR_AC, 0);
    return false;
  }
  noteAccess(cpu, address, size, write);
  return true;
}

/** Descriptor tables and the TSS are read as supervisor, whatever the CPL. */
export function loadSystem(cpu: i32, address: i64, size: i32): i64 {
  return loadIn(cpu, cpu + CONTEXT0, address, size);
}

export function storeSystem(cpu: i32, address: i64, size: i32, value: i64): void {
  storeIn(cpu, cpu + CONTEXT0, address, size, value);
}

function loadIn(cpu: i32, context: i32, address: i64, size: i32): i64 {
  if (crosses(address, size)) return loadCrossing(cpu, context, address, size);
  const entry = entryFor(cpu, context, address, T_READ, ACCESS_READ);
  if (!entry) return 0;
  const tag = <i32>load<i64>(entry, T_READ);
  if (tag & TAG_DEVICE) return readDevice(cpu, load<i64>(entry, T_DATA) | (address & 0xfff), size);
  const at = <i32>address + load<i32>(entry, T_DATA);
  if (tag & TAG_ASK) hostWatched(load<i32>(cpu, C_INDEX), at - ramBase, size, false);
  return hostLoad(at, size);
}

/** Both pages are made sure of first, so that a fault on the second one leaves nothing done. */
function loadCrossing(cpu: i32, context: i32, address: i64, size: i32): i64 {
  if (!entryFor(cpu, context, address, T_READ, ACCESS_READ)) return 0;
  const second = (address + size - 1) & PAGE_MASK;
  if (!entryFor(cpu, context, second, T_READ, ACCESS_READ)) return 0;
  let value: i64 = 0;
  for (let i = 0; i < size; i++) {
    value |= loadIn(cpu, context, address + i, 1) << (<i64>i * 8);
    if (faulted()) return 0;
  }
  return value;
}

/** Raises the fault that a load of the byte would; reads nothing, so that no device is asked. */
export function probeRead(cpu: i32, address: i64): void {
  entryFor(cpu, load<i32>(cpu, C_MMU), address, T_READ, ACCESS_READ);
}

/** Makes sure a store of `size` bytes would succeed; otherwise raises its fault and returns false. */
export function probeWrite(cpu: i32, address: i64, size: i32): bool {
  const context = load<i32>(cpu, C_MMU);
  if (!entryFor(cpu, context, address, T_WRITE, ACCESS_WRITE)) return false;
  if (!crosses(address, size)) return true;
  return entryFor(cpu, context, (address + size - 1) & PAGE_MASK, T_WRITE, ACCESS_WRITE) != 0;
}

export function storeIn(cpu: i32, context: i32, address: i64, size: i32, value: i64): void {
  if (crosses(address, size)) return storeCrossing(cpu, context, address, size, value);
  const entry = entryFor(cpu, context, address, T_WRITE, ACCESS_WRITE);
  if (!entry) return;
  const tag = <i32>load<i64>(entry, T_WRITE);
  if (tag & TAG_DEVICE) {
    const physical = load<i64>(entry, T_DATA) | (address & 0xfff);
    return writeDevice(cpu, physical, size, value & sizeMask(size));
  }
  const at = <i32>address + load<i32>(entry, T_DATA);
  if (!(tag & TAG_ASK)) return hostStore(at, size, value);
  const physical = at - ramBase;
  if (load<u8>(pageFlags + (physical >>> 12)) & PAGE_WRITES_WATCHED)
    hostWatched(load<i32>(cpu, C_INDEX), physical, size, true);
  const retranslate = changesTable(physical, size, value);
  hostStore(at, size, value);
  noteCode(physical, size);
  if (retranslate) tablesChanged();
}

/** A device may give the instruction up: what goes to one is stored before what goes to RAM. */
function storeCrossing(cpu: i32, context: i32, address: i64, size: i32, value: i64): void {
  if (!entryFor(cpu, context, address, T_WRITE, ACCESS_WRITE)) return;
  const second = (address + size - 1) & PAGE_MASK;
  const entry = entryFor(cpu, context, second, T_WRITE, ACCESS_WRITE);
  if (!entry) return;
  const inFirst = <i32>(second - address);
  holdTables();
  if (load<i64>(entry, T_WRITE) & TAG_DEVICE) {
    storeBytes(cpu, context, address, inFirst, size, value);
    if (!faulted()) storeBytes(cpu, context, address, 0, inFirst, value);
  } else storeBytes(cpu, context, address, 0, size, value);
  releaseTables();
}

/** Bytes `from` up to `to` of a value. */
function storeBytes(cpu: i32, context: i32, address: i64, from: i32, to: i32, value: i64): void {
  for (let i = from; i < to; i++) {
    storeIn(cpu, context, address + i, 1, value >> (<i64>i * 8));
    if (faulted()) return;
  }
}

/** A store by anybody but a vCPU to RAM at a physical address: dirty flags; translated code and translations are forgotten. */
export function noteStore(physical: i32, length: i32): void {
  if (length <= 0) return;
  noteCode(physical, length);
  const last = <u32>(physical + length - 1) >> 12;
  for (let page = <u32>physical >> 12; page <= last; page++) {
    if (load<u8>(pageFlags + page) & PAGE_TABLE) return tablesChanged();
  }
}

function noteCode(physical: i32, length: i32): void {
  const last = <u32>(physical + length - 1) >> 12;
  for (let page = <u32>physical >> 12; page <= last; page++) {
    const flags = load<u8>(pageFlags + page);
    store<u8>(pageFlags + page, flags | PAGE_DIRTY);
    if (flags & PAGE_CODE) {
      const start = page << 12;
      const from = max<u32>(start, <u32>physical);
      const to = min<u32>(start + 4095, <u32>(physical + length - 1));
      invalidateCode(from, to);
    }
  }
}
