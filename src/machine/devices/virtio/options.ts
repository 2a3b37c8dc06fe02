/** What may differ between devices of one type: who may drive them, and what they offer. */
import { Feature, commonFeatures, featureWords, type FeatureWords } from './features';

/**
 * Who may drive the device (1.3.1): `modern` has only the interface of this specification, `transitional` that and the legacy one,
 * `legacy` the legacy one alone, as a device on MMIO of version 1.
 */
export type Interfaces = 'modern' | 'transitional' | 'legacy';

/** Options of every virtio device. */
export interface VirtioOptions {
  readonly interfaces: Interfaces;
  /** Offers the packed ring format (2.8) beside the split one. */
  readonly packed: boolean;
  /** Offers suppression of notifications by index (2.7.10, 2.8.10). */
  readonly eventIdx: boolean;
  /** Offers indirect descriptors (2.7.5.3, 2.8.8). */
  readonly indirect: boolean;
  /** Offers to use buffers in the order in which they were made available (2.7.9, 2.8.13). */
  readonly inOrder: boolean;
  /** Offers to reset single queues (2.6.1). */
  readonly ringReset: boolean;
  /** Offers notifications that tell how far the driver has got (2.9). */
  readonly notificationData: boolean;
  /** Offers to have its addresses translated by the platform (section 6): a device behind an IOMMU. */
  readonly accessPlatform: boolean;
}

/** As QEMU has its devices, with the packed format beside. */
export const VIRTIO_DEFAULTS: VirtioOptions = {
  interfaces: 'modern',
  packed: true,
  eventIdx: true,
  indirect: true,
  inOrder: false,
  ringReset: true,
  notificationData: false,
  accessPlatform: false,
};

const { ANY_LAYOUT, INDIRECT_DESC, EVENT_IDX, VERSION_1, ACCESS_PLATFORM, RING_PACKED, IN_ORDER } = Feature;
const LEGACY_WORD: FeatureWords = [0xffffffff, 0];

/** What a device offers to a driver of this specification, and to a legacy one. */
export interface Offers {
  readonly modern: FeatureWords;
  readonly legacy: FeatureWords;
}

/** @param ofType feature bits of the device's type */
export function offersOf(options: VirtioOptions, ofType: readonly number[]): Offers {
  const both = [
    ...ofType,
    ...(options.indirect ? [INDIRECT_DESC] : []),
    ...(options.eventIdx ? [EVENT_IDX] : []),
  ];
  const modern = [
    VERSION_1,
    ...both,
    ...(options.packed ? [RING_PACKED] : []),
    ...(options.inOrder ? [IN_ORDER] : []),
    ...(options.ringReset ? [Feature.RING_RESET] : []),
    ...(options.notificationData ? [Feature.NOTIFICATION_DATA] : []),
    ...(options.accessPlatform ? [ACCESS_PLATFORM] : []),
  ];
  const { interfaces } = options;
  return {
    modern: featureWords(interfaces === 'legacy' ? [] : modern),
    // A legacy driver sees 32 bits (4.1.4.10).
    legacy: commonFeatures(featureWords(interfaces === 'modern' ? [] : [...both, ANY_LAYOUT]), LEGACY_WORD),
  };
}
