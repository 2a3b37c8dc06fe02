/** What the extension host and a trace's thread say to each other. Knows no editor. */
import type { ComparisonReport, CourseQuery } from '../../protocol/comparison';
import type { OperationCourse, Pair } from '../../protocol/difference';
import type { RunEnd, RunMessage, RunProgress } from '../../protocol/run';
import type { ExportFormatName } from '../../trace/exchange/export/formats';
import type { TraceMeta } from '../../trace/model';
import type { TraceQuestions, TraceState } from './trace-view';

/** Where a trace comes from. */
export type TraceSource =
  /** A file of this machine, read by range. With `text`, its name, it is a text trace of another tool. */
  | { from: 'file'; path: string; text?: string }
  /** The whole of a file that only the editor can read; `text` likewise. */
  | { from: 'bytes'; bytes: Uint8Array; text?: string }
  /** A run, whose messages will follow. */
  | { from: 'run' };

/** What a thread is started for: to hold a trace, or to compare several. */
export type TraceThreadInput =
  { hold: TraceSource } | { compare: readonly { name: string; source: TraceSource }[] };

/** What is asked of a thread that holds a trace. */
export interface TraceMethods extends TraceQuestions {
  /** The tables as they are now. */
  state(): TraceState;
  /** Writes the trace to a file of this machine: one that is there is replaced only by a whole one. */
  save(path: string): void;
  /** The trace as a file's bytes. */
  bytes(): Uint8Array;
  /** Writes the trace to a file of this machine in a format of other tools, likewise. */
  export(format: ExportFormatName, path: string): void;
  /** The trace in a format of other tools. */
  exportBytes(format: ExportFormatName): Uint8Array;
  /** What a reader is to be told of a trace that does not agree with itself; all rows are read for that. */
  damage(): string | undefined;
}

/** What is asked of a thread that compares, once it has reported. Runs by their place. */
export interface ComparingMethods {
  courses(query: CourseQuery): Pair<OperationCourse | null>;
  /** The first event that a query finds; -1: none. */
  find(run: number, query: string): number;
  /** The first VM exit at a time or later; -1: none. */
  exitAt(run: number, seconds: number): number;
}

/** One question to it. */
export interface ToComparingThread<M extends keyof ComparingMethods = keyof ComparingMethods> {
  id: number;
  method: M;
  args: Parameters<ComparingMethods[M]>;
}

/** One question. */
export interface TraceCall<M extends keyof TraceMethods = keyof TraceMethods> {
  type: 'call';
  id: number;
  method: M;
  args: Parameters<TraceMethods[M]>;
}

export type ToTraceThread =
  | TraceCall
  | { type: 'run'; message: RunMessage }
  /** The thread of the run has failed, or is gone. */
  | { type: 'run-failed'; why: string }
  | { type: 'run-closed'; wanted?: boolean; why?: string }
  /** The run is over without an end of its own: how its trace is marked. */
  | { type: 'cut-off'; state: TraceMeta['state']; message: string };

/** What changed since the last word, small enough to be said often. */
export interface Growth extends Pick<TraceMeta, 'state' | 'gaps'> {
  rows: number;
  endTime: number;
  message?: string;
  /** Those that the receiver does not have. */
  tracks: TraceMeta['tracks'];
  progress?: RunProgress;
}

export type FromTraceThread =
  | { type: 'opened'; state: TraceState }
  /** The trace cannot be shown: why, for a reader. */
  | { type: 'refused'; message: string }
  | { type: 'answer'; id: number; result: unknown }
  | { type: 'answer'; id: number; error: string }
  /** What share of a comparison is done, 0 to 1. */
  | { type: 'comparing'; share: number }
  | { type: 'compared'; report: ComparisonReport }
  /** A delta has been taken in. */
  | { type: 'taken' }
  | { type: 'grown'; growth: Growth }
  /** The run has come to its end; its tables are complete. */
  | { type: 'ended'; end: RunEnd; state: TraceState }
  | { type: 'failed'; message: string };
