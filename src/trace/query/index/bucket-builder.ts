/**
 * Makes the buckets of a stream from its events in order of time, each event once. A bucket is kept where the one that holds it
 * and its neighbour has more than `FEW` events; so no pixel is without one that would need many rows. Of widths in which there are
 * very many rows of the trace all buckets are kept: for a window of these, rows would have to be taken out of all too many blocks.
 *
 * The builder holds the stretch of time on which it works as a stack: each node is a bucket that is complete up to the latest
 * event, and the left neighbour of all above it at some level. An event that starts outside the top completes what it leaves
 * behind. The figures of few events are taken from the events themselves when a bucket needs them.
 */
import { modeRoles } from '../../vocabulary/modes';
import { ActiveSpans } from './active-spans';
import { isFault, isFaultInstant, modeOf } from './kind-traits';
import { Level, type Bucket, type LevelMark, type Outlasting } from './level';
import { Tally } from './tally';

/** Events that are few enough to be looked at one by one for two pixels. */
const FEW = 12;
/** The level at which one bucket holds all times. */
export const TOP_LEVEL = 54;
/** Events less one between two looks at how dense the trace is. */
const WIDE_MASK = 255;
/** Most spans that may reach over an edge of a bucket that is kept. */
const MOST_ACTIVE = 256;
/** Events between states that are kept: of the whole stream, and of its end. */
const CHECKPOINT = 65_536;
const RECENT = 16_384;
const MOST_RECENT = 4;
/** Least events for which there is room to be remembered. */
const REMEMBERED = 1024;

/** Cycles of a bucket by level. */
const WIDTHS = Float64Array.from({ length: TOP_LEVEL + 1 }, (_, level) => 2 ** level);

/** The least level at which two times are in one bucket. */
function commonLevel(x: number, y: number): number {
  const high = Math.floor(x / 0x1_0000_0000) ^ Math.floor(y / 0x1_0000_0000);
  return high === 0 ? 32 - Math.clz32((x >>> 0) ^ (y >>> 0)) : 64 - Math.clz32(high);
}

/** The least level of whose buckets each has so many rows on average, if a trace has so many until a time. */
export function wideLevelOf(wideRows: number, time: number, rows: number): number {
  const cycles = (wideRows * Math.max(1, time)) / Math.max(1, rows);
  return Math.min(TOP_LEVEL, Math.max(0, Math.ceil(Math.log2(cycles))));
}

/** A bucket in the making. */
interface Node {
  level: number;
  /** The level at which it and the node below it are in one bucket. */
  join: number;
  /** Start of its first event. */
  start: number;
  first: number;
  count: number;
  tally: Tally | undefined;
  /** Spans that reach into it from before. */
  carried: ActiveSpans;
  /** There are too many of these to be known. */
  crowded: boolean;
}

/** A state to which the builder can go back. */
interface Checkpoint {
  fed: number;
  lastStart: number;
  active: ActiveSpans;
  nodes: Node[];
  marks: (LevelMark | undefined)[];
}

function copyOfTally(tally: Tally): Tally {
  const copy = new Tally();
  copy.addAll(tally);
  return copy;
}

function copyOfSpans(spans: ActiveSpans): ActiveSpans {
  const copy = new ActiveSpans(Math.max(1, spans.size));
  copy.copyFrom(spans);
  return copy;
}

const copyOfNode = (node: Node): Node => ({
  ...node,
  tally: node.tally && copyOfTally(node.tally),
  carried: copyOfSpans(node.carried),
});

export class BucketBuilder {
  readonly levels: (Level | undefined)[] = [];
  private fed = 0;
  private lastStart = 0;
  private finished = false;
  private readonly active = new ActiveSpans();
  private nodes: Node[] = [];
  private depth = 0;
  private readonly tallies: Tally[] = [];
  /** From this level on all buckets are kept. */
  private wideLevel = TOP_LEVEL;
  private checkpoints: Checkpoint[] = [];
  /** The latest events: from `base` on. */
  private base = 0;
  private slots = new Uint32Array(REMEMBERED);
  private durations = new Float64Array(REMEMBERED);
  private rows = new Uint32Array(REMEMBERED);
  // Scratch of `emit`.
  private cycles = new Float64Array(16);
  private marked = new Uint32Array(16);
  private mark = 0;
  private carriedEnds = new Float64Array(16);
  private carriedRows = new Float64Array(16);
  private listed = new Uint32Array(16);
  private readonly bucket: Bucket = {
    ...{ index: 0, first: 0, count: 0, crossing: 0, busy: 0, slot: -1, top: 0, topIsCount: false, row: -1 },
    ...{ fault: false, modes: new Float64Array(modeRoles.length) },
  };

