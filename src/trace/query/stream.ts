/**
 * A stream: the events of one track and one group of kinds, ordered by start, with sums and maxima by blocks of 32
 * events, so that a window of any width over millions of events is answered from a few numbers, exactly.
 *
 * The index grows at its end. What changes earlier entries (a span closed late, an event recorded out of order) marks
 * them dirty, and the next query rebuilds from there on.
 */
import { BLOCK_MASK, BLOCK_SHIFT, DURATION_SATURATED } from '../block';
import type { TraceChunk } from '../model';

/** What a stream asks about rows; the store answers. */
export interface RowSource {
  /** Columns of an aligned block. */
  block(index: number): TraceChunk | undefined;
  startOf(row: number): number;
  /** Cycles; an open span has 0 here. */
  closedDurationOf(row: number): number;
  kindOf(row: number): number;
}

const NODE_SHIFT = 5;
const NODE = 1 << NODE_SHIFT;
const NODE_MASK = NODE - 1;
/** Kinds with a place of their own in each stream's table. */
const LOW_KINDS = 512;
/** How far back an event out of order is put into place at once. */
const NEARBY = 256;

/** A typed array that grows at its end. */
class Column {
  values: Float64Array;
  constructor(
    public length = 0,
    capacity = 64,
  ) {
    this.values = new Float64Array(Math.max(capacity, length));
  }
  set(i: number, value: number): void {
    if (i >= this.values.length) {
      const larger = new Float64Array(Math.max(i + 1, this.values.length * 2));
      larger.set(this.values);
      this.values = larger;
    }
    this.values[i] = value;
    if (i >= this.length) this.length = i + 1;
  }
  at(i: number): number {
    return this.values[i] ?? 0;
  }
}

/** One kind of a stream: events and cycles of it before each node. */
interface KindSums {
  kind: number;
  counts: Column;
  cycles: Column;
}

export class Stream {
  private rows = new Uint32Array(64);
  private count = 0;
  /** Rows of open spans, given by the store before queries. */
  open: readonly number[] = [];

  /** Rows whose duration changed since the last update. */
  private touched: number[] = [];
  private lastStart = -Infinity;
  /** Entries from here on are not in order yet, or changed. */
  private dirty = 0;
  /** Least start among entries appended out of order. */
  private disorder = Infinity;
  private readonly starts = new Column();
  /** Level 0: greatest end in a node; level n: over 32 nodes below. */
  private readonly ends: Column[] = [new Column()];
  /** Greatest end in all nodes up to this one. */
  private readonly reach = new Column();
  /** Slots of the kinds with small ids, which are nearly all; the rest have a map. */
  private readonly slotOfLow = new Int32Array(LOW_KINDS).fill(-1);
  private readonly slotOfHigh = new Map<number, number>();
  readonly sums: KindSums[] = [];

  constructor(
    readonly track: number,
    private readonly source: RowSource,
  ) {}

  get length(): number {
    return this.count;
  }

  push(row: number, start: number): void {
    if (this.count === this.rows.length) {
      const larger = new Uint32Array(this.count * 2);
      larger.set(this.rows);
      this.rows = larger;
    }
    if (start >= this.lastStart) {
      this.lastStart = start;
      this.rows[this.count++] = row;
    } else {
      this.insert(row, start);
    }
  }

  /** A row's duration became known after it was pushed. */
  touch(row: number): void {
    this.touched.push(row);
  }

  /** Row of the i-th event by start. */
  rowAt(i: number): number {
    return this.rows[i] ?? 0;
  }

  /** Brings the index up to date; every query needs it first. */
  update(): void {
    this.order();
    for (const row of this.touched) this.dirty = Math.min(this.dirty, this.indexOf(row));
    this.touched = [];
    if (this.dirty >= this.count) return;
    this.build(this.dirty >>> NODE_SHIFT);
    this.dirty = this.count;
  }

  /** Number of events that start before `time`. Needs `update`. */
  before(time: number): number {
    const low = this.nodesBefore(time);
    let i = low === 0 ? 0 : (low - 1) << NODE_SHIFT;
    const end = Math.min(this.count, low << NODE_SHIFT);
    while (i < end && this.source.startOf(this.rows[i] ?? 0) < time) i++;
    return i;
  }

