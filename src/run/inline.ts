/** A run in the caller's own thread, from start to end: for tests, and wherever nothing else has to happen meanwhile. */
import type { RunEnd, RunJob, RunListener } from '../protocol/run';
import { RunSession } from './session';

/** Rows are handed on after this many slices. */
const SLICES_PER_DELTA = 16;

const SILENT: RunListener = { started: () => undefined, delta: () => undefined, serial: () => undefined };

/** Runs a job to its end. `inspect` sees the session once it has ended, with the guest's memory as it was left. */
export function runInline(
  job: RunJob,
  listener: Partial<RunListener> = {},
  inspect?: (session: RunSession) => void,
): RunEnd {
  const { started, delta, serial, frames } = { ...SILENT, ...listener };
  const session = new RunSession(job, serial);
  started(session.meta());
  for (let slice = 1; session.step(); slice++) {
    if (slice % SLICES_PER_DELTA !== 0) continue;
    void frames?.(session.takeFrames());
    void delta(session.takeDelta(), session.progress());
  }
  void frames?.(session.takeFrames());
  const progress = session.progress();
  const last = session.end();
  void delta(last.delta, progress);
  inspect?.(session);
  return last.end;
}
