/** The adapter as a program of its own, over standard input and output, with the protocol's own test client. */
import { DebugClient } from '@vscode/debugadapter-testsupport';
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lineOf, unoptimised } from '../support/debug/dialogue';
import { root } from '../support/runs';

const DRIVER = join(root, 'media/workspace/drivers/timer.c');

describe('trapline dap', () => {
  let client: DebugClient;
  let adapter: ChildProcess;

  beforeEach(() => {
    client = new DebugClient('node', join(root, 'dist/cli.js'), 'trapline');
    client.defaultTimeout = 30_000;
    adapter = startCommand(client);
  });

  afterEach(() => void adapter.kill());

  it('breaks, steps back and goes on to the end', async () => {
    const scenario = unoptimised('timer', { TICKS: 3 });
    await client.initializeRequest();
    const initialized = client.waitForEvent('initialized');
    await client.launchRequest({ scenario } as never);
    await initialized;
    const line = lineOf(DRIVER, 'ticks++');
    const { body } = await client.setBreakpointsRequest({
      source: { path: DRIVER },
      breakpoints: [{ line }],
    });
    expect(body.breakpoints).toMatchObject([{ verified: true, line }]);
    const stopped = client.waitForEvent('stopped');
    await client.configurationDoneRequest();
    expect((await stopped).body).toMatchObject({ reason: 'breakpoint', threadId: 1 });
    const { body: stack } = await client.stackTraceRequest({ threadId: 1 });
    expect(stack.stackFrames[0]).toMatchObject({ name: 'on_tick', line, source: { path: DRIVER } });
    const back = client.waitForEvent('stopped');
    await client.stepBackRequest({ threadId: 1 });
    expect((await back).body).toMatchObject({ reason: 'step' });
    await client.setBreakpointsRequest({ source: { path: DRIVER }, breakpoints: [] });
    const ended = client.waitForEvent('stopped');
    await client.continueRequest({ threadId: 1 });
    expect((await ended).body).toMatchObject({ reason: 'end' });
    const terminated = client.waitForEvent('terminated');
    await client.disconnectRequest({});
    await terminated;
  });

  it.each([
    ['Content-Length: five\r\n\r\n{}', 'Content-Length has to be a number'],
    ['hello\r\n\r\n', 'a header has no Content-Length: "hello"'],
    ['Content-Length: 100\r\n\r\n{"seq":1', 'the input ended within a message of 100 bytes'],
  ])('says what was wrong with %j, and fails', async (sent, said) => {
    const program = spawn(process.execPath, [join(root, 'dist/cli.js'), 'dap'], { stdio: 'pipe' });
    let told = '';
    program.stderr.on('data', (bytes: Buffer) => (told += bytes.toString()));
    const code = new Promise((resolve) => program.on('close', resolve));
    program.stdin.end(sent);
    expect(await code).toBe(2);
    expect(told).toContain(`error: ${said}`);
  });

  it('stops a run that goes on for ever, at once', async () => {
    await client.initializeRequest();
    const initialized = client.waitForEvent('initialized');
    await client.launchRequest({
      scenario: unoptimised('spin', {}, (each) => (each['stop'] = { afterMs: 60_000 })),
    } as never);
    await initialized;
    await client.configurationDoneRequest();
    const { body } = await client.threadsRequest();
    expect(body.threads).toMatchObject([{ id: 1, name: 'vm0 vCPU 0' }]);
    const stopped = client.waitForEvent('stopped');
    await client.pauseRequest({ threadId: 1 });
    expect((await stopped).body).toMatchObject({ reason: 'pause' });
    await client.disconnectRequest({ terminateDebuggee: true });
  });
});

/** The test client starts a program with one argument; the command line has two, so that it is started here. */
function startCommand(client: DebugClient): ChildProcess {
  const program = join(root, 'dist/cli.js');
  const adapter = spawn(process.execPath, [program, 'dap'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const inside = client as unknown as {
    connect(output: NodeJS.ReadableStream, input: NodeJS.WritableStream): void;
  };
  inside.connect(adapter.stdout, adapter.stdin);
  return adapter;
}
