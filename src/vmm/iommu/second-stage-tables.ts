/**
 * Second-stage tables as the host's kernel writes them (VT-d specification, 9.8): entries of 64 bits, tables of 512. A mapping takes
 * the largest pages that its addresses allow (dma_pte and __domain_mapping of Linux).
 */
import { TABLE_BYTES, type TablePages } from './table-pages';

/** Bits of an entry. */
const READ = 1;
const WRITE = 2;
const LARGE = 1 << 7;
const ADDRESS_UNIT = 4096;
const ENTRY_BYTES = 8;
const ENTRIES = TABLE_BYTES / ENTRY_BYTES;

/** Levels whose entries can be pages: 4 KiB, 2 MiB, 1 GiB. */
export type PageLevel = 1 | 2 | 3;

/** Bytes that an entry of a level covers. */
export const bytesOfLevel = (level: number): number => 2 ** (12 + 9 * (level - 1));

/** How many tables a mapping of so many bytes can need, whatever its addresses are. */
export function tablesFor(bytes: number, levels: number): number {
  let tables = 0;
  // A range that begins in the midst of a table touches one more.
  for (let level = 1; level <= levels; level++) tables += Math.ceil(bytes / bytesOfLevel(level + 1)) + 1;
  return tables;
}

/** The tables of one domain. */
export class SecondStageTables {
  /**
   * @param root host-physical address of the topmost table
   * @param levels 3, 4 or 5
   * @param largest of the pages that are made
   */
  constructor(
    private readonly pages: TablePages,
    readonly root: number,
    readonly levels: number,
    private readonly largest: PageLevel,
  ) {}

  /**
   * Addresses from `iova` on lead to host-physical ones from `address` on, to read and, unless `writable` is false, to write. All three
   * numbers are whole pages.
   * @returns false when the tables do not translate so high addresses, or when no page is left for a table: what was mapped up to there
   * stays
   */
  map(iova: number, address: number, length: number, writable = true): boolean {
    if (iova + length > this.end) return false;
    const rights = READ + (writable ? WRITE : 0);
    for (let done = 0; done < length;) {
      const level = this.levelOf(iova + done, address + done, length - done);
      const place = this.placeOf(iova + done, level, true);
      if (place === undefined) return false;
      this.pages.writeField(place, address + done + rights + (level > 1 ? LARGE : 0));
      done += bytesOfLevel(level);
    }
    return true;
  }

  /** Takes a range away. A larger page of which a part stays is made into smaller ones first. */
  unmap(iova: number, length: number): void {
    const end = Math.min(iova + length, this.end);
    for (let at = iova; at < end;) {
      const found = this.find(at);
      const size = bytesOfLevel(found.level);
      const first = Math.floor(at / size) * size;
      const whole = first >= iova && first + size <= end;
      if (found.leaf && !whole && this.split(found.place, found.level)) continue;
      if (found.leaf) this.pages.writeField(found.place, 0);
      at = first + size;
    }
  }

  /** The address behind the last that can be mapped. */
  private get end(): number {
    return bytesOfLevel(this.levels + 1);
  }

  /** Whether an address leads anywhere. */
  maps(iova: number): boolean {
    return this.find(iova).leaf;
  }

  private levelOf(iova: number, address: number, length: number): number {
    let level: number = this.largest;
    for (; level > 1; level--) {
      const size = bytesOfLevel(level);
      if (iova % size === 0 && address % size === 0 && length >= size) break;
    }
    return level;
  }

  /** Where the entry of a level for an address stands; tables above it are made where they are missing. */
  private placeOf(iova: number, level: number, make: boolean): number | undefined {
    let table = this.root;
    for (let at = this.levels; ; at--) {
      const place = table + indexAt(iova, at) * ENTRY_BYTES;
      if (at === level) return place;
      const next = this.tableBelow(place, at, make);
      if (next === undefined) return undefined;
      table = next;
    }
  }

  private tableBelow(place: number, level: number, make: boolean): number | undefined {
    const entry = this.pages.read(place);
    if (isLeaf(entry, level)) return this.split(place, level) ? addressOf(this.pages.read(place)) : undefined;
    if (isPresent(entry)) return addressOf(entry);
    const made = make ? this.pages.take() : undefined;
    if (made !== undefined) this.pages.writeField(place, made + READ + WRITE);
    return made;
  }

  /** The entry that decides about an address: a page, or the topmost one that leads nowhere. */
  /** The host-physical address that one of a device leads to; undefined: it is not mapped. */
  translate(iova: number): number | undefined {
    const { place, level, leaf } = this.find(iova);
    const size = bytesOfLevel(level);
    return leaf ? Math.floor(addressOf(this.pages.read(place)) / size) * size + (iova % size) : undefined;
  }

  private find(iova: number): { place: number; level: number; leaf: boolean } {
    let table = this.root;
    for (let level = this.levels; ; level--) {
      const place = table + indexAt(iova, level) * ENTRY_BYTES;
      const entry = this.pages.read(place);
      if (!isPresent(entry)) return { place, level, leaf: false };
      if (isLeaf(entry, level)) return { place, level, leaf: true };
      table = addressOf(entry);
    }
  }

  /** A table of smaller pages in place of a page. @returns false when no page is left for it, or it is of 4 KiB */
  private split(place: number, level: number): boolean {
    const table = level > 1 ? this.pages.take() : undefined;
    if (table === undefined) return false;
    const first = addressOf(this.pages.read(place));
    const size = bytesOfLevel(level - 1);
    const flags = (this.pages.read(place) % 4) + (level > 2 ? LARGE : 0);
    for (let index = 0; index < ENTRIES; index++)
      this.pages.writeField(table + index * ENTRY_BYTES, first + index * size + flags);
    this.pages.writeField(place, table + READ + WRITE);
    return true;
  }
}

function indexAt(iova: number, level: number): number {
  return Math.floor(iova / bytesOfLevel(level)) % ENTRIES;
}

function isPresent(entry: number): boolean {
  return entry % 4 !== 0;
}

function isLeaf(entry: number, level: number): boolean {
  return isPresent(entry) && (level === 1 || Math.floor(entry / LARGE) % 2 === 1);
}

function addressOf(entry: number): number {
  return entry - (entry % ADDRESS_UNIT);
}
