/** Carries invalidations out on the caches, and tells of them. */
import type { RequesterId } from '../bus';
import type { Cycles } from '../time/event-queue';
import type { PageRange, TranslationCaches } from './caches';
import type { Invalidation } from './descriptors';
import type { InterruptRemapper } from './interrupt-remapper';
import type { IommuObserver } from './observer';

/** The TLB of a device, as the unit reaches it (ATS). */
export interface DeviceTlbPort {
  /** Drops translations. @param pasid undefined: whatever it is. @returns how many */
  invalidate(range: PageRange, pasid: number | undefined): number;
}

/** Finds the TLB of a function; undefined when it has none, so that nobody answers. */
export type DeviceTlbs = (requester: RequesterId) => DeviceTlbPort | undefined;

/** By which way an invalidation was asked for, and since when it has been under way. */
export interface InvalidationOrigin {
  by: 'register' | 'queue';
  begin: Cycles;
  end: Cycles;
}

/** Bits of the function number that each function mask leaves out (10.4.7, FM). */
const FUNCTION_MASKS = [0, 4, 6, 7];

/** Whether an invalidation is over only when what was translated before has come to memory. */
export function drains({ cache }: Invalidation): boolean {
  return cache === 'iotlb';
}

/** What is invalidated, where. */
export class Invalidator {
  constructor(
    private readonly caches: TranslationCaches,
    private readonly interrupts: InterruptRemapper | undefined,
    private readonly deviceTlbs: DeviceTlbs,
    private readonly observer: IommuObserver,
  ) {}

  /** Whether anybody will answer: only a device may not. */
  isAnswered(invalidation: Invalidation): boolean {
    return invalidation.cache !== 'device-tlb' || this.deviceTlbs(invalidation.requester) !== undefined;
  }

  /** Drops what is to be dropped. */
  apply(invalidation: Invalidation, origin: InvalidationOrigin): void {
    const dropped = this.drop(invalidation);
    const { cache, scope } = invalidation;
    const domain = 'domain' in invalidation ? invalidation.domain : undefined;
    this.observer.invalidated({ cache, scope, domain, dropped, ...origin }, invalidation);
  }

  private drop(invalidation: Invalidation): number | undefined {
    switch (invalidation.cache) {
      case 'context':
        return this.dropContexts(invalidation);
      case 'pasid':
        return this.dropPasids(invalidation);
      case 'iotlb':
        return this.dropPages(invalidation);
      case 'device-tlb':
        return (
          this.deviceTlbs(invalidation.requester)?.invalidate(invalidation.range, invalidation.pasid) ?? 0
        );
      case 'interrupt-entries':
        if (invalidation.scope === 'index')
          this.interrupts?.invalidateEntries(invalidation.index, invalidation.mask);
        else this.interrupts?.invalidateAll();
        return undefined;
    }
  }

  private dropContexts(what: Invalidation & { cache: 'context' }): number {
    switch (what.scope) {
      case 'global':
        return this.caches.dropContexts(() => true);
      case 'domain':
        // In scalable mode context entries belong to no domain, and all of them go (6.5.2.1).
        return this.caches.dropContexts(
          (_, context) => context.mode === 'scalable' || context.translation.domain === what.domain,
        );
      case 'device': {
        const counts = ~FUNCTION_MASKS[what.functionMask];
        return this.caches.dropContexts((requester) => ((requester ^ what.requester) & counts) === 0);
      }
    }
  }

  private dropPasids(what: Invalidation & { cache: 'pasid' }): number {
    switch (what.scope) {
      case 'global':
        return this.caches.dropPasids(() => true);
      case 'domain':
        return this.caches.dropPasids((domain) => domain === what.domain);
      case 'pasid':
        return this.caches.dropPasids((domain, pasid) => domain === what.domain && pasid === what.pasid);
    }
  }

  private dropPages(what: Invalidation & { cache: 'iotlb' }): number {
    const { caches } = this;
    switch (what.scope) {
      case 'global':
        return caches.dropDomain(undefined);
      case 'domain':
        return caches.dropDomain(what.domain);
      case 'page':
        return caches.dropPages(what.domain, what.range, what.leavesOnly);
      case 'pasid':
        return caches.dropPasid(what.domain, what.pasid);
      case 'pasid-page':
        return caches.dropPasidPages(what.domain, what.pasid, what.range, what.leavesOnly);
    }
  }
}
