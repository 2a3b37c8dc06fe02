/** A controlled run for a session in this thread. */
import { openRun } from '../../../src/debug/controlled';
import type { OpenedRun, RunListener } from '../../../src/debug/outside';
import type { RunJob, RunMessage } from '../../../src/protocol/run';

/** @param news gets those of the trace */
export function openControlled(news: (message: RunMessage) => void = () => undefined) {
  return (job: RunJob, listener: RunListener): OpenedRun => openRun(job, { listener, news });
}
