/** How two runs differ. Of each pair of figures the first is the first run's. Times in cycles of each run's own clock. */
import type { Distribution } from './details';

/** The same figure of both runs. */
export type Pair<T = number> = readonly [first: T, second: T];

/** What a line of source, or a reason, cost each run in VM exits. */
export interface CostDifference {
  exits: Pair;
  cycles: Pair;
  /** Finds these exits in either trace. */
  query: string;
}

export interface LineDifference extends CostDifference {
  /** As the debug information of the first run that has it calls it. */
  file: string;
  /** 1-based. */
  line: number;
}

export interface ReasonDifference extends CostDifference {
  reason: string;
}

/** A stage that operations go through: an event that goes on (`in`), or is waited for (`until`). */
export interface StageDifference {
  what: 'in' | 'until';
  /** Kind name. */
  name: string;
  /** Cycles in it by operation, on the average of those that are paired. */
  cycles: Pair;
  /** The event of the paired operation that was in it for longest; -1: none was. */
  longest: Pair;
}

/** The nth operation of one run beside the nth of the other. */
export interface OperationPair {
  /** From 0. */
  index: number;
  /** Rows of their last events. */
  rows: Pair;
  cycles: Pair;
}

/**
 * What operations are of, in the order in which they are shown: requests of a disk, packets that were received or sent, and
 * interrupts that no packet or request led to.
 */
export const operationSorts = ['requests', 'received', 'sent', 'interrupts'] as const;
export type OperationSort = (typeof operationSorts)[number];

/** A distribution, and where to find what it tells of. */
export interface PlacedDistribution extends Distribution {
  /** Rows whose values these are; -1 where there are no values. */
  rows: Record<'p50' | 'p90' | 'p99' | 'max', number>;
}

/** Operations of one sort, the nth of one run beside the nth of the other. */
export interface OperationDifference {
  sort: OperationSort;
  /** All of each run. */
  counts: Pair;
  /** How many have one beside them, and no gap of a trace before them. */
  paired: number;
  /** Of those that are paired; its rows are the last ones of operations. */
  total: Pair<PlacedDistribution>;
  /** Greatest difference first. */
  stages: StageDifference[];
  /** The pairs that differ most, the greatest difference first. */
  widest: OperationPair[];
}

/** An event at which runs part. */
export interface PartingEvent {
  row: number;
  /** What happened, as a sentence. */
  sentence: string;
  /** `e1000.c:142`; empty when unknown. */
  place: string;
  /** As the debug information has it. */
  file?: string;
  /** 1-based. */
  line?: number;
}

/** Where two runs are no longer the same. */
export interface Parting {
  /** The vCPU or device whose events part: heading and name. */
  track: string;
  /** How many events of the track were the same before. */
  same: number;
  /** The first events that differ; -1 where that run has no more. */
  rows: Pair;
  /** What they are, for a reader. */
  what: Pair<string>;
  /** The same in full; null where that run has no more. */
  events: Pair<PartingEvent | null>;
}

export interface TraceDifference {
  /** What each run counts its cycles by. */
  frequencyHz: Pair;
  /** Dearest difference first. */
  lines: LineDifference[];
  reasons: ReasonDifference[];
  /** Sorts that either run has. */
  operations: OperationDifference[];
  /** Absent: nothing differs but times, as far as both were recorded. */
  parting?: Parting;
  /** Up to when each run was recorded without a gap; null: to its end. Neither events nor operations behind it are paired. */
  wholeUntil: Pair<number | null>;
}

/** A stretch of an operation's time. */
export interface OperationLeg {
  what: 'in' | 'until';
  row: number;
  /** Kind name. */
  name: string;
  kind: number;
  /** Since the operation began. */
  from: number;
  cycles: number;
}

/** One operation for drawing. */
export interface OperationCourse {
  /** Its last event. */
  row: number;
  /** When it began. */
  from: number;
  cycles: number;
  /** In order; they add up to the whole. */
  legs: OperationLeg[];
}
