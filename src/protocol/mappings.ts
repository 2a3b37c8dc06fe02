/** What a domain of an IOMMU translates at a moment. */

/** A contiguous part of it. */
export interface Mapping {
  /** Address as the device has it. */
  iova: number;
  bytes: number;
  /** Of the VM's memory; absent where the mapping leads elsewhere. */
  guestPhysical?: number;
  hostPhysical: number;
  readable: boolean;
  writable: boolean;
  /** Row of the event that mapped it. */
  row: number;
}

/** All of it, or as much as is told at once. */
export interface DomainMappings {
  /** Mappings, and the bytes in them. */
  total: number;
  bytes: number;
  /** Ascending by `iova`; the first of them where there are too many. */
  mappings: Mapping[];
}
