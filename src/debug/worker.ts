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
  /** Requests that have come and are not served yet, in their order. */
  private readonly waiting: DebugProtocol.Request[] = [];

  /** @param arrived is told of each request that has come */
  constructor(
    input: DebugWorkerInput,
    private readonly port: MessagePort,
    private readonly arrived: () => void,
  ) {
    this.environment = input.environment;
    this.signals = new DebugSignals(input.signals);
    this.reports = new RunSignals(input.reports);
  }

  send(message: DebugProtocol.Response | DebugProtocol.Event): void {
    this.post({ type: 'protocol', message });
  }

  take(): DebugProtocol.Request | undefined {
    this.fetch();
    return this.next();
  }

  /** The request that is to be served now; undefined: there is none, for a motion has served it. */
  next(): DebugProtocol.Request | undefined {
    return this.waiting.shift();
  }

  /** A request has come. */
  add({ message }: DebugWorkerRequest): void {
    this.waiting.push(message as DebugProtocol.Request);
    this.arrived();
  }

  open(job: RunJob, listener: RunListener): OpenedRun {
    const news = (message: RunMessage): void => this.report(message);
    return openRun(job, { listener, news, interrupt: this.signals.memory });
  }

  moving(kind: keyof typeof MOVING): void {
    this.signals.moving = MOVING[kind];
    if (kind === 'still') return;
    // What came just before was sent while nothing moved: it interrupts nothing by itself.
    this.fetch();
    for (const { command } of this.waiting) this.signals.posted(command);
  }

  over(): void {
    this.post({ type: 'over' });
    this.port.close();
  }

  /** Takes in what lies in the port. */
  private fetch(): void {
    for (;;) {
      const received: { message: DebugWorkerRequest } | undefined = receiveMessageOnPort(this.port);
      if (!received) return;
      this.add(received.message);
    }
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
  // One after the other: a launch takes its time, and what comes meanwhile waits for it.
  let last = Promise.resolve();
  const outside = new WorkerOutside(workerData as DebugWorkerInput, port, () => {
    last = last.then(() => {
      const request = outside.next();
      return request && session.receive(request);
    });
  });
  const session = new DebugSession(outside);
  port.on('message', (request: DebugWorkerRequest) => outside.add(request));
}

if (parentPort) serve(parentPort);
