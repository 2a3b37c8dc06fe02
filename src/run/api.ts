/** The face of `run/` towards the CLI and the extension. */
import type { Problem } from '../protocol/problem';
import type { RunEnd, RunJob, RunListener, RunMessage } from '../protocol/run';
import type { RunSnapshot } from './snapshot';

/** Where things lie; filled by the CLI or the extension. */
export interface RunEnvironment {
  /** Folder of `cpu-core.wasm`, `worker.js` and `guests/`: `dist`. */
  distDir: string;
  /** `media/guest-kit`. */
  kitDir: string;
  /** Compiled guests are kept here. */
  cacheDir: string;
  /** The user's compiler, empty to look for gcc, then clang. */
  compiler: string;
}

export interface PrepareOptions extends RunEnvironment {
  /** Absolute path of the scenario. */
  file: string;
  /** Its text when the editor holds an unsaved one; else it is read. */
  text?: string;
  signal?: AbortSignal;
  /** One line of what is being done: `compiling e1000.c with gcc 12.2.0`. */
  log?: (line: string) => void;
}

export type Prepared =
  /** `problems` are warnings. */
  { ok: true; job: RunJob; problems: Problem[] } | { ok: false; problems: Problem[] };

/** A run in a worker thread. */
export interface RunHandle {
  /** Asks the run to stop: it stops at an instruction boundary within 200 ms, or its thread is ended. */
  cancel(): void;
  /** Rejects only when Trapline itself failed, with a message for a reader. What was recorded has been handed out by then. */
  readonly ended: Promise<RunEnd>;
}

/** What takes the messages of a run's thread: a `RunReceiver`, or what passes them on to one. */
export interface RunSink {
  /** The machine has been built. */
  readonly hasBegun: boolean;
  /** As `RunHandle.ended`. */
  readonly ended: Promise<RunEnd>;
  /** Takes a message. Of a delta, a promise says when it has been dealt with. */
  receive(message: RunMessage): void | Promise<unknown>;
  /** The thread failed: why, for a reader. */
  failed(why: string): void;
  /** The thread is gone. @param wanted it was ended because it did not stop in time */
  closed(wanted?: boolean, why?: string): void;
}

/** Starts a run whose messages go to a sink as they come. */
export type StartRunInto = (
  job: RunJob,
  environment: RunEnvironment,
  sink: RunSink,
  snapshot?: RunSnapshot,
) => RunHandle;
export type StartRun = (
  job: RunJob,
  environment: RunEnvironment,
  listener: RunListener,
  snapshot?: RunSnapshot,
) => RunHandle;
export type PrepareRun = (options: PrepareOptions) => Promise<Prepared>;
