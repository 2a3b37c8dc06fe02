/** Descriptors of the invalidation queue (VT-d specification, 6.5.2), decoded by a table of their types. */
import type { RequesterId } from '../bus';
import type { PageRange } from './caches';
import { MOST_ADDRESS_MASK } from './capabilities';
import { Granularity } from './layout';
import type { RemappingOptions } from './options';
import { addressIn, field, isSet, pageAddress, type Words } from './words';

/** What is to be invalidated. */
export type Invalidation =
  | { cache: 'context'; scope: 'global' }
  | { cache: 'context'; scope: 'domain'; domain: number }
  /** @see functionMask which bits of the function number do not count: the lowest so many bits from bit 2 down */
  | { cache: 'context'; scope: 'device'; domain: number; requester: RequesterId; functionMask: number }
  | { cache: 'pasid'; scope: 'global' }
  | { cache: 'pasid'; scope: 'domain'; domain: number }
  | { cache: 'pasid'; scope: 'pasid'; domain: number; pasid: number }
  | { cache: 'iotlb'; scope: 'global' }
  | { cache: 'iotlb'; scope: 'domain'; domain: number }
  | { cache: 'iotlb'; scope: 'page'; domain: number; range: PageRange; leavesOnly: boolean }
  | { cache: 'iotlb'; scope: 'pasid'; domain: number; pasid: number }
  | {
      cache: 'iotlb';
      scope: 'pasid-page';
      domain: number;
      pasid: number;
      range: PageRange;
      leavesOnly: boolean;
    }
  | {
      cache: 'device-tlb';
      scope: 'page';
      requester: RequesterId;
      range: PageRange;
      pasid: number | undefined;
    }
  | { cache: 'interrupt-entries'; scope: 'global' }
  | { cache: 'interrupt-entries'; scope: 'index'; index: number; mask: number };

/** Asks for a sign that everything before it has been done. */
export interface Wait {
  wait: true;
  status: { address: number; data: number } | undefined;
  interrupt: boolean;
}

/** Codes of the invalidation queue error record (10.4.23). */
export const QueueError = {
  tail: 1,
  fetch: 2,
  type: 3,
  reserved: 4,
  width: 5,
  tailAlignment: 6,
} as const;

/** One of `QueueError`. */
export type QueueErrorCode = (typeof QueueError)[keyof typeof QueueError];

/** What a descriptor asks for, or why it is none. */
export type Descriptor = Invalidation | Wait | { error: QueueErrorCode };

/** Whether a descriptor is a wait descriptor. */
export function isWait(descriptor: Descriptor): descriptor is Wait {
  return 'wait' in descriptor;
}

/** What a unit has to have for a type. */
type Need = 'scalableMode' | 'deviceTlbs' | 'interrupts';

interface DescriptorType {
  needs: readonly Need[];
  /** Bits that have to be 0 in its first four words; bits 11 to 9 of the first belong to the type. */
  reserved: readonly [number, number, number, number];
  /** Undefined: the granularity is none. */
  decode(words: Words): Invalidation | Wait | undefined;
}

const ALL = 0xffffffff;

/** Range by ADDR and AM of the second 64 bits. */
const rangeOf = (words: Words): PageRange => ({
  address: pageAddress(words, 2),
  mask: field(words[2], 0, 6),
});
/** IH. */
const leavesOnly = (words: Words): boolean => isSet(words[2], 6);
const granularity = (words: Words): number => field(words[0], 4, 2);
const domainOf = (words: Words): number => field(words[0], 16, 16);
const pasidOf = (words: Words): number => field(words[1], 0, 20);

/** A device's range is told by its size bit and the lowest clear bit of the address above it (PCI Express, ATS 10.2.3.2). */
function deviceRange(words: Words, sizeBit: number): PageRange {
  const address = pageAddress(words, 2) + (words[3] >>> 20) * 2 ** 52;
  if (!isSet(words[2], sizeBit)) return { address, mask: 0 };
  let mask = 1;
  while (mask < 52 && Math.floor(address / 2 ** (11 + mask)) % 2 === 1) mask += 1;
  return { address, mask };
}

/** Granularity of PASID cache and PASID-based IOTLB invalidation. */
const PasidGranularity = { domain: 0, pasid: 1, allOfPasid: 2, pageOrGlobal: 3 } as const;

