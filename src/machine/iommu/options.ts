/** What a remapping unit is built with: what it can do, how large its caches are, and what its work costs. */
import type { Cycles } from '../time/event-queue';

/** Size of a cache: `sets` is a power of two; entries in all are `sets * ways`. 0 ways: there is none. */
export interface CacheShape {
  sets: number;
  ways: number;
}

/** Cycles of the host for the unit's work. */
export interface RemappingCosts {
  /** A look into the IOTLB, which every page of an access takes. */
  lookup: Cycles;
  /** One read or update of an entry in memory. */
  reference: Cycles;
  /** A command in a register: invalidation of context cache or IOTLB. */
  command: Cycles;
  /** One descriptor of the invalidation queue. */
  descriptor: Cycles;
  /** From a device's invalidation to its completion. */
  deviceInvalidation: Cycles;
  /** Until a device that does not answer is given up. */
  deviceTimeout: Cycles;
}

/** What there is to choose. */
export interface RemappingOptions {
  /** MGAW: bits of a device's address, 39 to 52. Beyond 52 a device has no exact address (`RequesterId`'s DMA has numbers). */
  addressWidth: number;
  /** Bits of a host-physical address, 39 to 52; what an entry has above them is reserved. */
  hostAddressWidth: number;
  /** Pages of the second stage beside those of 4 KiB. */
  largePages: { twoMegabytes: boolean; oneGigabyte: boolean };
  /**
   * CAP.CM: software is asked to invalidate also what becomes present. The unit itself keeps no entry that is not present,
   * which the specification leaves to it (6.1): who shadows its tables needs the invalidations, the unit does not.
   */
  cachingMode: boolean;
  /** ECAP.SMTS and what belongs to it: PASIDs of 20 bits, first stage, nesting, wide descriptors. */
  scalableMode: boolean;
  /** First-stage tables of five levels. */
  firstStageFiveLevels: boolean;
  /** ECAP.SLADS: accessed and dirty bits of second-stage entries, where the PASID-table entry asks for them. */
  secondStageAccessedDirty: boolean;
  /** ECAP.DT: requests of devices that have a TLB of their own (ATS). */
  deviceTlbs: boolean;
  /** ECAP.SC: second-stage leaf entries may ask for snooping. */
  snoopControl: boolean;
  /** ECAP.PT. */
  passThrough: boolean;
  /** Fault recording registers, 1 to 64. */
  faultRecords: number;
  iotlb: CacheShape;
  contextCache: CacheShape;
  pasidCache: CacheShape;
  /** Entries that lead to tables of the next level, of all levels together. */
  pagingStructures: CacheShape;
  costs: RemappingCosts;
}

/** A unit of a server of about 2017, without what came later; costs are the caller's, who has the sources of figures. */
export const SERVER_UNIT: Omit<RemappingOptions, 'costs'> = {
  addressWidth: 48,
  hostAddressWidth: 46,
  largePages: { twoMegabytes: true, oneGigabyte: true },
  cachingMode: false,
  scalableMode: false,
  firstStageFiveLevels: false,
  secondStageAccessedDirty: false,
  deviceTlbs: false,
  snoopControl: true,
  passThrough: true,
  faultRecords: 8,
  iotlb: { sets: 16, ways: 4 },
  contextCache: { sets: 16, ways: 4 },
  pasidCache: { sets: 16, ways: 4 },
  pagingStructures: { sets: 8, ways: 4 },
};

const WIDTHS = { least: 39, most: 52 };
const MOST_RECORDS = 64;

/** @throws RangeError when an option is out of its range */
export function checkOptions(options: RemappingOptions): void {
  const within = (name: string, value: number, least: number, most: number): void => {
    if (!Number.isInteger(value) || value < least || value > most)
      throw new RangeError(
        `remapping unit: ${name} is ${value}: give a whole number from ${least} to ${most}`,
      );
  };
  within('addressWidth', options.addressWidth, WIDTHS.least, WIDTHS.most);
  within('hostAddressWidth', options.hostAddressWidth, WIDTHS.least, WIDTHS.most);
  within('faultRecords', options.faultRecords, 1, MOST_RECORDS);
  for (const name of ['iotlb', 'contextCache', 'pasidCache', 'pagingStructures'] as const) {
    const { sets, ways } = options[name];
    within(`${name}.ways`, ways, 0, 2 ** 16);
    if (!Number.isInteger(Math.log2(sets)))
      throw new RangeError(`remapping unit: ${name}.sets is ${sets}: give a power of two`);
  }
}
