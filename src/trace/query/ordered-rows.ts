/** Rows in the order of their starts, however they come; those that start together in the order of their numbers. */

/** How far back a row out of order is put into place at once; what belongs farther back waits for the next question. */
const NEARBY = 512;

export class OrderedRows {
  private rows = new Uint32Array(256);
  private count = 0;
  /** Entries before this one are in order among themselves; the rest may belong anywhere. */
  private ordered = 0;

  constructor(private readonly startOf: (row: number) => number) {}

  get length(): number {
    return this.count;
  }

  /** A row that is not here yet. Returns whether it comes after all others. */
  push(row: number): boolean {
    if (this.count === this.rows.length) {
      const larger = new Uint32Array(this.count * 2);
      larger.set(this.rows);
      this.rows = larger;
    }
    const start = this.startOf(row);
    let at = this.count;
    if (this.ordered === this.count) {
      const least = Math.max(0, at - NEARBY);
      while (at > least && this.comesAfter(this.rows[at - 1] ?? 0, row, start)) at--;
      // Still not where it belongs: it waits at the end.
      const placed = at === 0 || !this.comesAfter(this.rows[at - 1] ?? 0, row, start);
      if (placed) {
        this.rows.copyWithin(at + 1, at, this.count);
        this.ordered++;
      } else at = this.count;
    }
    this.rows[at] = row;
    this.count++;
    return at === this.count - 1 && this.ordered === this.count;
  }

  /** Takes a row out again; false: it was not here. */
  remove(row: number): boolean {
    const at = this.indexOf(row);
    if (at < 0) return false;
    this.rows.copyWithin(at, at + 1, this.count);
    this.count--;
    this.ordered--;
    return true;
  }

  /** Number of rows that start before `time`. */
  before(time: number): number {
    return this.firstWhere((row) => this.startOf(row) >= time);
  }

  /** Place of a row in the order; where it would stand, if it is not here. */
  placeOf(row: number): number {
    const start = this.startOf(row);
    return this.firstWhere((other) => other === row || this.comesAfter(other, row, start));
  }

  /** Place of a row, -1 if it is not here. */
  indexOf(row: number): number {
    const at = this.placeOf(row);
    return at < this.count && this.rows[at] === row ? at : -1;
  }

  /** The i-th row. */
  at(i: number): number {
    this.order();
    return this.rows[i] ?? 0;
  }

  /** Rows of places [from, to), until the next change. */
  slice(from: number, to: number): Uint32Array {
    this.order();
    return this.rows.subarray(from, Math.min(to, this.count));
  }

  private comesAfter(other: number, row: number, start: number): boolean {
    const time = this.startOf(other);
    return time > start || (time === start && other > row);
  }

  /** The first place from which on a condition holds that holds for all rows after it, too. */
  private firstWhere(holds: (row: number) => boolean): number {
    this.order();
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(this.rows[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Merges what waits at the end with what is in order. */
  private order(): void {
    if (this.ordered === this.count) return;
    const waiting = this.rows.slice(this.ordered, this.count);
    waiting.sort((x, y) => this.startOf(x) - this.startOf(y) || x - y);
    let left = this.ordered - 1;
    let right = waiting.length - 1;
    for (let to = this.count - 1; right >= 0; to--) {
      const row = waiting[right] ?? 0;
      const before = this.rows[left] ?? 0;
      if (left >= 0 && this.comesAfter(before, row, this.startOf(row))) {
        this.rows[to] = before;
        left--;
      } else {
        this.rows[to] = row;
        right--;
      }
    }
    this.ordered = this.count;
  }
}
