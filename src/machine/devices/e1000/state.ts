/** The device's state in its two kinds (see `Migratable`). Its PCI function's belongs to the root complex's. */
import type { HardwareState, RunState } from '../../snapshot';
import type { DmaHardware, DmaRun } from '../intel-nic/dma';
import type { TimersHardware, TimersRun } from '../intel-nic/timers';
import type { EepromState } from './eeprom';
import type { InterruptsHardware } from './interrupts';
import type { PhyState } from './phy';
import type { ReceiverHardware, ReceiverRun } from './receive';
import type { TransmitterHardware, TransmitterRun } from './transmit';

/** What an 82540EM has: registers, rings, the packet buffer, descriptors on the chip, transfers under way, what remains of timers. */
export interface E1000Hardware extends HardwareState {
  version: 3;
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
export interface E1000Run extends RunState {
  timers: TimersRun;
  dma: DmaRun;
  transmitter: TransmitterRun;
  receiver: ReceiverRun;
}
