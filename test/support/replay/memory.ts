/** Memory as it was at each time: what stores and DMA made of it, byte by byte, and so what a read may have found. */
import type { Range } from './guest';

/** Whose change it is that no CPU made. */
export const DMA = -1;
/** Before everything. */
const EVER = -Infinity;
/**
 * Of two CPUs' accesses to memory less than this many cycles apart either may come first, as with a processor's store
 * buffers (`Island`: a window of 1000 cycles, and an instruction). Towards DMA the order is exact.
 */
const WINDOW = 1_100;

/** A byte got a value at some time from `from` to `to`. */
interface Change {
  from: number;
  to: number;
  by: number;
  value: number;
}

/** Who reads, and between which times. */
export interface Look {
  from: number;
  to: number;
  by: number;
}

const apart = (one: number, other: number): number =>
  one === DMA || other === DMA || one === other ? 0 : WINDOW;

/** Memory that begins as zeros. */
export class ReplayedMemory {
  private readonly changes = new Map<number, Change[]>();

  /** @param watched what is kept: nothing but the changes that are told may change it */
  constructor(watched: readonly Range[]) {
    for (const { from, bytes } of watched)
      for (let at = from; at < from + bytes; at++)
        this.changes.set(at, [{ from: EVER, to: EVER, by: DMA, value: 0 }]);
  }

  /** To be told in the order of `from`, those of one time in the order in which they happened. */
  change(address: number, bytes: Uint8Array, when: { from: number; to: number; by: number }): void {
    bytes.forEach((value, i) => this.changes.get(address + i)?.push({ ...when, value }));
  }

  /** Why these bytes can't have been read then, for a reader; undefined when they can. */
  contradiction(address: number, bytes: Uint8Array, look: Look): string | undefined {
    for (const [i, value] of bytes.entries()) {
      const possible = this.possible(address + i, look);
      if (!possible || possible.includes(value)) continue;
      const told = possible.map((each) => each.toString(16)).join(' or ');
      return `the byte at ${(address + i).toString(16)} was ${value.toString(16)}, which is to be ${told}`;
    }
    return undefined;
  }

  /** What a byte may have been; undefined where nothing is watched. */
  private possible(address: number, { from, to, by }: Look): number[] | undefined {
    const changes = this.changes.get(address);
    if (!changes) return undefined;
    const seen = (change: Change): boolean => change.to + apart(change.by, by) <= from;
    const unseen = (change: Change): boolean => change.from - apart(change.by, by) > to;
    // The last that was surely there hides all that were surely before it.
    const replaces = (later: Change, earlier: Change): boolean =>
      later.from >= earlier.to + apart(later.by, earlier.by) && seen(later);
    const found: number[] = [];
    changes.forEach((change, i) => {
      if (unseen(change)) return;
      if (changes.some((later, k) => k > i && replaces(later, change))) return;
      found.push(change.value);
    });
    return found;
  }
}
