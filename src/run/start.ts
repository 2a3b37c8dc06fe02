/** Starts a run in a worker thread of its own, so that whatever the guest does, the caller's thread stays free. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { RunJob, RunListener, RunMessage } from '../protocol/run';
import type { RunEnvironment, RunHandle, RunSink } from './api';
import { RunReceiver } from './receiver';
import { RunSignals } from './signals';
import type { RunSnapshot } from './snapshot';

/** A run that has not stopped by itself this long after it was asked to is ended with its thread, in milliseconds. */
const CANCEL_GRACE_MS = 180;

/** What the worker is started with. */
export interface WorkerInput {
  job: RunJob;
  /** Where to go on; absent: from the beginning. */
  snapshot?: RunSnapshot;
  /** Memory of `RunSignals`. */
  signals: SharedArrayBuffer;
}

/**
 * Starts `dist/worker.js` with the job. News reach the listener in order, the last of them before `ended` resolves.
 *
 * @param snapshot of a run of the same job that goes on there; rows that it has handed out before are not handed out again
 */
export function startRun(
  job: RunJob,
  environment: RunEnvironment,
  listener: RunListener,
  snapshot?: RunSnapshot,
): RunHandle {
  return startRunInto(job, environment, new RunReceiver(listener), snapshot);
}

/** Starts a run whose messages go to a sink as they come, for whoever listens in another thread. */
export function startRunInto(
  job: RunJob,
  environment: RunEnvironment,
  receiver: RunSink,
  snapshot?: RunSnapshot,
): RunHandle {
  const signals = new RunSignals();
  const input: WorkerInput = { job, signals: signals.memory, ...(snapshot && { snapshot }) };
  const worker = new Worker(join(environment.distDir, 'worker.js'), { workerData: input });
  let graceTimer: NodeJS.Timeout | undefined;
  let cancelled = false;
  /** Once the machine is built it looks at the flag between slices, and has no excuse. */
  const startGrace = (): void => {
    graceTimer ??= setTimeout(() => void worker.terminate(), CANCEL_GRACE_MS);
  };
  worker.on('message', (message: RunMessage) => {
    const taken = receiver.receive(message);
    if (message.type === 'started' && cancelled) startGrace();
    if (message.type === 'delta') void Promise.resolve(taken).then(() => signals.taken());
  });
  worker.on('error', (error) => receiver.failed(`The simulator stopped unexpectedly: ${error.message}`));
  worker.on('exit', (code) => {
    clearTimeout(graceTimer);
    receiver.closed(
      graceTimer !== undefined,
      `The simulator's thread ended (code ${code}); the trace holds what was recorded until then.`,
    );
  });
  return {
    ended: receiver.ended,
    cancel() {
      signals.cancel();
      cancelled = true;
      if (receiver.hasBegun) startGrace();
    },
  };
}
