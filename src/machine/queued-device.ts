/** Devices whose queues somebody else may work on than who serves their registers. */
import type { BusDevice, RegisterBlock } from './bus';

/** A register by which the driver tells a device of a queue that there is work in it. */
export interface Doorbell {
  /** The block of registers that it is in, and where it is there. */
  readonly block: RegisterBlock;
  readonly offset: number;
  /** Its width. */
  readonly bytes: 2 | 4;
  readonly queue: number;
  /** The queues share it: the write concerns the queue whose index is written. */
  readonly shared: boolean;
}

/** What somebody else can do than who serves a device's registers: the work on its queues. */
export interface QueuedDevice {
  readonly dataPlane: BusDevice;
  readonly doorbells: readonly Doorbell[];
  /**
   * The driver may be offered to tell more by a write there than that there is work. Whoever listens to doorbells by eventfds
   * loses that: only the device itself may serve them.
   */
  readonly doorbellsHaveData: boolean;
  /** Does what a write to the doorbell of a queue asks for. */
  kicked(queue: number): void;
}
