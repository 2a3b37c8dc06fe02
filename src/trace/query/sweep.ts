/** Bins of a stream from its events one by one: for windows that are not on the grid of buckets, and where events are few. */
import { ActiveSpans } from './index/active-spans';
import type { Entries } from './index/entries';
import { isFault, isFaultInstant } from './index/kind-traits';
import type { BinsInProgress } from './lane-bins';
import type { TraceStore } from './store';

/** A span that reaches into a stretch from before. */
export interface Carried {
  slot: number;
  row: number;
  end: number;
}

/** Which kinds the events of a sweep have, each with a slot of its own. */
export interface SweptKinds {
  /** By slot. */
  readonly kinds: readonly number[];
  /** -1: no event has it. */
  slot(kind: number): number;
  /** Some events are spans whose end is not known yet. */
  readonly someOpen: boolean;
}

/** The pixels of a window. */
export interface Grid {
  from: number;
  to: number;
  width: number;
}

/** Where a pixel begins. */
export function edgeOf({ from, to, width }: Grid, x: number): number {
  return x === width ? to : from + ((to - from) * x) / width;
}

/** The pixel that a time of the window is in. */
function pixelAt(grid: Grid, time: number): number {
  let x = Math.floor(((time - grid.from) / (grid.to - grid.from)) * grid.width);
  while (x > 0 && edgeOf(grid, x) > time) x--;
  while (x < grid.width - 1 && edgeOf(grid, x + 1) <= time) x++;
  return x;
}

/** Sweeps over events of a store in the order of time; holds what it needs between sweeps. */
export class Sweep {
  private readonly active = new ActiveSpans();
  private readonly cycles: Float64Array;
  private readonly counts: Uint32Array;
  private readonly rows: Float64Array;
  private readonly longest: Float64Array;
  /** Spans of a slot that reach beyond the pixel; the one with the latest end. */
  private readonly through: Uint32Array;
  private readonly throughRow: Float64Array;
  private readonly throughEnd: Float64Array;
  private readonly listed: number[] = [];
  private readonly isListed: Uint8Array;

  constructor(
    private readonly store: TraceStore,
    private readonly swept: SweptKinds,
    private readonly bins: BinsInProgress,
    private readonly grid: Grid,
  ) {
    const slots = swept.kinds.length;
    this.cycles = new Float64Array(slots);
    this.counts = new Uint32Array(slots);
    this.rows = new Float64Array(slots);
    this.longest = new Float64Array(slots);
    this.through = new Uint32Array(slots);
    this.throughRow = new Float64Array(slots);
    this.throughEnd = new Float64Array(slots);
    this.isListed = new Uint8Array(slots);
  }

  /**
   * Fills pixels [x, end) with the entries [first, last), which start in them, and with spans from before.
   */
  run(
    entries: Entries,
    first: number,
    last: number,
    carried: readonly Carried[],
    x: number,
    end: number,
  ): void {
    const { active, grid } = this;
    active.clear();
    for (const { slot, row, end: until } of carried) this.carry(until, slot, row);
    let i = first;
    for (let at = x; at < end; at++) {
      if (active.size === 0) {
        if (i >= last) break;
        at = Math.max(at, pixelAt(grid, entries.starts[i]));
      }
      i = this.pixel(at, entries, i, last);
    }
    while (active.size > 0) {
      this.through[active.firstSlot] = 0;
      this.unlist(active.firstSlot);
      active.pop();
    }
  }

  private carry(end: number, slot: number, row: number): void {
    this.active.push(end, slot, row);
    if (this.through[slot]++ === 0 || end > this.throughEnd[slot]) {
      this.throughEnd[slot] = end;
      this.throughRow[slot] = row;
    }
    this.list(slot);
  }

  private list(slot: number): void {
    if (this.isListed[slot] === 1) return;
    this.isListed[slot] = 1;
    this.listed.push(slot);
  }

  private unlist(slot: number): void {
    if (this.isListed[slot] === 0) return;
    this.isListed[slot] = 0;
    this.listed.splice(this.listed.indexOf(slot), 1);
  }

  /** Fills one pixel; returns the first entry after it. */
  private pixel(x: number, entries: Entries, first: number, last: number): number {
    const { active, cycles, through, store, swept } = this;
    const left = edgeOf(this.grid, x);
    const right = edgeOf(this.grid, x + 1);
    while (active.firstEnd <= right) {
      const slot = active.firstSlot;
      cycles[slot] += active.firstEnd - left;
      through[slot]--;
      active.pop();
    }
    for (const slot of this.listed) cycles[slot] += through[slot] * (right - left);
    let i = first;
    const { starts, rows, kinds, durations } = entries;
    const { someOpen } = swept;
    for (; i < last && starts[i] < right; i++) {
      const duration = someOpen ? store.durationOf(rows[i]) : durations[i];
      this.start(swept.slot(kinds[i]), rows[i], starts[i], duration, right);
    }
    this.bins.addCount(x, i - first);
    this.tell(x);
    return i;
  }

  private start(slot: number, row: number, start: number, duration: number, right: number): void {
    this.list(slot);
    if (this.counts[slot]++ === 0 || duration > this.longest[slot]) {
      this.longest[slot] = duration;
      this.rows[slot] = row;
    }
    const end = start + duration;
    if (end <= right) this.cycles[slot] += duration;
    else {
      this.cycles[slot] += right - start;
      this.carry(end, slot, row);
    }
  }

  /** Hands the figures of a pixel over. */
  private tell(x: number): void {
    const { bins, listed, swept } = this;
    for (let i = listed.length - 1; i >= 0; i--) {
      const slot = listed[i];
      const kind = swept.kinds[slot];
      const spent = this.cycles[slot];
      const count = this.counts[slot];
      if (spent > 0) bins.addCycles(x, kind, spent);
      const row = count > 0 ? this.rows[slot] : this.throughRow[slot];
      if (isFault[kind] === 1 && count > 0) bins.addFault(x, row);
      if (count > 0 || (spent > 0 && isFaultInstant[kind] === 0)) bins.offer(x, kind, spent, count, row);
      else if (spent > 0) bins.addRow(x, row);
      this.cycles[slot] = 0;
      this.counts[slot] = 0;
      if (this.through[slot] === 0) {
        this.isListed[slot] = 0;
        listed[i] = listed[listed.length - 1];
        listed.pop();
      }
    }
  }
}
