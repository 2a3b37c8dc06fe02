/** Verbs in the caller's own thread, about traces that a test has put into a folder. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import { saveTrace } from '../../../src/trace/file/save';
import type { TraceStore } from '../../../src/trace/query/store';
import { bytesOf, MOST_BYTES, type Answer } from '../../../src/verbs/answer';
import type { KeptRun, RunReport } from '../../../src/verbs/context';
import { performVerb, type Outcome } from '../../../src/verbs/perform';
import { verbNamed } from '../../../src/verbs/table';
import type { FromVerbThread, HostQuestions } from '../../../src/verbs/thread/messages';
import { VerbThread } from '../../../src/verbs/thread/verb-thread';
import { environment } from '../../support/runs';

export const LINK = 'vscode://trapline.trapline/';

/** A folder of a test, which goes with it. */
export function scratchFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'trapline-verbs-')));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Puts a trace into a folder. */
export function keepTrace(folder: string, name: string, store: TraceStore): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  saveTrace(file, store);
  return file;
}

/** What answers the questions of verbs. */
export interface TestHost {
  runs?: () => readonly KeptRun[];
  run?: (scenario: string) => Promise<RunReport>;
}

/** Verbs that read in some folders. */
export class TestVerbs {
  private readonly thread: VerbThread;

  constructor(folders: readonly string[], host: TestHost = {}) {
    const answer = async ({
      id,
      what,
      ...asked
    }: Extract<FromVerbThread, { type: 'ask' }>): Promise<void> => {
      try {
        const result: HostQuestions[typeof what]['result'] =
          what === 'runs'
            ? (host.runs?.() ?? [])
            : await (host.run ?? noRun)((asked.arguments as { scenario: string }).scenario);
        this.thread.receive({ type: 'told', id, result });
      } catch (error) {
        this.thread.receive({ type: 'told', id, error: (error as Error).message });
      }
    };
    this.thread = new VerbThread({ folders, environment, link: LINK }, (message) => {
      if (message.type === 'ask') void answer(message);
    });
  }

  outcome(name: string, input: unknown): Promise<Outcome> {
    return performVerb(name, input, this.thread);
  }

  /** An answer, which is as its schema says and no longer than it may be. */
  async answer<T = Answer>(name: string, input: object): Promise<T> {
    const outcome = await this.outcome(name, input);
    if (!outcome.ok) throw new Error(outcome.message);
    checkAnswer(name, outcome.answer);
    return outcome.answer as T;
  }

  async refusal(name: string, input: unknown): Promise<string> {
    const outcome = await this.outcome(name, input);
    if (outcome.ok) throw new Error(`There is an answer: ${JSON.stringify(outcome.answer)}`);
    return outcome.message;
  }
}

function noRun(): Promise<RunReport> {
  return Promise.reject(new Error('nothing is run here'));
}

/** Throws when an answer is longer than it may be, or not as its schema says. */
export function checkAnswer(name: string, answer: Answer): void {
  const size = bytesOf(answer);
  if (size > MOST_BYTES) throw new Error(`The answer of ${name} has ${size} bytes.`);
  verbNamed(name)?.output.parse(answer);
}
