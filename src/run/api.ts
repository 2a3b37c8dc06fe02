/** The face of `run/` towards the CLI and the extension. */
import type { Problem } from '../protocol/problem';
import type { RunEnd, RunJob, RunListener } from '../protocol/run';
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

export type StartRun = (
  job: RunJob,
  environment: RunEnvironment,
  listener: RunListener,
  snapshot?: RunSnapshot,
) => RunHandle;
export type PrepareRun = (options: PrepareOptions) => Promise<Prepared>;
