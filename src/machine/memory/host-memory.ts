/**
 * Host-physical memory: one space of addresses in which slots stand. Guest RAM, data of the VMM, an IOMMU's tables and
 * posted-interrupt descriptors are slots of it; what a bus master reads or writes is found here.
 */
import { PAGE_SIZE } from './dirty-log';

/** What can stand in host-physical memory. `GuestRam` is one, `DataSlot` another. */
export interface MemorySlot {
  /** Bytes; whole pages. */
  readonly size: number;
  /**
   * A copy of the bytes. The range lies in the slot.
   * @param by who reads, as the trace names it, for whoever watches the memory
   */
  read(offset: number, length: number, by?: string): Uint8Array;
  /** As `read`, for a reader outside the machine, of whom nobody is told. Absent: `read` tells nobody. */
  look?(offset: number, length: number): Uint8Array;
  write(offset: number, bytes: Uint8Array, by?: string): void;
}

/** A slot and where it stands. */
export interface PlacedSlot {
  readonly base: number;
  readonly slot: MemorySlot;
}

/** Widest physical address of x86-64 (SDM vol. 3, 4.1.4). */
const ADDRESS_LIMIT = 2 ** 52;

/** The space. Accesses may cross from slot to slot; one that touches a hole does nothing. */
export class HostMemory {
  /** Ascending by base, none overlapping another. */
  private readonly placed: PlacedSlot[] = [];

  /** The slots, ascending by address. */
  get slots(): readonly PlacedSlot[] {
    return this.placed;
  }

  /**
   * Puts a slot at an address.
   * @throws RangeError when the place is not whole pages, or another slot stands there
   */
  map(base: number, slot: MemorySlot): void {
    const { size } = slot;
    const whole = (value: number): boolean => Number.isSafeInteger(value) && value % PAGE_SIZE === 0;
    if (!whole(base) || !whole(size) || base < 0 || size <= 0 || base + size > ADDRESS_LIMIT) {
      throw new RangeError(
        `memory slot of ${size} bytes at ${hex(base)}: give whole pages of ${PAGE_SIZE} bytes below 2^52`,
      );
    }
    const index = this.indexAbove(base);
    const before = this.placed[index - 1];
    const after = this.placed[index];
    const other =
      before && base < endOf(before) ? before : after && after.base < base + size ? after : undefined;
    if (other) {
      throw new RangeError(
        `memory slot ${range(base, base + size)} overlaps the one at ${range(other.base, endOf(other))}: unmap that first, or take another address`,
      );
    }
    this.placed.splice(index, 0, { base, slot });
  }

  /**
   * Puts a slot behind all that are there.
   * @param alignment bytes; its address is a multiple
   * @returns where it stands
   * @throws RangeError as `map` does
   */
  append(slot: MemorySlot, alignment = 1): number {
    const last = this.placed[this.placed.length - 1];
    const base = last ? Math.ceil(endOf(last) / alignment) * alignment : 0;
    this.map(base, slot);
    return base;
  }

  /** Takes the slot that begins at an address away; false when none does. */
  unmap(base: number): boolean {
    const index = this.indexAbove(base) - 1;
    if (this.placed[index]?.base !== base) return false;
    this.placed.splice(index, 1);
    return true;
  }

  /** The slot that an address lies in; undefined in a hole. */
  slotAt(address: number): PlacedSlot | undefined {
    const found = this.placed[this.indexAbove(address) - 1];
    return found && address < endOf(found) ? found : undefined;
  }

  /** True when there is memory at every byte of the range. An empty range has none to lack, wherever it is. */
  contains(address: number, length: number): boolean {
    return this.slotOf(address, length) !== undefined || this.pieces(address, length) !== undefined;
  }

  /** A copy of the bytes; undefined when the range touches a hole. @param by see `MemorySlot` */
  read(address: number, length: number, by?: string): Uint8Array | undefined {
    const whole = this.slotOf(address, length);
    if (whole) return whole.slot.read(address - whole.base, length, by);
    const pieces = this.pieces(address, length);
    if (!pieces) return undefined;
    const bytes = new Uint8Array(length);
    for (const { slot, offset, at, size } of pieces) bytes.set(slot.read(offset, size, by), at);
    return bytes;
  }

  /** As `read`, for a reader outside the machine: nobody is told. */
  look(address: number, length: number): Uint8Array | undefined {
    const pieces = this.pieces(address, length);
    if (!pieces) return undefined;
    const bytes = new Uint8Array(length);
    for (const { slot, offset, at, size } of pieces)
      bytes.set(slot.look ? slot.look(offset, size) : slot.read(offset, size), at);
    return bytes;
  }

  /** False, and nothing is written, when the range touches a hole. @param by see `MemorySlot` */
  write(address: number, bytes: Uint8Array, by?: string): boolean {
    const whole = this.slotOf(address, bytes.length);
    if (whole) {
      whole.slot.write(address - whole.base, bytes, by);
      return true;
    }
    const pieces = this.pieces(address, bytes.length);
    if (!pieces) return false;
    for (const { slot, offset, at, size } of pieces) slot.write(offset, bytes.subarray(at, at + size), by);
    return true;
  }

  /** The slot that all of a range lies in, which is how nearly every access is. */
  private slotOf(address: number, length: number): PlacedSlot | undefined {
    const placed = this.slotAt(address);
    return placed && length >= 0 && address + length <= endOf(placed) ? placed : undefined;
  }

  /** The parts of slots that a range is made of, `at` counted from its beginning; undefined when it touches a hole. */
  private pieces(address: number, length: number): SlotPiece[] | undefined {
    if (!Number.isSafeInteger(address) || !Number.isSafeInteger(length) || length < 0) return undefined;
    const pieces: SlotPiece[] = [];
    let index = this.indexAbove(address) - 1;
    for (let at = 0; at < length; index++) {
      const placed = this.placed[index];
      if (!placed || address + at < placed.base || address + at >= endOf(placed)) return undefined;
      const offset = address + at - placed.base;
      const size = Math.min(length - at, placed.slot.size - offset);
      pieces.push({ slot: placed.slot, offset, at, size });
      at += size;
    }
    return pieces;
  }

  /** Index of the first slot whose base is above an address. */
  private indexAbove(address: number): number {
    let low = 0;
    let high = this.placed.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.placed[middle].base <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

interface SlotPiece {
  slot: MemorySlot;
  offset: number;
  at: number;
  size: number;
}

function endOf({ base, slot }: PlacedSlot): number {
  return base + slot.size;
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}

function range(base: number, end: number): string {
  return `${hex(base)} to ${hex(end - 1)}`;
}
