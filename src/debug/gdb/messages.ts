/** What the server and the thread that simulates tell each other. */
import type { RunJob } from '../../protocol/run';

/** What the thread is started with. */
export interface GdbWorkerInput {
  readonly job: RunJob;
  /** Position of the VM whose vCPUs are GDB's threads. */
  readonly vm: number;
  /** Memory of `GdbSignals`. */
  readonly signals: SharedArrayBuffer;
}

/** To the thread. */
export type GdbWorkerRequest =
  /** A GDB has connected. */
  | { readonly type: 'connect' }
  /** @see GdbSignals for `number` */
  | { readonly type: 'packet'; readonly number: number; readonly payload: string };

/** From the thread. */
export type GdbWorkerMessage =
  /** The machine is built. `note`: what GDB will show wrongly. */
  | { readonly type: 'ready'; readonly vmNames: readonly string[]; readonly note?: string }
  /** For GDB, before a reply. */
  | { readonly type: 'send'; readonly payload: string }
  /** A packet has been served. */
  | {
      readonly type: 'served';
      readonly number: number;
      readonly payload?: string;
      readonly leaves?: 'detach' | 'kill';
    }
  | { readonly type: 'serial'; readonly vm: number; readonly text: string }
  /** The run has gone on without GDB to its end, or was ended by it. */
  | { readonly type: 'over'; readonly exitCode: number; readonly message?: string }
  /** Something that should never happen; the packet was refused. */
  | { readonly type: 'fault'; readonly message: string };
