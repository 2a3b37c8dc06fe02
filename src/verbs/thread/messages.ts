/** What the thread that performs verbs and its owner say to each other. */
import type { RunEnvironment } from '../../run/api';
import type { KeptRun, RunReport } from '../context';
import type { Outcome } from '../perform';

/** What the thread is started with. */
export interface VerbThreadInput {
  /** Absolute paths of the folders that may be read in. */
  readonly folders: readonly string[];
  readonly environment: RunEnvironment;
  /** What stands before `event?trace=…` in links that open in the editor: `vscode://trapline.trapline/`. */
  readonly link: string;
}

/** What the thread asks of its owner. */
export interface HostQuestions {
  /** Runs that are kept, newest first. */
  runs: { arguments: Record<string, never>; result: readonly KeptRun[] };
  /** Runs a scenario by its absolute path; rejects with a message for a reader. */
  run: { arguments: { scenario: string }; result: RunReport };
}

export type ToVerbThread =
  | { type: 'call'; id: number; verb: string; input: unknown }
  | { type: 'told'; id: number; result: HostQuestions[keyof HostQuestions]['result'] }
  | { type: 'told'; id: number; error: string };

export type FromVerbThread =
  | { type: 'outcome'; id: number; outcome: Outcome }
  | {
      [K in keyof HostQuestions]: { type: 'ask'; id: number; what: K } & HostQuestions[K];
    }[keyof HostQuestions];
