/** Who makes memory reachable for devices of the host: the driver of its IOMMU, or nobody where there is none. */
import type { RequesterId } from '../../machine/bus';

/** The host's side of DMA (iommu_map and iommu_unmap of Linux), of one function at a time. */
export interface DmaMapper {
  /**
   * From now on the function reaches host-physical memory at addresses of its own.
   * @param iova first address that the function has, of whole pages
   * @param address host-physical
   * @param length bytes
   */
  map(requester: RequesterId, iova: number, address: number, length: number): void;
  /** What was mapped so is not reachable any more. */
  unmap(requester: RequesterId, iova: number, length: number): void;
}

/** Without an IOMMU functions reach all of memory at its own addresses, and nothing changes that. */
export const NOTHING_TO_MAP: DmaMapper = { map: () => undefined, unmap: () => undefined };
