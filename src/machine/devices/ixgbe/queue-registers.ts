/** Where the registers of the 128 receive and 128 transmit queues stand (8.2.3.8 and 8.2.3.9). */
import type { RingRegisters } from '../intel-nic/ring';

/** Offsets in the stretch of registers that each queue has, and its bytes. */
export const QueueReg = {
  baseLow: 0x00,
  baseHigh: 0x04,
  length: 0x08,
  /** DCA_RXCTRL or DCA_TXCTRL. */
  dca: 0x0c,
  head: 0x10,
  /** Of receive queues. */
  srrctl: 0x14,
  tail: 0x18,
  control: 0x28,
  /** Of receive queues. */
  rscctl: 0x2c,
  /** TDWBAL and TDWBAH, of transmit queues. */
  headLow: 0x38,
  headHigh: 0x3c,
} as const;
export const QUEUE_STRIDE = 0x40;

const RECEIVE = { first: 0x1000, later: 0xd000, split: 64 } as const;
const TRANSMIT = 0x6000;

/** First register of a receive queue: those from 64 on are elsewhere. */
export function receiveBase(queue: number): number {
  const { first, later, split } = RECEIVE;
  return queue < split ? first + queue * QUEUE_STRIDE : later + (queue - split) * QUEUE_STRIDE;
}

export function transmitBase(queue: number): number {
  return TRANSMIT + queue * QUEUE_STRIDE;
}

/** Registers of the ring whose first register is at `base`. */
export function ringRegisters(base: number): RingRegisters {
  return {
    base: base + QueueReg.baseLow,
    length: base + QueueReg.length,
    head: base + QueueReg.head,
    tail: base + QueueReg.tail,
  };
}
