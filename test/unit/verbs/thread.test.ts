/** Verbs in a thread of their own: answers, what is asked of the owner, giving up, and a thread that dies. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { KeptRun, RunReport } from '../../../src/verbs/context';
import { VerbClient, type VerbHost } from '../../../src/verbs/thread/verb-client';
import { environment } from '../../support/runs';
import { sampleStore } from '../trace/sample';
import { keepTrace, LINK, scratchFolder } from './context';

const folder = scratchFolder();
const file = keepTrace(folder, 'a.trapline.arrow', sampleStore(2).store);
const run: KeptRun = { id: 'run-1', file, scenario: join(folder, 's.trapline.json'), title: 'T', ended: '' };
writeFileSync(run.scenario, '{}');

const clients: VerbClient[] = [];
afterAll(() => clients.forEach((client) => client.dispose()));

function client(host: Partial<VerbHost> = {}): VerbClient {
  const made = new VerbClient(
    { folders: [folder], environment, link: LINK },
    { runs: () => Promise.resolve([run]), run: () => Promise.reject(new Error('nothing runs')), ...host },
  );
  clients.push(made);
  return made;
}

describe('the thread of verbs', () => {
  it('answers several at once, each its own', async () => {
    const verbs = client();
    const outcomes = await Promise.all([
      verbs.call('summarize_trace', {}),
      verbs.call('find_events', { trace: 'a.trapline.arrow', query: 'kind:packet.tx' }),
      verbs.call('find_events', { query: 'dur>x' }),
      verbs.call('find_events', { query: 5 }),
      verbs.call('nothing', {}),
      verbs.call('run_scenario', { scenario: 's.trapline.json' }),
    ]);
    expect(outcomes).toMatchObject([
      { ok: true, answer: { trace: 'run-1', exits: 2 } },
      { ok: true, answer: { matches: 2 } },
      { ok: false, message: expect.stringContaining('no value for dur') as string },
      { ok: false, message: expect.stringContaining('query') as string },
      { ok: false, message: expect.stringContaining('no verb nothing') as string },
      { ok: false, message: 'nothing runs' },
    ]);
  });

  it('gives up what is cancelled, and what waited behind it is answered', async () => {
    let begun = (): void => undefined;
    const running = new Promise<void>((resolve) => (begun = resolve));
    const stopped: string[] = [];
    const verbs = client({
      run: (_, signal) =>
        new Promise<RunReport>((_resolve, reject) => {
          signal.addEventListener('abort', () => (stopped.push('run'), reject(new Error('stopped'))));
          begun();
        }),
    });
    const abort = new AbortController();
    const first = verbs.call('run_scenario', { scenario: 's.trapline.json' }, abort.signal);
    const second = verbs.call('summarize_trace', {});
    await running;
    abort.abort();
    expect(await first).toMatchObject({ ok: false, message: expect.stringContaining('stopped') as string });
    expect(stopped).toEqual(['run']);
    expect(await second).toMatchObject({ ok: true, answer: { exits: 2 } });
    expect(await verbs.call('summarize_trace', {}, abort.signal)).toMatchObject({ ok: false });
  });

  it('says so where there is no thread, and leaves nobody waiting', async () => {
    const nowhere = new VerbClient(
      { folders: [folder], environment: { ...environment, distDir: folder }, link: LINK },
      { runs: () => Promise.resolve([]), run: () => Promise.reject(new Error('')) },
    );
    expect(await nowhere.call('summarize_trace', {})).toMatchObject({
      ok: false,
      message: expect.stringContaining('Trapline failed') as string,
    });
    const verbs = client({ runs: () => new Promise(() => undefined) });
    const waiting = verbs.call('summarize_trace', {});
    verbs.dispose();
    expect(await waiting).toMatchObject({ ok: false });
  });
});
