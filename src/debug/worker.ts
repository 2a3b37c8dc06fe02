/** Entry point of the adapter's thread: the session and the run that it debugs, which share it. */
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { DebugWorkerMessage, DebugWorkerRequest } from '../protocol/debug';
import type { RunJob, RunMessage } from '../protocol/run';
import { RunSignals } from '../run/signals';
import type { DebugWorkerInput } from './client';
import { openRun } from './controlled';
import type { OpenedRun, RunListener, SessionOutside } from './outside';
import { DebugSession } from './session';
import { DebugSignals, Moving } from './signals';

const MOVING = { forward: Moving.Forward, travel: Moving.Travel, still: Moving.Still } as const;

class WorkerOutside implements SessionOutside {
  readonly environment;
  private readonly signals: DebugSignals;
  private readonly reports: RunSignals;
  private posted = 0;

  constructor(
    input: DebugWorkerInput,
    private readonly port: MessagePort,
  ) {
    this.environment = input.environment;
    this.signals = new DebugSignals(input.signals);
    this.reports = new RunSignals(input.reports);
  }

  send(message: DebugProtocol.Response | DebugProtocol.Event): void {
    this.post({ type: 'protocol', message });
  }

  take(): DebugProtocol.Request | undefined {
    const received: { message: DebugWorkerRequest } | undefined = receiveMessageOnPort(this.port);
    return received?.message.message as DebugProtocol.Request | undefined;
  }

  open(job: RunJob, listener: RunListener): OpenedRun {
    const news = (message: RunMessage): void => this.report(message);
    return openRun(job, { listener, news, interrupt: this.signals.memory });
  }

  moving(kind: keyof typeof MOVING): void {
    this.signals.moving = MOVING[kind];
  }

  over(): void {
    this.post({ type: 'over' });
    this.port.close();
  }

  /** The run does not get further ahead of who records it than a few deltas. */
  private report(message: RunMessage): void {
    if (message.type === 'delta') this.reports.waitForReader(this.posted++);
    this.post({ type: 'run', message });
  }

  private post(message: DebugWorkerMessage): void {
    this.port.postMessage(message);
  }
}

function serve(port: MessagePort): void {
  const session = new DebugSession(new WorkerOutside(workerData as DebugWorkerInput, port));
  // One after the other: a launch takes its time, and what comes meanwhile waits for it.
  let last = Promise.resolve();
  port.on('message', ({ message }: DebugWorkerRequest) => {
    last = last.then(() => session.receive(message as DebugProtocol.Request));
  });
}

if (parentPort) serve(parentPort);
