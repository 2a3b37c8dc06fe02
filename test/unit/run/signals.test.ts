/** A run's thread does not get further ahead of its reader than a few reports, and a cancel wakes it. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { buildSync } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { RunSignals } from '../../../src/run/signals';
import { root } from '../../support/runs';

describe('the words that both sides of a run share', () => {
  it('let a reader that keeps up never hold the run', () => {
    const signals = new RunSignals();
    const worker = new RunSignals(signals.memory);
    for (let posted = 0; posted < 100; posted++) {
      worker.waitForReader(posted);
      signals.taken();
    }
    expect(worker.cancelled).toBe(false);
  });

  it('let a cancelled run go on at once although nobody reads', () => {
    const signals = new RunSignals();
    const worker = new RunSignals(signals.memory);
    signals.cancel();
    worker.waitForReader(1000);
    expect(worker.cancelled).toBe(true);
  });

  it('hold a run whose reader is behind until it has read', async () => {
    const signals = new RunSignals();
    const unit = buildSync({
      entryPoints: [join(root, 'src/run/signals.ts')],
      bundle: true,
      format: 'iife',
      globalName: 'unit',
      write: false,
    }).outputFiles[0].text;
    const source = `${unit}
      const { workerData, parentPort } = require('node:worker_threads');
      const signals = new unit.RunSignals(workerData);
      signals.waitForReader(2);
      parentPort.postMessage('waiting');
      signals.waitForReader(3);
      parentPort.postMessage('read');`;
    const worker = new Worker(source, { eval: true, workerData: signals.memory });
    const heard: unknown[] = [];
    await new Promise<void>((done) => {
      worker.on('message', (message) => {
        heard.push(message);
        // Given time to go on by itself, it has not.
        if (message === 'waiting') setTimeout(() => void (heard.push('taken'), signals.taken()), 250);
        if (message === 'read') done();
      });
    });
    await worker.terminate();
    expect(heard).toEqual(['waiting', 'taken', 'read']);
  });
});
