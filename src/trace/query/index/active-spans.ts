/** Spans that have begun, by the time at which they end: a binary heap, the earliest end first. */
export class ActiveSpans {
  private ends: Float64Array;
  private slots: Uint32Array;
  private rows: Uint32Array;
  size = 0;

  /** @param capacity spans for which there is room at first */
  constructor(capacity = 16) {
    this.ends = new Float64Array(capacity);
    this.slots = new Uint32Array(capacity);
    this.rows = new Uint32Array(capacity);
  }

  /** @param slot number of the span's kind in its stream */
  push(end: number, slot: number, row: number): void {
    if (this.size === this.ends.length) this.grow();
    const { ends, slots, rows } = this;
    let i = this.size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (ends[parent] <= end) break;
      ends[i] = ends[parent];
      slots[i] = slots[parent];
      rows[i] = rows[parent];
      i = parent;
    }
    ends[i] = end;
    slots[i] = slot;
    rows[i] = row;
  }

  /** The earliest end; Infinity without spans. */
  get firstEnd(): number {
    return this.size === 0 ? Infinity : this.ends[0];
  }
  get firstSlot(): number {
    return this.slots[0];
  }

  /** Takes the span with the earliest end out. */
  pop(): void {
    const { ends, slots, rows } = this;
    const last = --this.size;
    const end = ends[last];
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= last) break;
      if (child + 1 < last && ends[child + 1] < ends[child]) child++;
      if (ends[child] >= end) break;
      ends[i] = ends[child];
      slots[i] = slots[child];
      rows[i] = rows[child];
      i = child;
    }
    ends[i] = end;
    slots[i] = slots[last];
    rows[i] = rows[last];
  }

  /** Takes all spans out that end at `time` or earlier. */
  popUntil(time: number): void {
    while (this.size > 0 && this.ends[0] <= time) this.pop();
  }

  endAt(i: number): number {
    return this.ends[i];
  }
  slotAt(i: number): number {
    return this.slots[i];
  }
  rowAt(i: number): number {
    return this.rows[i];
  }

  clear(): void {
    this.size = 0;
  }

  copyFrom(other: ActiveSpans): void {
    this.clear();
    while (this.ends.length < other.size) this.grow();
    // A loop, for mostly there is no span or one.
    for (let i = 0; i < other.size; i++) {
      this.ends[i] = other.ends[i];
      this.slots[i] = other.slots[i];
      this.rows[i] = other.rows[i];
    }
    this.size = other.size;
  }

  private grow(): void {
    const capacity = this.ends.length * 2;
    const [ends, slots, rows] = [
      new Float64Array(capacity),
      new Uint32Array(capacity),
      new Uint32Array(capacity),
    ];
    ends.set(this.ends);
    slots.set(this.slots);
    rows.set(this.rows);
    [this.ends, this.slots, this.rows] = [ends, slots, rows];
  }
}
