/**
 * A debug session in this thread, and what is said in it as a text that reads like a story. What differs from one compiler to the
 * next (addresses, moments) stands as a name: the first moment is m1, and a moment that is come back to has the name that it had.
 */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { parse } from 'jsonc-parser';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DebugSession } from '../../../src/debug/session';
import type { OpenedRun, RunListener, SessionOutside } from '../../../src/debug/outside';
import type { RunJob } from '../../../src/protocol/run';
import { environment, root, sample } from '../runs';

export type OpenRun = (job: RunJob, listener: RunListener) => OpenedRun;

type Body = Record<string, unknown>;

/** Fields of bodies that a reader has no use for. */
const UNTOLD = new Set(['seq', 'request_seq', 'type', 'threadId', 'allThreadsStopped', 'frontier', 'text']);

export class Dialogue implements SessionOutside {
  readonly environment = environment;
  readonly session = new DebugSession(this);
  readonly events: DebugProtocol.Event[] = [];
  isOver = false;
  opened: OpenedRun | undefined;
  private readonly responses = new Map<number, DebugProtocol.Response>();
  private readonly lines: string[] = [];
  private readonly moments: string[] = [];
  private seq = 1;

  constructor(private readonly openRun: OpenRun) {}

  send(message: DebugProtocol.Response | DebugProtocol.Event): void {
    // As over a stream: what JSON cannot carry fails here.
    const copy = JSON.parse(JSON.stringify(message)) as typeof message;
    if (copy.type === 'response')
      this.responses.set((copy as DebugProtocol.Response).request_seq, copy as DebugProtocol.Response);
    else this.heard(copy as DebugProtocol.Event);
  }

  take(): undefined {
    return undefined;
  }

  open(job: RunJob, listener: RunListener): OpenedRun {
    this.opened = this.openRun(job, listener);
    return this.opened;
  }

  moving(): void {
    // Nobody else could interrupt.
  }

  over(): void {
    this.isOver = true;
  }

  /** Makes a request that is no part of the story. */
  async ask<T = Body>(command: string, args: object = {}): Promise<T> {
    const seq = this.seq++;
    await this.session.receive({ seq, type: 'request', command, arguments: args });
    const response = this.responses.get(seq);
    if (!response) throw new Error(`${command} was not answered`);
    if (!response.success) throw new Error(`${command}: ${response.message}`);
    return (response.body ?? {}) as T;
  }

  /** Makes a request whatever comes of it. */
  async tryTo(command: string, args: unknown): Promise<DebugProtocol.Response> {
    const seq = this.seq++;
    await this.session.receive({ seq, type: 'request', command, arguments: args });
    const response = this.responses.get(seq);
    if (!response) throw new Error(`${command} was not answered`);
    return response;
  }

  /** A sentence of the story. */
  tell(text: string): void {
    this.lines.push('', text);
  }

  /** Makes a request and tells of it and of what came. */
  async say(command: string, args: Body = {}, shown: Body = args): Promise<Body> {
    const at = this.lines.push(`  → ${command}${this.words(shown)}`);
    const seq = this.seq++;
    await this.session.receive({ seq, type: 'request', command, arguments: args });
    const response = this.responses.get(seq);
    if (!response) throw new Error(`${command} was not answered`);
    if (!response.success) this.lines.splice(at, 0, `  ← refused: ${response.message}`);
    return (response.body ?? {}) as Body;
  }

  /** Says a line of the adapter's answer. */
  answer(text: string): void {
    this.lines.push(`  ← ${this.plain(text)}`);
  }

  /**
   * Launches a sample, with its guest compiled at -O0 so that every compiler makes the same steps of it.
   * @param before requests between launch and the end of the configuration, told as part of the story
   */
  async launch(
    name: string,
    { attributes = {}, defines = {}, file }: { attributes?: Body; defines?: Body; file?: string } = {},
    before: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const scenario = file ?? unoptimised(name, defines);
    await this.ask('initialize', { adapterID: 'trapline' });
    await this.ask('launch', { scenario, ...attributes });
    this.lines.push(`  → launch ${name}${this.words(attributes)}`);
    await before();
    this.lines.push('  → configurationDone');
    await this.ask('configurationDone');
  }

