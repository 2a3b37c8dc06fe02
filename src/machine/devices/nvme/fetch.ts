/** Takes commands from submission queues, round robin (4.13.1): one queue after the other, a burst from each. */
import type { DmaResult } from '../../bus';
import { Kind } from '../../../trace/vocabulary/events';
import { doorbellOf, ENTRY } from './constants';
import type { NvmeCore } from './core';
import { isFault, Owner, type Dma } from './dma';
import type { Executor } from './executor';
import { advanced, entriesBetween, type Queues, type SubmissionQueue } from './queues';

/** Commands that are read at once, at most: 512 bytes; an assumption. */
const MOST_AT_ONCE = 8;
const NONE = -1;

/** What the hardware has of it. */
export interface FetchHardware {
  /** The queue that had its turn last. */
  turn: number;
  /** The queue that is read from, -1: none; and how many commands. */
  sq: number;
  count: number;
}

/** Rows that a driver's doorbells were: what is taken from a queue hangs on its latest. */
export type FetchRun = { sq: number; cause: number }[];

/** The reader of submission queues. */
export class Fetcher {
  private turn = 0;
  private sq = NONE;
  private count = 0;
  private readonly doorbells = new Map<number, number>();

  /**
   * @param burst commands that one queue may give before the next has its turn
   * @param enabled whether commands are taken now
   */
  constructor(
    private readonly core: NvmeCore,
    private readonly dma: Dma,
    private readonly queues: Queues,
    private readonly executor: Executor,
    private readonly burst: () => number,
    private readonly enabled: () => boolean,
  ) {
    dma.onEnd(Owner.Fetch, (_index, result) => this.fetched(result));
  }

  /** A doorbell said that a queue has more commands; the present cause is its row. */
  rung(sq: number): void {
    this.doorbells.set(sq, this.core.bus.trace.cause);
  }

  /** Begins to read from the queue whose turn it is, if there is one and nothing is being read. */
  run(): void {
    if (this.sq !== NONE || !this.enabled()) return;
    const queue = this.next();
    if (!queue) return;
    const { id, base, head, tail, size } = queue;
    const behind = Math.min(entriesBetween(head, tail, size), size - head);
    this.turn = id;
    this.sq = id;
    this.count = Math.min(behind, this.executor.room(id), this.burst(), MOST_AT_ONCE);
    const { trace } = this.core.bus;
    const { cause } = trace;
    trace.cause = this.doorbells.get(id) ?? 0;
    this.dma.read(Owner.Fetch, 0, base + head * ENTRY.submission, this.count * ENTRY.submission);
    trace.cause = cause;
  }

  /** The queue is deleted. */
  forget(sq: number): void {
    this.doorbells.delete(sq);
    if (this.sq === sq) this.stop();
  }

  reset(): void {
    this.doorbells.clear();
    this.turn = 0;
    this.stop();
  }

  saveHardware(): FetchHardware {
    const { turn, sq, count } = this;
    return { turn, sq, count };
  }

  saveRun(): FetchRun {
    return [...this.doorbells].map(([sq, cause]) => ({ sq, cause }));
  }

  load({ turn, sq, count }: FetchHardware, run: FetchRun | undefined): void {
    this.turn = turn;
    this.sq = sq;
    this.count = count;
    this.doorbells.clear();
    for (const each of run ?? []) this.doorbells.set(each.sq, each.cause);
  }

  private stop(): void {
    this.dma.forget(Owner.Fetch);
    this.sq = NONE;
    this.count = 0;
  }

  /** The first queue behind the one that had its turn last which has commands, and room for them. */
  private next(): SubmissionQueue | undefined {
    const ready = [...this.queues.submission.values()]
      .filter(({ id, head, tail }) => head !== tail && this.executor.room(id) > 0)
      .sort((a, b) => a.id - b.id);
    return ready.find(({ id }) => id > this.turn) ?? ready[0];
  }

  private fetched(result: DmaResult): void {
    const { core, count } = this;
    const queue = this.queues.submission.get(this.sq);
    this.sq = NONE;
    if (!queue) return;
    if (isFault(result)) {
      // The queue is not in memory: no completion can tell of it.
      core.fail(doorbellOf(queue.id), queue.tail);
      return;
    }
    const { trace } = core.bus;
    queue.head = advanced(queue.head, count, queue.size);
    trace.instant(Kind.RingHead, queue.head, queue.tail);
    const { cause } = trace;
    for (let i = 0; i < count; i++) {
      trace.cause = cause;
      this.executor.take(queue.id, result.slice(i * ENTRY.submission, (i + 1) * ENTRY.submission));
    }
    trace.cause = cause;
  }
}
