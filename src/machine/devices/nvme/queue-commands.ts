/** Admin commands that make and delete I/O queues (5.3 to 5.6), and Abort (5.1). */
import { At, type Entry } from './command';
import type { Completions } from './completions';
import type { AsyncEvents } from './async-events';
import { Admin, Cc, ENTRY, MOST_ABORTS, MOST_ENTRIES, field } from './constants';
import type { NvmeCore } from './core';
import type { CommandKind, Executor, Outcome } from './executor';
import type { Fetcher } from './fetch';
import type { Interrupts } from './interrupts';
import type { Queues } from './queues';
import { refuse, Status } from './status';

/** What these commands work on. */
export interface QueueCommandParts {
  core: NvmeCore;
  queues: Queues;
  executor: Executor;
  fetcher: Fetcher;
  completions: Completions;
  interrupts: Interrupts;
  events: AsyncEvents;
  /** The CC register. */
  cc(): number;
}

/** Command word 11 of the two that make a queue. */
const CONTIGUOUS = 1;
const INTERRUPTS = 2;
const SUCCESS: Outcome = { status: Status.Success };
/** First word of Abort's completion: the command was not aborted. */
const NOT_ABORTED = 1;

const failure = (status: number, at: number): Outcome => ({ status, at });

/** The commands, without their opcodes. */
export class QueueCommands {
  readonly createCq: CommandKind;
  readonly createSq: CommandKind;
  readonly deleteCq: CommandKind;
  readonly deleteSq: CommandKind;
  readonly abort: CommandKind;

  constructor(private readonly parts: QueueCommandParts) {
    const kind = (perform: (entry: Entry) => Outcome): CommandKind => ({
      direction: 'none',
      check: () => 0,
      nanoseconds: () => parts.core.timing.controllerNanoseconds,
      perform,
    });
    this.createCq = kind((entry) => this.makeCq(entry));
    this.createSq = kind((entry) => this.makeSq(entry));
    this.deleteCq = kind((entry) => this.dropCq(entry));
    this.deleteSq = kind((entry) => this.dropSq(entry));
    this.abort = {
      ...kind((entry) => this.abortOne(entry)),
      check: () => (parts.executor.adminCommands(Admin.Abort) >= MOST_ABORTS ? refuse(Status.AbortLimit) : 0),
    };
  }

  private makeCq(entry: Entry): Outcome {
    const { core, queues, interrupts, cc } = this.parts;
    const { id, size, base } = asked(entry);
    const word = entry.word(At.cdw11);
    const vector = word >>> 16;
    if (!this.free(id, queues.completion)) return failure(Status.InvalidQueueId, At.cdw10);
    const entries = field(cc(), Cc.iocqes) === ENTRY.completionPower;
    const wrong = this.wrongRing(size, base, word, entries);
    if (wrong) return wrong;
    // Without MSI-X there is one interrupt for all.
    const vectors = interrupts.byMessage ? core.options.queues + 1 : 1;
    if (vector >= vectors) return failure(Status.InvalidVector, At.cdw11 + 2);
    queues.addCompletion({ id, base, size, vector, interrupts: (word & INTERRUPTS) !== 0 });
    return SUCCESS;
  }

  private makeSq(entry: Entry): Outcome {
    const { core, queues, cc } = this.parts;
    const { id, size, base } = asked(entry);
    const word = entry.word(At.cdw11);
    const cq = word >>> 16;
    if (cq === 0 || cq > core.options.queues) return failure(Status.InvalidQueueId, At.cdw11 + 2);
    if (!queues.completion.has(cq)) return failure(Status.InvalidCq, At.cdw11 + 2);
    if (!this.free(id, queues.submission)) return failure(Status.InvalidQueueId, At.cdw10);
    const entries = field(cc(), Cc.iosqes) === ENTRY.submissionPower;
    const wrong = this.wrongRing(size, base, word, entries);
    if (wrong) return wrong;
    queues.addSubmission({ id, base, size, cq });
    return SUCCESS;
  }

  private dropCq(entry: Entry): Outcome {
    const { queues, completions, interrupts } = this.parts;
    const { id } = asked(entry);
    if (id === 0 || !queues.completion.has(id)) return failure(Status.InvalidQueueId, At.cdw10);
    if ([...queues.submission.values()].some(({ cq }) => cq === id))
      return failure(Status.InvalidQueueDeletion, At.cdw10);
    completions.forget(id);
    queues.completion.delete(id);
    interrupts.update();
    return SUCCESS;
  }

  private dropSq(entry: Entry): Outcome {
    const { queues, executor, fetcher } = this.parts;
    const { id } = asked(entry);
    if (id === 0 || !queues.submission.has(id)) return failure(Status.InvalidQueueId, At.cdw10);
    fetcher.forget(id);
    executor.abortAll(id);
    queues.submission.delete(id);
    return SUCCESS;
  }

  private abortOne(entry: Entry): Outcome {
    const { executor, events } = this.parts;
    const word = entry.word(At.cdw10);
    const sq = word & 0xffff;
    const command = word >>> 16;
    const found = executor.abort(sq, command, Status.AbortRequested) || (sq === 0 && events.abort(command));
    return { status: Status.Success, result: found ? 0 : NOT_ABORTED };
  }

  private free(id: number, taken: ReadonlyMap<number, unknown>): boolean {
    return id > 0 && id <= this.parts.core.options.queues && !taken.has(id);
  }

  /** What is the same of both kinds of queues. @param entries whether CC has their entries as large as they are */
  private wrongRing(size: number, base: number, word: number, entries: boolean): Outcome | undefined {
    if (!entries || size < 2 || size > MOST_ENTRIES) return failure(Status.InvalidQueueSize, At.cdw10 + 2);
    if (base % this.parts.core.pageSize !== 0) return failure(Status.InvalidPrpOffset, At.prp1);
    if ((word & CONTIGUOUS) === 0) return failure(Status.InvalidField, At.cdw11);
    return undefined;
  }
}

/** What the four commands on queues have alike: which queue; its entries, of which the command has one less; where it is. */
function asked(entry: Entry): { id: number; size: number; base: number } {
  const word = entry.word(At.cdw10);
  return { id: word & 0xffff, size: (word >>> 16) + 1, base: entry.long(At.prp1) };
}
