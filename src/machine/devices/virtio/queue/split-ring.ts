/** The split format (2.7): a descriptor table, a ring of available heads and a ring of used ones. */
import { addressAt, type Descriptor } from './chain-walk';
import { joined, wordAt, words, type RingFormat, type UsedEntry } from './ring-format';
import type { QueueSetup } from './setup';
import type { MemoryRange, MemoryWrite } from './transactions';

/** Indices count modulo this. */
const INDICES = 0x10000;
/** Offsets in the available ring and the used ring (2.7.6, 2.7.8). */
const FLAGS = 0;
const INDEX = 2;
const RING = 4;
const AVAILABLE_ENTRY = 2;
const USED_ENTRY = 8;
const NO_INTERRUPT = 1;
const NO_NOTIFY = 1;

/** The split rings of one queue. */
export class SplitRing implements RingFormat {
  readonly modulus = INDICES;
  readonly disable: MemoryWrite | undefined;
  readonly driverWish: MemoryRange;
  /** Where the driver's index is. */
  readonly availableIndex: MemoryRange;

  constructor(private readonly setup: QueueSetup) {
    const { layout, eventIdx } = setup;
    const usedEvent = RING + AVAILABLE_ENTRY * layout.size;
    this.disable = eventIdx ? undefined : { address: layout.device + FLAGS, bytes: words(NO_NOTIFY) };
    this.driverWish = { address: layout.driver + (eventIdx ? usedEvent : FLAGS), length: 2 };
    this.availableIndex = { address: layout.driver + INDEX, length: 2 };
  }

  /** Entries of the available ring, which do not go beyond its end. */
  availableEntries(position: number, count: number): MemoryRange {
    const { driver, size } = this.setup.layout;
    return { address: driver + RING + AVAILABLE_ENTRY * (position % size), length: AVAILABLE_ENTRY * count };
  }

  /** `avail_event`, or the flags as a whole (2.7.10). */
  enable(position: number): MemoryWrite {
    const { layout, eventIdx } = this.setup;
    const availEvent = RING + USED_ENTRY * layout.size;
    return eventIdx
      ? { address: layout.device + availEvent, bytes: words(position) }
      : { address: layout.device + FLAGS, bytes: words(0) };
  }

  /** The index last: it shows them. */
  used(entries: readonly UsedEntry[], end: number): MemoryWrite[] {
    const { device, size } = this.setup.layout;
    const elements = entries.map(({ position, id, written }) => ({
      address: device + RING + USED_ENTRY * (position % size),
      bytes: words(id, 0, written, written >>> 16),
    }));
    return [...joined(elements), { address: device + INDEX, bytes: words(end) }];
  }

  /** `used_event` (2.7.7.2), or the flags. */
  wants(bytes: Uint8Array, from: number, count: number): boolean {
    const word = wordAt(bytes, 0);
    if (!this.setup.eventIdx) return (word & NO_INTERRUPT) === 0;
    return ((word - from) & (INDICES - 1)) < count;
  }

  descriptor(view: DataView, at: number): Descriptor {
    return {
      address: addressAt(view, at),
      length: view.getUint32(at + 8, true),
      flags: view.getUint16(at + 12, true),
      link: view.getUint16(at + 14, true),
    };
  }
}
