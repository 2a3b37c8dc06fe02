/** What the parts of a session share. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { LaunchAttributes } from '../protocol/debug';
import type { Debuggee } from './debuggee';
import type { Motor } from './motor';
import type { PointTable } from './points';

/** Categories of output. `console` is the debugger's own voice, `stdout` the guest's. */
export type OutputCategory = 'console' | 'important' | 'stdout' | 'stderr';

export interface SessionContext {
  /** @throws RequestError where nothing has been launched */
  readonly debuggee: Debuggee;
  readonly motor: Motor;
  readonly points: PointTable;
  readonly attributes: LaunchAttributes;
  /** The run goes through time that it has gone through before. */
  readonly isTravelling: boolean;
  /** What the client said of itself. */
  readonly client: DebugProtocol.InitializeRequestArguments;
  /** Lines and columns as the client counts them. */
  toClientLine(line: number): number;
  fromClientLine(line: number): number;
  toClientColumn(column: number): number;
  fromClientColumn(column: number): number;
  send(event: string, body?: object): void;
  output(
    category: OutputCategory,
    text: string,
    place?: { readonly source: DebugProtocol.Source; readonly line: number },
  ): void;
}

/** Handlers of requests by their commands. */
export type Handlers = Readonly<Record<string, Handler>>;

/**
 * What answers a request: the body of the response, or nothing. `later` runs once the response is on its way: what the request
 * set in motion.
 */
export type Handler = (args: never) => HandlerResult | Promise<HandlerResult>;

export interface HandlerResult {
  readonly body?: object | undefined;
  readonly later?: () => void;
}
