/**
 * The device's state in two parts that no assignment confuses. What the hardware has moves to another host in a migration and
 * goes on there; what the run has (handles of events, tags of transactions, rows of the trace) means something in its own run
 * only. Both together are a checkpoint.
 */
import type { DmaHardware, DmaRun } from './dma';
import type { EepromState } from './eeprom';
import type { InterruptsHardware } from './interrupts';
import type { PhyState } from './phy';
import type { ReceiverHardware, ReceiverRun } from './receive';
import type { TimersHardware, TimersRun } from './timers';
import type { TransmitterHardware, TransmitterRun } from './transmit';

/** What an 82540EM has: registers, rings, the packet buffer, descriptors on the chip, transfers under way, what remains of timers. */
export interface E1000Hardware {
  version: 1;
  /** Registers that are not zero: word index, value, word index, value, … */
  registers: Uint32Array;
  ioAddress: number;
  interrupts: InterruptsHardware;
  timers: TimersHardware;
  dma: DmaHardware;
  transmitter: TransmitterHardware;
  receiver: ReceiverHardware;
  eeprom: EepromState;
  phy: PhyState;
}

/** What the run knows of it. */
export interface E1000Run {
  version: 1;
  timers: TimersRun;
  dma: DmaRun;
  transmitter: TransmitterRun;
  receiver: ReceiverRun;
}

/** Snapshot of an `E1000`; its PCI function belongs to the PCI bus's snapshot. */
export interface E1000State {
  hardware: E1000Hardware;
  run: E1000Run;
}
