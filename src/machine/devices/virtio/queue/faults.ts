/** Why a virtqueue stands still: what the driver did that the specification forbids, or where a transaction of the queue ended. */
export const QueueFault = {
  /** The size is 0, beyond 2^15 or, of a split queue, no power of 2 (2.7, 2.8). */
  SIZE: 1,
  /** A part of the queue is not aligned (2.7, 2.8.10.1) or reaches beyond 2^53. */
  LAYOUT: 2,
  /** The available index has gone back, or is further ahead than the queue has room for (2.7.6). */
  AVAILABLE_INDEX: 3,
  /** An entry of the available ring is no index of the descriptor table. */
  HEAD: 4,
  /** `next` of a descriptor lies outside its table. */
  NEXT: 5,
  /** A chain has more descriptors than the queue: it may be a loop (2.7.5.3.1, 2.8.21). */
  CHAIN_LENGTH: 6,
  /** A chain has more than 2^32 bytes (2.7.5.2). */
  CHAIN_BYTES: 7,
  /** A device-readable descriptor follows a device-writable one (2.7.4.2, 2.8.17). */
  ELEMENT_ORDER: 8,
  /** A buffer or a table reaches beyond 2^53. */
  ADDRESS: 9,
  /** An indirect descriptor without VIRTIO_F_INDIRECT_DESC. */
  INDIRECT_NOT_NEGOTIATED: 10,
  /** An indirect descriptor in an indirect table (2.7.5.3.1). */
  INDIRECT_NESTED: 11,
  /** An indirect descriptor that goes on with NEXT (2.7.5.3.1), or of a packed queue one in a list linked by NEXT (2.8.19). */
  INDIRECT_LINKED: 12,
  /** An indirect table of no whole number of descriptors, or of none. */
  INDIRECT_LENGTH: 13,
  /** Packed: the first descriptor of a list is available and a later one is not (2.8.17). */
  PARTIAL_LIST: 14,
  /** Packed: descriptors were made available in the place of some that the device still has. */
  RING_OVERRUN: 15,
  /** A transaction on the rings or an indirect table was not done. */
  RING_ACCESS: 16,
  /** A transaction on a buffer was not done. */
  BUFFER_ACCESS: 17,
} as const;

/** One of the reasons. */
export type QueueFault = (typeof QueueFault)[keyof typeof QueueFault];
