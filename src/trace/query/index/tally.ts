/** Figures of some events of one stream by kind. A kind has a number in its stream, its slot. */
export class Tally {
  /** Slots with events, in the order in which they came. */
  present = new Uint16Array(8);
  size = 0;
  /** By slot: events, their cycles in full, the longest and its row; the earliest of the longest. */
  counts = new Float64Array(8);
  cycles = new Float64Array(8);
  longest = new Float64Array(8);
  rows = new Float64Array(8);

  add(slot: number, count: number, cycles: number, longest: number, row: number): void {
    if (slot >= this.counts.length) this.grow(slot);
    if (this.counts[slot] === 0) {
      this.present[this.size++] = slot;
      this.counts[slot] = count;
      this.cycles[slot] = cycles;
      this.longest[slot] = longest;
      this.rows[slot] = row;
      return;
    }
    this.counts[slot] += count;
    this.cycles[slot] += cycles;
    if (longest > this.longest[slot]) {
      this.longest[slot] = longest;
      this.rows[slot] = row;
    }
  }

  /** Adds events that are later than all so far. */
  addAll(later: Tally): void {
    for (let i = 0; i < later.size; i++) {
      const slot = later.present[i];
      this.add(slot, later.counts[slot], later.cycles[slot], later.longest[slot], later.rows[slot]);
    }
  }

  clear(): void {
    for (let i = 0; i < this.size; i++) this.counts[this.present[i]] = 0;
    this.size = 0;
  }

  private grow(slot: number): void {
    const capacity = Math.max(slot + 1, this.counts.length * 2);
    const larger = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(capacity);
      to.set(from);
      return to;
    };
    const present = new Uint16Array(capacity);
    present.set(this.present);
    this.present = present;
    this.counts = larger(this.counts);
    this.cycles = larger(this.cycles);
    this.longest = larger(this.longest);
    this.rows = larger(this.rows);
  }
}
