/** How two runs differ. Of each pair of figures the first is the first run's. Times in cycles. */
import type { Distribution } from './details';

/** The same figure of both runs. */
export type Pair<T = number> = readonly [first: T, second: T];

/** What a line of source, or a reason, cost each run in VM exits. */
export interface CostDifference {
  exits: Pair;
  cycles: Pair;
}

export interface LineDifference extends CostDifference {
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
  /** Cycles in it by operation, on the average of those that are compared. */
  cycles: Pair;
}

/** The nth operation of one run beside the nth of the other. */
export interface OperationPair {
  /** From 0. */
  index: number;
  /** Rows of their last events. */
  rows: Pair;
  cycles: Pair;
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
}

export interface TraceDifference {
  /** Dearest difference first. */
  lines: LineDifference[];
  reasons: ReasonDifference[];
  operations: {
    counts: Pair;
    total: Pair<Distribution>;
    stages: StageDifference[];
    /** The pairs that differ most, the greatest difference first. */
    widest: OperationPair[];
  };
  /** Absent: nothing differs but times. */
  parting?: Parting;
}
