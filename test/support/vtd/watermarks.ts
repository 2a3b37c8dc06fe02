/** Since when what caches hold has been read: what invalidations have taken away, by the moments of a `LoggedMemory`. */
import type { CacheScope } from './checker';

interface PageMark {
  domain: bigint;
  first: bigint;
  end: bigint;
  moment: number;
}

interface EntryMark {
  index: number;
  mask: number;
  moment: number;
}

/** Moments of the last invalidations. What the unit drops beyond what it has to is not told, which does no harm. */
export class Watermarks {
  private readonly contexts = new Map<number, number>();
  private allContexts = 0;
  private allPasids = 0;
  private allPages = 0;
  private readonly domains = new Map<bigint, number>();
  private readonly pasids = new Map<string, number>();
  private pages: PageMark[] = [];
  private allInterruptEntries = 0;
  private interruptEntries: EntryMark[] = [];

  /** Everything of address translation has been dropped. */
  all(moment: number): void {
    this.allContexts = this.allPasids = this.allPages = moment;
    this.pages = [];
  }

  /** The interrupt entry cache is empty. */
  interruptEntriesDropped(moment: number): void {
    this.allInterruptEntries = moment;
    this.interruptEntries = [];
  }

  /** Entries of interrupts whose index differs in the `mask` lowest bits at most. */
  interruptRangeDropped(index: number, mask: number, moment: number): void {
    this.interruptEntries.push({ index, mask, moment });
  }

  /** The moment that the whole interrupt entry cache goes back to at most. */
  get sinceOfInterrupts(): number {
    return this.allInterruptEntries;
  }

  /** The moment that a cached entry of interrupts goes back to. */
  sinceOfInterrupt(index: number): number {
    const ofIndex = this.interruptEntries.filter(({ index: at, mask }) => (at ^ index) >> mask === 0);
    return Math.max(this.allInterruptEntries, ...ofIndex.map(({ moment }) => moment));
  }

  contextsDropped(moment: number): void {
    this.allContexts = moment;
  }

  contextDropped(requester: number, moment: number): void {
    this.contexts.set(requester, moment);
  }

  pasidsDropped(moment: number): void {
    this.allPasids = moment;
  }

  pagesDropped(moment: number): void {
    this.allPages = moment;
    this.pages = [];
  }

  domainDropped(domain: bigint, moment: number): void {
    this.domains.set(domain, moment);
  }

  /** All of a PASID. */
  pasidDropped(domain: bigint, pasid: bigint, moment: number): void {
    this.pasids.set(`${domain} ${pasid}`, moment);
  }

  /** Pages by addresses of the second stage; all of the first one that is alone are found by theirs. */
  rangeDropped(domain: bigint, address: bigint, mask: bigint, moment: number): void {
    const size = 4096n << mask;
    const first = address - (address % size);
    this.pages.push({ domain, first, end: first + size, moment });
  }

  /** The moment that a scope's caches go back to, for a request of a function at an address. */
  since(scope: CacheScope, requester: number, address: bigint): number {
    if (scope.of === 'context') return Math.max(this.allContexts, this.contexts.get(requester) ?? 0);
    if (scope.of === 'pasid') return this.allPasids;
    const { domain, pasid, kind } = scope;
    const moments = [this.allPages, this.domains.get(domain) ?? 0];
    // Entries of the second stage are the domain's, whatever the PASID.
    if (kind === 'first') moments.push(this.pasids.get(`${domain} ${pasid}`) ?? 0);
    if (kind !== 'nested')
      for (const mark of this.pages)
        if (mark.domain === domain && address >= mark.first && address < mark.end) moments.push(mark.moment);
    return Math.max(...moments);
  }
}
