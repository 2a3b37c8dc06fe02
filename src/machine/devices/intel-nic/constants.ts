/** Numbers that Intel's Ethernet controllers have in common, from the 8254x to the 82599. */

/** Size of a descriptor of any kind. */
export const DESCRIPTOR = 16;
/** Bytes of the frame check sequence. */
export const FCS = 4;
/** Bytes that an 802.1Q tag adds, and where it stands in a frame (IEEE 802.1Q, 9.3). */
export const VLAN_TAG = { length: 4, offset: 12 } as const;

/** Why a packet was lost: argument `b` of `packet.drop`. A device may have more of its own. */
export const DropReason = {
  /** The packet buffer had no room for it. */
  BufferFull: 1,
  /** The address filters did not want it. */
  Filtered: 2,
  /** Shorter than 64 bytes with FCS. */
  Undersize: 3,
  /** Longer than software allows, or than the hardware can. */
  Oversize: 4,
  /** A DMA access was aborted. */
  DmaAbort: 5,
  /** The link is down. */
  LinkDown: 6,
  /** Receiver off. */
  Disabled: 7,
  /** Segmentation was asked for with a context that has no segment size or no header. */
  BadContext: 9,
  /** The host's queue before the device is full: the thread that serves it cannot keep up. */
  QueueFull: 10,
} as const;

/** The reasons in words, by number, for a trace's track. */
export const dropReasonNames: Readonly<Record<string, string>> = {
  [DropReason.BufferFull]: 'packet buffer full',
  [DropReason.Filtered]: 'not for this address',
  [DropReason.Undersize]: 'shorter than 64 bytes',
  [DropReason.Oversize]: 'too long',
  [DropReason.DmaAbort]: 'DMA aborted',
  [DropReason.LinkDown]: 'link down',
  [DropReason.Disabled]: 'receiver off',
  [DropReason.BadContext]: 'segmentation without a valid context',
  [DropReason.QueueFull]: "host's queue full",
};
