/** The queues in memory, as the controller knows them (4.1): plain data, and the arithmetic of rings. */

/** A submission queue. */
export interface SubmissionQueue {
  id: number;
  /** Address of its first entry. */
  base: number;
  /** Entries. */
  size: number;
  /** The next entry that the controller takes. */
  head: number;
  /** Behind the last one that the driver has put there, as its doorbell says. */
  tail: number;
  /** Its completion queue. */
  cq: number;
}

/** The end of a command, on its way to the driver. */
export interface Completion {
  sq: number;
  command: number;
  /** A `Status`. */
  status: number;
  /** The first word of the entry. */
  result: number;
  /** What the trace tells of it; `bytes` is negative for what is no I/O. */
  opcode: number;
  bytes: number;
}

/** A completion queue. */
export interface CompletionQueue {
  id: number;
  base: number;
  size: number;
  /** The next entry that the driver looks at, as its doorbell says. */
  head: number;
  /** The next entry that the controller writes. */
  tail: number;
  /** Behind the last entry that is in memory. */
  posted: number;
  /** Phase tag of the next entry: 1 in the first round. */
  phase: number;
  vector: number;
  interrupts: boolean;
  /** On their way to memory, in order. */
  posting: Completion[];
  /** For want of free entries. */
  waiting: Completion[];
}

/** A position in a ring of `size` entries, `by` further. */
export function advanced(position: number, by: number, size: number): number {
  return (position + by) % size;
}

/** Entries from one position up to another. */
export function entriesBetween(from: number, to: number, size: number): number {
  return (to - from + size) % size;
}

/** All queues that exist, by their identifiers; 0 is the admin queue. */
export class Queues {
  readonly submission = new Map<number, SubmissionQueue>();
  readonly completion = new Map<number, CompletionQueue>();

  addSubmission(queue: Pick<SubmissionQueue, 'id' | 'base' | 'size' | 'cq'>): void {
    this.submission.set(queue.id, { ...queue, head: 0, tail: 0 });
  }

  addCompletion(queue: Pick<CompletionQueue, 'id' | 'base' | 'size' | 'vector' | 'interrupts'>): void {
    this.completion.set(queue.id, {
      ...queue,
      head: 0,
      tail: 0,
      posted: 0,
      phase: 1,
      posting: [],
      waiting: [],
    });
  }

  clear(): void {
    this.submission.clear();
    this.completion.clear();
  }

  save(): QueuesHardware {
    return {
      submission: [...this.submission.values()].map((queue) => ({ ...queue })),
      completion: [...this.completion.values()].map((queue) => ({
        ...queue,
        posting: queue.posting.map((each) => ({ ...each })),
        waiting: queue.waiting.map((each) => ({ ...each })),
      })),
    };
  }

  load({ submission, completion }: QueuesHardware): void {
    this.clear();
    for (const queue of submission) this.submission.set(queue.id, { ...queue });
    for (const queue of completion)
      this.completion.set(queue.id, {
        ...queue,
        posting: queue.posting.map((each) => ({ ...each })),
        waiting: queue.waiting.map((each) => ({ ...each })),
      });
  }
}

/** In the order in which they were made. */
export interface QueuesHardware {
  submission: SubmissionQueue[];
  completion: CompletionQueue[];
}
