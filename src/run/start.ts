/** Starts a run in a worker thread of its own, so that whatever the guest does, the caller's thread stays free. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { RunEnd, RunJob, RunListener, RunMessage, RunProgress } from '../protocol/run';
import { evaluateExpectations } from '../scenario/expectations';
import { loadScenario } from '../scenario/load';
import { unfoldDelta } from '../trace/fold';
import type { TraceMeta } from '../trace/model';
import { HashCollector } from '../trace/record/hash';
import { summarise } from '../trace/query/summary';
import type { RunEnvironment, RunHandle } from './api';
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
  const signals = new RunSignals();
  const input: WorkerInput = { job, signals: signals.memory, ...(snapshot && { snapshot }) };
  const worker = new Worker(join(environment.distDir, 'worker.js'), { workerData: input });
  let graceTimer: NodeJS.Timeout | undefined;
  let begun: TraceMeta | undefined;
  let latest: RunProgress | undefined;
  let cancelled = false;
  /** Settles when the listener is done with the frames of the next delta's report. */
  let framesTaken: void | Promise<void>;
  /** Once the machine is built it looks at the flag between slices, and has no excuse. */
  const startGrace = (): void => {
    graceTimer ??= setTimeout(() => void worker.terminate(), CANCEL_GRACE_MS);
  };
  // The worker simulates; unfolding and hashing what it recorded is work for this side of the thread.
  const collector = new HashCollector();

  const ended = new Promise<RunEnd>((resolve, reject) => {
    worker.on('message', (message: RunMessage) => {
      switch (message.type) {
        case 'started':
          begun = message.meta;
          listener.started(message.meta);
          if (cancelled) startGrace();
          break;
        case 'delta':
          latest = message.progress;
          unfoldDelta(message.delta);
          collector.add(message.delta);
          void Promise.allSettled([framesTaken, listener.delta(message.delta, message.progress)]).then(() =>
            signals.taken(),
          );
          break;
        case 'frames':
          framesTaken = listener.frames?.(message.frames);
          break;
        case 'serial':
          listener.serial(message.vm, message.text);
          break;
        case 'ended':
          unfoldDelta(message.delta);
          collector.add(message.delta);
          void listener.delta(message.delta, message.progress);
          resolve(hashed(message.end, collector.traceHash(message.end.summary.events), job));
          break;
        case 'failed':
          reject(new Error(message.message));
          break;
      }
    });
    worker.on('error', (error) => reject(new Error(`The simulator stopped unexpectedly: ${error.message}`)));
    worker.on('exit', (code) => {
      clearTimeout(graceTimer);
      if (graceTimer && begun) resolve(cutOff(begun, latest));
      reject(
        new Error(
          `The simulator's thread ended (code ${code}); the trace holds what was recorded until then.`,
        ),
      );
    });
  });

  return {
    ended,
    cancel() {
      signals.cancel();
      cancelled = true;
      if (begun) startGrace();
    },
  };
}

/** The end of a run with its trace hash, which an expectation may be about. */
function hashed({ meta, summary }: RunEnd, traceHash: string, job: RunJob): RunEnd {
  const complete = { ...summary, traceHash };
  const loaded = loadScenario(job.scenarioText, job.scenarioFile);
  if (loaded.ok) complete.expectations = evaluateExpectations(loaded.scenario.expect, complete);
  return { meta: { ...meta, traceHash }, summary: complete };
}

/** The end of a run whose thread had to be ended after a cancel: as far as the last report came, and without a hash. */
function cutOff(begun: TraceMeta, latest: RunProgress | undefined): RunEnd {
  const meta: TraceMeta = { ...begun, state: 'cancelled', message: 'Stopped by the user.' };
  if (latest) {
    meta.counts = latest.counts;
    meta.facts = { ...begun.facts, cycles: latest.cycles };
  }
  return { meta, summary: summarise(meta, latest?.events ?? 0) };
}
