/** Time as the parts of a unit ask for it. */
import type { DeviceBus } from '../bus';

/** A part of what a device's bus gives: events come back with their kind. */
export type UnitClock = Pick<DeviceBus, 'now' | 'schedule' | 'cancel'>;
