/** What surrounds a session: where its messages go, and who runs the run. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { RunJob } from '../protocol/run';
import type { RunEnvironment } from '../run/api';
import type { Debuggee } from './debuggee';

/** A run under control, with its trace on the way to whoever records it. */
export interface OpenedRun {
  readonly debuggee: Debuggee;
  /** Hands on what has been recorded since the last time. */
  pump(): void;
  /**
   * The session lets go of it: wherever it has come to at the latest is its end.
   * @returns what a process would end with
   */
  close(): number;
}

/** Who hears of a run while it is under way. */
export interface RunListener {
  /** Gets what guests write to their consoles, once. */
  serial(vm: number, text: string): void;
  /** Called about every 50 ms of wall time during a motion. */
  tick(): void;
}

export interface SessionOutside {
  readonly environment: RunEnvironment;
  send(message: DebugProtocol.Response | DebugProtocol.Event): void;
  /** The next request that has come in while a motion was under way; undefined: there is none. */
  take(): DebugProtocol.Request | undefined;
  /** Builds a run. */
  open(job: RunJob, listener: RunListener): OpenedRun;
  /** What may interrupt from here on; see `MotionHost.begin`. */
  moving(kind: 'forward' | 'travel' | 'still'): void;
  /** The session is over. */
  over(): void;
}
