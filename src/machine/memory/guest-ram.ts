/** RAM of a machine: a window on the vCPU core's linear memory, so that the core and the devices see the same bytes. */
import type { PhysicalMemory } from './physical-memory';

const PAGE = 4096;

/** What RAM needs of the core around it. */
export interface RamHooks {
  /** Bytes were written from outside the vCPUs: dirty flags and translated code follow. */
  noteStore(physical: number, length: number): void;
  /** Dirty flags were cleared: vCPUs must ask again before storing. */
  dirtyCleared(): void;
}

/** `PhysicalMemory` over a part of the core's memory, with the dirty pages as snapshots and migration need them. */
export class GuestRam implements PhysicalMemory {
  private readonly bytes: Uint8Array;

  /**
   * @param bytes RAM itself, from physical address 0
   * @param flags one byte a page; bit `dirtyBit` is set by whoever stores
   */
  constructor(
    bytes: Uint8Array,
    private readonly flags: Uint8Array,
    private readonly dirtyBit: number,
    private readonly hooks: RamHooks,
  ) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.length;
  }

  contains(address: number, length: number): boolean {
    return address >= 0 && length >= 0 && address + length <= this.bytes.length;
  }

  read(address: number, length: number): Uint8Array {
    this.check(address, length);
    return this.bytes.slice(address, address + length);
  }

  write(address: number, bytes: Uint8Array): void {
    this.check(address, bytes.length);
    this.bytes.set(bytes, address);
    this.hooks.noteStore(address, bytes.length);
  }

  /** Page numbers written since the last call (or since the start), ascending; forgets them. */
  takeDirtyPages(): number[] {
    const pages: number[] = [];
    for (let page = 0; page < this.flags.length; page++) {
      if (!(this.flags[page] & this.dirtyBit)) continue;
      pages.push(page);
      this.flags[page] &= ~this.dirtyBit;
    }
    if (pages.length > 0) this.hooks.dirtyCleared();
    return pages;
  }

  private check(address: number, length: number): void {
    if (this.contains(address, length)) return;
    throw new RangeError(
      `physical access of ${length} bytes at 0x${address.toString(16)} is outside the ${this.size / PAGE} pages of RAM: check with contains() first`,
    );
  }
}
