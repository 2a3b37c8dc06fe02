/** One descriptor ring as the registers describe it (3.2.6 and 3.4); nothing a guest writes there makes it misbehave. */
import { DESCRIPTOR, Reg } from './constants';
import type { E1000Core } from './core';

/** Offsets of a ring's registers. */
export interface RingRegisters {
  base: number;
  length: number;
  head: number;
  tail: number;
  /** RXDCTL or TXDCTL. */
  control: number;
}

/** The receiver's ring, and the transmitter's. */
export const RECEIVE_RING: RingRegisters = {
  base: Reg.RDBAL,
  length: Reg.RDLEN,
  head: Reg.RDH,
  tail: Reg.RDT,
  control: Reg.RXDCTL,
};
export const TRANSMIT_RING: RingRegisters = {
  base: Reg.TDBAL,
  length: Reg.TDLEN,
  head: Reg.TDH,
  tail: Reg.TDT,
  control: Reg.TXDCTL,
};

/** Where the three thresholds stand in RXDCTL and TXDCTL: six bits each (13.4.43, 13.4.46). */
const Threshold = { prefetch: 0, host: 8, writeBack: 16 } as const;
const THRESHOLD_MASK = 0x3f;
const GRANULARITY_DESCRIPTORS = 1 << 24;

/** One ring. */
export class Ring {
  constructor(
    private readonly core: E1000Core,
    private readonly registers: RingRegisters,
  ) {}

  /** Descriptors in the ring. */
  get size(): number {
    return Math.floor(this.core.get(this.registers.length) / DESCRIPTOR);
  }

  /** The head register. Software may have left it outside the ring: then the ring is taken round. */
  get head(): number {
    const { size } = this;
    return size === 0 ? 0 : this.core.get(this.registers.head) % size;
  }

  set head(index: number) {
    this.core.set(this.registers.head, index);
  }

  /** The tail register. Outside the ring the head never meets it. */
  get tail(): number {
    return this.core.get(this.registers.tail);
  }

  /** Bus address of a descriptor. */
  address(index: number): number {
    return this.core.address(this.registers.base) + index * DESCRIPTOR;
  }

  /** The index that follows, `by` descriptors further. */
  after(index: number, by = 1): number {
    return (index + by) % this.size;
  }

  /** Descriptors from an index to the tail: the whole ring when the tail is outside it. */
  upToTail(index: number): number {
    const { size, tail } = this;
    if (size === 0) return 0;
    return tail < size ? (tail - index + size) % size : size;
  }

  /** A threshold of the ring's control register, in descriptors. */
  threshold(which: keyof typeof Threshold): number {
    const control = this.core.get(this.registers.control);
    const value = (control >> Threshold[which]) & THRESHOLD_MASK;
    if ((control & GRANULARITY_DESCRIPTORS) !== 0) return value;
    return value * Math.max(1, Math.floor(this.core.pci.cacheLineBytes() / DESCRIPTOR));
  }
}