  /** Sets breakpoints on lines that hold a text: a dialogue does not break when a line is added elsewhere. */
  async breakpoints(driver: string, wanted: Record<string, Body>): Promise<void> {
    const path = this.driver(driver);
    const breakpoints = Object.entries(wanted).map(([text, rest]) => ({ line: lineOf(path, text), ...rest }));
    await this.say(
      'setBreakpoints',
      { source: { path }, breakpoints },
      { driver: `${driver}.c`, breakpoints },
    );
  }

  /** Path of a driver of the samples. */
  driver(name: string): string {
    return join(root, 'media/workspace/drivers', `${name}.c`);
  }

  text(): string {
    return `${this.lines.join('\n').trim()}\n`;
  }

  /** Tells where a vCPU stands: its stack by functions and lines. */
  async stack(threadId = 1, depth = 6): Promise<DebugProtocol.StackFrame[]> {
    const { stackFrames } = await this.ask<{ stackFrames: DebugProtocol.StackFrame[] }>('stackTrace', {
      threadId,
      levels: depth,
    });
    this.lines.push('  → stackTrace');
    for (const { name, source, line, presentationHint } of stackFrames) {
      const place = source ? ` at ${source.name}:${line}` : '';
      this.answer(presentationHint === 'label' ? `-- ${name} --` : `${name}${place}`);
    }
    return stackFrames;
  }

  /** Tells what expressions are worth in the innermost frame. */
  async watch(...expressions: string[]): Promise<void> {
    for (const expression of expressions) {
      const { result } = await this.ask('evaluate', { expression, context: 'watch' });
      this.lines.push(`  → evaluate ${expression}`);
      this.answer(String(result));
    }
  }

  private heard(event: DebugProtocol.Event): void {
    this.events.push(event);
    if (event.event === 'initialized' || event.event === 'trapline/moved') return;
    const body = (event.body ?? {}) as Body;
    if (event.event === 'output') {
      const text = String(body['output']);
      if (!text.startsWith('compiling'))
        this.lines.push(`  • ${String(body['category'])}: ${this.plain(text.trimEnd())}`);
      return;
    }
    this.lines.push(`  • ${event.event}${this.words(body)}`);
  }

  private words(body: Body): string {
    const words = Object.entries(body).flatMap(([key, value]) => {
      if (UNTOLD.has(key) || value === undefined) return [];
      if (key === 'moment') return [`at ${this.momentName(value)}`];
      const text = typeof value === 'string' ? value : JSON.stringify(value);
      return [`${key}: ${this.plain(text)}`];
    });
    return words.length > 0 ? ` ${words.join(', ')}` : '';
  }

  private momentName(moment: unknown): string {
    const text = JSON.stringify(moment);
    const known = this.moments.indexOf(text);
    return `m${known >= 0 ? known + 1 : this.moments.push(text)}`;
  }

  private plain(text: string): string {
    return text
      .replaceAll(/[^\s":]*\/(drivers|guest-kit)\//g, '$1/')
      .replaceAll(/\/tmp\/trapline-dap-\w+\//g, '')
      .replaceAll(/bytes [0-9a-f]{10,}/g, 'bytes …')
      .replaceAll(/0x[0-9a-f]{5,16}/g, '0x…');
  }
}

/** 1-based line of a file that holds a text. */
export function lineOf(path: string, text: string): number {
  const index = readFileSync(path, 'utf8')
    .split('\n')
    .findIndex((line) => line.includes(text));
  if (index < 0) throw new Error(`${path} has no line with “${text}”`);
  return index + 1;
}

/** Path of a copy of a sample scenario whose guests are compiled at -O0, with some macros of their own. */
export function unoptimised(
  name: string,
  defines: Body = {},
  change: (scenario: Body) => void = () => undefined,
): string {
  const original = sample(name);
  const scenario = parse(readFileSync(original, 'utf8')) as { vms: { guest: Body }[]; expect?: Body };
  for (const { guest } of scenario.vms) {
    const sources = guest['sources'] as string[];
    guest['sources'] = sources.map((each) => resolve(dirname(original), each));
    guest['optimize'] = '0';
    guest['defines'] = { ...(guest['defines'] as Body), ...defines };
  }
  delete scenario.expect;
  change(scenario);
  const file = join(mkdtempSync(join(tmpdir(), 'trapline-dap-')), `${name}.trapline.json`);
  writeFileSync(file, JSON.stringify(scenario));
  return file;
}
