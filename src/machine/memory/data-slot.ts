/** Memory of the host that no core owns: data of the VMM, tables of an IOMMU, descriptors. */
import type { Stateful } from '../bus';
import { SnapshotError, requireVersion } from '../snapshot';
import { DirtyLogs, PAGE_SIZE, type DirtyLog } from './dirty-log';
import type { MemorySlot } from './host-memory';

/** Snapshot of a `DataSlot`. */
export interface DataSlotState {
  version: 1;
  bytes: Uint8Array;
}

/** Plain bytes, zero at first. */
export class DataSlot implements MemorySlot, Stateful<DataSlotState> {
  private readonly bytes: Uint8Array;
  private readonly logs: DirtyLogs;

  /** @param size bytes; whole pages, or `HostMemory.map` refuses it */
  constructor(readonly size: number) {
    this.bytes = new Uint8Array(size);
    // Every write comes by here: there are no dirty bits to harvest.
    this.logs = new DirtyLogs(Math.ceil(size / PAGE_SIZE), () => undefined);
  }

  /** A log of the pages written from now on, for one reader. */
  openDirtyLog(): DirtyLog {
    return this.logs.openLog();
  }

  read(offset: number, length: number): Uint8Array {
    return this.bytes.slice(offset, offset + length);
  }

  /** @throws RangeError outside the slot */
  write(offset: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset);
    if (bytes.length === 0) return;
    const last = Math.floor((offset + bytes.length - 1) / PAGE_SIZE);
    for (let page = Math.floor(offset / PAGE_SIZE); page <= last; page++) this.logs.mark(page);
  }

  /**
   * The bytes from an offset on as words in the order of the machine that this runs on, which is little-endian: registers that stand in
   * memory. What is written by them is in no dirty log.
   * @param offset a multiple of 4, as the length is
   */
  words(offset: number, length: number): Uint32Array {
    return new Uint32Array(this.bytes.buffer, this.bytes.byteOffset + offset, length >> 2);
  }

  save(): DataSlotState {
    return { version: 1, bytes: this.bytes.slice() };
  }

  load({ version, bytes }: DataSlotState): void {
    requireVersion('a memory slot', version, 1);
    if (bytes.length !== this.size) {
      throw new SnapshotError(
        `the snapshot has a memory slot of ${bytes.length} bytes where this machine has ${this.size}: load one of the same scenario`,
      );
    }
    this.bytes.set(bytes);
  }
}
