/** The comparison of runs between its thread, the extension and its page. */
import type { Comparison } from '../trace/query/compare';
import type { ExitsOverTime, TimeByMode } from '../trace/query/over-time';
import {
  operationSorts,
  type OperationCourse,
  type OperationSort,
  type Pair,
  type TraceDifference,
} from './difference';

/** A run's difference from the first, as much of it as is shown. */
export interface ShownDifference extends TraceDifference {
  /** How many lines of source differ; `lines` has the first of them. */
  allLines: number;
}

/** Everything that is shown of a comparison. Runs are known by their place in it. */
export interface ComparisonReport {
  comparison: Comparison;
  /** By run. */
  about: {
    events: number;
    frequencyHz: number;
    /** What its trace lacks, as sentences. */
    gaps: string[];
  }[];
  overTime: ExitsOverTime;
  modes: TimeByMode[];
  /** Of each run but the first. */
  differences: ShownDifference[];
}

/** Which operations stand beside each other: those of a run and of the first. */
export interface CourseQuery {
  /** Place of the other run among the differences. */
  difference: number;
  sort: OperationSort;
  /** From 0. */
  index: number;
}

/** Lists of a difference whose rows count VM exits. */
export type CostList = 'lines' | 'reasons';

/** To the page. */
export type ToComparison =
  | { readonly type: 'show'; readonly report: ComparisonReport }
  | { readonly type: 'courses'; readonly query: CourseQuery; readonly courses: Pair<OperationCourse | null> }
  /** What the page asked for cannot be had: why, for a reader. */
  | { readonly type: 'problem'; readonly message: string };

/** From the page. */
export type FromComparison =
  | { readonly type: 'ready' }
  | { readonly type: 'copy' }
  /** Opens the trace of a run at an event. */
  | { readonly type: 'event'; readonly run: number; readonly row: number }
  /** Opens the trace of a run at the first event that a figure is made of. */
  | { readonly type: 'figure'; readonly run: number; readonly figure: string }
  /** Opens the trace of a run at the first event that a row of a difference counts. */
  | {
      readonly type: 'cost';
      readonly run: number;
      readonly difference: number;
      readonly of: CostList;
      readonly index: number;
    }
  /** Opens the trace of a run at the first event of a stretch of time. */
  | { readonly type: 'time'; readonly run: number; readonly seconds: number }
  /** Opens a line of source that differs. */
  | { readonly type: 'line'; readonly difference: number; readonly index: number }
  /** Opens the line of source at which a run parts from another. */
  | { readonly type: 'place'; readonly difference: number; readonly side: 0 | 1 }
  | ({ readonly type: 'courses' } & CourseQuery);

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;

/** Takes a message of the page; undefined where it is none. */
export function fromComparison(message: unknown): FromComparison | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { type, run, row, figure, difference, of, index, side, sort, seconds }: Partial<
    Record<string, unknown>
  > = message;
  switch (type) {
    case 'ready':
    case 'copy':
      return { type };
    case 'event':
      return isCount(run) && isCount(row) ? { type, run, row } : undefined;
    case 'figure':
      return isCount(run) && typeof figure === 'string' ? { type, run, figure } : undefined;
    case 'cost':
      return isCount(run) && isCount(difference) && isCount(index) && (of === 'lines' || of === 'reasons')
        ? { type, run, difference, of, index }
        : undefined;
    case 'time':
      return isCount(run) && typeof seconds === 'number' && Number.isFinite(seconds)
        ? { type, run, seconds }
        : undefined;
    case 'line':
      return isCount(difference) && isCount(index) ? { type, difference, index } : undefined;
    case 'place':
      return isCount(difference) && (side === 0 || side === 1) ? { type, difference, side } : undefined;
    case 'courses': {
      const known = operationSorts.find((each) => each === sort);
      return isCount(difference) && isCount(index) && known
        ? { type, difference, sort: known, index }
        : undefined;
    }
    default:
      return undefined;
  }
}
