/** How a walk reads tables in memory: it puts down what it reads, and counts. */
import { bytesOf, wordsOf, type Words } from './words';
import type { TableKind, WalkReference } from './observer';

/** Host-physical memory as the unit reaches it; `HostMemory` is one. */
export interface TableMemory {
  /** A copy of the bytes; undefined where there is no memory. */
  read(address: number, length: number): Uint8Array | undefined;
  /** As `read`, for a reader outside the machine, of whom nobody is told. Absent: `read` tells nobody. */
  look?(address: number, length: number): Uint8Array | undefined;
  /** False, and nothing is written, where there is no memory. */
  write(address: number, bytes: Uint8Array): boolean;
}

/** What is in memory, for a reader outside the machine. */
export function lookAt(memory: TableMemory, address: number, length: number): Uint8Array | undefined {
  return memory.look ? memory.look(address, length) : memory.read(address, length);
}

/** The word of an entry that has its accessed and dirty bits. */
const WORD_BYTES = 4;

/** The reads and updates of one walk. */
export class TableReader {
  readonly references: WalkReference[] = [];
  structureHits = 0;
  updates = 0;
  /** Lower words of entries as a walk that updates would have left them, by address: it may come to an entry twice. */
  private readonly marked = new Map<number, number>();

  /** @param updating false: accessed and dirty bits are left as they are, and nobody is told of what is read */
  constructor(
    private readonly memory: TableMemory,
    readonly updating: boolean,
  ) {}

  /** An entry; undefined where there is no memory. */
  read(what: TableKind, level: number, address: number, length: number): Words | undefined {
    const bytes = this.updating ? this.memory.read(address, length) : lookAt(this.memory, address, length);
    const words = bytes && wordsOf(bytes);
    const marked = this.marked.get(address);
    if (words && marked !== undefined) words[0] = marked;
    this.references.push({ what, level, address, words: words ?? new Uint32Array(0) });
    return words;
  }

  /**
   * Sets accessed and dirty bits in the lower word of an entry, as one step: an entry that software has changed meanwhile is left
   * as it is (3.6.2).
   */
  setBits(address: number, before: number, after: number): void {
    const now = this.updating
      ? this.memory.read(address, WORD_BYTES)
      : lookAt(this.memory, address, WORD_BYTES);
    const word = now && wordsOf(now)[0];
    if (word === undefined || ((word | after) ^ after) !== 0 || ((word & before) ^ before) !== 0) return;
    if (!this.updating) {
      this.marked.set(address, after >>> 0);
      return;
    }
    this.updates += 1;
    this.memory.write(address, bytesOf([after]));
  }

  /** A cached entry has spared the levels above it. */
  spared(): void {
    this.structureHits += 1;
  }

  /** References to paging entries. */
  get pageReferences(): number {
    return this.references.filter(({ what }) => what === 'first' || what === 'second').length;
  }
}
