/** How the available ring of the split format is read (2.7.6): the index, then several heads at once, then each buffer's descriptors. */
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
import type { Returns, Taken } from './returns';
import { advanced, distance, wordAt } from './ring-format';
import type { SplitRing } from './split-ring';
import { Supply, type SupplyHardware } from './supply';

/** Heads read at once, and descriptors: 64 bytes, a line of a cache. */
const MOST_HEADS = 16;
const MOST_DESCRIPTORS = 4;

/** The supply of a split queue. */
export class SplitSupply extends Supply {
  /** The driver's index when it was last looked. */
  private seen = 0;
  /** Heads that were read, from `next` on. */
  private heads: number[] = [];

  constructor(
    core: QueueCore,
    private readonly ring: SplitRing,
    returns: Returns,
  ) {
    super(core, ring, returns);
  }

  /** The index has to be read anyway. */
  override hinted(): void {}

  protected override search(): void {
    const { size } = this.core.setup.layout;
    const { heads, next } = this;
    const known = distance(this.ring, next, this.seen);
    if (heads.length > 0) this.beginAt(heads[0]);
    else if (known === 0) this.look();
    else {
      const { address, length } = this.ring.availableEntries(
        next,
        Math.min(known, MOST_HEADS, size - (next % size)),
      );
      this.read('entries', address, length);
    }
  }

  protected override look(): void {
    const { address, length } = this.ring.availableIndex;
    this.read('look', address, length);
  }

  protected override looked(bytes: Uint8Array): void {
    const { core, ring, returns, next } = this;
    const index = wordAt(bytes, 0);
    const outstanding = distance(ring, returns.shownTo, index);
    const taken = distance(ring, returns.shownTo, next);
    if (outstanding < taken || outstanding > core.setup.layout.size) {
      return core.fail(QueueFault.AVAILABLE_INDEX);
    }
    this.seen = index;
    if (index === next) return this.nothing({ address: ring.availableIndex.address, seen: bytes });
    this.disable();
    this.search();
  }

  protected override entriesRead(bytes: Uint8Array): void {
    this.heads = Array.from({ length: bytes.length / 2 }, (_, i) => wordAt(bytes, 2 * i));
    this.search();
  }

  protected override takeDescriptor(walk: ChainWalk, descriptor: Descriptor): QueueFault | undefined {
    const { setup } = this.core;
    const { flags, link } = descriptor;
    if ((flags & DescriptorFlag.INDIRECT) !== 0) return enterTable(walk, descriptor, setup);
    const fault = addElement(walk, descriptor, setup.layout.size);
    if (fault !== undefined) return fault;
    if ((flags & DescriptorFlag.NEXT) === 0) walk.complete = true;
    else if (link >= (walk.table?.entries ?? setup.layout.size)) return QueueFault.NEXT;
    else walk.index = link;
    return undefined;
  }

  protected override ringWindow(index: number): number {
    return Math.min(MOST_DESCRIPTORS, this.core.setup.layout.size - index);
  }

  protected override advance(): void {
    this.next = advanced(this.ring, this.next, 1);
    this.heads.shift();
  }

  protected override rewind(taken: readonly Taken[]): void {
    this.next = advanced(this.ring, this.next, -taken.length);
    this.heads.unshift(...taken.map(({ id }) => id));
  }

  protected override saveFormat(): Pick<SupplyHardware, 'seen' | 'heads' | 'hint'> {
    return { seen: this.seen, heads: [...this.heads], hint: -1 };
  }

  protected override loadFormat({ seen, heads }: SupplyHardware): void {
    this.seen = seen;
    this.heads = [...heads];
  }

  private beginAt(head: number): void {
    if (head >= this.core.setup.layout.size) return this.core.fail(QueueFault.HEAD);
    this.walk = beginWalk(head, head, 1);
    this.readDescriptors();
  }
}
