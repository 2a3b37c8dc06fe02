/**
 * The adapter as its users hold it: starts the thread that thinks, carries messages to it and from it, and says what has happened
 * when it dies.
 */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DebugWorkerMessage, DebugWorkerRequest } from '../protocol/debug';
import type { RunMessage } from '../protocol/run';
import type { RunEnvironment } from '../run/api';
import { RunSignals } from '../run/signals';
import { DebugSignals } from './signals';

/** What the thread is started with. */
export interface DebugWorkerInput {
  environment: RunEnvironment;
  /** Memory of `DebugSignals` and `RunSignals`. */
  signals: SharedArrayBuffer;
  reports: SharedArrayBuffer;
}

/** Who hears of a session. */
export interface DebugListener {
  /** A response or an event of the protocol, but for its sequence number. */
  message(message: DebugProtocol.Response | DebugProtocol.Event): void;
  /**
   * News of the run's trace, as of a run without a debugger. A promise says when a delta is dealt with: the run does not get further
   * ahead than a few of them. Left out: nobody records it.
   */
  run?(message: RunMessage): void | Promise<void>;
  /** Nothing more will come. */
  closed(): void;
}

export class DebugClient {
  private readonly signals = new DebugSignals();
  private readonly reports = new RunSignals();
  private readonly worker: Worker;
  private readonly unanswered = new Map<number, string>();
  private isOver = false;
  private hasTerminated = false;
  private runHasEnded = true;

  constructor(
    environment: RunEnvironment,
    private readonly listener: DebugListener,
  ) {
    const input: DebugWorkerInput = {
      environment,
      signals: this.signals.memory,
      reports: this.reports.memory,
    };
    this.worker = new Worker(join(environment.distDir, 'debug-worker.js'), { workerData: input });
    this.worker.on('message', (message: DebugWorkerMessage) => this.heard(message));
    // An error may overtake messages that were sent before it; the exit comes after all of them.
    let why: string | undefined;
    this.worker.on('error', (error: Error) => (why = error.message));
    this.worker.on('exit', (code) => {
      this.died(why ?? `its thread ended with code ${code}`);
      this.listener.closed();
    });
  }

  /** A request of the protocol. */
  send(request: DebugProtocol.Request): void {
    if (this.isOver) return this.answerForTheDead(request.seq, request.command);
    this.unanswered.set(request.seq, request.command);
    const message: DebugWorkerRequest = { type: 'protocol', message: request };
    this.worker.postMessage(message);
    this.signals.posted(request.command);
  }

  /** Ends the thread at once, whatever it is at. */
  async dispose(): Promise<void> {
    this.isOver = true;
    await this.worker.terminate();
  }

  private heard(news: DebugWorkerMessage): void {
    switch (news.type) {
      case 'protocol':
        return this.passOn(news.message as DebugProtocol.Response | DebugProtocol.Event);
      case 'run':
        return this.passOnRun(news.message);
      case 'over':
        this.isOver = true;
        return undefined;
    }
  }

  private passOn(message: DebugProtocol.Response | DebugProtocol.Event): void {
    if (message.type === 'response') this.unanswered.delete((message as DebugProtocol.Response).request_seq);
    else if ((message as DebugProtocol.Event).event === 'terminated') this.hasTerminated = true;
    this.listener.message(message);
  }

  private passOnRun(message: RunMessage): void {
    if (message.type === 'started') this.runHasEnded = false;
    if (message.type === 'ended' || message.type === 'failed') this.runHasEnded = true;
    const taken = this.listener.run?.(message);
    if (message.type === 'delta') void Promise.resolve(taken).finally(() => this.reports.taken());
  }

  /** The thread has failed: a client that waits is told so, and what was recorded has been handed over by then. */
  private died(why: string): void {
    if (this.isOver) return;
    this.isOver = true;
    const message = `The debugger stopped unexpectedly (${why}); the trace holds what was recorded until then.`;
    if (!this.runHasEnded) void this.listener.run?.({ type: 'failed', message });
    for (const [seq, command] of this.unanswered) this.answerForTheDead(seq, command, message);
    this.unanswered.clear();
    this.event('output', { category: 'important', output: `${message}\n` });
    if (!this.hasTerminated) this.event('terminated');
  }

  private answerForTheDead(seq: number, command: string, message = 'The session is over.'): void {
    const success = command === 'disconnect' || command === 'terminate';
    this.listener.message({
      type: 'response',
      seq: 0,
      request_seq: seq,
      command,
      success,
      ...(!success && { message }),
    });
  }

  private event(event: string, body?: object): void {
    this.listener.message({ type: 'event', seq: 0, event, ...(body && { body }) });
  }
}
