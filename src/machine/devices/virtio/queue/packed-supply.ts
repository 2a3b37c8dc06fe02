/** How the ring of the packed format is read (2.8): descriptors from the next position on; whether they are available, their flags say. */
import {
  addElement,
  beginWalk,
  DescriptorFlag,
  enterTable,
  type ChainWalk,
  type Descriptor,
} from './chain-walk';
import type { QueueCore } from './core';
import { QueueFault } from './faults';
import type { PackedRing } from './packed-ring';
import type { Returns, Taken } from './returns';
import { advanced, distance } from './ring-format';
import { DESCRIPTOR_BYTES } from './setup';
import { Supply, type SupplyHardware } from './supply';

/** Descriptors that are read at once: 64 bytes, a line of a cache; as many as the driver says there are, up to the other number. */
const DESCRIPTORS = 4;
const MOST_DESCRIPTORS = 16;
const NO_HINT = -1;
/** Of a descriptor's fields, the one that makes it available (2.8.6). */
const FLAGS = { at: 14, bytes: 2 } as const;

/** The supply of a packed queue. */
export class PackedSupply extends Supply {
  /** The position that the driver has told with its last notification: the first that it has not made available. */
  private hint = NO_HINT;

  constructor(
    core: QueueCore,
    private readonly ring: PackedRing,
    returns: Returns,
  ) {
    super(core, ring, returns);
  }

  /** It decides how much is read at once, nothing else. */
  override hinted(offset: number): void {
    this.hint = this.ring.positionOf(offset) ?? NO_HINT;
  }

  protected override search(): void {
    this.look();
  }

  protected override look(): void {
    const { size, descriptors } = this.core.setup.layout;
    this.first = this.next % size;
    const bytes = this.ringWindow(this.first) * DESCRIPTOR_BYTES;
    this.read('look', descriptors + this.first * DESCRIPTOR_BYTES, bytes);
  }

  /** Once the first descriptor is available, the rest of its list has been written (2.8.17). */
  protected override looked(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const { flags } = this.ring.descriptor(view, 0);
    if (!this.ring.isAvailable(flags, this.next)) {
      const address = this.core.setup.layout.descriptors + this.first * DESCRIPTOR_BYTES + FLAGS.at;
      return this.nothing({ address, seen: bytes.slice(FLAGS.at, FLAGS.at + FLAGS.bytes) });
    }
    this.disable();
    this.walk = beginWalk(this.first, 0, 0);
    this.follow(bytes);
  }

  /** There is no available ring. */
  protected override entriesRead(): void {}

  protected override takeDescriptor(walk: ChainWalk, descriptor: Descriptor): QueueFault | undefined {
    const { size } = this.core.setup.layout;
    return walk.table ? takeOfTable(walk, descriptor, size) : this.takeOfRing(walk, descriptor);
  }

  protected override ringWindow(index: number): number {
    const { hint, next, ring } = this;
    const said = hint === NO_HINT ? 0 : distance(ring, next, hint);
    const count = said > 0 && said <= MOST_DESCRIPTORS ? said : DESCRIPTORS;
    return Math.min(count, this.core.setup.layout.size - index);
  }

  protected override advance({ slots }: ChainWalk): void {
    this.next = advanced(this.ring, this.next, slots);
  }

  protected override rewind(taken: readonly Taken[]): void {
    const slots = taken.reduce((sum, each) => sum + each.slots, 0);
    this.next = advanced(this.ring, this.next, -slots);
  }

  protected override saveFormat(): Pick<SupplyHardware, 'seen' | 'heads' | 'hint'> {
    return { seen: 0, heads: [], hint: this.hint };
  }

  protected override loadFormat({ hint }: SupplyHardware): void {
    this.hint = hint;
  }

  private takeOfRing(walk: ChainWalk, descriptor: Descriptor): QueueFault | undefined {
    const { core, ring, returns, next } = this;
    const { setup } = core;
    const { size } = setup.layout;
    const { flags, link } = descriptor;
    if (!ring.isAvailable(flags, advanced(ring, next, walk.slots))) return QueueFault.PARTIAL_LIST;
    walk.slots += 1;
    if (distance(ring, returns.shownTo, next) + walk.slots > size) return QueueFault.RING_OVERRUN;
    walk.id = link;
    if ((flags & DescriptorFlag.INDIRECT) !== 0) {
      return walk.slots > 1 ? QueueFault.INDIRECT_LINKED : enterTable(walk, descriptor, setup);
    }
    const fault = addElement(walk, descriptor, size);
    if (fault !== undefined) return fault;
    if ((flags & DescriptorFlag.NEXT) === 0) walk.complete = true;
    else walk.index = (walk.index + 1) % size;
    return undefined;
  }
}

/** Of a table's descriptors only WRITE counts among the flags (2.8.7); they follow each other up to its end. */
function takeOfTable(walk: ChainWalk, descriptor: Descriptor, size: number): QueueFault | undefined {
  walk.index += 1;
  walk.complete = walk.index === walk.table?.entries;
  return addElement(walk, descriptor, size);
}
