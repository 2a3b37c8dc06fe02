/** The context of verbs in a thread of their own. Knows no thread: messages come and go. */
import type { KeptRun, OpenedTrace, RunReport, VerbContext } from '../context';
import { Folders } from '../folders';
import { performVerb } from '../perform';
import { Replays } from '../replays';
import { scenariosIn } from '../scenario-list';
import { TraceShelf } from '../trace-shelf';
import { VerbError } from '../verb';
import type { FromVerbThread, HostQuestions, ToVerbThread, VerbThreadInput } from './messages';

export class VerbThread implements VerbContext {
  readonly folders: Folders;
  private readonly shelf: TraceShelf;
  private readonly replays: Replays;
  private readonly asked = new Map<number, (told: Extract<ToVerbThread, { type: 'told' }>) => void>();
  private questions = 0;
  /** One verb at a time: they share the traces that are open and the run that is made again. */
  private last: Promise<void> = Promise.resolve();

  constructor(
    private readonly input: VerbThreadInput,
    private readonly post: (message: FromVerbThread) => void,
  ) {
    this.folders = new Folders(input.folders);
    this.shelf = new TraceShelf(this.folders, () => this.runs());
    this.replays = new Replays(input.environment, this.folders, () => this.scenarios());
  }

  receive(message: ToVerbThread): void {
    if (message.type === 'told') {
      this.asked.get(message.id)?.(message);
      this.asked.delete(message.id);
      return;
    }
    const { id, verb, input } = message;
    this.last = this.last.then(async () => {
      this.post({ type: 'outcome', id, outcome: await performVerb(verb, input, this) });
    });
  }

  scenarios() {
    return scenariosIn(this.folders);
  }

  runs(): Promise<readonly KeptRun[]> {
    return this.ask('runs', {});
  }

  run(scenario: string): Promise<RunReport> {
    return this.ask('run', { scenario });
  }

  open(name: string): Promise<OpenedTrace> {
    return this.shelf.take(name);
  }

  replay(trace: OpenedTrace) {
    return this.replays.of(trace);
  }

  link({ file, run }: OpenedTrace): string {
    return `${this.input.link}event?trace=${encodeURIComponent(run?.link ?? file)}&row={row}`;
  }

  private ask<K extends keyof HostQuestions>(
    what: K,
    args: HostQuestions[K]['arguments'],
  ): Promise<HostQuestions[K]['result']> {
    const id = ++this.questions;
    return new Promise((resolve, reject) => {
      this.asked.set(id, (told) => {
        if ('error' in told) reject(new VerbError(told.error));
        else resolve(told.result);
      });
      this.post({ type: 'ask', id, what, arguments: args } as FromVerbThread);
    });
  }
}
