/** The same run in this thread, in a worker and in the command line's process; and the end of one that never ends. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Summary } from '../../../src/trace/query/summary';
import type { RunJob } from '../../../src/protocol/run';
import { startRun } from '../../../src/run/start';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { hashOf } from '../../../src/trace/record/hash';
import { environment, jobOf, root, runJob, sample } from '../../support/runs';

/** Runs a job in a worker; `onDelta` may cancel it. */
async function inWorker(job: RunJob, onDelta: (cancel: () => void) => void = () => undefined) {
  const store = new TraceStore(emptyMeta('test', 1));
  const run = startRun(job, environment, {
    started: (meta) => store.setMeta(meta),
    delta: (delta) => {
      store.append(delta);
      onDelta(() => run.cancel());
    },
    serial: () => undefined,
  });
  const end = await run.ended;
  store.setMeta(end.meta);
  return { end, store };
}

describe('a run', () => {
  it('has one trace hash inline, in a worker, and by the command line', async () => {
    const file = sample('b7-e1000-emulated');
    const inline = runJob(await jobOf(file));
    const worker = await inWorker(await jobOf(file));
    const printed = execFileSync(
      process.execPath,
      [join(root, 'dist/cli.js'), 'run', file, '--json', '--quiet'],
      {
        encoding: 'utf8',
      },
    );
    const cli = JSON.parse(printed) as Summary;
    expect(worker.end.summary.traceHash).toBe(inline.end.summary.traceHash);
    expect(cli.traceHash).toBe(inline.end.summary.traceHash);
    // What arrived on the other side of the thread is what was recorded.
    expect(hashOf(worker.store)).toBe(worker.end.summary.traceHash);
  });

  it('can be cancelled while its guest spins, and keeps what it has recorded', async () => {
    let asked = false;
    const job = await jobOf(sample('spin'));
    // Long enough that it cannot end by itself before the cancel reaches it, however busy the machine is.
    const scenarioText = job.scenarioText.replace('"afterMs": 20', '"afterMs": 60000');
    expect(scenarioText).not.toBe(job.scenarioText);
    const { end, store } = await inWorker({ ...job, scenarioText }, (cancel) => {
      if (asked) return;
      asked = true;
      cancel();
    });
    expect(asked).toBe(true);
    expect(end.meta.state).toBe('cancelled');
    expect(store.rows).toBe(end.summary.events);
    expect(store.rows).toBeGreaterThan(0);
  });

  it('can be cancelled before its machine is built', async () => {
    const run = startRun(await jobOf(sample('spin')), environment, {
      started: () => undefined,
      delta: () => undefined,
      serial: () => undefined,
    });
    run.cancel();
    const end = await run.ended;
    expect(end.meta.state).toBe('cancelled');
    expect(end.summary.guestInstructions).toBeLessThan(10_000_000);
  });

  it('rejects with a message when its thread cannot be started', async () => {
    const run = startRun(
      await jobOf(sample('hello')),
      { ...environment, distDir: join(environment.cacheDir, 'nowhere') },
      { started: () => undefined, delta: () => undefined, serial: () => undefined },
    );
    await expect(run.ended).rejects.toThrow(/simulator/);
  });
});
