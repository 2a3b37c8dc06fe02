/** The matches of a query as a lane's events: which of them reach into a window, and the bins of a window. */
import { edgeOf, Sweep, type Carried, type Grid, type SweptKinds } from './sweep';
import { entriesOf, type Entries } from './index/entries';
import { BinsInProgress } from './lane-bins';
import type { LaneBins } from '../../protocol/viewport';
import type { OrderedRows } from './ordered-rows';
import type { TraceStore } from './store';

/** Matches of which the greatest end is kept together. */
const NODE = 256;

/** Grows and changes with the search whose matches it has. */
export class MatchedLane {
  /** Greatest end of a span in all nodes up to each; the first `nodes` are right. */
  private reach = new Float64Array(16);
  private nodes = 0;

  constructor(
    private readonly store: TraceStore,
    private readonly rows: OrderedRows,
  ) {}

  /** The matches from a place on, in the order of time, are other ones than before, or last longer. */
  changedFrom(place: number): void {
    this.nodes = Math.min(this.nodes, Math.floor(place / NODE));
  }

  /** Spans that start before `time` and end after it, latest first. @param open matches that have no end yet */
  reaching(time: number, open: readonly number[]): number[] {
    const { store, rows } = this;
    const found: number[] = [];
    const before = rows.before(time);
    this.build(Math.ceil(before / NODE));
    for (let node = Math.ceil(before / NODE) - 1; node >= 0 && this.reach[node] > time; node--)
      for (let i = Math.min(before, (node + 1) * NODE) - 1; i >= node * NODE; i--)
        if (this.endOf(rows.at(i)) > time) found.push(rows.at(i));
    if (store.endTime > time) found.push(...open.filter((row) => store.startOf(row) < time));
    return found;
  }

  /** The bins of a window. @param reaching matches from before that reach into it */
  bins(grid: Grid, reaching: readonly number[], someOpen: boolean): LaneBins {
    const { store } = this;
    const entries = this.entries(this.rows.before(grid.from), this.rows.before(grid.to));
    const kinds = new Slots(someOpen);
    for (const row of [...entries.rows, ...reaching]) kinds.add(store.kindOf(row));
    const bins = new BinsInProgress(grid.width, false);
    const carried = reaching.map((row): Carried => ({
      row,
      slot: kinds.slot(store.kindOf(row)),
      end: store.startOf(row) + store.durationOf(row),
    }));
    new Sweep(store, kinds, bins, grid).run(entries, 0, entries.length, carried, 0, grid.width);
    const [last] = carried;
    if (last) {
      bins.addCount(0, carried.length);
      if (!bins.hasKind(0)) bins.offer(0, kinds.kinds[last.slot], 0, 1, last.row);
    }
    return bins.finish((edgeOf(grid, grid.width) - grid.from) / grid.width);
  }

  private entries(first: number, end: number): Entries {
    const { store } = this;
    const rows = this.rows.slice(first, end);
    const entries = { ...entriesOf(rows.length), rows };
    rows.forEach((row, i) => {
      entries.starts[i] = store.startOf(row);
      entries.kinds[i] = store.kindOf(row);
      entries.durations[i] = store.closedDurationOf(row);
    });
    return entries;
  }

  /** Cycles; of a span that is open its start, as its end is told apart from these. */
  private endOf(row: number): number {
    return this.store.startOf(row) + this.store.closedDurationOf(row);
  }

  private build(nodes: number): void {
    if (nodes > this.reach.length) {
      const larger = new Float64Array(Math.max(nodes, this.reach.length * 2));
      larger.set(this.reach);
      this.reach = larger;
    }
    const { rows } = this;
    for (let node = this.nodes; node < nodes; node++) {
      let greatest = node === 0 ? -Infinity : this.reach[node - 1];
      const end = Math.min(rows.length, (node + 1) * NODE);
      for (let i = node * NODE; i < end; i++) greatest = Math.max(greatest, this.endOf(rows.at(i)));
      this.reach[node] = greatest;
    }
    // A node that is not full yet is made again.
    this.nodes = Math.max(this.nodes, Math.min(nodes, Math.floor(rows.length / NODE)));
  }
}

/** Kinds in the order in which they come. */
class Slots implements SweptKinds {
  readonly kinds: number[] = [];
  private readonly slots = new Map<number, number>();

  constructor(readonly someOpen: boolean) {}

  add(kind: number): void {
    if (this.slots.has(kind)) return;
    this.slots.set(kind, this.kinds.length);
    this.kinds.push(kind);
  }

  slot(kind: number): number {
    return this.slots.get(kind) ?? -1;
  }
}
