/** What stands between a device's addresses and host-physical memory: an IOMMU, or nothing. */
import type { DmaFault, RequesterId } from '../bus';
import type { Cycles } from '../time/event-queue';

/** A contiguous part of host-physical memory. */
export interface DmaPiece {
  address: number;
  length: number;
}

/** Where an access goes, or why it goes nowhere; and how long it took to find that out. */
export type DmaTranslated =
  { pieces: readonly DmaPiece[]; cycles: Cycles } | { fault: DmaFault; cycles: Cycles };

/** Translates the addresses of bus masters. */
export interface DmaTranslation {
  /**
   * An access as a whole: it is done in full or not at all.
   * @param iova address as the device has it
   * @param length bytes
   * @param write whether memory is to be written
   */
  translate(requester: RequesterId, iova: number, length: number, write: boolean): DmaTranslated;
}

/** No IOMMU: a device's addresses are host-physical ones. */
export const identityTranslation: DmaTranslation = {
  translate: (_requester, iova, length) => ({ pieces: [{ address: iova, length }], cycles: 0 }),
};
