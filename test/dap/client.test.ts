/** The adapter's thread and whoever holds it, where the thread fails. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { DebugClient } from '../../src/debug/client';
import { Progress } from '../../src/debug/progress';
import type { RunMessage } from '../../src/protocol/run';
import { environment } from '../support/runs';

describe('a thread that dies', () => {
  it('leaves what it has recorded, and its client is told', async () => {
    const distDir = mkdtempSync(join(tmpdir(), 'trapline-dap-'));
    writeFileSync(
      join(distDir, 'debug-worker.js'),
      `const { parentPort } = require('node:worker_threads');
       parentPort.on('message', () => {
         parentPort.postMessage({ type: 'run', message: { type: 'started', meta: {} } });
         throw new Error('out of order');
       });`,
    );
    const messages: (DebugProtocol.Response | DebugProtocol.Event)[] = [];
    const news: RunMessage[] = [];
    let client: DebugClient | undefined;
    await new Promise<void>((closed) => {
      client = new DebugClient(
        { ...environment, distDir },
        { message: (message) => messages.push(message), run: (message) => void news.push(message), closed },
      );
      client.send({ seq: 4, type: 'request', command: 'launch' });
    });
    expect(news.map(({ type }) => type)).toEqual(['started', 'failed']);
    expect(messages).toMatchObject([
      { type: 'response', request_seq: 4, success: false, message: expect.stringContaining('out of order') },
      { type: 'event', event: 'output', body: { category: 'important' } },
      { type: 'event', event: 'terminated' },
    ]);
    // What is asked afterwards is answered too, and an end is no failure.
    client?.send({ seq: 5, type: 'request', command: 'threads' });
    client?.send({ seq: 6, type: 'request', command: 'disconnect' });
    expect(messages.slice(3)).toMatchObject([
      { request_seq: 5, success: false },
      { request_seq: 6, success: true },
    ]);
  });
});

describe('progress', () => {
  it('is told of long travel, to clients that show it, which may cancel that and nothing else', () => {
    let now = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    const told: [string, object | undefined][] = [];
    const progress = new Progress({
      client: { adapterID: 'test', supportsProgressReporting: true },
      send: (event, body) => void told.push([event, body]),
    });
    progress.begin('forward', 3);
    now = 10_000;
    progress.tick(5);
    progress.end();
    expect(told).toEqual([]);
    progress.begin('travel', 4);
    progress.tick(6);
    expect(told).toEqual([]);
    now = 20_000;
    progress.tick(7);
    progress.tick(8);
    const [[, start]] = told;
    const { progressId } = start as { progressId: string };
    expect(start).toMatchObject({ requestId: 4, cancellable: true });
    expect(progress.isCancelledBy({ requestId: 3 })).toBe(false);
    expect(progress.isCancelledBy({ progressId: 'another' })).toBe(false);
    expect(progress.isCancelledBy({ requestId: 4 })).toBe(true);
    expect(progress.isCancelledBy({ progressId })).toBe(true);
    progress.end();
    expect(told.map(([event]) => event)).toEqual(['progressStart', 'progressUpdate', 'progressEnd']);
    expect(progress.isCancelledBy({ progressId })).toBe(false);
    clock.mockRestore();
  });
});
