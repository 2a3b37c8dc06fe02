/** Status and features as driver and device agree on them (2.1, 2.2, 3.1). */
import { Feature, commonFeatures, hasFeature, isSubset } from './features';
import type { Offers } from './options';
import { LEGACY_STEPS, MODERN_STEPS, Status, type Outcome } from './status';

/** What the hardware has of it. */
export interface NegotiationHardware {
  status: number;
  legacy: boolean;
  /** Features that the driver has written. */
  words: number[];
}

const DRIVER_BITS = 0xff & ~Status.DEVICE_NEEDS_RESET;
const WORD = 32;

/** The state of one device's negotiation. */
export class Negotiation {
  status = 0;
  /** Whoever drives the device has used the legacy interface since the reset. */
  legacy = false;
  private words = [0, 0];

  /** @param typeAccepts whether the device's type can work with a set of features */
  constructor(
    readonly offers: Offers,
    private readonly typeAccepts: (has: (feature: number) => boolean) => boolean,
  ) {}

  /** Word of the features that the driver has written. */
  written(word: number): number {
    return this.words[word] ?? 0;
  }

  /** The driver accepts features: before FEATURES_OK alone (3.1.1). */
  accept(word: number, value: number): Outcome {
    if (word >= this.words.length) return value === 0 ? 'done' : 'ignored';
    if ((this.status & Status.FEATURES_OK) !== 0) return 'misused';
    this.words[word] = value;
    return 'done';
  }

  /** A legacy driver accepts features of the first word; of the others it accepts none (4.1.4.10). */
  acceptLegacy(value: number): Outcome {
    this.legacy = true;
    this.words = [...commonFeatures([value, 0], this.offers.legacy)];
    return 'done';
  }

  /** Whether a feature has been negotiated. A legacy driver's are as it wrote them: it knows no FEATURES_OK. */
  has(feature: number): boolean {
    return (this.legacy || (this.status & Status.FEATURES_OK) !== 0) && hasFeature(this.words, feature);
  }

  /** The driver sets bits of the status; none is cleared but by a reset (2.1.1). */
  advance(bits: number): Outcome {
    return this.take(bits, MODERN_STEPS);
  }

  advanceLegacy(bits: number): Outcome {
    this.legacy = true;
    return this.take(bits, LEGACY_STEPS);
  }

  needsReset(): void {
    this.status |= Status.DEVICE_NEEDS_RESET;
  }

  /** A reset begins: the driver's features mean nothing any more, while the status still shows what it was. */
  forget(): void {
    this.legacy = false;
    this.words = [0, 0];
  }

  /** The reset is done. */
  reset(): void {
    this.status = 0;
  }

  save(): NegotiationHardware {
    return { status: this.status, legacy: this.legacy, words: [...this.words] };
  }

  load({ status, legacy, words }: NegotiationHardware): void {
    this.status = status;
    this.legacy = legacy;
    this.words = [...words];
  }

  private take(bits: number, steps: typeof MODERN_STEPS): Outcome {
    const before = this.status;
    const cleared = before & DRIVER_BITS & ~bits;
    let allInTurn = true;
    for (const { bit, after, takenOutOfTurn, negotiates } of steps) {
      if ((bits & ~this.status & bit) === 0) continue;
      const inTurn = (this.status & after) === after;
      if (!inTurn && takenOutOfTurn !== true) continue;
      if (negotiates && !this.acceptable) continue;
      this.status |= bit;
      allInTurn &&= inTurn;
    }
    const refused = bits & DRIVER_BITS & ~this.status;
    // Features that the device refuses are no offence: the driver reads back whether they were taken (3.1.1).
    const onlyFeatures = refused === Status.FEATURES_OK && (this.status & Status.DRIVER) !== 0;
    if (!allInTurn || cleared !== 0 || (refused !== 0 && !onlyFeatures)) return 'misused';
    // A driver of this specification accepts VERSION_1 (6.1): it is told, and the device works with it all the same.
    const agreed = !this.legacy && (this.status & ~before & Status.FEATURES_OK) !== 0;
    if (agreed && !this.has(Feature.VERSION_1)) return 'misused';
    return refused === 0 ? 'done' : 'ignored';
  }

  /**
   * Whether the device can work with what the driver has written (2.2.2). It may refuse to without VERSION_1 (6.2). QEMU's devices
   * do not, and drivers rely on it: that of xv6 accepts features of the first word alone.
   */
  private get acceptable(): boolean {
    const { words, offers } = this;
    const has = (feature: number): boolean => hasFeature(words, feature);
    if (!isSubset(words, offers.modern)) return false;
    // Without it only what a legacy driver could have accepted makes sense.
    const legacyAlone = words.slice(Feature.VERSION_1 / WORD).every((word) => word === 0);
    if (!has(Feature.VERSION_1) && !legacyAlone) return false;
    return this.typeAccepts(has);
  }
}
