/** `trapline mcp`: a dialogue with the protocol's own client, what is refused, and input that is none. */
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import fc from 'fast-check';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from '../../../src/cli/cli';
import { VERBS } from '../../../src/verbs/table';
import { root } from '../../support/runs';
import { sampleStore } from '../trace/sample';
import { keepTrace } from '../verbs/context';
import { FakeHost } from './fake-host';

const scratch = mkdtempSync(join(tmpdir(), 'trapline-mcp-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const folder = join(scratch, 'work');
mkdirSync(join(folder, 'scenarios'), { recursive: true });
mkdirSync(join(folder, 'drivers'));
const media = join(root, 'media/workspace');
cpSync(join(media, 'scenarios/hello.trapline.json'), join(folder, 'scenarios/hello.trapline.json'));
cpSync(join(media, 'drivers'), join(folder, 'drivers'), { recursive: true });
const { store, rows } = sampleStore(3);
keepTrace(folder, 'a.trapline.arrow', store);
truncateSync(keepTrace(folder, 'cut.trapline.arrow', store), 300);
keepTrace(scratch, 'outside.trapline.arrow', store);

const SERVER = {
  command: process.execPath,
  env: { ...(process.env as Record<string, string>), XDG_CACHE_HOME: join(scratch, 'cache') },
};
const args = (...more: string[]): string[] => [join(root, 'dist/cli.js'), 'mcp', folder, ...more];
const open: Client[] = [];
afterAll(() => Promise.all(open.map((client) => client.close())));

/** @param asked what the user says who is asked whether something may run; absent: the client cannot ask */
async function connect(more: string[] = [], asked?: (message: string) => object): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: asked ? { elicitation: { form: {} } } : {} },
  );
  if (asked)
    client.setRequestHandler(
      'elicitation/create',
      ({ params }) => asked(params.message) as { action: 'accept' },
    );
  await client.connect(new StdioClientTransport({ ...SERVER, args: args(...more), stderr: 'ignore' }));
  open.push(client);
  return client;
}

async function call(client: Client, name: string, input: object) {
  const result = await client.callTool({ name, arguments: input as Record<string, unknown> });
  const [first] = result.content;
  const structuredContent = result.structuredContent as Record<string, unknown> | undefined;
  return { ...result, structuredContent, text: first?.type === 'text' ? first.text : '' };
}

/** One server for all that only read, and one that may run. */
const kept = new Map<string, Promise<Client>>();
function server(...more: string[]): Promise<Client> {
  const key = more.join(' ');
  const known = kept.get(key) ?? connect(more);
  kept.set(key, known);
  return known;
}

describe('a dialogue', () => {
  it('tells the tools with their schemas, and which of them only read', async () => {
    const client = await server();
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(VERBS.map(({ name }) => name));
    for (const [index, tool] of tools.entries()) {
      expect(tool.inputSchema).toEqual(VERBS[index]?.inputSchema);
      expect(tool.annotations?.readOnlyHint).toBe(!VERBS[index]?.mayExecute);
    }
    expect(client.getInstructions()).toContain('summarize_trace');
  });

  it('answers about a trace, as text and as an object that its client checks', async () => {
    const client = await server();
    const found = await call(client, 'follow_chain', { trace: 'a.trapline.arrow', row: rows['tx'] });
    expect(found.structuredContent).toMatchObject({ hash: store.meta.traceHash, root: rows['exit'] });
    expect(JSON.parse(found.text)).toEqual(found.structuredContent);
    expect(Buffer.byteLength(found.text)).toBeLessThanOrEqual(2048);
  });

  it.each([
    ['../outside.trapline.arrow', 'outside the folders'],
    [join(scratch, 'outside.trapline.arrow'), 'outside the folders'],
    ['cut.trapline.arrow', 'cut.trapline.arrow'],
    ['none.trapline.arrow', 'There is no none'],
  ])('answers that %s cannot be read, and goes on', async (trace, message) => {
    const client = await server();
    expect(await call(client, 'summarize_trace', { trace })).toMatchObject({
      isError: true,
      text: expect.stringContaining(message) as string,
    });
    expect((await call(client, 'summarize_trace', { trace: 'a.trapline.arrow' })).isError).not.toBe(true);
  });
});

describe('running', () => {
  const scenario = { scenario: 'scenarios/hello.trapline.json' };

  it('is refused where nobody has allowed it and nobody can be asked', async () => {
    const client = await server();
    const refused = await call(client, 'run_scenario', scenario);
    expect(refused).toMatchObject({ isError: true, text: expect.stringContaining('--allow-run') as string });
    const state = await call(client, 'machine_state', { trace: 'a.trapline.arrow', row: 1 });
    expect(state).toMatchObject({ isError: true, text: expect.stringContaining('--allow-run') as string });
    // What only reads needs no permission.
    const register = { trace: 'a.trapline.arrow', row: rows['handler'], register: 'vm0/e1000/TDT' };
    expect((await call(client, 'last_writer', register)).isError).not.toBe(true);
  });

  it('is what the user of the client says', async () => {
    const questions: string[] = [];
    const answers: object[] = [
      { action: 'decline' },
      { action: 'accept', content: { run: false } },
      { action: 'accept', content: { run: true } },
    ];
    const client = await connect([], (message) => {
      questions.push(message);
      return answers.shift() ?? { action: 'cancel' };
    });
    for (let i = 0; i < 2; i++)
      expect(await call(client, 'run_scenario', scenario)).toMatchObject({
        isError: true,
        text: expect.stringContaining('does not want') as string,
      });
    expect((await call(client, 'run_scenario', scenario)).structuredContent).toMatchObject({
      verdict: 'passed',
    });
    expect(questions).toHaveLength(3);
    expect(questions[0]).toContain('scenarios/hello.trapline.json');
  });

  it('is done where it is allowed, and its trace is there to be asked about', async () => {
    const client = await server('--allow-run');
    const { structuredContent: run } = await call(client, 'run_scenario', scenario);
    expect(run).toMatchObject({
      state: 'finished',
      verdict: 'passed',
      console: expect.stringMatching(/\w/) as string,
    });
    const { structuredContent: latest } = await call(client, 'summarize_trace', {});
    expect(latest).toMatchObject({ trace: run?.['trace'], hash: run?.['hash'] });
    const { structuredContent: state } = await call(client, 'machine_state', { row: 5, show: ['registers'] });
    expect(state).toMatchObject({ vcpu: 'vm0 vCPU 0' });
    const again = await call(client, 'run_scenario', scenario);
    expect(again.structuredContent).toMatchObject({ hash: run?.['hash'] });
  });

  it('tells what keeps a scenario from running', async () => {
    const client = await server('--allow-run');
    const none = await call(client, 'run_scenario', { scenario: 'scenarios/none.trapline.json' });
    expect(none).toMatchObject({ isError: true, text: expect.stringContaining('There is no') as string });
    const wrong = await call(client, 'run_scenario', { scenario: 'drivers/hello.c' });
    expect(wrong).toMatchObject({
      isError: true,
      text: expect.stringMatching(/not run.*hello\.c:1/) as string,
    });
  });
});