  /**
   * @param kindOfSlot kind ids of the stream; the array grows
   * @param wideRows rows of the trace from which on a bucket is kept whatever is in it
   */
  constructor(
    private readonly kindOfSlot: readonly number[],
    private readonly wideRows: () => number,
  ) {}

  /** Events so far. */
  get length(): number {
    return this.fed;
  }
  /** Start of the latest event. */
  get latest(): number {
    return this.lastStart;
  }

  /** Adds an event, which starts no earlier than those before. Not after `finish`. */
  add(start: number, duration: number, slot: number, row: number): void {
    this.remember(slot, duration, row);
    if ((this.fed & WIDE_MASK) === 1) this.wideLevel = wideLevelOf(this.wideRows(), start, row);
    const level = this.depth === 0 ? Infinity : commonLevel(this.lastStart, start);
    if (level > 0) {
      if (level !== Infinity) this.complete(level - 1);
      this.begin(start, level);
    }
    const top = this.nodes[this.depth - 1];
    top.count++;
    if (top.tally !== undefined) top.tally.add(slot, 1, duration, duration, row);
    else if (top.count > FEW) this.tallyOf(top);
    this.lastStart = start;
    if (duration > 0) this.active.push(start + duration, slot, row);
    if (this.fed % RECENT === 0) this.keepState();
  }

  /** Completes all buckets, as if nothing came after; `rewind` goes back to before. */
  finish(): void {
    if (this.finished) return;
    this.keepState();
    if (this.depth > 0) this.complete(TOP_LEVEL);
    this.finished = true;
  }

  /** Whether all buckets are there. */
  get isFinished(): boolean {
    return this.finished;
  }

  /**
   * Forgets events: at least all from number `event` on, and what `finish` did. The rest is to be added again from `length` on.
   * @param remember calls back with slot, duration and row of each event in [from, to)
   */
  rewind(
    event: number,
    remember: (from: number, to: number, add: (slot: number, duration: number, row: number) => void) => void,
  ): void {
    if (event >= this.fed && !this.finished) return;
    this.checkpoints = this.checkpoints.filter(({ fed }) => fed <= event);
    const state = this.checkpoints.at(-1);
    this.finished = false;
    this.fed = state?.fed ?? 0;
    this.lastStart = state?.lastStart ?? 0;
    this.active.clear();
    if (state) this.active.copyFrom(state.active);
    this.nodes = state?.nodes.map(copyOfNode) ?? [];
    this.depth = this.nodes.length;
    this.levels.forEach((level, i) =>
      level?.truncate(state?.marks[i] ?? { length: 0, spans: 0, last: undefined }),
    );
    const end = this.fed;
    this.base = this.fed = this.leastOfUse();
    remember(this.base, end, (slot, duration, row) => this.remember(slot, duration, row));
  }

  /** Gives up being able to go back anywhere but to the beginning, and memory that is kept for more. */
  compact(): void {
    this.checkpoints = [];
    this.nodes.length = this.depth = 0;
    this.tallies.length = 0;
    this.slots = new Uint32Array(0);
    this.durations = new Float64Array(0);
    this.rows = new Uint32Array(0);
    for (const level of this.levels) level?.compact();
  }

  private keepState(): void {
    if (this.checkpoints.at(-1)?.fed === this.fed) return;
    const recent = this.checkpoints.filter(({ fed }) => fed % CHECKPOINT !== 0);
    if (recent.length >= MOST_RECENT) {
      const [oldest] = recent;
      this.checkpoints = this.checkpoints.filter((state) => state !== oldest);
    }
    this.checkpoints.push({
      fed: this.fed,
      lastStart: this.lastStart,
      active: copyOfSpans(this.active),
      nodes: this.nodes.slice(0, this.depth).map(copyOfNode),
      marks: this.levels.map((level) => level?.mark()),
    });
  }

