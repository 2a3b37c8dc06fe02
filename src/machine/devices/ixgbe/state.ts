/** The device's state in its two kinds (see `Migratable`). Its functions' configuration belongs to the root complex's. */
import type { HardwareState, RunState } from '../../snapshot';
import type { DmaHardware, DmaRun } from '../intel-nic/dma';
import type { TimersHardware, TimersRun } from '../intel-nic/timers';
import type { InterruptsHardware } from './interrupts';
import type { ReceiverHardware, ReceiverRun } from './receive';
import type { TransmitterHardware, TransmitterRun } from './transmit';

/** What an 82599 has, but for what is its virtual functions' alone. */
export interface IxgbeHardware extends HardwareState {
  version: 1;
  /** Registers that are not zero: word index, value, word index, value, … */
  registers: Uint32Array;
  interrupts: InterruptsHardware;
  timers: TimersHardware;
  dma: DmaHardware;
  transmitter: TransmitterHardware;
  receiver: ReceiverHardware;
  mailboxes: Uint8Array;
  eerd: number;
}

/** What the run knows of it. */
export interface IxgbeRun extends RunState {
  timers: TimersRun;
  dma: DmaRun;
  transmitter: TransmitterRun;
  receiver: ReceiverRun;
}
