/**
 * Registers of a local APIC as they stand in its page of 4 KiB: 32 bits at each multiple of 16 bytes (SDM vol. 3, 10.4.1). Software
 * reaches them there by the xAPIC's addresses; with AMD's AVIC the page is memory, which an IOMMU and other processors write to.
 */

/** Words of the page. */
export const APIC_PAGE_WORDS = 1024;
/** From one register to the next, in words. */
const STRIDE = 4;

/** Place of a register among the words of its page. @param offset in bytes */
export function wordOf(offset: number): number {
  return offset >> 2;
}

/** Registers of one kind, one behind the other. */
export class RegisterBank {
  private readonly first: number;

  /**
   * @param page words of the whole page
   * @param offset of the first register, in bytes
   */
  constructor(
    private readonly page: Uint32Array,
    offset: number,
    readonly count: number,
  ) {
    this.first = wordOf(offset);
  }

  get(index: number): number {
    return this.page[this.first + index * STRIDE];
  }

  set(index: number, value: number): void {
    this.page[this.first + index * STRIDE] = value;
  }

  fill(value: number): void {
    for (let index = 0; index < this.count; index++) this.set(index, value);
  }

  /** A copy of the values. */
  values(): number[] {
    return Array.from({ length: this.count }, (_, index) => this.get(index));
  }

  load(values: ArrayLike<number>): void {
    for (let index = 0; index < this.count; index++) this.set(index, values[index]);
  }
}

/** 256 bits, one for each vector: IRR, ISR or TMR. */
export class VectorBank extends RegisterBank {
  constructor(page: Uint32Array, offset: number) {
    super(page, offset, 8);
  }

  has(vector: number): boolean {
    return (this.get(vector >> 5) & (1 << (vector & 31))) !== 0;
  }

  add(vector: number): void {
    this.set(vector >> 5, this.get(vector >> 5) | (1 << (vector & 31)));
  }

  remove(vector: number): void {
    this.set(vector >> 5, this.get(vector >> 5) & ~(1 << (vector & 31)));
  }

  /** The highest vector that is set; -1 for none. */
  highest(): number {
    for (let index = 7; index >= 0; index--) {
      const word = this.get(index);
      if (word !== 0) return index * 32 + 31 - Math.clz32(word);
    }
    return -1;
  }
}
