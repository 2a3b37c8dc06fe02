/** Runs the sample scenarios for tests, with the guests compiled by the machine's own compiler. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunEnd, RunJob } from '../../src/protocol/run';
import type { RunEnvironment } from '../../src/run/api';
import { runInline } from '../../src/run/inline';
import { prepareRun } from '../../src/run/prepare';
import type { RunSession } from '../../src/run/session';
import { TraceStore, emptyMeta } from '../../src/trace/query/store';

export const root = join(__dirname, '../..');

/** One cache for the test process, so that a driver is compiled once. */
export const environment: RunEnvironment = {
  distDir: join(root, 'dist'),
  kitDir: join(root, 'media/guest-kit'),
  cacheDir: mkdtempSync(join(tmpdir(), 'trapline-test-')),
  compiler: '',
};

/** Absolute path of a sample scenario by its name without ending. */
export function sample(name: string): string {
  return join(root, 'media/workspace/scenarios', `${name}.trapline.json`);
}

/** Prepares a scenario; a problem fails the test with its message. */
export async function jobOf(file: string, text?: string): Promise<RunJob> {
  const prepared = await prepareRun({ ...environment, file, ...(text !== undefined && { text }) });
  if (prepared.ok) return prepared.job;
  throw new Error(prepared.problems.map((each) => `${each.file}:${each.line}: ${each.message}`).join('\n'));
}

/** A finished run with all that it left behind. */
export interface FinishedRun {
  end: RunEnd;
  store: TraceStore;
  serial: string;
}

/** Runs a job to its end in this thread. */
export function runJob(job: RunJob, inspect?: (session: RunSession) => void): FinishedRun {
  const store = new TraceStore(emptyMeta('test', 1));
  let serial = '';
  const end = runInline(
    job,
    {
      started: (meta) => store.setMeta(meta),
      delta: (delta) => store.append(delta),
      serial: (_vm, text) => {
        serial += text;
      },
    },
    inspect,
  );
  store.setMeta(end.meta);
  return { end, store, serial };
}