  private remember(slot: number, duration: number, row: number): void {
    let at = this.fed - this.base;
    if (at >= this.slots.length) {
      this.makeRoom();
      at = this.fed - this.base;
    }
    this.slots[at] = slot;
    this.durations[at] = duration;
    this.rows[at] = row;
    this.fed++;
  }

  private makeRoom(): void {
    const from = this.leastOfUse() - this.base;
    const kept = this.fed - this.base - from;
    if (kept * 2 <= this.slots.length) {
      this.slots.copyWithin(0, from, from + kept);
      this.durations.copyWithin(0, from, from + kept);
      this.rows.copyWithin(0, from, from + kept);
    } else {
      const moved = <T extends Uint32Array | Float64Array>(old: T, other: T): T => {
        other.set(old.subarray(from, from + kept));
        return other;
      };
      const capacity = Math.max(REMEMBERED, kept * 4);
      this.slots = moved(this.slots, new Uint32Array(capacity));
      this.durations = moved(this.durations, new Float64Array(capacity));
      this.rows = moved(this.rows, new Uint32Array(capacity));
    }
    this.base += from;
  }

  /** Number of the earliest event whose node has no figures yet. */
  private leastOfUse(): number {
    for (let i = 0; i < this.depth; i++) if (this.nodes[i].tally === undefined) return this.nodes[i].first;
    return this.fed;
  }

  /** Puts a node for one event on the stack. */
  private begin(start: number, join: number): void {
    if (join !== Infinity) {
      const width = WIDTHS[join - 1];
      this.active.popUntil(Math.floor(start / width) * width);
    }
    let node = this.nodes[this.depth];
    if (node === undefined) {
      node = {
        level: 0,
        join,
        start,
        first: 0,
        count: 0,
        tally: undefined,
        carried: new ActiveSpans(4),
        crowded: false,
      };
      this.nodes[this.depth] = node;
    }
    this.depth++;
    node.level = 0;
    node.join = join;
    node.start = start;
    node.first = this.fed - 1;
    node.count = 0;
    node.tally = undefined;
    node.crowded = this.active.size > MOST_ACTIVE;
    if (node.crowded) node.carried.clear();
    else node.carried.copyFrom(this.active);
  }

  /** All in the bucket of the latest event at a level is there: it becomes one node. */
  private complete(level: number): void {
    for (;;) {
      const top = this.nodes[this.depth - 1];
      if (top.join > level) {
        this.raise(top, level);
        return;
      }
      this.raise(top, top.join - 1);
      this.merge(this.nodes[this.depth - 2], top);
      this.depth--;
    }
  }

  /** Takes the top node to a higher level; nothing is beside it there. */
  private raise(node: Node, to: number): void {
    const from = node.count > FEW ? node.level : Math.max(node.level, this.wideLevel);
    if (from < to) this.tallyOf(node);
    for (let level = from; level < to; level++) this.emit(level, node, this.active);
    node.level = to;
  }

  private merge(left: Node, right: Node): void {
    const level = right.join - 1;
    if (left.count + right.count > FEW || level >= this.wideLevel) {
      const tally = this.tallyOf(left);
      const other = this.tallyOf(right);
      this.emit(level, left, right.crowded ? undefined : right.carried);
      this.emit(level, right, this.active);
      tally.addAll(other);
      this.tallies.push(other);
      right.tally = undefined;
    }
    left.count += right.count;
    left.level = level + 1;
  }

  private tallyOf(node: Node): Tally {
    if (node.tally !== undefined) return node.tally;
    const tally = this.tallies.pop() ?? new Tally();
    tally.clear();
    const from = node.first - this.base;
    for (let i = from; i < from + node.count; i++)
      tally.add(this.slots[i], 1, this.durations[i], this.durations[i], this.rows[i]);
    node.tally = tally;
    return tally;
  }

  /** Keeps a bucket. @param after spans that may reach beyond its end; undefined: too many */
  private emit(level: number, node: Node, after: ActiveSpans | undefined): void {
    const { tally } = node;
    const width = WIDTHS[level];
    const index = Math.floor(node.start / width);
    const from = index * width;
    const to = from + width;
    if (after === this.active) after.popUntil(to);
    if (tally === undefined || node.crowded || after === undefined || after.size > MOST_ACTIVE) return;
    const listed = this.gather(tally, node.carried, from);
    const outlasting = this.lessBeyond(after, to);
    const { bucket } = this;
    bucket.index = index;
    bucket.first = node.first;
    bucket.count = node.count;
    bucket.crossing = this.crossing;
    this.choose(tally, listed);
    (this.levels[level] ??= new Level()).push(bucket, outlasting);
  }

