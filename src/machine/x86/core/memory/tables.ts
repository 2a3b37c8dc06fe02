/**
 * Which pages of RAM page walks have read, and what happens when one of them is stored to.
 *
 * The TLB is a means of speed and nothing the guest can see: a translation is served only as long as the tables say so.
 * The architecture lets a processor keep an old translation until it is invalidated, or forget it at any time (SDM vol. 3,
 * 4.10.4); this one always forgets it at the store that changes the entry. So what a guest sees depends on its tables
 * alone, not on what was looked up before, on how the run was cut into slices, or on a save and load in between.
 */
import { CPU_BASE, CPU_SIZE, PAGE_CODE, PAGE_TABLE, SCRATCH_TABLES, TABLES_MAX } from '../state/layout';
import { forbidQuietStores } from './tlb';
import { cpuCount, flushAllTranslations, pageFlags, ramBase, stopAfter } from '../state/state';

/** Marked pages, listed at SCRATCH_TABLES. */
let count: i32 = 0;
/** A store of several parts is under way: what it changes is taken note of at its end. */
let held: bool = false;
let due: bool = false;

/** Before a walk's tables are watched: makes room for all of them. */
export function reserveTables(): void {
  if (count + 4 > TABLES_MAX) forgetAll();
}

/** A walk whose result is kept has read this page: every store to it has to ask from now on. */
export function watchTable(page: i32): void {
  const flags = load<u8>(pageFlags + page);
  if (flags & PAGE_TABLE) return;
  store<i32>(SCRATCH_TABLES + count * 4, page);
  count++;
  store<u8>(pageFlags + page, flags | PAGE_TABLE);
  if (flags & PAGE_CODE) return;
  for (let c = 0; c < cpuCount; c++) forbidQuietStores(CPU_BASE + c * CPU_SIZE, page << 12);
}

/**
 * Whether a store of `size` bytes within one page would change an entry that a kept translation may rest on. Entries that
 * are not present are never kept; those of 32-bit paging are four bytes, all others eight.
 */
export function changesTable(physical: i32, size: i32, value: i64): bool {
  if (!(load<u8>(pageFlags + (physical >>> 12)) & PAGE_TABLE)) return false;
  const at = ramBase + physical;
  let present: i64 = 0;
  for (let entry = at & ~7; entry < at + size; entry += 8) present |= load<i64>(entry);
  if (!(present & 0x100000001)) return false;
  for (let i = 0; i < size; i++) {
    if (load<u8>(at + i) != <u8>(value >> (<i64>i * 8))) return true;
  }
  return false;
}

/**
 * An entry was changed: no translation is kept, and no page counts as a table until it is walked again. A vCPU that is
 * running looks up its next instruction anew.
 */
export function tablesChanged(): void {
  if (held) due = true;
  else forgetAll();
}

function forgetAll(): void {
  for (let i = 0; i < count; i++) {
    const flags = pageFlags + load<i32>(SCRATCH_TABLES + i * 4);
    store<u8>(flags, load<u8>(flags) & ~PAGE_TABLE);
  }
  count = 0;
  flushAllTranslations();
  for (let c = 0; c < cpuCount; c++) stopAfter(CPU_BASE + c * CPU_SIZE, 0);
}

/** Lets changes wait for `releaseTables`: the parts of one store go where its whole was translated to. */
export function holdTables(): void {
  held = true;
  due = false;
}

export function releaseTables(): void {
  held = false;
  if (due) tablesChanged();
}
