/** One run of one scenario: its growing trace, its progress and its end. */
import { EventEmitter, type Disposable, type Event, type Uri } from 'vscode';
import type { RunEnd, RunMessage, RunProgress } from '../../protocol/run';
import type { TraceMeta } from '../../trace/model';
import type { RunHandle, RunSink } from '../../run/api';
import { TraceClient } from '../trace-service/trace-client';

/** How a run came out for the user. */
export interface RunOutcome {
  /** Present unless Trapline itself failed or the run's thread had to be ended. */
  end?: RunEnd;
  /** Set when Trapline itself failed: why, for a reader. */
  failure?: string;
}

/** Live while the run goes on; afterwards the finished trace. The rows lie in a thread of the trace's own. */
export class RunSession implements RunSink, Disposable {
  private readonly startedEmitter = new EventEmitter<void>();
  private readonly grewEmitter = new EventEmitter<void>();
  private readonly endedEmitter = new EventEmitter<RunOutcome>();
  private readonly serialEmitter = new EventEmitter<{ vm: number; text: string }>();

  /** Fires once, when the trace exists. */
  readonly onDidStart: Event<void> = this.startedEmitter.event;
  /** Fires at every delta and at the end; as often as the run reports. */
  readonly onDidGrow: Event<void> = this.grewEmitter.event;
  readonly onDidEnd: Event<RunOutcome> = this.endedEmitter.event;
  readonly onDidPrint = this.serialEmitter.event;

  /** Resolves when the trace is complete; rejects with a message for a reader when Trapline itself failed. */
  readonly ended: Promise<RunEnd>;
  /** The trace; undefined until the machine is built. */
  trace: TraceClient | undefined;
  progress: RunProgress | undefined;
  outcome: RunOutcome | undefined;
  private resolve: (end: RunEnd) => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;
  private handle: RunHandle | undefined;
  private cancelled = false;

  constructor(
    /** Unique among all runs on this machine; first segment of the trace's URI. */
    readonly id: string,
    readonly scenario: Uri,
    /** Name of the scenario file without its ending. */
    readonly name: string,
    /** Where the trace editor finds this run. */
    readonly traceUri: Uri,
    /** Folder of the scripts of threads. */
    private readonly distDir: string,
    /** A debugger runs it: its driver stays in view beside the trace. */
    readonly isDebugged = false,
  ) {
    this.ended = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Is the machine still running? */
  get running(): boolean {
    return this.outcome === undefined;
  }

  get hasBegun(): boolean {
    return this.trace !== undefined;
  }

  /** Ties the session to its worker and follows it to its end. Never rejects. */
  async follow(handle: RunHandle): Promise<RunOutcome> {
    this.handle = handle;
    try {
      return this.close({ end: await handle.ended });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      // A run that did not stop in time is ended with its thread: that is what the user asked for, not a failure.
      this.trace?.cutOff(this.cancelled ? 'cancelled' : 'failed', message);
      return this.close(this.cancelled ? {} : { failure: message });
    }
  }

  /** Asks the run to stop; `onDidEnd` tells when it has. */
  cancel(): void {
    this.cancelled = true;
    this.handle?.cancel();
  }

  receive(message: RunMessage): void | Promise<unknown> {
    switch (message.type) {
      case 'started':
        return this.begin(message.meta);
      case 'serial':
        return this.serialEmitter.fire({ vm: message.vm, text: message.text });
      case 'frames':
        return undefined;
      case 'failed':
        return this.failed(message.message);
      default:
        return this.trace?.deliver(message);
    }
  }

  failed(why: string): void {
    if (this.trace) this.trace.runFailed(why);
    else this.reject(new Error(why));
  }

  closed(wanted?: boolean, why?: string): void {
    if (this.trace) this.trace.closed(wanted, why);
    else this.reject(new Error(why));
  }

  dispose(): void {
    this.trace?.dispose();
    this.startedEmitter.dispose();
    this.grewEmitter.dispose();
    this.endedEmitter.dispose();
    this.serialEmitter.dispose();
  }

  private begin(meta: TraceMeta): void {
    const trace = new TraceClient(this.distDir, { from: 'run' }, meta);
    this.trace = trace;
    trace.listen({
      grew: (progress) => {
        this.progress = progress ?? this.progress;
        this.grewEmitter.fire();
      },
      lost: () => {
        // Nobody takes what it records any more.
        if (this.running) this.handle?.cancel();
      },
    });
    trace.ended.then(
      (end) => this.resolve(end),
      (error: unknown) => this.reject(error instanceof Error ? error : new Error(String(error))),
    );
    void trace.deliver({ type: 'started', meta });
    this.startedEmitter.fire();
  }

  private close(outcome: RunOutcome): RunOutcome {
    this.outcome = outcome;
    this.grewEmitter.fire();
    this.endedEmitter.fire(outcome);
    return outcome;
  }
}
