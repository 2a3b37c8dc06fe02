/** The events of a stream that has few of them, in the order of time: so no block is read for what is spread over all of them. */
import type { Entries } from './entries';
import type { Numbers, NumberArray } from './numbers';

export const copiedColumns = ['row', 'start', 'duration', 'kind', 'a'] as const;
export type CopiedColumns = Record<(typeof copiedColumns)[number], Numbers>;

/** Events of which the greatest end is kept together. */
const NODE = 64;

export class CopiedEvents {
  private readonly rows: Uint32Array;
  private readonly starts: Float64Array;
  private readonly durations: Float64Array;
  private readonly kinds: Uint16Array;
  private readonly a: Float64Array;
  /** Greatest end of a span in all nodes up to each. */
  private readonly reach: Float64Array;

  /** @param columns of one length, by start and then by row */
  constructor({ row, start, duration, kind, a }: CopiedColumns) {
    this.rows = Uint32Array.from(row.used);
    this.starts = Float64Array.from(start.used);
    this.durations = Float64Array.from(duration.used);
    this.kinds = Uint16Array.from(kind.used);
    this.a = Float64Array.from(a.used);
    this.reach = new Float64Array(Math.ceil(this.length / NODE));
    let greatest = 0;
    for (let i = 0; i < this.length; i++) {
      if (this.durations[i] > 0) greatest = Math.max(greatest, this.starts[i] + this.durations[i]);
      this.reach[Math.floor(i / NODE)] = greatest;
    }
  }

  get length(): number {
    return this.rows.length;
  }

  rowAt(i: number): number {
    return this.rows[i];
  }

  /** Number of events that start before `time`. */
  before(time: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.starts[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The events [first, end): views, not to be written to. */
  entries(first: number, end: number): Required<Entries> {
    return {
      length: Math.max(0, end - first),
      rows: this.rows.subarray(first, end),
      starts: this.starts.subarray(first, end),
      kinds: this.kinds.subarray(first, end),
      durations: this.durations.subarray(first, end),
      a: this.a.subarray(first, end),
    };
  }

  /** Rows of the spans that start before `time` and end after it, latest first. */
  reaching(time: number): number[] {
    const rows: number[] = [];
    const before = this.before(time);
    for (let node = Math.ceil(before / NODE) - 1; node >= 0 && this.reach[node] > time; node--)
      for (let i = Math.min(before, (node + 1) * NODE) - 1; i >= node * NODE; i--)
        if (this.durations[i] > 0 && this.starts[i] + this.durations[i] > time) rows.push(this.rows[i]);
    return rows;
  }

  /** By slot: the events that start before `time` into `counts`, and the cycles they cover up to it into `cycles`. */
  upTo(
    time: number,
    slotOf: (kind: number) => number,
    counts: Float64Array,
    cycles: Float64Array,
  ): void {
    const before = this.before(time);
    for (let i = 0; i < before; i++) {
      const slot = slotOf(this.kinds[i]);
      counts[slot]++;
      cycles[slot] += Math.min(this.durations[i], time - this.starts[i]);
    }
  }

  /** Its columns, for storing. */
  stored(): Record<(typeof copiedColumns)[number], NumberArray> {
    return { row: this.rows, start: this.starts, duration: this.durations, kind: this.kinds, a: this.a };
  }
}
