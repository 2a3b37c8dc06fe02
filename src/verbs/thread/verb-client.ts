/** The owner's end of the thread that performs verbs: asks it, answers its questions, and ends it where it takes too long. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { reasonOf } from '../../run/reason';
import type { KeptRun, RunReport } from '../context';
import { checkCall, failureText, type Outcome } from '../perform';
import type { FromVerbThread, ToVerbThread, VerbThreadInput } from './messages';

/** Milliseconds that a verb may take, a run included. */
const MOST_MILLISECONDS = 600_000;

/** What the owner does for verbs. */
export interface VerbHost {
  /** Runs that are kept, newest first. */
  runs(): Promise<readonly KeptRun[]>;
  /** Runs a scenario to its end and keeps its trace. Rejects with a message for a reader. */
  run(scenario: string, signal: AbortSignal): Promise<RunReport>;
}

interface Call {
  readonly verb: string;
  readonly input: unknown;
  readonly settle: (outcome: Outcome) => void;
}

const CANCELLED = 'It was stopped before it had an answer.';

/** Verbs in a thread of their own, which is started when somebody asks. */
export class VerbClient {
  private worker: Worker | undefined;
  private readonly calls = new Map<number, Call>();
  private lastCall = 0;
  /** Ends what the owner does for the thread when that goes. */
  private abort = new AbortController();

  constructor(
    private readonly input: VerbThreadInput,
    private readonly host: VerbHost,
  ) {}

  /** Performs a verb. Never rejects: what goes wrong is said in the outcome. @param signal gives it up */
  call(verb: string, input: unknown, signal?: AbortSignal): Promise<Outcome> {
    try {
      // What does not fit does not come as far as the thread.
      checkCall(verb, input);
    } catch (error) {
      return Promise.resolve({ ok: false, message: failureText(error) });
    }
    if (signal?.aborted) return Promise.resolve({ ok: false, message: CANCELLED });
    const id = ++this.lastCall;
    return new Promise((resolve) => {
      const stop = (): void => this.giveUp(id, CANCELLED);
      const late = setTimeout(
        () => this.giveUp(id, `It took longer than ${MOST_MILLISECONDS / 60_000} minutes and was stopped.`),
        MOST_MILLISECONDS,
      );
      late.unref();
      signal?.addEventListener('abort', stop, { once: true });
      this.calls.set(id, {
        verb,
        input,
        settle: (outcome) => {
          clearTimeout(late);
          signal?.removeEventListener('abort', stop);
          this.calls.delete(id);
          resolve(outcome);
        },
      });
      this.post({ type: 'call', id, verb, input });
    });
  }

  /** Ends the thread and all that waits for it. */
  dispose(): void {
    for (const call of [...this.calls.values()]) call.settle({ ok: false, message: CANCELLED });
    this.end();
  }

  /** A verb does nothing else while it works: its thread is ended, and what waited behind it begins anew. */
  private giveUp(id: number, why: string): void {
    const call = this.calls.get(id);
    if (!call) return;
    const isFirst = [...this.calls.keys()][0] === id;
    call.settle({ ok: false, message: why });
    if (!isFirst) return;
    this.end();
    for (const [other, { verb, input }] of this.calls) this.post({ type: 'call', id: other, verb, input });
  }

  private end(): void {
    const { worker } = this;
    this.worker = undefined;
    this.abort.abort();
    this.abort = new AbortController();
    void worker?.terminate();
  }

  private post(message: ToVerbThread): void {
    this.worker ??= this.start();
    this.worker.postMessage(message);
  }

  private start(): Worker {
    const worker = new Worker(join(this.input.environment.distDir, 'verb-worker.js'), {
      workerData: this.input,
    });
    // Of a thread that was given up nothing more is heard.
    worker.on('message', (message: FromVerbThread) => {
      if (worker === this.worker) this.receive(message);
    });
    worker.on('error', (error) => this.lost(worker, error.message));
    worker.on('exit', (code) => this.lost(worker, `its thread ended with code ${code}`));
    worker.unref();
    return worker;
  }

  private receive(message: FromVerbThread): void {
    if (message.type === 'outcome') return this.calls.get(message.id)?.settle(message.outcome);
    const { id } = message;
    const answer =
      message.what === 'runs'
        ? this.host.runs()
        : this.host.run(message.arguments.scenario, this.abort.signal);
    const { worker } = this;
    const tell = (told: ToVerbThread): void => {
      if (worker && worker === this.worker) worker.postMessage(told);
    };
    answer.then(
      (result) => tell({ type: 'told', id, result }),
      (error: unknown) => tell({ type: 'told', id, error: reasonOf(error) }),
    );
  }

  /** The thread is gone by itself: who waits is told why, and the next question starts another. */
  private lost(worker: Worker, why: string): void {
    if (worker !== this.worker) return;
    this.end();
    for (const call of [...this.calls.values()])
      call.settle({
        ok: false,
        message: `Trapline failed: ${why}. Ask again, for less if the trace is large.`,
      });
  }
}
