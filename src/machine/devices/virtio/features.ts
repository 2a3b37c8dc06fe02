/** Feature bits that belong to no device type (section 6 of the specification), and sets of feature bits. */

/** Bits of the queues, the transport and the negotiation itself. */
export const Feature = {
  /** Legacy: the device interrupts when it runs out of buffers, whatever the driver asked for (6.3). */
  NOTIFY_ON_EMPTY: 24,
  /** Legacy: buffers may be laid out in any way (6.3). */
  ANY_LAYOUT: 27,
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  VERSION_1: 32,
  ACCESS_PLATFORM: 33,
  RING_PACKED: 34,
  IN_ORDER: 35,
  ORDER_PLATFORM: 36,
  SR_IOV: 37,
  NOTIFICATION_DATA: 38,
  NOTIF_CONFIG_DATA: 39,
  RING_RESET: 40,
  ADMIN_VQ: 41,
} as const;

/** Words of 32 bits that a set has: no bit beyond 63 is defined for what this device offers. */
export const FEATURE_WORDS = 2;

/** A set of feature bits as the registers have it: word 0 has bits 0 to 31. */
export type FeatureWords = readonly number[];

/**
 * The set with these bits.
 * @throws RangeError for a bit that the registers have no place for
 */
export function featureWords(bits: Iterable<number>): FeatureWords {
  const words = Array.from({ length: FEATURE_WORDS }, () => 0);
  for (const bit of bits) {
    const word = bit >> 5;
    if (bit < 0 || word >= FEATURE_WORDS)
      throw new RangeError(`feature bit ${bit}: only 0 to 63 have a place`);
    words[word] = (words[word] | (1 << (bit & 31))) >>> 0;
  }
  return words;
}

/** Whether a bit is in the set. */
export function hasFeature(words: FeatureWords, bit: number): boolean {
  return (((words[bit >> 5] ?? 0) >>> (bit & 31)) & 1) !== 0;
}

/** What is in both sets. */
export function commonFeatures(a: FeatureWords, b: FeatureWords): FeatureWords {
  return a.map((word, index) => (word & b[index]) >>> 0);
}

/** Whether everything in one set is in the other too. */
export function isSubset(part: FeatureWords, whole: FeatureWords): boolean {
  return part.every((word, index) => (word & ~whole[index]) === 0);
}
