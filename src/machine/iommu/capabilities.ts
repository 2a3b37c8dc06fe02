/** The capability registers (10.4.2 and 10.4.3 of the VT-d specification), from what a unit is built with. */
import { Reg, VERSION, type Register } from './layout';
import type { RemappingOptions } from './options';

/** 64K domains: 4 + 2 * 6 bits. */
const DOMAINS = 6;
/** Three, four and five levels: bits 1, 2 and 3 of SAGAW. */
const LEVELS = [
  { width: 39, bit: 1 },
  { width: 48, bit: 2 },
  { width: 57, bit: 3 },
];
/** Largest mask of a page-selective invalidation: 2^18 pages, 1 GiB. */
export const MOST_ADDRESS_MASK = 18;
/** Largest mask of an interrupt entry invalidation. */
const MOST_HANDLE_MASK = 15;
/** PSS: PASIDs of 20 bits. */
const PASID_BITS = 20;

/** What another unit adds to the registers: interrupt remapping. */
export interface InterruptCapabilities {
  /** ECAP.EIM: destinations of 32 bits. */
  extendedMode: boolean;
  /** CAP.PI: interrupts can be posted. */
  posting: boolean;
}

/** CAP and ECAP, two words each. @param interrupts undefined: interrupts are not remapped */
export function capabilityWords(
  options: RemappingOptions,
  interrupts: InterruptCapabilities | undefined,
): { capability: Uint32Array; extended: Uint32Array } {
  const { largePages, scalableMode } = options;
  const widths = LEVELS.reduce((sum, { bit }) => sum | (1 << bit), 0);
  const bit = (on: boolean, at: number): number => (on ? 2 ** at : 0);
  const capability = [
    DOMAINS +
      bit(true, 5) + // PLMR
      bit(true, 6) + // PHMR
      bit(options.cachingMode, 7) +
      widths * 2 ** 8 +
      (options.addressWidth - 1) * 2 ** 16 +
      bit(true, 22) + // ZLR
      ((Reg.FaultRecords / 16) & 0xff) * 2 ** 24,
    ((Reg.FaultRecords / 16) >> 8) +
      bit(largePages.twoMegabytes, 2) +
      bit(largePages.oneGigabyte, 3) +
      bit(true, 7) + // PSI
      (options.faultRecords - 1) * 2 ** 8 +
      MOST_ADDRESS_MASK * 2 ** 16 +
      bit(true, 22) + // DWD
      bit(true, 23) + // DRD
      bit(scalableMode && largePages.oneGigabyte, 24) + // FS1GP
      bit(interrupts?.posting ?? false, 27) +
      bit(scalableMode && options.firstStageFiveLevels, 28),
  ];
  const extended = [
    bit(true, 0) + // C
      bit(true, 1) + // QI
      bit(options.deviceTlbs, 2) +
      bit(interrupts !== undefined, 3) +
      bit(interrupts?.extendedMode ?? false, 4) +
      bit(options.passThrough, 6) +
      bit(options.snoopControl, 7) +
      (Reg.InvalidateAddress / 16) * 2 ** 8 +
      (interrupts ? MOST_HANDLE_MASK : 0) * 2 ** 20 +
      bit(scalableMode, 26), // NEST
    scalableMode
      ? (PASID_BITS - 1) * 2 ** 3 +
        bit(true, 8) + // PASID
        bit(true, 11) + // SMTS
        bit(options.secondStageAccessedDirty, 13) +
        bit(true, 14) + // SSTS
        bit(true, 15) + // FSTS
        bit(true, 16) + // SMPWC
        bit(true, 17) // RPS
      : 0,
  ];
  return { capability: Uint32Array.from(capability), extended: Uint32Array.from(extended) };
}

/** The registers that tell what the unit is. */
export function capabilityRegisters(
  options: RemappingOptions,
  interrupts: InterruptCapabilities | undefined,
): Register[] {
  const { capability, extended } = capabilityWords(options, interrupts);
  const constant = (offset: number, name: string, value: number): Register => ({
    offset,
    name,
    read: () => value,
  });
  return [
    constant(Reg.Version, 'VER', VERSION),
    constant(Reg.Capability, 'CAP', capability[0]),
    constant(Reg.Capability + 4, 'CAP_HI', capability[1]),
    constant(Reg.ExtendedCapability, 'ECAP', extended[0]),
    constant(Reg.ExtendedCapability + 4, 'ECAP_HI', extended[1]),
  ];
}
