/**
 * What the debug adapter says beyond the Debug Adapter Protocol: the attributes of a launch, its own requests and events, and
 * what crosses between the adapter's thread and whoever started it. A moment of a run is always named by the same three figures.
 */
import type { RunMessage } from './run';

/** A moment of a run. Each figure only grows in its course. */
export interface DebugMoment {
  /** Guest instructions retired by all vCPUs. */
  instructions: number;
  /** Simulated time in cycles. */
  cycles: number;
  /** Rows recorded. */
  rows: number;
}

/** Attributes of a launch of type `trapline`. */
export interface LaunchAttributes {
  /** Path of a scenario, absolute or from `cwd`. */
  scenario?: string;
  /** In place of `scenario`: a driver (a C file) or an ELF file that a scenario of the folder, or of one beside it, names. */
  program?: string;
  /** What relative paths start from; the adapter's own folder when left out. */
  cwd?: string;
  /** Stops before the first instruction. */
  stopOnEntry?: boolean;
  /** The VM that `stopOnEntry` and the first stack are about, by name or position; the first when left out. */
  vm?: string | number;
  /** At the run's end stays there, so that one can travel back. True when left out. */
  stopAtEnd?: boolean;
  /** Runs without any stop. */
  noDebug?: boolean;
  /** A step over an instruction does not enter the handlers of interrupts. True when left out. */
  stepOverInterrupts?: boolean;
  /** A write in the past discards what was simulated beyond it without asking. */
  discardFuture?: boolean;
  /** C compiler for the guest in place of gcc or clang. */
  compiler?: string;
  /** Where to begin: a moment of a run that was recorded before; the run goes there and stops. */
  at?: SeekTarget;
}

/** A place in a run by one of its figures. */
export type SeekTarget = { row: number } | { cycles: number } | { instructions: number };

/** A stretch of guest-physical memory, or an expression of C that names one. */
export type WatchTarget =
  | { expression: string; frameId?: number }
  /** Guest-physical, of a VM (the first when left out). */
  | { address: string; length: number; vm?: number };

/** Who wrote. */
export interface WriterFound {
  found: boolean;
  /** As the trace names it: `vCPU 0`, `e1000`. */
  who?: string;
  isDevice?: boolean;
  /** One sentence. */
  sentence: string;
  moment: DebugMoment;
}

/** One change of a value. */
export interface ValueChange {
  /** Just behind it. */
  moment: DebugMoment;
  /** As the trace names it: `vCPU 0`, `e1000`. */
  who: string;
  isDevice: boolean;
  /** Function that the vCPU was in, where it is known. */
  function?: string;
  /** Hexadecimal with 0x; of long stretches the first bytes. */
  before: string;
  after: string;
}

/** The changes of a value in the order of time: of many, those nearest to the present moment. */
export interface ValueHistory {
  changes: ValueChange[];
  /** Changes in all. */
  total: number;
  /** False: it was interrupted before all of the run had been gone through. */
  complete: boolean;
  present: DebugMoment;
}

/** Something that a logpoint in the past would have said. */
export interface PastMessage {
  moment: DebugMoment;
  text: string;
}

/** The adapter's own requests: arguments and answer of each. */
export interface DebugRequests {
  'trapline/moment': {
    arguments: Record<string, never>;
    body: { moment: DebugMoment; frontier: DebugMoment };
  };
  'trapline/seek': { arguments: SeekTarget; body: { moment: DebugMoment } };
  'trapline/inspect': {
    arguments: { path: string[]; at?: SeekTarget };
    body: { node?: unknown };
  };
  /** Goes back to the last write and stops there. */
  'trapline/lastWriter': { arguments: WatchTarget; body: WriterFound };
  'trapline/nextChange': { arguments: WatchTarget; body: WriterFound };
  'trapline/previousChange': { arguments: WatchTarget; body: WriterFound };
  /** All changes of a value in what has been simulated, before and behind this moment; the run stands here again afterwards. */
  'trapline/history': { arguments: WatchTarget & { limit?: number }; body: ValueHistory };
  /** Adds a stop at each event that a query matches; a number of its own, by which it can be taken away again. */
  'trapline/stopAt': { arguments: { query: string }; body: { id: number } };
  'trapline/clearStopAt': { arguments: { id?: number }; body: Record<string, never> };
  /** What a logpoint would have said up to this moment. */
  'trapline/logInPast': {
    arguments: { message: string; query?: string; source?: string; line?: number; limit?: number };
    body: { count: number; messages: PastMessage[] };
  };
  'trapline/hasFuture': { arguments: Record<string, never>; body: { hasFuture: boolean } };
  /** Whether writes at this moment may discard a future from here on. */
  'trapline/discardFuture': { arguments: { confirmed: boolean }; body: Record<string, never> };
}

/** Body of the event `trapline/moved`: sent whenever the position changes. */
export interface MovedBody {
  moment: DebugMoment;
  frontier: DebugMoment;
}

/** Distinct error ids of responses, for clients that act on them. */
export const DebugErrorId = {
  /** Anything else; the message says it. */
  General: 1000,
  /** A write here would discard what was simulated beyond this moment. Ask, then `trapline/discardFuture`. */
  WouldDiscardFuture: 1001,
  /** The run has not been launched, or is over and gone. */
  NoRun: 1002,
  /** The request needs a run that stands still. */
  Running: 1003,
  /** A frame or variable of a moment that has been left. */
  Stale: 1004,
  /** The scenario or its guest is wrong; the console has the places. */
  NotPrepared: 1005,
  /** An expression or a query cannot be understood. */
  Expression: 1006,
  /** Given up because the client asked so. */
  Cancelled: 1007,
} as const;
export type DebugErrorId = (typeof DebugErrorId)[keyof typeof DebugErrorId];

/** A message of the Debug Adapter Protocol as it crosses threads; what it holds is the protocol's matter. */
export interface ProtocolMessage {
  type: string;
  seq: number;
}

/** From the adapter's thread. */
export type DebugWorkerMessage =
  | { type: 'protocol'; message: ProtocolMessage }
  | { type: 'run'; message: RunMessage }
  /** The session is over and the thread about to end. */
  | { type: 'over' };

/** To the adapter's thread. */
export interface DebugWorkerRequest {
  type: 'protocol';
  message: ProtocolMessage;
}
