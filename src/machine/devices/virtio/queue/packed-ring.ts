/** The packed format (2.8): one ring of descriptors, which both sides write. */
import { DescriptorFlag, addressAt, type Descriptor } from './chain-walk';
import { joined, wordAt, words, type RingFormat, type UsedEntry } from './ring-format';
import { DESCRIPTOR_BYTES, type QueueSetup } from './setup';
import type { MemoryRange, MemoryWrite } from './transactions';

/** Flags of an event suppression structure (2.8.14). */
const EventFlags = { ENABLE: 0, DISABLE: 1, DESC: 2 } as const;
const EVENT_FLAGS = 3;
const WRAP_BIT = 0x8000;
/** Bytes of the structure. */
const SUPPRESSION = 4;
/** Words of a used descriptor before its length: the address, which means nothing (2.8.6). */
const NO_ADDRESS = [0, 0, 0, 0] as const;

/** The packed ring of one queue. */
export class PackedRing implements RingFormat {
  readonly modulus: number;
  readonly disable: MemoryWrite | undefined;
  readonly driverWish: MemoryRange;

  constructor(private readonly setup: QueueSetup) {
    const { layout, eventIdx } = setup;
    this.modulus = 2 * layout.size;
    this.disable = eventIdx ? undefined : { address: layout.device, bytes: words(0, EventFlags.DISABLE) };
    this.driverWish = { address: layout.driver, length: SUPPRESSION };
  }

  /** Whether a descriptor with these flags is available at a position (2.8.1). */
  isAvailable(flags: number, position: number): boolean {
    const wrap = this.wrapAt(position);
    const available = (flags & DescriptorFlag.AVAIL) !== 0;
    const used = (flags & DescriptorFlag.USED) !== 0;
    return available === wrap && used !== wrap;
  }

  enable(position: number): MemoryWrite {
    const { layout, eventIdx } = this.setup;
    const event = (position % layout.size) | (this.wrapAt(position) ? WRAP_BIT : 0);
    const bytes = eventIdx ? words(event, EventFlags.DESC) : words(0, EventFlags.ENABLE);
    return { address: layout.device, bytes };
  }

  /** The first one last: the driver looks there, and sees all of them or none. */
  used(entries: readonly UsedEntry[]): MemoryWrite[] {
    const { descriptors, size } = this.setup.layout;
    const writes = entries.map(({ position, id, written }) => ({
      address: descriptors + DESCRIPTOR_BYTES * (position % size),
      bytes: words(...NO_ADDRESS, written, written >>> 16, id, this.usedFlags(position, written)),
    }));
    return joined(writes).reverse();
  }

  /** What is reserved (2.8.14) leaves the driver in want of a notification, rather than without one that it needs. */
  wants(bytes: Uint8Array, from: number, count: number): boolean {
    const flags = wordAt(bytes, 2) & EVENT_FLAGS;
    if (flags === EventFlags.DISABLE) return false;
    const position = this.positionOf(wordAt(bytes, 0));
    if (flags !== EventFlags.DESC || !this.setup.eventIdx || position === undefined) return true;
    return (position - from + this.modulus) % this.modulus < count;
  }

  /** The position that an offset in bits 14 to 0 and a wrap counter in bit 15 mean; undefined outside the ring. */
  positionOf(offsetAndWrap: number): number | undefined {
    const { size } = this.setup.layout;
    const offset = offsetAndWrap & (WRAP_BIT - 1);
    if (offset >= size) return undefined;
    return (offsetAndWrap & WRAP_BIT) !== 0 ? offset : offset + size;
  }

  descriptor(view: DataView, at: number): Descriptor {
    return {
      address: addressAt(view, at),
      length: view.getUint32(at + 8, true),
      flags: view.getUint16(at + 14, true),
      link: view.getUint16(at + 12, true),
    };
  }

  /** The ring wrap counter at a position: 1 in the first lap. */
  private wrapAt(position: number): boolean {
    return position < this.setup.layout.size;
  }

  private usedFlags(position: number, written: number): number {
    const lap = this.wrapAt(position) ? DescriptorFlag.AVAIL | DescriptorFlag.USED : 0;
    return lap | (written > 0 ? DescriptorFlag.WRITE : 0);
  }
}
