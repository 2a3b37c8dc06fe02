/** Spans whose end is not known yet. */

/** So few are looked through from the end; beyond, places are remembered. */
const FEW = 16;
/** Rows with a remembered place in the list. */
const PLACES = 4096;

/** A set of rows that finds and forgets one at once, however many there are. */
export class OpenSpans {
  /** In no order. */
  private rows = new Uint32Array(64);
  private count = 0;
  /** Where in the list a row stands, by its low bits: a hint, for rows share them, and few rows need none. */
  private readonly places = new Uint16Array(PLACES);

  add(row: number): void {
    const { count } = this;
    if (count >= FEW) this.remember(row, count);
    this.rows[count] = row;
    this.count = count + 1;
  }

  /** Forgets a row; false when it is not in the set. */
  remove(row: number): boolean {
    const { rows } = this;
    const last = this.count - 1;
    // Mostly the span that was opened last ends first.
    if (last < 0 || rows[last] !== row) {
      const place = this.placeOf(row);
      if (place < 0) return false;
      const moved = rows[last];
      rows[place] = moved;
      this.places[moved & (PLACES - 1)] = place;
    }
    this.count = last;
    return true;
  }

  /** All of them, ascending. */
  all(): Uint32Array {
    return this.rows.slice(0, this.count).sort();
  }

  /** Takes these rows in place of those so far. */
  load(rows: Uint32Array): void {
    this.count = 0;
    for (const row of rows) this.add(row);
  }

  private remember(row: number, place: number): void {
    this.places[row & (PLACES - 1)] = place;
    if (place < this.rows.length) return;
    const larger = new Uint32Array(place * 2);
    larger.set(this.rows);
    this.rows = larger;
  }

  private placeOf(row: number): number {
    const hint = this.places[row & (PLACES - 1)];
    if (this.count > FEW && hint < this.count && this.rows[hint] === row) return hint;
    let place = this.count - 1;
    while (place >= 0 && this.rows[place] !== row) place--;
    return place;
  }
}
