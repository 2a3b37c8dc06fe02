/** How the event of an invalidation tells in one number what was invalidated: cache, scope, by which way, and of which domain. */
import { choice, number } from './bit-fields';

/** Caches of an IOMMU, in the order of their numbers. */
export const invalidatedCaches = ['context', 'pasid', 'iotlb', 'device-tlb', 'interrupt-entries'] as const;
/** Which of their entries. */
export const invalidationScopes = [
  'global',
  'domain',
  'device',
  'page',
  'pasid',
  'pasid-page',
  'index',
] as const;
/** How software asked for it. */
export const invalidationWays = ['register', 'queue'] as const;

/** Bits of the number. */
export const invalidationFields = [
  choice('cache', 0, 3, invalidatedCaches),
  choice('scope', 4, 7, invalidationScopes),
  choice('by', 8, 8, invalidationWays),
  number('domain', 16, 31),
] as const;

/** What was invalidated. */
export interface InvalidationWords {
  cache: (typeof invalidatedCaches)[number];
  scope: (typeof invalidationScopes)[number];
  by: (typeof invalidationWays)[number];
  /** 16 bits; undefined: it is for no domain alone. */
  domain: number | undefined;
}

/** The number. */
export function invalidationNumber({ cache, scope, by, domain }: InvalidationWords): number {
  const what = invalidatedCaches.indexOf(cache) + 2 ** 4 * invalidationScopes.indexOf(scope);
  return what + 2 ** 8 * invalidationWays.indexOf(by) + 2 ** 16 * (domain ?? 0);
}
