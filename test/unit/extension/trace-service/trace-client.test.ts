/** A trace in its own thread answers as one in this thread does, for a file, for bytes and for a run; and its end is told. */
import { ALL_TIME } from '../../../../src/trace/query/source-figures';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { TraceClient } from '../../../../src/extension/trace-service/trace-client';
import { storeView } from '../../../../src/extension/trace-service/store-view';
import type { TraceSource } from '../../../../src/extension/trace-service/messages';
import type { FindResult } from '../../../../src/protocol/details';
import { startRunInto } from '../../../../src/run/start';
import type { RunSink } from '../../../../src/run/api';
import { encodeTrace, readTrace } from '../../../../src/trace/file/file';
import { saveTrace } from '../../../../src/trace/file/save';
import { hashOf } from '../../../../src/trace/record/hash';
import { lanesOf } from '../../../../src/trace/query/lanes';
import { emptyMeta } from '../../../../src/trace/query/store';
import { environment, jobOf, runJob, sample } from '../../../support/runs';
import { sampleStore } from '../../trace/sample';

const { distDir } = environment;
const folder = mkdtempSync(join(tmpdir(), 'trapline-service-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { store } = sampleStore(3000);
const file = join(folder, 'a.trapline.arrow');
saveTrace(file, store);
const from = (source: TraceSource): TraceClient => new TraceClient(distDir, source, emptyMeta('', 1));

/** A search is answered in pieces, however slow the machine is: asks until it is complete. */
async function whole(ask: () => FindResult | Promise<FindResult>): Promise<FindResult> {
  for (;;) {
    const found = await ask();
    if (found.complete) return found;
  }
}

describe('a trace in its own thread', () => {
  it.each<[string, TraceSource]>([
    ['a file', { from: 'file', path: file }],
    ['bytes', { from: 'bytes', bytes: encodeTrace(store) }],
  ])('answers as one in this thread: %s', async (_, source) => {
    const trace = from(source);
    try {
      await trace.opened;
      const here = storeView(store);
      expect(trace.meta).toEqual(store.meta);
      expect([trace.rows, trace.endTime]).toEqual([store.rows, store.endTime]);
      const query = { from: 0, to: store.endTime, width: 400, lanes: lanesOf(store.meta) };
      expect(await trace.viewport(query)).toEqual(here.viewport(query));
      expect(await trace.describe(5)).toEqual(here.describe(5));
      const hops = { back: 8, forward: 8, limit: 100 };
      expect(await trace.chain(7, hops)).toEqual(here.chain(7, hops));
      expect(await whole(() => trace.find('dur>1us', -1, 1))).toEqual(
        await whole(() => here.find('dur>1us', -1, 1)),
      );
      expect(await trace.statistics(0, 1e6)).toEqual(here.statistics(0, 1e6));
      for (const span of [ALL_TIME, { from: 0, to: 50_000 }])
        expect(await trace.sourceFigures(span)).toEqual(here.sourceFigures(span));
      expect(await trace.like(5)).toBe(here.like(5));
      expect(await trace.damage()).toBeUndefined();
      await expect(trace.find('nonsense:', -1, 1)).rejects.toThrow();
      await expect(trace.describe(1e9)).rejects.toThrow('no row');
    } finally {
      trace.dispose();
    }
  });

  it('says why a file cannot be shown', async () => {
    const text = join(folder, 'text');
    writeFileSync(text, 'no trace at all');
    await expect(from({ from: 'file', path: text }).opened).rejects.toThrow('not an Apache Arrow file');
    await expect(from({ from: 'file', path: join(folder, 'none') }).opened).rejects.toThrow('ENOENT');
  });

  it('is a run’s while it goes on, and the same trace as that of a run in this thread', async () => {
    const job = await jobOf(sample('b7-e1000-emulated'));
    const trace = from({ from: 'run' });
    let grown = 0;
    trace.listen({ grew: () => (grown += 1) });
    const sink: RunSink = {
      hasBegun: true,
      ended: trace.ended,
      receive: (message) => (message.type === 'serial' ? undefined : trace.deliver(message)),
      failed: (why) => trace.runFailed(why),
      closed: (wanted, why) => trace.closed(wanted, why),
    };
    try {
      const end = await startRunInto(job, environment, sink).ended;
      const inline = runJob(await jobOf(sample('b7-e1000-emulated')));
      expect(end.summary.traceHash).toBe(inline.end.summary.traceHash);
      expect(trace.rows).toBe(end.summary.events);
      expect(trace.meta.traceHash).toBe(end.summary.traceHash);
      expect(grown).toBeGreaterThan(0);
      expect(hashOf(readTrace(await trace.bytes()))).toBe(end.summary.traceHash);
      const kept = join(folder, 'kept.trapline.arrow');
      await trace.save(kept);
      const again = from({ from: 'file', path: kept });
      await again.opened;
      expect(again.meta).toEqual(trace.meta);
      again.dispose();
    } finally {
      trace.dispose();
    }
  });

  it('that ends leaves nobody waiting, and says so', async () => {
    const trace = from({ from: 'file', path: file });
    await trace.opened;
    const waiting = trace.statistics(0, 1e9);
    trace.dispose();
    await expect(waiting).rejects.toThrow('closed');
    await expect(trace.describe(0)).rejects.toThrow('closed');
    // Rows that do not follow those before them: nothing that a run does, and the end of its thread.
    const run = from({ from: 'run' });
    const lost = new Promise<string>((resolve) => run.listen({ lost: resolve }));
    const progress = { cycles: 0, guestInstructions: 0, events: 0, exits: 0, counts: [], gaps: [] };
    const none = new Uint32Array(0);
    const chunk = { ...(store.block(0) ?? expect.unreachable()), firstRow: 70_000 };
    await run.deliver({
      type: 'delta',
      progress,
      delta: {
        chunks: [structuredClone(chunk)],
        patches: { row: none, duration: none.slice(), a: none.slice(), b: none.slice() },
        open: none.slice(),
        tracks: [],
        places: [],
      },
    });
    expect(await lost).toContain('Rows must follow each other');
    await expect(run.ended).rejects.toThrow('Rows must follow each other');
  });
});
