/** Puts the ends of commands into completion queues (4.6): entries with phase tags, held back while a queue is full. */
import type { DmaResult } from '../../bus';
import { Kind } from '../../../trace/vocabulary/events';
import { doorbellOf, ENTRY } from './constants';
import type { NvmeCore } from './core';
import { isFault, Owner, type Dma } from './dma';
import type { Interrupts } from './interrupts';
import { advanced, type Completion, type CompletionQueue, type Queues } from './queues';
import { statusField } from './status';

/** By queue, what the run knows of the completions that wait: the rows that they hang on. */
export type CompletionsRun = { queue: number; causes: number[] }[];

/** The way of completions into memory. */
export class Completions {
  /** Rows that waiting completions hang on, by queue, in their order. */
  private readonly causes = new Map<number, number[]>();

  constructor(
    private readonly core: NvmeCore,
    private readonly dma: Dma,
    private readonly queues: Queues,
    private readonly interrupts: Interrupts,
  ) {
    dma.onEnd(Owner.Completion, (id, result) => this.written(id, result));
  }

  /** A command has ended, for the reason of the present cause. Its queue may be gone: then nobody is told. */
  add(cq: number, completion: Completion): void {
    const queue = this.queues.completion.get(cq);
    if (!queue) return;
    queue.waiting.push(completion);
    this.causesOf(cq).push(this.core.bus.trace.cause);
    this.post(queue);
  }

  /** Completions of a submission queue that wait for free entries. */
  heldBack(sq: number): number {
    const target = this.queues.submission.get(sq)?.cq;
    const queue = target === undefined ? undefined : this.queues.completion.get(target);
    return queue?.waiting.filter((each) => each.sq === sq).length ?? 0;
  }

  /** The driver has taken entries: what waits may go on. */
  taken(queue: CompletionQueue): void {
    this.post(queue);
    this.interrupts.update();
  }

  /** The queue is deleted. */
  forget(id: number): void {
    this.dma.forget(Owner.Completion, id);
    this.causes.delete(id);
  }

  reset(): void {
    this.dma.forget(Owner.Completion);
    this.causes.clear();
  }

  save(): CompletionsRun {
    return [...this.causes].map(([queue, causes]) => ({ queue, causes: [...causes] }));
  }

  /** @param run absent: on another host, where nothing is a cause */
  load(run: CompletionsRun | undefined): void {
    this.causes.clear();
    for (const { queue, causes } of run ?? []) this.causes.set(queue, [...causes]);
    if (run) return;
    for (const { id, waiting } of this.queues.completion.values())
      this.causes.set(
        id,
        waiting.map(() => 0),
      );
  }

  private causesOf(cq: number): number[] {
    const found = this.causes.get(cq) ?? [];
    this.causes.set(cq, found);
    return found;
  }

  /** Writes as many as there are free entries: one entry stays empty, as in every ring of this kind (4.1.2). */
  private post(queue: CompletionQueue): void {
    const { core, dma } = this;
    const { trace } = core.bus;
    const { cause } = trace;
    const causes = this.causesOf(queue.id);
    while (queue.waiting.length > 0 && advanced(queue.tail, 1, queue.size) !== queue.head) {
      const completion = queue.waiting.shift();
      if (!completion) break;
      queue.posting.push(completion);
      const address = queue.base + queue.tail * ENTRY.completion;
      const entry = this.entryOf(completion, queue.phase);
      queue.tail = advanced(queue.tail, 1, queue.size);
      if (queue.tail === 0) queue.phase ^= 1;
      trace.cause = causes.shift() ?? 0;
      dma.write(Owner.Completion, queue.id, address, entry);
    }
    trace.cause = cause;
  }

  private entryOf({ sq, command, status, result }: Completion, phase: number): Uint8Array {
    const entry = new Uint8Array(ENTRY.completion);
    const view = new DataView(entry.buffer);
    view.setUint32(0, result, true);
    view.setUint16(8, this.queues.submission.get(sq)?.head ?? 0, true);
    view.setUint16(10, sq, true);
    view.setUint16(12, command, true);
    view.setUint16(14, (statusField(status) << 1) | phase, true);
    return entry;
  }

  private written(id: number, result: DmaResult): void {
    const { core } = this;
    const queue = this.queues.completion.get(id);
    const completion = queue?.posting.shift();
    if (!queue || !completion) return;
    if (isFault(result)) {
      // The queue is not in memory: no completion can tell of it.
      core.fail(doorbellOf(id) + 4, queue.head);
      return;
    }
    queue.posted = advanced(queue.posted, 1, queue.size);
    if (completion.bytes >= 0) core.bus.trace.instant(Kind.IoComplete, completion.opcode, completion.bytes);
    this.interrupts.posted(queue);
  }
}
