/** The device status field (2.1) and the order in which a driver sets its bits (3.1.1). */

/** Bits of the device status. */
export const Status = {
  ACKNOWLEDGE: 1,
  DRIVER: 2,
  DRIVER_OK: 4,
  FEATURES_OK: 8,
  /** Set by the device. */
  DEVICE_NEEDS_RESET: 64,
  FAILED: 128,
} as const;

/** One step of the initialization: the bit that tells of it, and the one that has to be set before. */
interface Step {
  readonly bit: number;
  readonly after: number;
  /** Out of turn it is the driver's offence, and is taken all the same: nothing in the device depends on what it comes after. */
  readonly takenOutOfTurn?: true;
  /** The device takes it only with features that it can work with. */
  readonly negotiates?: true;
}

/**
 * Steps of a driver of this specification. Drivers are about that begin again with DRIVER after a reset (U-Boot 2023.01 for one),
 * and no device that they meet refuses it.
 */
export const MODERN_STEPS: readonly Step[] = [
  { bit: Status.FAILED, after: 0 },
  { bit: Status.ACKNOWLEDGE, after: 0 },
  { bit: Status.DRIVER, after: Status.ACKNOWLEDGE, takenOutOfTurn: true },
  { bit: Status.FEATURES_OK, after: Status.DRIVER, negotiates: true },
  { bit: Status.DRIVER_OK, after: Status.FEATURES_OK },
];

/**
 * Steps of a legacy driver, which is known to leave steps out (3.1.2). FEATURES_OK is none of them: a driver of both versions that
 * sets it all the same reads it back, as from QEMU's devices, and it means nothing.
 */
export const LEGACY_STEPS: readonly Step[] = [
  { bit: Status.FAILED, after: 0 },
  { bit: Status.ACKNOWLEDGE, after: 0 },
  { bit: Status.DRIVER, after: 0 },
  { bit: Status.FEATURES_OK, after: 0 },
  { bit: Status.DRIVER_OK, after: 0 },
];

/** How a device takes a write to one of its registers. */
export type Outcome =
  | 'done'
  /** It means nothing now. */
  | 'ignored'
  /** The specification forbids it to the driver; the device does what it can with it. */
  | 'misused';
