/** What verbs work with. The thread that performs them gives it; tests give their own. */
import type { Debuggee } from '../debug/debuggee';
import type { TraceStore } from '../trace/query/store';
import type { Folders } from './folders';

/** A run that is kept: its trace is a file. */
export interface KeptRun {
  /** By which it is named: `2026-11-22_16-49-19-640`. */
  readonly id: string;
  /** Absolute path of its trace. */
  readonly file: string;
  /** Absolute path of its scenario. */
  readonly scenario: string;
  readonly title: string;
  /** When it ended, ISO 8601. */
  readonly ended: string;
  /** By which the editor opens its trace, where that is not the path of the file. */
  readonly link?: string;
}

/** A trace that has been opened. */
export interface OpenedTrace {
  /** As answers name it: the id of a run, or the path in its folder. */
  readonly name: string;
  /** Absolute path. */
  readonly file: string;
  readonly store: TraceStore;
  /** The run that it is the trace of, if that is known. */
  readonly run: KeptRun | undefined;
}

/** A scenario of the folders. */
export interface ListedScenario {
  /** Path in its folder. */
  readonly file: string;
  readonly title: string;
  readonly about: string;
}

/** How a run came out that a verb has asked for. */
export interface RunReport {
  readonly run: KeptRun;
  /** What the guests have printed, the last of it. */
  readonly console: string;
}

/** The run of a trace, made again under control. */
export interface Replay {
  readonly debuggee: Debuggee;
  /** Whether it is the run of the trace: no guest has changed since. */
  readonly isSame: boolean;
}

export interface VerbContext {
  readonly folders: Folders;
  scenarios(): Promise<readonly ListedScenario[]>;
  /** Newest first. */
  runs(): Promise<readonly KeptRun[]>;
  /**
   * Opens a trace: `latest`, the id of a run, or a path within the folders.
   * Rejects with VerbError when there is none, or it cannot be read.
   */
  open(name: string): Promise<OpenedTrace>;
  /** Runs a scenario to its end and keeps its trace. Rejects with VerbError when it cannot be run. */
  run(scenario: string): Promise<RunReport>;
  /** Rejects with VerbError when the run cannot be made again. */
  replay(trace: OpenedTrace): Promise<Replay>;
  /** By which an event of a trace opens in the editor; `{row}` stands for its number. */
  link(trace: OpenedTrace): string;
}
