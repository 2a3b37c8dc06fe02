/** Extended capabilities that any function of PCI Express may have. */
import { ExtendedCapabilityId } from './config';
import type { PciFunction } from './function';

const VERSION = 1;
/** A capability register of 16 bits and a control register of 16 bits, behind the header of four bytes. */
const BODY_BYTES = 4;
const CONTROL_AT = 6;

/**
 * Adds alternative routing-ID interpretation (PCI Express Base Specification 6.0, 7.8.8), which a device with more than eight
 * functions has in each of them. No function comes after it, and there are no function groups.
 * @returns the offset of its header
 */
export function addAri(fn: PciFunction): number {
  const nothing = new Uint8Array(BODY_BYTES);
  return fn.addExtendedCapability(ExtendedCapabilityId.ari, VERSION, nothing, nothing);
}

/** Address translation services of a function as software has set them. */
export interface Ats {
  /** The function may ask for translations, and keep them. */
  readonly enabled: boolean;
  /** Bytes of the smallest translation, a power of two from 4096 (STU). */
  readonly smallestUnit: number;
}

/** 10.5.1.2 and 10.5.1.3. */
const AtsCapability = { most: 32, pageAligned: 1 << 5 } as const;
const AtsControl = { unit: 0x1f, enable: 0x8000 } as const;
const SMALLEST_UNIT = 4096;

/** What may differ from function to function. */
export interface AtsOptions {
  /** Invalidations that the function takes before it has answered the first of them: 1 to 32. */
  queueDepth: number;
  /** Of a virtual function: its physical function's, which says the smallest translation for both (9.3.7.8). */
  physical?: Ats;
}

/**
 * Adds address translation services (10.5.1). The function begins translations at pages.
 * @throws RangeError for a queue that cannot be told of
 */
export function addAts(fn: PciFunction, { queueDepth, physical }: AtsOptions): Ats {
  const { most, pageAligned } = AtsCapability;
  if (!Number.isInteger(queueDepth) || queueDepth < 1 || queueDepth > most)
    throw new RangeError(`ATS with a queue of ${queueDepth} invalidations: 1 to ${most} can be told of`);
  // 32 is told as 0.
  const values = [(queueDepth % most) | pageAligned, 0, 0, 0];
  const writable = [0, 0, physical ? 0 : AtsControl.unit, AtsControl.enable >> 8];
  const at = fn.addExtendedCapability(ExtendedCapabilityId.ats, VERSION, values, writable);
  const control = (): number => fn.read(at + CONTROL_AT, 2);
  return {
    get enabled() {
      return (control() & AtsControl.enable) !== 0;
    },
    get smallestUnit() {
      return physical?.smallestUnit ?? SMALLEST_UNIT * 2 ** (control() & AtsControl.unit);
    },
  };
}
