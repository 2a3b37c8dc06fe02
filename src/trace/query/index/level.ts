/**
 * The buckets of one width of a stream. A bucket is 2^k cycles wide and begins at a multiple of that, so that a pixel of a
 * window on that grid is a bucket. It holds what the pixel shows, exactly: spans are split at its edges, and what
 * reaches in from before is in it. Only buckets in which an event starts are here, and not all of these: what stands between
 * two of them is few events, whose rows are looked at instead.
 */
import { modeRoles } from '../../vocabulary/modes';
import { Numbers } from './numbers';

/** One bucket. Cycles are those within it. */
export interface Bucket {
  /** Its start divided by its width. */
  index: number;
  /** Events of the stream that start before it, and in it. */
  first: number;
  count: number;
  /** Spans that reach beyond its end. */
  crossing: number;
  /** Cycles of all events. */
  busy: number;
  /** Slot of the kind that is shown; -1: none, as where only faults without a duration reach in. */
  slot: number;
  /** Cycles of that kind, or its events where it has no cycles. */
  top: number;
  topIsCount: boolean;
  /** The row to open; -1: none. */
  row: number;
  /** A fault starts in it. */
  fault: boolean;
  /** Cycles by mode. */
  modes: Float64Array;
}

/** The one span that reaches beyond a bucket after which nothing starts for at least another. */
export interface Outlasting {
  slot: number;
  row: number;
  end: number;
}

const FAULT = 1;
const TOP_IS_COUNT = 2;
const LOOK_SHIFT = 2;

/** How much of a level was there at some time. */
export interface LevelMark {
  length: number;
  spans: number;
  last: Outlasting | undefined;
}

/** Columns of a level in the order in which they are stored; those of the modes follow. */
export const bucketColumns = [
  'index',
  'first',
  'count',
  'crossing',
  'busy',
  'top',
  'look',
  'rowAfter',
] as const;
export const spanColumns = ['at', 'slot', 'row', 'end'] as const;
export type BucketColumns = Record<(typeof bucketColumns)[number], Numbers>;
export type SpanColumns = Record<(typeof spanColumns)[number], Numbers>;

const empty = <Name extends string>(names: readonly Name[]): Record<Name, Numbers> =>
  Object.fromEntries(names.map((name) => [name, new Numbers()])) as Record<Name, Numbers>;

/** Levels by log2 of the width of their buckets. */
export interface Levels {
  readonly length: number;
  at(k: number): Level | undefined;
}

export class Level {
  /** Of the last bucket: the span that outlasts it, where there is one and no other. */
  last: Outlasting | undefined;

  constructor(
    private readonly columns: BucketColumns = empty(bucketColumns),
    /** By bucket number `at`: spans that outlast a bucket, where nothing starts between it and the next. */
    private readonly spans: SpanColumns = empty(spanColumns),
    /** Cycles by mode, for those modes that any bucket has. */
    readonly modes: (Numbers | undefined)[] = modeRoles.map(() => undefined),
  ) {}

  get length(): number {
    return this.columns.index.length;
  }
  get index(): Numbers {
    return this.columns.index;
  }
  get first(): Numbers {
    return this.columns.first;
  }
  get counts(): Numbers {
    return this.columns.count;
  }
  get crossing(): Numbers {
    return this.columns.crossing;
  }
  get busy(): Numbers {
    return this.columns.busy;
  }
  get top(): Numbers {
    return this.columns.top;
  }

  slotAt(i: number): number {
    return (this.columns.look.at(i) >>> LOOK_SHIFT) - 1;
  }
  topIsCount(i: number): boolean {
    return (this.columns.look.at(i) & TOP_IS_COUNT) !== 0;
  }
  faultAt(i: number): boolean {
    return (this.columns.look.at(i) & FAULT) !== 0;
  }
  rowAt(i: number): number {
    return this.columns.rowAfter.at(i) - 1;
  }

  /** Events before bucket `i` that are after the bucket before it. */
  between(i: number): number {
    const { first, count } = this.columns;
    return first.at(i) - (i === 0 ? 0 : first.at(i - 1) + count.at(i - 1));
  }

  /** The span that outlasts bucket `i`, where it is known without looking at rows: see `Outlasting`. */
  outlasting(i: number): Outlasting | undefined {
    if (i === this.length - 1) return this.last;
    const { at, slot, row, end } = this.spans;
    const found = at.below(i);
    if (found === at.length || at.at(found) !== i) return undefined;
    return { slot: slot.at(found), row: row.at(found), end: end.at(found) };
  }

  /** Adds a bucket after all others. @param outlasting the span that outlasts it, if it is the only one */
  push(bucket: Bucket, outlasting: Outlasting | undefined): void {
    const { columns, last } = this;
    const before = this.length - 1;
    if (last !== undefined && before >= 0) {
      const isNext = columns.index.at(before) + 1 === bucket.index;
      const follows = columns.first.at(before) + columns.count.at(before) === bucket.first;
      if (!isNext && follows) {
        this.spans.at.push(before);
        this.spans.slot.push(last.slot);
        this.spans.row.push(last.row);
        this.spans.end.push(last.end);
      }
    }
    this.last = outlasting;
    columns.index.push(bucket.index);
    columns.first.push(bucket.first);
    columns.count.push(bucket.count);
    columns.crossing.push(bucket.crossing);
    columns.busy.push(bucket.busy);
    columns.top.push(bucket.top);
    const flags = (bucket.topIsCount ? TOP_IS_COUNT : 0) | (bucket.fault ? FAULT : 0);
    columns.look.push(((bucket.slot + 1) << LOOK_SHIFT) | flags);
    columns.rowAfter.push(bucket.row + 1);
    for (let mode = 0; mode < this.modes.length; mode++) {
      const cycles = bucket.modes[mode];
      let column = this.modes[mode];
      if (column === undefined) {
        if (cycles === 0) continue;
        const there = this.length - 1;
        column = this.modes[mode] = new Numbers(new Uint8Array(there + 16), there);
      }
      column.push(cycles);
    }
  }

  mark(): LevelMark {
    return { length: this.length, spans: this.spans.at.length, last: this.last };
  }

  /** Forgets what came after a mark. */
  truncate({ length, spans, last }: LevelMark): void {
    for (const column of this.all()) column.truncate(length);
    for (const name of spanColumns) this.spans[name].truncate(spans);
    this.last = last;
  }

  compact(): void {
    for (const column of this.all()) column.compact();
    for (const name of spanColumns) this.spans[name].compact();
  }

  get bytes(): number {
    const spans = spanColumns.reduce((sum, name) => sum + this.spans[name].bytes, 0);
    return this.all().reduce((sum, column) => sum + column.bytes, spans);
  }

  /** Its columns, for storing. */
  stored(): { columns: BucketColumns; spans: SpanColumns } {
    return { columns: this.columns, spans: this.spans };
  }

  private all(): Numbers[] {
    return [
      ...bucketColumns.map((name) => this.columns[name]),
      ...this.modes.filter((column) => column !== undefined),
    ];
  }
}
