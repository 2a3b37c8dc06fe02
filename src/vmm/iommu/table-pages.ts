/** Where the host's kernel keeps the tables of its IOMMU: pages of host memory that are handed out one by one and never come back. */
import type { Stateful } from '../../machine/bus';
import type { HostMemory } from '../../machine/memory/host-memory';
import { requireVersion, SnapshotError } from '../../machine/snapshot';

/** Bytes of a table. */
export const TABLE_BYTES = 4096;
const HALF = 2 ** 32;

/** Snapshot of `TablePages`. */
export interface TablePagesState {
  version: 1;
  taken: number;
}

/** The pages; their contents are the memory's. */
export class TablePages implements Stateful<TablePagesState> {
  private taken = 0;

  /** @param base host-physical address of the first of `count` pages, zero as yet */
  constructor(
    private readonly memory: HostMemory,
    private readonly base: number,
    private readonly count: number,
  ) {}

  /**
   * Host-physical address of pages that nobody has had yet, one behind the other; all zero.
   * @returns undefined when there are not so many left
   */
  take(pages = 1): number | undefined {
    if (this.taken + pages > this.count) return undefined;
    const address = this.base + this.taken * TABLE_BYTES;
    this.taken += pages;
    return address;
  }

  /** A field of 64 bits, exact below 2^53. */
  read(address: number): number {
    const bytes = this.memory.read(address, 8);
    if (!bytes) return 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return view.getUint32(4, true) * HALF + view.getUint32(0, true);
  }

  /** Writes 32-bit words, from an address upward. */
  write(address: number, ...words: number[]): void {
    const bytes = new Uint8Array(4 * words.length);
    const view = new DataView(bytes.buffer);
    words.forEach((word, index) => view.setUint32(4 * index, word >>> 0, true));
    this.memory.write(address, bytes);
  }

  /** Writes a field of 64 bits, below 2^53. */
  writeField(address: number, value: number): void {
    this.write(address, value % HALF, Math.floor(value / HALF));
  }

  save(): TablePagesState {
    return { version: 1, taken: this.taken };
  }

  load({ version, taken }: TablePagesState): void {
    requireVersion('tables of the IOMMU', version, 1);
    if (taken > this.count)
      throw new SnapshotError('the snapshot has more tables of the IOMMU than this host has room for');
    this.taken = taken;
  }
}
