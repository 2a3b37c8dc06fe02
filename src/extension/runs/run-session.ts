/** One run of one scenario: its growing trace, its progress and its end. */
import { EventEmitter, type Disposable, type Event, type Uri } from 'vscode';
import type { RunEnd, RunListener, RunProgress } from '../../protocol/run';
import type { TraceDelta, TraceGap, TraceMeta } from '../../trace/model';
import type { RunHandle } from '../../run/api';
import { judge } from '../../scenario/breaking-events';
import { TraceStore } from '../../trace/query/store';

/** How a run came out for the user. */
export interface RunOutcome {
  /** Present unless Trapline itself failed or the run's thread had to be ended. */
  end?: RunEnd;
  /** Set when Trapline itself failed: why, for a reader. */
  failure?: string;
}

/** Live while the run goes on; afterwards the finished trace in memory. */
export class RunSession implements RunListener, Disposable {
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

  /** The trace; undefined until the machine is built. */
  store: TraceStore | undefined;
  progress: RunProgress | undefined;
  outcome: RunOutcome | undefined;
  private handle: RunHandle | undefined;
  private cancelled = false;
  /** What has come of the run and is not in the trace yet, oldest first. */
  private readonly waiting: { delta: TraceDelta; progress: RunProgress; taken: () => void }[] = [];
  private turn: NodeJS.Immediate | undefined;

  constructor(
    /** Unique among all runs on this machine; first segment of the trace's URI. */
    readonly id: string,
    readonly scenario: Uri,
    /** Name of the scenario file without its ending. */
    readonly name: string,
    /** Where the trace editor finds this run. */
    readonly traceUri: Uri,
    /** A debugger runs it: its driver stays in view beside the trace. */
    readonly isDebugged = false,
  ) {}

  /** Is the machine still running? */
  get running(): boolean {
    return this.outcome === undefined;
  }

  /** Ties the session to its worker and follows it to its end. Never rejects. */
  async follow(handle: RunHandle): Promise<RunOutcome> {
    this.handle = handle;
    try {
      const end = await handle.ended;
      this.takeAll();
      this.store?.setMeta(end.meta);
      return this.close({ end: this.store ? explained(end, this.store) : end });
    } catch (error) {
      this.takeAll();
      const message = error instanceof Error ? error.message : String(error);
      // A run that did not stop in time is ended with its thread: that is what the user asked for, not a failure.
      const state = this.cancelled ? 'cancelled' : 'failed';
      if (this.store) {
        const gaps: TraceGap[] = [...(this.progress?.gaps ?? []), { from: this.store.endTime, why: 'lost' }];
        this.store.setMeta({ ...this.store.meta, state, message, gaps });
      }
      return this.close(this.cancelled ? {} : { failure: message });
    }
  }

  /** Asks the run to stop; `onDidEnd` tells when it has. */
  cancel(): void {
    this.cancelled = true;
    this.handle?.cancel();
  }

  started(meta: TraceMeta): void {
    this.store = new TraceStore(meta);
    this.startedEmitter.fire();
  }

  /** Taken in one delta a turn: between two of them the pages get their answers, however far the run is ahead. */
  delta(delta: TraceDelta, progress: RunProgress): Promise<void> {
    return new Promise((taken) => {
      this.waiting.push({ delta, progress, taken });
      this.turn ??= setImmediate(() => this.takeNext());
    });
  }

  serial(vm: number, text: string): void {
    this.serialEmitter.fire({ vm, text });
  }

  dispose(): void {
    this.startedEmitter.dispose();
    this.grewEmitter.dispose();
    this.endedEmitter.dispose();
    this.serialEmitter.dispose();
  }

  private takeNext(): void {
    this.turn = undefined;
    const next = this.waiting.shift();
    if (!next) return;
    this.store?.append(next.delta);
    this.store?.setMeta({ ...this.store.meta, gaps: next.progress.gaps });
    this.progress = next.progress;
    next.taken();
    if (this.waiting.length > 0) this.turn = setImmediate(() => this.takeNext());
    this.grewEmitter.fire();
  }

  /** The run is over: nothing of it may be missing any more. */
  private takeAll(): void {
    clearImmediate(this.turn);
    while (this.waiting.length > 0) this.takeNext();
    clearImmediate(this.turn);
    this.turn = undefined;
  }

  private close(outcome: RunOutcome): RunOutcome {
    this.outcome = outcome;
    this.grewEmitter.fire();
    this.endedEmitter.fire(outcome);
    return outcome;
  }
}

/** The end of a run with the events that broke its expectations. */
function explained({ meta, summary }: RunEnd, store: TraceStore): RunEnd {
  return { meta, summary: { ...summary, expectations: judge(store, summary) } };
}
