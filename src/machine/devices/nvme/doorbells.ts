/** The doorbells (3.1.16, 3.1.17): two words for each pair of queues, the tail of one and the head of the other. */
import { Kind } from '../../../trace/vocabulary/events';
import type { AsyncEvents } from './async-events';
import type { Completions } from './completions';
import { DOORBELLS, Event } from './constants';
import type { NvmeCore } from './core';
import type { Fetcher } from './fetch';
import { entriesBetween, type CompletionQueue, type Queues, type SubmissionQueue } from './queues';

/** What doorbells are for. */
export class Doorbells {
  /** @param ready whether there are queues */
  constructor(
    private readonly core: NvmeCore,
    private readonly queues: Queues,
    private readonly fetcher: Fetcher,
    private readonly completions: Completions,
    private readonly events: AsyncEvents,
    private readonly ready: () => boolean,
  ) {}

  /** The name by the specification, where a queue can be. */
  nameAt(offset: number): string | undefined {
    const { id, isTail } = placeOf(offset);
    if (offset < DOORBELLS || offset % 4 !== 0 || id > this.core.options.queues) return undefined;
    return isTail ? `SQ${id}TDBL` : `CQ${id}HDBL`;
  }

  /** @param offset of a doorbell, in BAR 0 */
  write(offset: number, value: number): void {
    const { core, queues } = this;
    const { id, isTail } = placeOf(offset);
    if (!this.ready()) {
      core.aside(Kind.DeviceIgnored, offset, value);
      return;
    }
    const sq = isTail ? queues.submission.get(id) : undefined;
    const cq = isTail ? undefined : queues.completion.get(id);
    if (sq) this.tail(sq, offset, value);
    else if (cq) this.head(cq, offset, value);
    else this.misused(offset, value, Event.Error.unknownDoorbell);
  }

  private tail(queue: SubmissionQueue, offset: number, value: number): void {
    if (value >= queue.size) {
      this.misused(offset, value, Event.Error.doorbellValue);
      return;
    }
    const { trace } = this.core.bus;
    const { cause } = trace;
    trace.instant(Kind.Doorbell, offset, value);
    queue.tail = value;
    this.fetcher.rung(queue.id);
    trace.cause = cause;
  }

  /** Nobody can have taken entries that were not written. */
  private head(queue: CompletionQueue, offset: number, value: number): void {
    const { head, tail, size } = queue;
    if (value >= size || entriesBetween(head, value, size) > entriesBetween(head, tail, size)) {
      this.misused(offset, value, Event.Error.doorbellValue);
      return;
    }
    this.core.aside(Kind.Doorbell, offset, value);
    queue.head = value;
    this.completions.taken(queue);
  }

  private misused(offset: number, value: number, information: number): void {
    this.core.aside(Kind.DeviceMisused, offset, value);
    this.events.badDoorbell(information);
  }
}

function placeOf(offset: number): { id: number; isTail: boolean } {
  const word = Math.floor((offset - DOORBELLS) / 4);
  return { id: word >> 1, isTail: word % 2 === 0 };
}
