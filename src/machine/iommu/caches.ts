/** What a remapping unit remembers of its tables, and what invalidations take away (VT-d specification, 6.2 and 6.5). */
import type { RequesterId, Stateful } from '../bus';
import type { RemappingOptions } from './options';
import { SetCache, type CacheEntry, type SetCacheState } from './set-cache';
import type { StagePage } from './stage-page';
import type { Context, PasidEntry } from './translation';

/** Bits of a page's offset by its level: 4 KiB, 2 MiB, 1 GiB; of higher levels what an entry covers. */
export function coveredBits(level: number): number {
  return 12 + 9 * (level - 1);
}

/** Number of the page, or of what an entry of a level covers, that an address lies in. */
export function pageNumber(address: number, level: number): number {
  return Math.floor(address / 2 ** coveredBits(level));
}

/** A translation in the IOTLB. */
export interface CachedPage {
  domain: number;
  /** Of the request; undefined in legacy mode. */
  pasid: number | undefined;
  /** It went by two stages, so that no address of the second one finds it. */
  nested: boolean;
  /** Host-physical address of the page. */
  address: number;
  read: boolean;
  write: boolean;
  /** A write has nothing to set in a table. */
  dirty: boolean;
}

/** An entry of a table that leads to another table. */
export interface CachedTable {
  domain: number;
  /** Undefined of the second stage, whose entries are the domain's. */
  pasid: number | undefined;
  nested: boolean;
  /** Host-physical address of the table of the next level. */
  table: number;
  /** Where a second stage puts that table of the first one, for the bits that the unit sets in it; undefined without one. */
  page: StagePage | undefined;
  /** Rights of this entry and those above it together. */
  read: boolean;
  write: boolean;
}

/** Pages of a domain: 2^mask of 4 KiB from an aligned address on. */
export interface PageRange {
  address: number;
  mask: number;
}

/** Snapshot of all caches. */
export interface CachesState {
  contexts: SetCacheState<Context>;
  pasids: SetCacheState<PasidEntry>;
  pages: SetCacheState<CachedPage>;
  tables: SetCacheState<CachedTable>;
}

/** The space of keys of a domain's pages: in scalable mode one for each PASID. */
export function pageSpace(domain: number, pasid: number | undefined): number {
  return domain + (pasid === undefined ? 0 : (pasid + 1) * 2 ** 16);
}

/** The caches of a unit. */
export class TranslationCaches implements Stateful<CachesState> {
  readonly contexts: SetCache<Context>;
  readonly pasids: SetCache<PasidEntry>;
  readonly pages: SetCache<CachedPage>;
  readonly tables: SetCache<CachedTable>;

  constructor(options: RemappingOptions) {
    this.contexts = new SetCache(options.contextCache);
    this.pasids = new SetCache(options.pasidCache);
    this.pages = new SetCache(options.iotlb);
    this.tables = new SetCache(options.pagingStructures);
  }

  /** Everything, as a reset does. */
  reset(): void {
    for (const cache of [this.contexts, this.pasids, this.pages, this.tables]) cache.drop(() => true);
  }

  /** Drops context entries. @returns how many */
  dropContexts(condition: (requester: RequesterId, context: Context) => boolean): number {
    return this.contexts.drop(({ page, value }) => condition(page, value));
  }

  /** Drops PASID-table entries. @returns how many */
  dropPasids(condition: (domain: number, pasid: number) => boolean): number {
    return this.pasids.drop(({ page, value }) => condition(value.translation.domain, page));
  }

  /** Drops what the IOTLB and the paging-structure caches have of all domains, or of one. @returns how many */
  dropDomain(domain: number | undefined): number {
    const ofDomain = ({ value }: CacheEntry<{ domain: number }>): boolean =>
      domain === undefined || value.domain === domain;
    return this.pages.drop(ofDomain) + this.tables.drop(ofDomain);
  }

  /**
   * Drops the pages of a range of a domain, and the entries that lead to them unless software says that these have not changed
   * (IH). Addresses are those of the second stage: of what is nested everything of the domain goes (6.5.2.3).
   */
  dropPages(domain: number, range: PageRange, leavesOnly: boolean): number {
    const matches = (entry: CacheEntry<CachedPage | CachedTable>): boolean =>
      entry.value.domain === domain && (entry.value.nested || overlaps(entry, range));
    return this.pages.drop(matches) + (leavesOnly ? 0 : this.tables.drop(matches));
  }

  /** Drops all of one PASID of a domain. */
  dropPasid(domain: number, pasid: number): number {
    const ofPasid = ({ value }: CacheEntry<CachedPage | CachedTable>): boolean =>
      value.domain === domain && value.pasid === pasid;
    return this.pages.drop(ofPasid) + this.tables.drop(ofPasid);
  }

  /** Drops the pages of a range of one PASID. Addresses are those of the first stage. */
  dropPasidPages(domain: number, pasid: number, range: PageRange, leavesOnly: boolean): number {
    const matches = (entry: CacheEntry<CachedPage | CachedTable>): boolean =>
      entry.value.domain === domain && entry.value.pasid === pasid && overlaps(entry, range);
    return this.pages.drop(matches) + (leavesOnly ? 0 : this.tables.drop(matches));
  }

  save(): CachesState {
    const { contexts, pasids, pages, tables } = this;
    return { contexts: contexts.save(), pasids: pasids.save(), pages: pages.save(), tables: tables.save() };
  }

  load(state: CachesState): void {
    this.contexts.load(state.contexts);
    this.pasids.load(state.pasids);
    this.pages.load(state.pages);
    this.tables.load(state.tables);
  }
}

/** Whether what an entry covers and a range have an address in common. */
function overlaps({ level, page }: CacheEntry<unknown>, { address, mask }: PageRange): boolean {
  const size = 2 ** (12 + mask);
  const first = address - (address % size);
  const begin = page * 2 ** coveredBits(level);
  return begin < first + size && first < begin + 2 ** coveredBits(level);
}
