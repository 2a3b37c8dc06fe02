/**
 * The interrupt entry cache (VT-d specification 4.x, chapter 6): entries of the table by their interrupt index, whichever table
 * they are from.
 */
import type { RawIrte } from './irte';

/** Fully associative; the entry that was not used for the longest time makes room. */
export class InterruptEntryCache {
  /** In the order of their last use. */
  private readonly entries = new Map<number, RawIrte>();

  /** @param capacity entries; 0: it keeps none */
  constructor(private readonly capacity: number) {}

  /** An entry, which is then the last used; undefined: it is not there. */
  use(index: number): RawIrte | undefined {
    const raw = this.entries.get(index);
    if (raw) this.keep(index, raw);
    return raw;
  }

  /** Puts an entry in as the last used. */
  keep(index: number, raw: RawIrte): void {
    this.entries.delete(index);
    this.entries.set(index, raw);
    if (this.entries.size <= this.capacity) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      return;
    }
  }

  /** Drops all entries. */
  clear(): void {
    this.entries.clear();
  }

  /** Drops entries whose index is the given one but for its `mask` lowest bits (6.5.2.7). */
  drop(index: number, mask: number): void {
    const span = 2 ** mask;
    const first = Math.floor(index / span) * span;
    for (const each of [...this.entries.keys()]) {
      if (each >= first && each < first + span) this.entries.delete(each);
    }
  }

  save(): [index: number, raw: RawIrte][] {
    return [...this.entries];
  }

  load(entries: readonly (readonly [index: number, raw: RawIrte])[]): void {
    this.entries.clear();
    for (const [index, raw] of entries) this.keep(index, raw);
  }
}
