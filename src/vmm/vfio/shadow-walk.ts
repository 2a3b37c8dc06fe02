/**
 * Reads what a guest's second-stage tables say of a range (VT-d specification, 9.8), entry by entry and without caches, as QEMU does for
 * a device of the host (vtd_page_walk of hw/i386/intel_iommu.c).
 */
import type { StageTables } from '../../machine/iommu/translation';
import { isSet, pageAddress, wordsOf } from '../../machine/iommu/words';

const ENTRIES = 512;
const ENTRY_BYTES = 8;
const TABLE_BYTES = ENTRIES * ENTRY_BYTES;
/** Bits of an entry. */
const READ = 1;
const WRITE = 2;
const LARGE = 7;
/** Largest level of a page: 1 GiB. */
const HIGHEST_PAGE_LEVEL = 3;

/** What one entry stands for. */
export interface ShadowedEntry {
  readonly iova: number;
  readonly length: number;
  /** Undefined: nothing of it leads anywhere. */
  readonly page: { readonly address: number; readonly writable: boolean } | undefined;
}

/** What is walked. */
export interface WalkedTables extends StageTables {
  /** A table; undefined: there is no memory. */
  read(address: number, length: number): Uint8Array | undefined;
  /** Tables that are read at most: a guest's may lead back into each other. */
  readonly most: number;
}

/** Bytes that an entry of a level covers. */
const coveredBy = (level: number): number => 2 ** (12 + 9 * (level - 1));

/** Bytes of addresses that tables of so many levels translate. */
export const addressesOf = (levels: number): number => coveredBy(levels + 1);

/**
 * Tells of pages, and of the topmost entries that lead nowhere, in the order of their addresses. A table that is in no memory tells
 * nothing.
 * @param from first address of the range, `end` the one behind it
 * @returns how many tables were read
 */
export function walkRange(
  tables: WalkedTables,
  from: number,
  end: number,
  tell: (entry: ShadowedEntry) => void,
): number {
  let count = 0;
  const visit = (table: number, level: number, first: number, writable: boolean): void => {
    if (count === tables.most) return;
    count += 1;
    const bytes = tables.read(table, TABLE_BYTES);
    if (!bytes) return;
    const words = wordsOf(bytes);
    const size = coveredBy(level);
    const lowest = Math.max(0, Math.floor((from - first) / size));
    const highest = Math.min(ENTRIES, Math.ceil((end - first) / size));
    for (let index = lowest; index < highest; index++) {
      const word = words[2 * index];
      const iova = first + index * size;
      // Rights are those of all levels; a device that may only write may read what VFIO maps for it.
      const mayWrite = writable && (word & WRITE) !== 0;
      if ((word & (READ | WRITE)) === 0) tell({ iova, length: size, page: undefined });
      else if (level === 1 || (level <= HIGHEST_PAGE_LEVEL && isSet(word, LARGE))) {
        const address = pageAddress(words, 2 * index);
        tell({ iova, length: size, page: { address: address - (address % size), writable: mayWrite } });
      } else visit(pageAddress(words, 2 * index), level - 1, iova, mayWrite);
    }
  };
  visit(tables.root, tables.levels, 0, true);
  return count;
}
