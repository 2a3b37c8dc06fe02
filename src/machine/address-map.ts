/**
 * Who answers at an address: memory-mapped registers or I/O ports. Knows no cost and no trap; a platform asks it, and
 * puts whatever it needs to know about a region (the device's track, where it is emulated) into the region's tag.
 */
import { NO_CPU, type AccessSize, type Initiator, type RegisterBlock } from './bus';

/** One stretch of addresses with a block of registers behind it. Changed through its map only. */
export interface Region<T> {
  readonly base: number;
  /** Bytes, at least 1. */
  readonly size: number;
  /** False while a BAR does not decode: the region then answers nothing. */
  readonly enabled: boolean;
  readonly block: RegisterBlock;
  readonly tag: T;
}

type Placed<T> = { -readonly [K in keyof Region<T>]: Region<T>[K] };

/** Value of a read where nothing answers: all ones, as on a bus with pull-ups (PCI 3.0, 3.7.4.1, master abort). */
const ALL_ONES: Record<AccessSize, number> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

/**
 * Regions of one address space, found by address. Addresses are numbers up to 2^52; their low bits are taken with bit
 * operations, which look at the low 32 bits of any such number and are far cheaper than `%` above 2^31.
 */
export class AddressMap<T> {
  private all: Placed<T>[] = [];
  /** Regions that answer, by ascending base; they never overlap. */
  private active: Placed<T>[] = [];
  private last: Placed<T> | undefined;
  /** High half of the last 8-byte read. */
  resultHigh = 0;

  /** @param name of the address space, for errors: `MMIO`, `I/O ports`. */
  constructor(private readonly name: string) {}

  /** Adds a region. Throws RangeError when it overlaps an enabled one or does not fit. */
  add(base: number, size: number, block: RegisterBlock, tag: T, enabled = true): Region<T> {
    if (!fits(base, size))
      throw new RangeError(`${this.name}: no region of ${size} bytes can stand at ${base}`);
    const region: Placed<T> = { base, size, enabled, block, tag };
    const other = enabled ? overlapping(this.active, region) : undefined;
    if (other) {
      const at = `0x${base.toString(16)}+0x${size.toString(16)}`;
      throw new RangeError(`${this.name}: region ${at} overlaps the one at 0x${other.base.toString(16)}`);
    }
    this.all.push(region);
    this.settle();
    return region;
  }

  /**
   * Moves, enables or disables a region, as a guest does by its BARs. Where enabled regions overlap or one does not fit, the
   * one added first answers and the others are silent until the clash is over; false says that this one is silent.
   */
  place(region: Region<T>, base: number, enabled: boolean): boolean {
    const placed = this.all.find((each) => each === region);
    if (!placed) throw new Error(`${this.name}: the region does not belong to this map`);
    placed.base = base;
    placed.enabled = enabled;
    this.settle();
    return !enabled || this.active.includes(placed);
  }

  /** Takes a region out for good. */
  remove(region: Region<T>): void {
    this.all = this.all.filter((each) => each !== region);
    this.settle();
  }

  /** All regions, enabled or not, in the order of adding. */
  regions(): readonly Region<T>[] {
    return this.all;
  }

