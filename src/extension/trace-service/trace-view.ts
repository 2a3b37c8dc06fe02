/** A trace as the editor asks it questions: the same for a live run and for a file. Knows no editor. */
import type { FailedExpectations, HostMethods } from '../../protocol/webview';
import type { TraceMeta } from '../../trace/model';
import type { InstructionFigures, SourceFigures, TimeSpan } from '../../trace/query/source-figures';
import type { RegisterHistory, TrackRegisters } from '../../protocol/state';

/** Questions about one trace. Times in cycles, rows from 0. */
export interface TraceQuestions extends Pick<
  HostMethods,
  | 'viewport'
  | 'describe'
  | 'chain'
  | 'criticalPath'
  | 'find'
  | 'density'
  | 'complete'
  | 'events'
  | 'statistics'
  | 'operations'
  | 'mappings'
> {
  /** What the run was to keep and did not, once it is over; all rows may be read for that. */
  failed(): FailedExpectations | undefined;
  /** A query that matches an event and those like it. */
  like(row: number): string;
  /** Exits of a stretch of time by guest source line and by function, with their reasons, dearest first. */
  sourceFigures(span: TimeSpan): SourceFigures;
  /** Exits of a stretch of time by instruction of a VM's guest. */
  perInstruction(vm: number, span: TimeSpan): InstructionFigures[];
  /** The writes of a device's register, which its path in the tree of the machine's inside names. */
  registerHistory(path: readonly string[]): RegisterHistory;
  /** What the devices' registers were last seen to hold by an event. */
  registersAt(row: number): TrackRegisters[];
}

/** How far a trace is. */
export interface TraceState {
  meta: TraceMeta;
  rows: number;
  /** End of the last event or of the run, whichever is later. */
  endTime: number;
}

/** The questions as another thread answers them: each rejects with a message for a reader. */
export type TraceAnswers = {
  [M in keyof TraceQuestions]: (
    ...args: Parameters<TraceQuestions[M]>
  ) => Promise<ReturnType<TraceQuestions[M]>>;
};

/** A trace that another thread holds. Its state is the latest that is known here. */
export interface TraceView extends TraceAnswers, Readonly<TraceState> {}
