/** What a driver of a kind of device does beside any access to any register: it is nearly right, and not always. */
import type { Guest } from '../guest';

/** Plain functions: whatever they remember is in the driver itself, and the board below them may change. */
export interface HostileDriver {
  /** Sets the device up as a driver would, so that it has queues to work on. */
  establish(): void;
  /** Whether the device is still such that it would work. */
  ready(): boolean;
  /** Gives it something to do. */
  step(): void;
}

export type MakeDriver = (guest: Guest) => HostileDriver;
