/** Entry point of a run's thread: simulates slice by slice, streams what was recorded, stops when asked. */
import { parentPort, workerData } from 'node:worker_threads';
import type { RunMessage } from '../protocol/run';
import { StatementCoverage } from './coverage';
import { reasonOf } from './reason';
import { RunSession } from './session';
import { RunSignals } from './signals';
import type { WorkerInput } from './start';
import { transferables } from './transfer';

/** How often the listener hears of a run that goes on, in milliseconds of wall time. */
const REPORT_EVERY_MS = 50;
/** It hears earlier where frames of this many bytes wait: they take no more memory than that and one slice's. */
const MOST_FRAME_BYTES = 4 * 1024 * 1024;

function post(message: RunMessage): void {
  const delta = message.type === 'delta' || message.type === 'ended' ? transferables(message.delta) : [];
  parentPort?.postMessage(message, delta);
}

function postFrames(session: RunSession): void {
  if (session.frameBytes > 0) post({ type: 'frames', frames: session.takeFrames() });
}

function simulate(input: WorkerInput): void {
  const signals = new RunSignals(input.signals);
  const serial = (vm: number, text: string): void => post({ type: 'serial', vm, text });
  const session = input.snapshot
    ? RunSession.restore(input.job, input.snapshot, serial, true)
    : new RunSession(input.job, serial, true);
  const { covers } = input.job;
  const coverage = covers && new StatementCoverage(session, covers);
  post({ type: 'started', meta: session.meta() });
  let reported = performance.now();
  let posted = 0;
  while (session.step()) {
    if (signals.cancelled) session.cancel();
    coverage?.letGo();
    const due = performance.now() - reported >= REPORT_EVERY_MS || session.frameBytes > MOST_FRAME_BYTES;
    if (!due) continue;
    signals.waitForReader(posted);
    postFrames(session);
    post({ type: 'delta', delta: session.takeDelta(), progress: session.progress() });
    posted += 1;
    reported = performance.now();
  }
  postFrames(session);
  const progress = session.progress();
  const { end, delta } = session.end();
  post({ type: 'ended', end: coverage ? { ...end, coverage: coverage.files() } : end, delta, progress });
}

try {
  simulate(workerData as WorkerInput);
} catch (error) {
  post({ type: 'failed', message: reasonOf(error) });
}
