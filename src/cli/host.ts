/** What the commands need of the world outside; the entry point gives the real one, tests give their own. */
import type { GdbServerOptions, GdbSessionEnd } from '../debug/gdb/server';
import type { Problem } from '../protocol/problem';
import type { PrepareRun, RunEnvironment, StartRun } from '../run/api';
import type { Scenario } from '../scenario/schema';
import type { ExportFormatName } from '../trace/exchange/export/formats';
import type { TraceStore } from '../trace/query/store';
import type { McpOptions } from './mcp-server';
import type { CliTerminal } from './progress-line';

/** What a command may write. */
export type OutputKind = 'trace' | 'capture' | ExportFormatName;

/** A file that is written piece by piece. */
export interface OutputFile {
  write(bytes: Uint8Array): Promise<void>;
  /** The file is whole. Rejects with a message for a reader. */
  finish(): Promise<void>;
  /** Leaves nothing behind. Never rejects. */
  abandon(): Promise<void>;
}

/** The world outside the commands. */
export interface CliHost {
  /** Standard output. */
  out(text: string): void;
  /** Standard error. */
  err(text: string): void;
  /** The terminal that standard error goes to, if it is one that can redraw a line. */
  terminal?: CliTerminal;
  /** Standard output goes to somebody who wants to see colours. */
  colours?: boolean;
  /** Folder that relative paths of the command line start at. */
  cwd: string;
  /** `0.1.0`. */
  version: string;
  environment: RunEnvironment;
  /** Reads a text file. Rejects with a message for a reader. */
  readText(file: string): Promise<string>;
  /** A file piece by piece, or standard input where none is named. Rejects with a message for a reader. */
  readPieces(file: string | undefined): AsyncIterable<Uint8Array>;
  /** Rejects with a message for a reader when the file could not be written later. */
  checkWritable(file: string, kind: OutputKind): Promise<void>;
  /** Begins a file that is either the old one or wholly the new one. */
  createFile(file: string, kind: OutputKind): OutputFile;
  /** Writes a trace so that the file is either the old one or wholly the new one. Rejects with a message for a reader. */
  writeTrace(file: string, store: TraceStore): Promise<void>;
  /**
   * Reads a trace; one that was cut short has state `truncated`. Rejects with a message for a reader when nothing can be
   * recovered.
   */
  readTrace(file: string): Promise<TraceStore>;
  prepareRun: PrepareRun;
  /** What is missing of the files that a scenario names. `file` is the scenario's. */
  missingFiles(text: string, file: string, scenario: Scenario): Promise<Problem[]>;
  startRun: StartRun;
  /** Serves a debug session over standard input and output; resolves when it is over, rejects with a message for a reader. */
  serveDebugger(environment: RunEnvironment): Promise<void>;
  /** Answers an agent over standard input and output; resolves when it has gone. */
  serveMcp(options: Omit<McpOptions, 'input' | 'output'>): Promise<void>;
  /** Serves GDB on a port of this computer. Rejects with a message for a reader. */
  serveGdb(options: GdbServerOptions): Promise<GdbSessionEnd>;
  /** Calls `listener` when the user asks to stop (Ctrl-C); returns what ends that. */
  onInterrupt(listener: () => void): () => void;
}

/** What the process ends with. */
export const ExitCode = {
  /** Everything went well and every expectation held. */
  Held: 0,
  /** An expectation failed, or a guest ended with a code other than 0 that no expectation speaks of. */
  Failed: 1,
  /** The command line, the scenario, its guest or the trace file is wrong. */
  BadInput: 2,
  /** The guest crashed: triple fault, an instruction that is not there, or a halt that nothing can end. */
  Crashed: 3,
  /** Trapline itself failed. */
  Internal: 4,
  /** Stopped by the user, as a shell counts SIGINT. */
  Interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
