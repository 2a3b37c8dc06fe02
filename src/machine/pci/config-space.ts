/**
 * The bytes of one function's configuration space: what software may change of them, and the two lists of capabilities (PCI
 * Local Bus Specification 3.0, 6.7; PCI Express Base Specification, 7.6). What a byte means is its owner's business.
 */
import type { AccessSize } from '../bus';
import { CONFIG_BYTES, Config, FIRST_CAPABILITY, FIRST_EXTENDED_CAPABILITY, Status } from './config';

/** Called before software reads somewhere within a capability, whose bytes may still be changed by `poke`. */
export type CapabilityReading = (offset: number, size: AccessSize) => void;

/** Called after software has written somewhere within a capability, with what it wrote. */
export type CapabilityWritten = (offset: number, size: AccessSize, value: number) => void;

const ALL_ONES: Record<AccessSize, number> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };
const EXTENDED_HEADER_BYTES = 4;
const aligned = (at: number): number => (at + 3) & ~3;

/** Configuration space without the meaning of its header. Accesses of software never throw. */
export class ConfigSpace {
  private readonly bytes = new Uint8Array(CONFIG_BYTES.extended);
  private readonly powerOn = new Uint8Array(CONFIG_BYTES.extended);
  private readonly writable = new Uint8Array(CONFIG_BYTES.extended);
  private readonly clearedByOne = new Uint8Array(CONFIG_BYTES.extended);
  private readonly hooks: { first: number; end: number; written: CapabilityWritten }[] = [];
  private readonly readers: { first: number; end: number; reading: CapabilityReading }[] = [];
  private capabilityEnd = FIRST_CAPABILITY;
  private lastCapability = 0;
  private extendedEnd = FIRST_EXTENDED_CAPABILITY;
  private lastExtended = 0;
  /** The function has the extended space of PCI Express; a conventional one does not answer there. */
  extended = false;

  /** Reads as software does; ones beyond what the function has. */
  read(offset: number, size: AccessSize): number {
    if (offset + size > this.size) return ALL_ONES[size];
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.bytes[offset + i];
    return value;
  }

  /** Writes as software does: read-only bits stay, write-one-to-clear bits clear. */
  write(offset: number, size: AccessSize, value: number): void {
    if (offset + size > this.size) return;
    for (let i = 0; i < size; i++) {
      const at = offset + i;
      const byte = (value >>> (8 * i)) & 0xff;
      const mask = this.writable[at];
      const kept = this.bytes[at] & ~mask & ~(byte & this.clearedByOne[at]);
      this.bytes[at] = kept | (byte & mask);
    }
  }

  /** Tells the capabilities that a write concerned. */
  notify(offset: number, size: AccessSize, value: number): void {
    for (const hook of this.hooks) {
      if (offset < hook.end && offset + size > hook.first) hook.written(offset, size, value);
    }
  }

  /** Has `reading` called before each read by software from `first` to `end`. */
  onReading(first: number, end: number, reading: CapabilityReading): void {
    this.readers.push({ first, end, reading });
  }

  /** Tells those that a read concerns. */
  announce(offset: number, size: AccessSize): void {
    for (const reader of this.readers) {
      if (offset < reader.end && offset + size > reader.first) reader.reading(offset, size);
    }
  }

  /** Changes a byte as the function's own logic does: also bits that software cannot. */
  poke(offset: number, byte: number): void {
    this.bytes[offset] = byte;
  }

  /** Lays out what the function has after a reset. */
  define(offset: number, values: ArrayLike<number>): void {
    this.bytes.set(values, offset);
    this.powerOn.set(values, offset);
  }

  /** Which bits software may change, and which it clears by writing ones. */
  allow(offset: number, writable: ArrayLike<number>, clearedByOne: ArrayLike<number> = []): void {
    this.writable.set(writable, offset);
    this.clearedByOne.set(clearedByOne, offset);
  }

  /** Has somebody told of each write that touches these bytes. */
  watch(offset: number, length: number, written: CapabilityWritten): void {
    this.hooks.push({ first: offset, end: offset + length, written });
  }

  /**
   * Appends a capability and links it into the list. `body` follows the two bytes of identifier and next pointer; `writable`
   * has the same length.
   * @returns the offset of the identifier byte
   * @throws RangeError when there is no room
   */
  addCapability(
    id: number,
    body: ArrayLike<number>,
    writable: ArrayLike<number>,
    written?: CapabilityWritten,
  ): number {
    const at = this.capabilityEnd;
    const end = at + 2 + body.length;
    if (end > CONFIG_BYTES.conventional) {
      throw new RangeError(`capability 0x${id.toString(16)} does not fit into configuration space`);
    }
    this.define(at, [id, 0]);
    this.define(at + 2, body);
    this.allow(at + 2, writable);
    this.define(this.lastCapability === 0 ? Config.CapabilitiesPointer : this.lastCapability + 1, [at]);
    this.define(Config.Status, [this.powerOn[Config.Status] | Status.CapabilitiesList]);
    this.lastCapability = at;
    this.capabilityEnd = aligned(end);
    if (written) this.hooks.push({ first: at, end, written });
    return at;
  }

  /**
   * Appends an extended capability (PCI Express Base Specification, 7.6.3). `body` follows the four bytes of its header;
   * `writable` has the same length.
   * @returns the offset of the header
   * @throws RangeError when there is no room
   */
  addExtendedCapability(
    id: number,
    version: number,
    body: ArrayLike<number>,
    writable: ArrayLike<number>,
    written?: CapabilityWritten,
  ): number {
    const at = this.extendedEnd;
    const end = at + EXTENDED_HEADER_BYTES + body.length;
    if (end > CONFIG_BYTES.extended) {
      throw new RangeError(`extended capability 0x${id.toString(16)} does not fit into configuration space`);
    }
    this.extended = true;
    this.define(at, [id & 0xff, id >> 8, version & 0xf, 0]);
    this.define(at + EXTENDED_HEADER_BYTES, body);
    this.allow(at + EXTENDED_HEADER_BYTES, writable);
    const last = this.lastExtended;
    // The pointer to the next one is in bits 31 to 20 of the header.
    if (last !== 0) this.define(last + 2, [(this.powerOn[last + 2] & 0xf) | ((at & 0xf) << 4), at >> 4]);
    this.lastExtended = at;
    this.extendedEnd = aligned(end);
    if (written) this.hooks.push({ first: at, end, written });
    return at;
  }

  /** Everything as after power-on. */
  reset(): void {
    this.bytes.set(this.powerOn);
  }

  save(): Uint8Array {
    return this.bytes.slice(0, this.size);
  }

  load(bytes: Uint8Array): void {
    this.bytes.set(bytes);
  }

  private get size(): number {
    return this.extended ? CONFIG_BYTES.extended : CONFIG_BYTES.conventional;
  }
}
