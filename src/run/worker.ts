/** Entry point of a run's thread: simulates slice by slice, streams what was recorded, stops when asked. */
import { parentPort, workerData } from 'node:worker_threads';
import type { RunMessage } from '../protocol/run';
import { reasonOf } from './reason';
import { RunSession } from './session';
import type { WorkerInput } from './start';
import { transferables } from './transfer';

/** How often the listener hears of a run that goes on, in milliseconds of wall time. */
const REPORT_EVERY_MS = 50;

function post(message: RunMessage): void {
  const delta = message.type === 'delta' || message.type === 'ended' ? transferables(message.delta) : [];
  parentPort?.postMessage(message, delta);
}

function simulate(input: WorkerInput): void {
  const cancel = new Int32Array(input.cancelFlag);
  const session = new RunSession(input.job, (vm, text) => post({ type: 'serial', vm, text }), true);
  post({ type: 'started', meta: session.meta() });
  let reported = performance.now();
  while (session.step()) {
    if (Atomics.load(cancel, 0) === 1) session.cancel();
    if (performance.now() - reported < REPORT_EVERY_MS) continue;
    post({ type: 'delta', delta: session.takeDelta(), progress: session.progress() });
    reported = performance.now();
  }
  const progress = session.progress();
  const { end, delta } = session.end();
  post({ type: 'ended', end, delta, progress });
}

try {
  simulate(workerData as WorkerInput);
} catch (error) {
  post({ type: 'failed', message: reasonOf(error) });
}
