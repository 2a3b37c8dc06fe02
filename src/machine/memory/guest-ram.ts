/** RAM of a machine: a window on the vCPU core's linear memory, so that the core and the devices see the same bytes. */
import type { Stateful } from '../bus';
import { DirtyLogs, PAGE_SIZE as PAGE, type DirtyLog } from './dirty-log';
import type { MemorySlot } from './host-memory';
import type { PhysicalMemory } from './physical-memory';

/** What RAM needs of the core around it. */
export interface RamHooks {
  /** Bytes were written from outside the vCPUs: dirty flags and translated code follow. */
  noteStore(physical: number, length: number): void;
  /** Dirty flags were cleared: vCPUs must ask again before storing. */
  dirtyCleared(): void;
}

/** Somebody who watches what is read and written from outside the vCPUs. */
export interface RamWatch {
  /** @param access makes the access, and is called once */
  asked(address: number, length: number, write: boolean, by: string | undefined, access: () => void): void;
}

/** Version of `RamState`; a state of another version is refused. */
export const RAM_STATE_VERSION = 1;

/** Contents of RAM, or what has changed of them, by page. */
export interface RamState {
  version: number;
  /** Bytes of RAM. */
  size: number;
  /** True: pages not listed are all zeros. False: pages not listed are as in the state before. */
  whole: boolean;
  /** Page numbers, ascending. */
  pages: Uint32Array;
  /** 4096 bytes for each of `pages`. */
  bytes: Uint8Array;
}

/**
 * `PhysicalMemory` over a part of the core's memory, and a slot of the host's. The core and DMA set one dirty bit a page;
 * each reader's log takes its pages from there.
 */
export class GuestRam implements PhysicalMemory, MemorySlot, Stateful<RamState> {
  /** Absent: nobody watches. */
  watch: RamWatch | undefined;
  private readonly bytes: Uint8Array;
  /** The same, to look through quickly. */
  private readonly words: Uint32Array;
  /** By page, whether it has ever been written: all others are zeros, and need no look. */
  private readonly touched: Uint8Array;
  private readonly logs: DirtyLogs;
  /** The log of `saveChanges`. */
  private readonly changes: DirtyLog;

  /**
   * @param bytes RAM itself, from physical address 0; whole pages, at a multiple of 4 in their buffer
   * @param flags one byte a page; bit `dirtyBit` is set by whoever stores
   */
  constructor(
    bytes: Uint8Array,
    private readonly flags: Uint8Array,
    private readonly dirtyBit: number,
    private readonly hooks: RamHooks,
  ) {
    this.bytes = bytes;
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    this.touched = new Uint8Array(flags.length);
    this.logs = new DirtyLogs(flags.length, () => this.harvest((page) => this.logs.mark(page)));
    this.changes = this.logs.openLog();
  }

  get size(): number {
    return this.bytes.length;
  }

  contains(address: number, length: number): boolean {
    return address >= 0 && length >= 0 && address + length <= this.bytes.length;
  }

  read(address: number, length: number, by?: string): Uint8Array {
    this.check(address, length);
    this.watch?.asked(address, length, false, by, () => undefined);
    return this.bytes.slice(address, address + length);
  }

  look(address: number, length: number): Uint8Array {
    this.check(address, length);
    return this.bytes.slice(address, address + length);
  }

  write(address: number, bytes: Uint8Array, by?: string): void {
    this.check(address, bytes.length);
    if (this.watch) this.watch.asked(address, bytes.length, true, by, () => this.place(address, bytes));
    else this.place(address, bytes);
  }

  private place(address: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, address);
    this.hooks.noteStore(address, bytes.length);
  }

  /** A log of the pages written from now on, by vCPUs and by DMA, for one reader. */
  openDirtyLog(): DirtyLog {
    return this.logs.openLog();
  }

  /** Page numbers written since the last call (or since the start), ascending; forgets them. `saveChanges` reads the same log. */
  takeDirtyPages(): number[] {
    return this.changes.drain();
  }

  /** All of RAM. From here on `saveChanges` counts what changes; `takeDirtyPages` forgets with it. */
  save(): RamState {
    const pages: number[] = [];
    for (let page = 0; page < this.flags.length; page++) if (!this.isZero(page)) pages.push(page);
    this.takeDirtyPages();
    return this.collect(pages, true);
  }

  /** The pages written since the last `save`, `saveChanges` or `takeDirtyPages`. Load it on top of the state before. */
  saveChanges(): RamState {
    return this.collect(this.takeDirtyPages(), false);
  }

  /**
   * Puts a saved state in place; from here on `saveChanges` counts what changes. Pages that have the wanted contents are
   * left alone. The logs of other readers stay as they are: a restored run restores them too. Throws RangeError for a state
   * of another version, size or shape.
   */
  load(state: RamState): void {
    const { version, size, pages, bytes } = state;
    if (version !== RAM_STATE_VERSION || size !== this.size || bytes.length !== pages.length * PAGE) {
      throw new RangeError(
        `RAM state of version ${version}, ${size} bytes, ${pages.length} pages in ${bytes.length} bytes does not fit ${this.size} bytes of RAM: load a state that save() of the same machine gave`,
      );
    }
    // What was written up to now is dirty for the others; what is written from here on is not.
    this.takeDirtyPages();
    const kept = new Set(pages);
    for (let page = 0; state.whole && page < this.flags.length; page++) {
      if (!kept.has(page) && !this.isZero(page)) this.place(page * PAGE, new Uint8Array(PAGE));
    }
    pages.forEach((page, i) => {
      const wanted = bytes.subarray(i * PAGE, (i + 1) * PAGE);
      if (!this.equals(page, wanted)) this.place(page * PAGE, wanted);
    });
    this.harvest(() => undefined);
  }

  /** Takes the pages that are dirty out of the core's bits, ascending. */
  private harvest(each: (page: number) => void): void {
    let found = false;
    for (let page = 0; page < this.flags.length; page++) {
      if (!(this.flags[page] & this.dirtyBit)) continue;
      each(page);
      found = true;
      this.touched[page] = 1;
      this.flags[page] &= ~this.dirtyBit;
    }
    if (found) this.hooks.dirtyCleared();
  }

  private equals(page: number, wanted: Uint8Array): boolean {
    const start = page * PAGE;
    for (let at = 0; at < PAGE; at++) if (this.bytes[start + at] !== wanted[at]) return false;
    return true;
  }

  private isZero(page: number): boolean {
    const { words } = this;
    if (this.touched[page] === 0 && (this.flags[page] & this.dirtyBit) === 0) return true;
    const end = (page + 1) * (PAGE / 4);
    for (let at = page * (PAGE / 4); at < end; at++) if (words[at] !== 0) return false;
    return true;
  }

  private collect(pages: readonly number[], whole: boolean): RamState {
    const bytes = new Uint8Array(pages.length * PAGE);
    pages.forEach((page, i) => bytes.set(this.bytes.subarray(page * PAGE, (page + 1) * PAGE), i * PAGE));
    return { version: RAM_STATE_VERSION, size: this.size, whole, pages: Uint32Array.from(pages), bytes };
  }

  private check(address: number, length: number): void {
    if (this.contains(address, length)) return;
    throw new RangeError(
      `physical access of ${length} bytes at 0x${address.toString(16)} is outside the ${this.size / PAGE} pages of RAM: check with contains() first`,
    );
  }
}