/** A server that is spoken to line by line. */
class RawServer {
  private readonly process = spawn(SERVER.command, args(), {
    env: SERVER.env,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  private readonly waiting = new Map<number, (answer: object) => void>();
  readonly ended = new Promise<number | null>((resolve) => this.process.on('exit', resolve));
  private last = 1_000_000_000;

  constructor() {
    this.process.stdin.on('error', () => undefined);
    createInterface({ input: this.process.stdout }).on('line', (line) => {
      const message = JSON.parse(line) as { id?: number };
      this.waiting.get(message.id ?? -1)?.(message);
    });
  }

  send(text: string): void {
    this.process.stdin.write(`${text}\n`);
  }

  ask(method: string, params: object): Promise<object> {
    const id = ++this.last;
    const answer = new Promise<object>((resolve) => this.waiting.set(id, resolve));
    this.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    return answer;
  }

  async initialize(): Promise<void> {
    const client = {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 't', version: '1' },
    };
    expect(await this.ask('initialize', client)).toMatchObject({
      result: { serverInfo: { name: 'trapline' } },
    });
    this.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }));
  }

  close(): Promise<number | null> {
    this.process.stdin.end();
    return this.ended;
  }
}

describe('input that is none', () => {
  const NESTED = 20_000;

  it('is passed over, and the next question is answered', async () => {
    const server = new RawServer();
    await server.initialize();
    const call = (input: string, name = '"find_events"'): string =>
      `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":${name},"arguments":${input}}}`;
    const lines = fc.oneof(
      fc.string({ maxLength: 200 }).map((text) => text.replace(/[\r\n]/g, ' ')),
      fc.json({ maxDepth: 3 }),
      fc.json({ maxDepth: 2 }).map((json) => call(json)),
      fc.json({ maxDepth: 1 }).map((json) => call('{}', json)),
      fc.constantFrom(
        '',
        'null',
        '[]',
        '{"jsonrpc":"2.0"}',
        '{"jsonrpc":"2.0","id":1e400,"method":"tools/list"}',
        '{"jsonrpc":"2.0","id":-5,"method":"tools/call"}',
        '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}',
        '{"jsonrpc":"2.0","id":3,"result":{}}',
        call(`{"query":${'['.repeat(NESTED)}${']'.repeat(NESTED)}}`),
        call(`${'{"a":'.repeat(NESTED)}1${'}'.repeat(NESTED)}`),
        call('{"trace":"../../../etc/passwd","query":""}'),
        call('{"query":"","offset":1e308}'),
        call('{"query":"","offset":99999999999999999999}'),
        call('{"__proto__":{"trace":"x"},"query":""}'),
        call(`{"query":"${'('.repeat(900)}"}`),
      ),
    );
    const batches = fc.array(lines, { minLength: 20, maxLength: 20, size: 'max' });
    await fc.assert(
      fc.asyncProperty(batches, async (texts) => {
        for (const text of texts) server.send(text);
        expect(await server.ask('ping', {})).toMatchObject({ result: {} });
      }),
      { numRuns: 10, endOnFailure: true },
    );
    const { result } = (await server.ask('tools/call', {
      name: 'summarize_trace',
      arguments: { trace: 'a.trapline.arrow' },
    })) as { result: { structuredContent: object } };
    expect(result.structuredContent).toMatchObject({ exits: 3 });
    expect(await server.close()).toBe(0);
  });

  it('ends a connection whose message has no end, and nothing else', async () => {
    const server = new RawServer();
    await server.initialize();
    for (let i = 0; i < 40; i++) server.send('x'.repeat(1 << 16).replace(/\n/g, ''));
    server.send(`"${'x'.repeat(4 << 20)}`);
    expect(await server.close()).toBe(0);
  });
});

it('reads in the folder that is named, or in the one it is started in', async () => {
  const calls = async (...given: string[]): Promise<string[]> => {
    const host = new FakeHost();
    expect(await runCli(['mcp', ...given], host)).toBe(0);
    return host.calls;
  };
  expect(await calls()).toEqual(['mcp /home/ada']);
  expect(await calls('x', '--allow-run')).toEqual(['mcp /home/ada/x, runs allowed']);
  const host = new FakeHost();
  expect(await runCli(['mcp', 'a', 'b'], host)).toBe(2);
  expect(host.stderr).toContain('one FOLDER');
});
