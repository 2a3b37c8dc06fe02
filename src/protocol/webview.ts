/**
 * Messages between the extension host and the trace editor's page. Methods are declared once, as a plain interface of
 * functions; call and result types are derived from it.
 */
import type { RunState, TraceMeta } from '../trace/model';
import type { Bookmark, LaneChoices } from './choices';
import type { DomainMappings } from './mappings';
import type { QueryLane } from './query-lanes';
import type { RunProgress } from './run';
import type { ViewportQuery, ViewportResult } from './viewport';
import type {
  ChainReach,
  EventChain,
  EventDetails,
  EventTableQuery,
  EventTableResult,
  DensityResult,
  FindResult,
  OperationPath,
  OperationStatistics,
  TraceStatistics,
} from './details';
import type { Completions } from './completions';

/** What the page may ask of the host. Every method answers or rejects with a message for a reader. */
export interface HostMethods {
  viewport(query: ViewportQuery): ViewportResult;
  /** Details of one event. */
  describe(row: number): EventDetails;
  /** The causal chain through an event: causes, itself, consequences. */
  chain(row: number, reach: ChainReach): EventChain;
  /** The critical path of the operation that an event is part of. */
  criticalPath(row: number): OperationPath;
  /** Next event that matches the query after (or before) a row. Rejects with what is wrong in the query. */
  find(query: string, fromRow: number, direction: 1 | -1): FindResult;
  /** How many events that match begin in each of `parts` equal parts of a stretch of time. */
  density(query: string, from: number, to: number, parts: number): DensityResult;
  /** What may stand at a place of a query that is being written. */
  complete(query: string, cursor: number): Completions;
  /** Events of a window for the list. */
  events(query: EventTableQuery): EventTableResult;
  statistics(from: number, to: number): TraceStatistics;
  /** Figures of the operations that end in a window of time, by the way they took. */
  operations(from: number, to: number): OperationStatistics;
  /** What a domain of an IOMMU, given by its track, translates at a time; of one address of its devices if that is not -1. */
  mappings(track: number, time: number, address: number): DomainMappings;
  /**
   * Opens the C line of the event, or its machine code when it has none; false when it is about no instruction. `beside` false opens in the page's own column. `focus` moves the keyboard
   * there; without it the page keeps it.
   */
  openSource(row: number, beside: boolean, focus: boolean): boolean;
  /** Opens the machine code about the event's instruction; false when it is about none. `beside` and `focus` as above. */
  openDisassembly(row: number, beside: boolean, focus: boolean): boolean;
  /** Moves the debugger that stands in this trace's run to a time in cycles, or to an event. */
  travel(target: { cycles: number } | { row: number }): void;
  /** Debugs the run of this trace from an event on: runs the scenario again to that very moment. */
  debugFrom(row: number): void;
  /** The debugger is to stop at each event like this one. */
  stopAtLike(row: number): void;
  /** The lanes of queries that have been kept for the scenario. */
  queryLanes(): QueryLane[];
  /** Keeps the lanes of queries, for all runs of the scenario. */
  keepQueryLanes(lanes: QueryLane[]): void;
  /** Keeps what the reader chose to see, for this scenario's traces. */
  keepChoices(choices: LaneChoices): void;
  /** Keeps the trace's bookmarks. */
  keepBookmarks(bookmarks: Bookmark[]): void;
  /** Stops the run that this trace is of. */
  stop(): void;
  /** Runs the scenario of this trace again. */
  runAgain(): void;
}

/** Where the debugger stands in the run of a trace. */
export interface DebugPosition {
  /** Simulated time in cycles, and rows recorded by then. */
  cycles: number;
  rows: number;
  /** It stands still and can be moved; false while the run goes on. */
  stopped: boolean;
}

/** What a scenario expects and its run did not keep. */
export interface FailedExpectations {
  /** A sentence about the first of them. */
  text: string;
  /** The event that broke it; absent: there is none. */
  row?: number;
}

/** What the host tells the page unasked. */
export type HostNotice =
  | {
      type: 'init';
      meta: TraceMeta;
      rows: number;
      endTime: number;
      liveUntil?: number;
      /** What the reader chose at this scenario's traces before. */
      choices?: LaneChoices;
      bookmarks: Bookmark[];
      failed?: FailedExpectations;
    }
  /** The trace grew, or its state changed. */
  | {
      type: 'grown';
      rows: number;
      endTime: number;
      state: RunState;
      message?: string;
      tracks: TraceMeta['tracks'];
      gaps: TraceMeta['gaps'];
      progress?: RunProgress;
      failed?: FailedExpectations;
    }
  /** Show this event: select it and bring it into view (from a source line, a link, another view). */
  | { type: 'reveal'; row: number }
  /** Write this query into the find box and go to its first event. */
  | { type: 'find'; query: string }
  /** The debugger has moved; absent: none stands in this trace's run. */
  | { type: 'debugger'; position?: DebugPosition };

/** What the page tells the host unasked. */
export type PageNotice =
  | { type: 'ready' }
  | { type: 'selected'; row: number }
  /** The stretch of time in sight, said when it has come to rest; absent: all of it. */
  | { type: 'window'; span?: { from: number; to: number } }
  | { type: 'failed'; message: string };

/** One call of the page. */
export interface HostCall<M extends keyof HostMethods = keyof HostMethods> {
  type: 'call';
  id: number;
  method: M;
  args: Parameters<HostMethods[M]>;
}

/** The host's answer. */
export type HostAnswer =
  | { type: 'answer'; id: number; result: ReturnType<HostMethods[keyof HostMethods]> }
  | { type: 'answer'; id: number; error: string };

export type ToPage = HostNotice | HostAnswer;
export type FromPage = PageNotice | HostCall;