  /** Calls `visit` with every event that starts before entry `i` and ends after `time`, open spans left out; latest first. */
  reaching(i: number, time: number, visit: (row: number) => void): void {
    let node = i >>> NODE_SHIFT;
    this.scan(node << NODE_SHIFT, i, time, visit);
    while (node > 0 && this.reach.at(node - 1) > time) {
      node = this.nodeBefore(node, time);
      this.scan(node << NODE_SHIFT, (node + 1) << NODE_SHIFT, time, visit);
    }
  }

  /**
   * Per kind slot: the events that start before `time` into `counts`, and the cycles they cover up to `time` into
   * `cycles`, open spans counted but without cycles. Returns `before(time)`. Needs `update`.
   */
  upTo(time: number, counts: Float64Array, cycles: Float64Array): number {
    const node = Math.max(0, this.nodesBefore(time) - 1);
    for (let slot = 0; slot < this.sums.length; slot++) {
      const sum = this.sums[slot];
      counts[slot] = sum?.counts.at(node) ?? 0;
      cycles[slot] = sum?.cycles.at(node) ?? 0;
    }
    let i = node << NODE_SHIFT;
    for (const end = Math.min(this.count, i + NODE); i < end; i++) {
      const row = this.rows[i] ?? 0;
      const block = this.source.block(row >>> BLOCK_SHIFT);
      const at = row & BLOCK_MASK;
      const start = block?.start[at] ?? 0;
      if (start >= time) break;
      let duration = block?.duration[at] ?? 0;
      if (duration === DURATION_SATURATED) duration = this.source.closedDurationOf(row);
      const slot = this.slot(block?.kind[at] ?? 0);
      counts[slot] = (counts[slot] ?? 0) + 1;
      cycles[slot] = (cycles[slot] ?? 0) + (start + duration > time ? time - start : duration);
    }
    if (node > 0 && this.reach.at(node - 1) > time) {
      this.reaching(node << NODE_SHIFT, time, (row) => {
        const slot = this.slot(this.source.kindOf(row));
        const beyond = this.source.startOf(row) + this.source.closedDurationOf(row) - time;
        cycles[slot] = (cycles[slot] ?? 0) - beyond;
      });
    }
    return i;
  }

  /** Slot of a kind in `sums`; -1 when the stream has no event of it. */
  slot(kind: number): number {
    return this.slotOfLow[kind] ?? this.slotOfHigh.get(kind) ?? -1;
  }

  /** Rows of entries [from, to). */
  slice(from: number, to: number): Uint32Array {
    return this.rows.subarray(from, to);
  }

  /** An event out of order: mostly a few places from the end; anything farther waits for `order`. */
  private insert(row: number, start: number): void {
    let i = this.count;
    const least = Math.max(0, i - NEARBY);
    while (i > least && this.source.startOf(this.rows[i - 1] ?? 0) > start) i--;
    if (i === least && i > 0) {
      this.disorder = Math.min(this.disorder, start);
      i = this.count;
    } else {
      this.rows.copyWithin(i + 1, i, this.count);
      this.dirty = Math.min(this.dirty, i);
    }
    this.rows[i] = row;
    this.count++;
  }