const TYPES: Readonly<Record<number, DescriptorType>> = {
  1: {
    needs: [],
    reserved: [0xf1c0, 0xfffc0000, ALL, ALL],
    decode(words) {
      const domain = domainOf(words);
      const requester = field(words[1], 0, 16);
      const functionMask = field(words[1], 16, 2);
      return contextInvalidation(granularity(words), domain, requester, functionMask);
    },
  },
  2: {
    needs: [],
    reserved: [0xf100, ALL, 0xf80, 0],
    decode: (words) =>
      iotlbInvalidation(granularity(words), domainOf(words), rangeOf(words), leavesOnly(words)),
  },
  3: {
    needs: ['deviceTlbs'],
    reserved: [0xffe001f0, 0x000f0000, 0xffe, 0],
    decode: (words) => ({
      cache: 'device-tlb',
      scope: 'page',
      requester: field(words[1], 0, 16),
      range: deviceRange(words, 0),
      pasid: undefined,
    }),
  },
  4: {
    needs: ['interrupts'],
    reserved: [0x07fff1e0, 0xffff0000, ALL, ALL],
    decode: (words) =>
      isSet(words[0], 4)
        ? {
            cache: 'interrupt-entries',
            scope: 'index',
            index: field(words[1], 0, 16),
            mask: field(words[0], 27, 5),
          }
        : { cache: 'interrupt-entries', scope: 'global' },
  },
  5: {
    needs: [],
    reserved: [0xfffff100, 0, 3, 0],
    decode: (words) => ({
      wait: true,
      status: isSet(words[0], 5) ? { address: addressIn(words[2], words[3], 2), data: words[1] } : undefined,
      interrupt: isSet(words[0], 4),
    }),
  },
  6: {
    needs: ['scalableMode'],
    reserved: [0xf1c0, 0xfff00000, 0xf80, 0],
    decode(words) {
      const of = { cache: 'iotlb', domain: domainOf(words), pasid: pasidOf(words) } as const;
      if (granularity(words) === PasidGranularity.allOfPasid) return { ...of, scope: 'pasid' };
      if (granularity(words) !== PasidGranularity.pageOrGlobal) return undefined;
      return { ...of, scope: 'pasid-page', range: rangeOf(words), leavesOnly: leavesOnly(words) };
    },
  },
  7: {
    needs: ['scalableMode'],
    reserved: [0xf1c0, 0xfff00000, ALL, ALL],
    decode(words) {
      const domain = domainOf(words);
      switch (granularity(words)) {
        case PasidGranularity.domain:
          return { cache: 'pasid', scope: 'domain', domain };
        case PasidGranularity.pasid:
          return { cache: 'pasid', scope: 'pasid', domain, pasid: pasidOf(words) };
        case PasidGranularity.pageOrGlobal:
          return { cache: 'pasid', scope: 'global' };
        default:
          return undefined;
      }
    },
  },
  8: {
    needs: ['scalableMode', 'deviceTlbs'],
    reserved: [0, 0, 0x7fe, 0],
    decode: (words) => ({
      cache: 'device-tlb',
      scope: 'page',
      requester: field(words[0], 16, 16),
      range: deviceRange(words, 11),
      // G: whatever the PASID.
      pasid: isSet(words[2], 0) ? undefined : pasidOf(words),
    }),
  },
};

/**
 * Decodes one descriptor.
 * @param words 4 of them, or 8 where descriptors have 256 bits
 * @param interrupts whether interrupts are remapped
 */
export function decodeDescriptor(words: Words, options: RemappingOptions, interrupts: boolean): Descriptor {
  const type = TYPES[field(words[0], 0, 4) + field(words[0], 9, 3) * 16] as DescriptorType | undefined;
  const has = { scalableMode: options.scalableMode, deviceTlbs: options.deviceTlbs, interrupts };
  if (!type?.needs.every((need) => has[need])) return { error: QueueError.type };
  // Bits 11 to 9 are known to be 0: they belong to the type.
  const nonZero = words.some((word, at) => (word & (type.reserved[at] ?? ALL)) !== 0);
  if (nonZero) return { error: QueueError.reserved };
  const descriptor = type.decode(words);
  if (!descriptor) return { error: QueueError.reserved };
  const tooLarge = 'range' in descriptor && descriptor.scope === 'page' && descriptor.cache === 'iotlb';
  return tooLarge && descriptor.range.mask > MOST_ADDRESS_MASK ? { error: QueueError.reserved } : descriptor;
}

/** An invalidation of the context cache, by a granularity. */
export function contextInvalidation(
  granularity: number,
  domain: number,
  requester: RequesterId,
  functionMask: number,
): Invalidation | undefined {
  switch (granularity) {
    case Granularity.global:
      return { cache: 'context', scope: 'global' };
    case Granularity.domain:
      return { cache: 'context', scope: 'domain', domain };
    case Granularity.selective:
      return { cache: 'context', scope: 'device', domain, requester, functionMask };
    default:
      return undefined;
  }
}

/** An invalidation of the IOTLB, by a granularity. */
export function iotlbInvalidation(
  granularity: number,
  domain: number,
  range: PageRange,
  leavesOnly: boolean,
): Invalidation | undefined {
  switch (granularity) {
    case Granularity.global:
      return { cache: 'iotlb', scope: 'global' };
    case Granularity.domain:
      return { cache: 'iotlb', scope: 'domain', domain };
    case Granularity.selective:
      return { cache: 'iotlb', scope: 'page', domain, range, leavesOnly };
    default:
      return undefined;
  }
}
