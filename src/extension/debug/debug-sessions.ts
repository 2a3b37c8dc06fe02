/** The debug sessions of this window: their adapters, the traces of their runs, and where each stands. */
import {
  EventEmitter,
  Uri,
  debug,
  DebugAdapterInlineImplementation,
  type DebugAdapterDescriptor,
  type DebugAdapterDescriptorFactory,
  type DebugAdapterTracker,
  type DebugAdapterTrackerFactory,
  type DebugSession,
  type Disposable,
  type LogOutputChannel,
} from 'vscode';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { DebugServer } from '../../debug/server';
import type { DebugMoment, DebugRequests, MovedBody } from '../../protocol/debug';
import type { RunEnvironment } from '../../run/api';
import { DisposableStore } from '../disposables';
import { debugType } from '../names';
import type { RunService } from '../runs/run-service';
import type { RunSession } from '../runs/run-session';

/** A session and its run. */
export interface DebuggedRun {
  readonly session: DebugSession;
  /** Of its trace; undefined until the machine is built. */
  traceUri: Uri | undefined;
  moment: DebugMoment | undefined;
  stopped: boolean;
}

/** Requests by which a run goes on; it stands still again when the adapter says so. */
const MOTIONS: ReadonlySet<string> = new Set([
  'continue',
  'next',
  'stepIn',
  'stepOut',
  'stepBack',
  'reverseContinue',
  'configurationDone',
  'restart',
]);

/** Knows every session of type `trapline`. */
export class DebugSessions implements DebugAdapterDescriptorFactory, DebugAdapterTrackerFactory, Disposable {
  private readonly owned = new DisposableStore();
  private readonly movedEmitter = this.owned.add(new EventEmitter<DebuggedRun>());
  private readonly runs = new Map<string, DebuggedRun>();
  /** A session has begun, moved, stopped, gone on or ended. */
  readonly onDidMove = this.movedEmitter.event;

  constructor(
    private readonly service: RunService,
    private readonly environment: () => RunEnvironment,
    private readonly log: LogOutputChannel,
  ) {
    this.owned.add(debug.registerDebugAdapterDescriptorFactory(debugType, this));
    this.owned.add(debug.registerDebugAdapterTrackerFactory(debugType, this));
    this.owned.add(debug.onDidTerminateDebugSession((session) => this.ended(session)));
  }

  /** The session that the reader works with; undefined where it is none of Trapline's. */
  get active(): DebuggedRun | undefined {
    return this.runs.get(debug.activeDebugSession?.id ?? '');
  }

  /** The session whose run a trace is of. */
  ofTrace(uri: Uri): DebuggedRun | undefined {
    return [...this.runs.values()].find(({ traceUri }) => traceUri?.toString() === uri.toString());
  }

  createDebugAdapterDescriptor(session: DebugSession): DebugAdapterDescriptor {
    const run: DebuggedRun = { session, traceUri: undefined, moment: undefined, stopped: false };
    this.runs.set(session.id, run);
    const scenario = Uri.file(String(session.configuration.scenario));
    let recorded: RunSession | undefined;
    const adapter = new DebugServer(
      this.environment(),
      async (message) => {
        // Started again, it is another run with a trace of its own.
        if (message.type === 'started') {
          recorded = this.service.record(scenario, () => void debug.stopDebugging(session));
          run.traceUri = recorded.traceUri;
        }
        await recorded?.receive(message);
      },
      () => recorded?.closed(),
    );
    return new DebugAdapterInlineImplementation(adapter);
  }

  /** One of the adapter's own requests; rejects with its message. */
  static async request<R extends keyof DebugRequests>(
    { session }: DebuggedRun,
    request: R,
    args: DebugRequests[R]['arguments'],
  ): Promise<DebugRequests[R]['body']> {
    return (await session.customRequest(request, args)) as DebugRequests[R]['body'];
  }

  dispose(): void {
    this.owned.dispose();
  }

  /** Follows what a session and the editor say to each other, as far as it is about where the run stands. */
  createDebugAdapterTracker(session: DebugSession): DebugAdapterTracker {
    const heard = (change: (run: DebuggedRun) => void): void => {
      const run = this.runs.get(session.id);
      if (!run) return;
      change(run);
      this.movedEmitter.fire(run);
    };
    return {
      onWillReceiveMessage: ({ command }: DebugProtocol.Request) => {
        if (MOTIONS.has(command)) heard((run) => (run.stopped = false));
      },
      onDidSendMessage: ({ type, event, body }: DebugProtocol.Event) => {
        if (type !== 'event') return;
        if (event === 'trapline/moved') heard((run) => (run.moment = (body as MovedBody).moment));
        else if (event === 'stopped') heard((run) => (run.stopped = true));
      },
    };
  }

  private ended(session: DebugSession): void {
    const run = this.runs.get(session.id);
    if (!run) return;
    this.runs.delete(session.id);
    run.moment = undefined;
    run.stopped = false;
    this.movedEmitter.fire(run);
    this.log.debug(`debug session ${session.name} is over`);
  }
}
