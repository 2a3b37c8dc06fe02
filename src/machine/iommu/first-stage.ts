/**
 * The first stage: the paging structures of a processor in 64-bit mode (VT-d specification 3.6, formats in 9.7), for requests of
 * scalable mode. Requests are those of users. Nested, each of its addresses is translated by the second stage.
 */
import { pageNumber, pageSpace } from './caches';
import { FaultReason } from './fault-reasons';
import { markDirty, secondStage } from './second-stage';
import { entryAddress, offsetIn, type StageResult, type Walk } from './stage';
import type { StagePage } from './stage-page';
import type { StageTables } from './translation';
import { bitsAboveWidth, isSet, pageAddress, type Words } from './words';

/** Lower words of entries: P, R/W, U/S, A, D, PS. */
const PRESENT = 0;
const WRITE = 1;
const USER = 2;
const ACCESSED = 1 << 5;
const DIRTY = 1 << 6;
const LARGE = 7;
const ENTRY_BYTES = 8;

/** A table of the first stage in host-physical memory. */
interface PlacedTable {
  /** Host-physical address. */
  address: number;
  /** The page that it lies in, by the second stage; undefined when there is none. */
  page: StagePage | undefined;
}

type Placed = PlacedTable | { fault: FaultReason };

/** Translates one address; of a nested stage what comes out is an address of the second one. */
export function firstStage(walk: Walk, tables: StageTables, address: number, write: boolean): StageResult {
  // The upper half of the canonical addresses has no exact number among those of a device.
  if (address >= 2 ** (12 + 9 * tables.levels - 1)) return { fault: FaultReason.AddressNotCanonical };
  const cached = known(walk, tables, address, write);
  let level = cached?.level ?? tables.levels;
  let above = cached?.write ?? true;
  let table: Placed = cached?.table ?? place(walk, tables.root, 'first-root');
  for (;;) {
    if ('fault' in table) return table;
    const location = entryAddress(table.address, address, level);
    const words = walk.reader.read('first', level, location, ENTRY_BYTES);
    if (!words)
      return {
        fault: level === tables.levels ? FaultReason.FirstStageRootAccess : FaultReason.FirstStageAccess,
      };
    const fault = refuse(walk, words, level);
    if (fault !== undefined) return { fault };
    const writable = above && isSet(words[0], WRITE);
    const leaf = level === 1 || (level <= 3 && isSet(words[0], LARGE));
    if (leaf && write && !writable) return { fault: FaultReason.ScalableWriteDenied };
    const marked = setAccessed(walk, table, location, words[0], leaf && write);
    if (typeof marked !== 'number') return marked;
    if (leaf) {
      const page = pageAddress(words);
      return {
        address: page - offsetIn(page, level) + offsetIn(address, level),
        level,
        read: true,
        write: writable,
        dirty: (marked & DIRTY) !== 0,
        leaf: { address: location, word: marked },
      };
    }
    table = place(walk, pageAddress(words), 'first-table');
    if (!('fault' in table)) remember(walk, address, level, { table, write: writable });
    level -= 1;
    above = writable;
  }
}

/** The place of a table that an entry or the PASID-table entry tells of. */
function place(walk: Walk, table: number, purpose: 'first-root' | 'first-table'): Placed {
  const { second } = walk.translation;
  if (!second) return { address: table, page: undefined };
  const page = secondStage(walk, second, table, false, purpose);
  return 'fault' in page ? page : { address: page.address, page };
}

/** The lowest table that a paging-structure cache knows, its level, and whether writes are allowed down to it. */
function known(
  walk: Walk,
  tables: StageTables,
  address: number,
  write: boolean,
): { table: PlacedTable; level: number; write: boolean } | undefined {
  const { caches, translation, pasid, reader } = walk;
  const space = pageSpace(translation.domain, pasid);
  for (let level = 2; caches && level <= tables.levels; level++) {
    const entry = caches.tables.find(space, level, pageNumber(address, level));
    if (!entry || (write && !entry.write)) continue;
    reader.spared();
    return { table: { address: entry.table, page: entry.page }, level: level - 1, write: entry.write };
  }
  return undefined;
}

/** Remembers the entry of a level, and the table that it leads to. */
function remember(
  walk: Walk,
  address: number,
  level: number,
  { table, write }: { table: PlacedTable; write: boolean },
): void {
  const { translation, pasid } = walk;
  const { domain } = translation;
  walk.caches?.tables.insert(pageSpace(domain, pasid), level, pageNumber(address, level), {
    domain,
    pasid,
    nested: translation.kind === 'nested',
    table: table.address,
    page: table.page,
    read: true,
    write,
  });
}

/** Why an entry does not allow an access; undefined when it does, or when that is not decided yet. */
function refuse(walk: Walk, words: Words, level: number): FaultReason | undefined {
  if (!isSet(words[0], PRESENT)) return FaultReason.FirstStageNotPresent;
  if (hasReserved(walk, words, level)) return FaultReason.FirstStageReserved;
  return isSet(words[0], USER) ? undefined : FaultReason.UserDenied;
}

function hasReserved({ options, translation }: Walk, words: Words, level: number): boolean {
  // Of a nested stage the addresses are not the host's: the second stage refuses those that are too wide.
  const above = translation.kind === 'nested' ? 0 : bitsAboveWidth(options.hostAddressWidth);
  if ((words[1] & above) !== 0) return true;
  if (level === 1 || !isSet(words[0], LARGE)) return false;
  if (level >= 4 || (level === 3 && !options.largePages.oneGigabyte)) return true;
  // Bit 12 is PAT; bits 20 to 13 of 2 MiB and 29 to 13 of 1 GiB lie within the page.
  return (words[0] & (2 ** (12 + 9 * (level - 1)) - 0x2000)) !== 0;
}

/**
 * Sets accessed and dirty bit where they are not set yet, which writes to a table: of a nested stage the second one has to allow it.
 * @returns the entry's lower word with them
 */
function setAccessed(
  walk: Walk,
  table: PlacedTable,
  location: number,
  word: number,
  dirty: boolean,
): number | { fault: FaultReason } {
  const wanted = (word | ACCESSED | (dirty ? DIRTY : 0)) >>> 0;
  if (wanted === word) return word;
  if (table.page && !table.page.write) return { fault: FaultReason.FirstStageWriteDenied };
  if (table.page) markDirty(walk, table.page);
  walk.reader.setBits(location, word, wanted);
  return wanted;
}
