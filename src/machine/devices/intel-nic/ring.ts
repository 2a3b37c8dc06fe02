/** One descriptor ring as the registers describe it; nothing a guest writes there makes it misbehave. */
import { DESCRIPTOR } from './constants';
import type { RegisterFile } from './register-file';

/** Offsets of a ring's registers. */
export interface RingRegisters {
  base: number;
  length: number;
  head: number;
  tail: number;
}

/** Descriptors on the chip below which it fetches ahead, that the host has to have for that, and that are written back together. */
export type Threshold = 'prefetch' | 'host' | 'writeBack';

/** One ring. */
export class Ring {
  /** @param threshold one of the ring's thresholds, in descriptors */
  constructor(
    private readonly core: RegisterFile,
    private readonly registers: RingRegisters,
    readonly threshold: (which: Threshold) => number,
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
}