  /** Number of nodes whose first event starts before `time`. */
  private nodesBefore(time: number): number {
    const { values } = this.starts;
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((values[middle] ?? 0) < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Position of a row in the ordered list. */
  private indexOf(row: number): number {
    const start = this.source.startOf(row);
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.rows[middle] ?? 0;
      const time = this.source.startOf(other);
      if (time < start || (time === start && other < row)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Sorts what was appended out of order into place. */
  private order(): void {
    if (this.disorder === Infinity) return;
    // Entries before `from` start earlier than anything appended out of order; they are in order already. The rest of
    // the list may not be, so `from` is found among the indexed, ordered entries only.
    let low = 0;
    let high = this.dirty;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.source.startOf(this.rows[middle] ?? 0) <= this.disorder) low = middle + 1;
      else high = middle;
    }
    const tail = this.rows.subarray(low, this.count);
    const starts = Float64Array.from(tail, (row) => this.source.startOf(row));
    const order = Uint32Array.from(tail.keys()).sort(
      (x, y) => (starts[x] ?? 0) - (starts[y] ?? 0) || (tail[x] ?? 0) - (tail[y] ?? 0),
    );
    tail.set(order.map((i) => tail[i] ?? 0));
    this.dirty = Math.min(this.dirty, low);
    this.disorder = Infinity;
  }

  /** (Re)builds all sums from a node on. */
  private build(first: number): void {
    const nodes = (this.count + NODE - 1) >>> NODE_SHIFT;
    const level0 = this.ends[0] ?? new Column();
    const counts = this.sums.map((sum) => sum.counts.at(first));
    const cycles = this.sums.map((sum) => sum.cycles.at(first));
    for (let node = first; node < nodes; node++) {
      const from = node << NODE_SHIFT;
      const to = Math.min(this.count, from + NODE);
      this.starts.set(node, this.source.startOf(this.rows[from] ?? 0));
      let greatest = -1;
      for (let i = from; i < to; i++) {
        const row = this.rows[i] ?? 0;
        const block = this.source.block(row >>> BLOCK_SHIFT);
        const at = row & BLOCK_MASK;
        let duration = block?.duration[at] ?? 0;
        if (duration === DURATION_SATURATED) duration = this.source.closedDurationOf(row);
        const end = (block?.start[at] ?? 0) + duration;
        if (duration > 0 && end > greatest) greatest = end;
        const slot = this.slotFor(block?.kind[at] ?? 0, node);
        counts[slot] = (counts[slot] ?? 0) + 1;
        cycles[slot] = (cycles[slot] ?? 0) + duration;
      }
      level0.set(node, greatest);
      this.reach.set(node, node === 0 ? greatest : Math.max(greatest, this.reach.at(node - 1)));
      for (let slot = 0; slot < this.sums.length; slot++) {
        this.sums[slot]?.counts.set(node + 1, counts[slot] ?? 0);
        this.sums[slot]?.cycles.set(node + 1, cycles[slot] ?? 0);
      }
    }
    this.buildLevels(first, nodes);
  }

  private buildLevels(first: number, nodes: number): void {
    let from = first >>> NODE_SHIFT;
    let length = nodes;
    for (let level = 1; length > 1; level++) {
      const below = this.ends[level - 1];
      const here = (this.ends[level] ??= new Column());
      const size = (length + NODE - 1) >>> NODE_SHIFT;
      for (let node = from; node < size; node++) {
        let greatest = -1;
        const to = Math.min(length, (node + 1) << NODE_SHIFT);
        for (let i = node << NODE_SHIFT; i < to; i++) greatest = Math.max(greatest, below?.at(i) ?? -1);
        here.set(node, greatest);
      }
      from >>>= NODE_SHIFT;
      length = size;
    }
  }

  private slotFor(kind: number, node: number): number {
    const known = this.slot(kind);
    if (known >= 0) return known;
    const slot = this.sums.length;
    if (kind < LOW_KINDS) this.slotOfLow[kind] = slot;
    else this.slotOfHigh.set(kind, slot);
    this.sums.push({ kind, counts: new Column(node + 1), cycles: new Column(node + 1) });
    return slot;
  }

  private scan(from: number, to: number, time: number, visit: (row: number) => void): void {
    for (let i = Math.min(to, this.count) - 1; i >= from; i--) {
      const row = this.rows[i] ?? 0;
      const duration = this.source.closedDurationOf(row);
      if (duration > 0 && this.source.startOf(row) + duration > time) visit(row);
    }
  }

  /** Last node before `node` in which something ends after `time`; there is one. */
  private nodeBefore(node: number, time: number): number {
    let level = 0;
    let i = node - 1;
    for (;;) {
      const ends = this.ends[level];
      if (ends !== undefined && ends.at(i) > time) break;
      // To the left neighbour, or to the parent's left neighbour at the edge of a family.
      if ((i & NODE_MASK) === 0) {
        i = (i >>> NODE_SHIFT) - 1;
        level++;
      } else {
        i--;
      }
    }
    while (level > 0) {
      level--;
      const ends = this.ends[level];
      i = Math.min(((i + 1) << NODE_SHIFT) - 1, (ends?.length ?? 1) - 1);
      while (ends !== undefined && ends.at(i) <= time) i--;
    }
    return i;
  }
}