  /** The enabled region that an address lies in. */
  find(address: number): Region<T> | undefined {
    const last = this.last;
    if (last && address >= last.base && address - last.base < last.size) return last;
    let low = 0;
    let high = this.active.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.active[middle].base <= address) low = middle + 1;
      else high = middle;
    }
    const region = this.active[low - 1];
    if (!region || address - region.base >= region.size) return undefined;
    this.last = region;
    return region;
  }

  /**
   * Reads 1, 2, 4 or 8 bytes; returns the low 32 bits unsigned, the high ones are left in `resultHigh`. Eight bytes are two
   * reads of four, low half first; an access across a 4-byte boundary, or one that sticks out of a region, is done in
   * naturally aligned pieces. Where nothing answers, bits are ones.
   * @param initiator who accesses: a block may answer each CPU differently
   */
  read(address: number, size: number, initiator: Initiator = NO_CPU): number {
    if (size !== 8) {
      this.resultHigh = 0;
      return this.readUpTo4(address, size as AccessSize, initiator);
    }
    const low = this.readUpTo4(address, 4, initiator);
    this.resultHigh = this.readUpTo4(address + 4, 4, initiator);
    return low;
  }

  /** Writes 1, 2, 4 or 8 bytes, split as `read` does. Where nothing answers, nothing happens. */
  write(address: number, size: number, low: number, high = 0, initiator: Initiator = NO_CPU): void {
    this.writeUpTo4(address, size === 8 ? 4 : (size as AccessSize), low, initiator);
    if (size === 8) this.writeUpTo4(address + 4, 4, high, initiator);
  }

  /** As `read`, where `find` has given the region. Most accesses are one naturally aligned piece of it. */
  readFrom(region: Region<T>, address: number, size: number, initiator: Initiator): number {
    const offset = address - region.base;
    if (size > 4 || (address & (size - 1)) !== 0 || offset + size > region.size)
      return this.read(address, size, initiator);
    this.resultHigh = 0;
    const value = region.block.read(offset, size as AccessSize, initiator);
    return (size === 4 ? value : value & ALL_ONES[size as AccessSize]) >>> 0;
  }

  private readUpTo4(address: number, size: AccessSize, initiator: Initiator): number {
    if ((address & (size - 1)) === 0) return this.readPiece(address, size, initiator);
    let value = 0;
    let done = 0;
    while (done < size) {
      const piece = pieceSize(address + done, size - done);
      value += this.readPiece(address + done, piece, initiator) * 2 ** (8 * done);
      done += piece;
    }
    return value;
  }

  private writeUpTo4(address: number, size: AccessSize, value: number, initiator: Initiator): void {
    if ((address & (size - 1)) === 0) {
      this.writePiece(address, size, value, initiator);
      return;
    }
    let done = 0;
    while (done < size) {
      const piece = pieceSize(address + done, size - done);
      this.writePiece(address + done, piece, ((value >>> (8 * done)) & ALL_ONES[piece]) >>> 0, initiator);
      done += piece;
    }
  }

  private readPiece(address: number, size: AccessSize, initiator: Initiator): number {
    const region = this.find(address);
    if (region && address - region.base + size <= region.size) {
      return (region.block.read(address - region.base, size, initiator) & ALL_ONES[size]) >>> 0;
    }
    if (size === 1) return ALL_ONES[1];
    const half = (size / 2) as AccessSize;
    return (
      this.readPiece(address, half, initiator) +
      this.readPiece(address + half, half, initiator) * 2 ** (8 * half)
    );
  }

  private writePiece(address: number, size: AccessSize, value: number, initiator: Initiator): void {
    const region = this.find(address);
    if (region && address - region.base + size <= region.size) {
      region.block.write(address - region.base, size, (value & ALL_ONES[size]) >>> 0, initiator);
      return;
    }
    if (size === 1) return;
    const half = (size / 2) as AccessSize;
    this.writePiece(address, half, value, initiator);
    this.writePiece(address + half, half, value >>> (8 * half), initiator);
  }

  /** Who answers depends on where the regions stand alone, not on how they came there: a loaded snapshot finds the same. */
  private settle(): void {
    const active: Placed<T>[] = [];
    for (const region of this.all) {
      if (region.enabled && fits(region.base, region.size) && !overlapping(active, region))
        active.push(region);
    }
    this.active = active.sort((x, y) => x.base - y.base);
    this.last = undefined;
  }
}

function overlapping<T>(regions: readonly Placed<T>[], one: Region<T>): Placed<T> | undefined {
  return regions.find((each) => one.base < each.base + each.size && each.base < one.base + one.size);
}

function fits(base: number, size: number): boolean {
  return Number.isSafeInteger(base) && base >= 0 && size >= 1 && base + size <= 2 ** 52;
}

/** Largest naturally aligned piece of an access that stays within one 4-byte word. */
function pieceSize(address: number, left: number): AccessSize {
  if ((address & 3) === 0 && left >= 4) return 4;
  return (address & 1) === 0 && left >= 2 ? 2 : 1;
}