  private crossing = 0;

  /** Cycles by slot from the beginning of a bucket on, into `cycles`; returns how many slots are `listed`. */
  private gather(tally: Tally, carried: ActiveSpans, from: number): number {
    if (this.kindOfSlot.length > this.cycles.length) this.enlarge();
    const { cycles, marked, listed, carriedEnds, carriedRows } = this;
    const mark = ++this.mark;
    let size = tally.size;
    for (let i = 0; i < size; i++) {
      const slot = tally.present[i];
      listed[i] = slot;
      marked[slot] = mark;
      cycles[slot] = tally.cycles[slot];
      carriedEnds[slot] = -1;
    }
    for (let i = 0; i < carried.size; i++) {
      const end = carried.endAt(i);
      if (end <= from) continue;
      const slot = carried.slotAt(i);
      if (marked[slot] !== mark) {
        marked[slot] = mark;
        listed[size++] = slot;
        cycles[slot] = 0;
        carriedEnds[slot] = -1;
      }
      cycles[slot] += end - from;
      if (end > carriedEnds[slot]) {
        carriedEnds[slot] = end;
        carriedRows[slot] = carried.rowAt(i);
      }
    }
    return size;
  }

  /** Takes away what is beyond the end; returns the span that is there alone. */
  private lessBeyond(after: ActiveSpans, to: number): Outlasting | undefined {
    let only = -1;
    this.crossing = 0;
    for (let i = 0; i < after.size; i++) {
      const end = after.endAt(i);
      if (end <= to) continue;
      this.cycles[after.slotAt(i)] -= end - to;
      this.crossing++;
      only = i;
    }
    return this.crossing === 1
      ? { slot: after.slotAt(only), row: after.rowAt(only), end: after.endAt(only) }
      : undefined;
  }

  /** What the bucket shows of its kinds: `better` of `viewport.ts`, for one stream. */
  private choose(tally: Tally, listed: number): void {
    const { bucket, cycles, kindOfSlot } = this;
    bucket.modes.fill(0);
    bucket.busy = 0;
    bucket.fault = false;
    bucket.slot = bucket.row = -1;
    let [bestFault, bestCycles, bestCount] = [2, -1, -1];
    let faultRow = -1;
    for (let i = 0; i < listed; i++) {
      const slot = this.listed[i];
      const spent = cycles[slot];
      const count = slot < tally.counts.length ? tally.counts[slot] : 0;
      if (count === 0 && spent <= 0) continue;
      const kind = kindOfSlot[slot];
      bucket.busy += spent;
      const mode = modeOf[kind];
      if (mode >= 0) bucket.modes[mode] += spent;
      const row = count > 0 ? tally.rows[slot] : this.carriedRows[slot];
      const fault = isFault[kind];
      if (fault === 1 && count > 0 && (faultRow < 0 || row < faultRow)) faultRow = row;
      if (count === 0 && isFaultInstant[kind] === 1) {
        if (bestFault === 2) bucket.row = row;
        continue;
      }
      const better =
        fault < bestFault ||
        (fault === bestFault && (spent > bestCycles || (spent === bestCycles && count > bestCount)));
      if (!better) continue;
      [bestFault, bestCycles, bestCount] = [fault, spent, count];
      bucket.slot = slot;
      bucket.row = row;
    }
    bucket.fault = faultRow >= 0;
    if (bucket.fault) bucket.row = faultRow;
    bucket.topIsCount = bestCycles <= 0;
    bucket.top = bucket.slot < 0 ? 0 : bucket.topIsCount ? bestCount : bestCycles;
  }

  private enlarge(): void {
    const capacity = Math.max(this.kindOfSlot.length, this.cycles.length * 2);
    this.cycles = new Float64Array(capacity);
    this.marked = new Uint32Array(capacity);
    this.carriedEnds = new Float64Array(capacity);
    this.carriedRows = new Float64Array(capacity);
    this.listed = new Uint32Array(capacity);
    this.mark = 0;
  }
}
