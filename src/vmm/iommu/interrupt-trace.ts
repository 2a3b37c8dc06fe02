/** What interrupt remapping and posting do, as rows of the trace: each hangs on the message of the device, or on the row before. */
import type { InterruptMessage } from '../../machine/interrupts/message';
import type { InterruptFault } from '../../machine/iommu/interrupts/interrupt-faults';
import type { InterruptRemappingObserver } from '../../machine/iommu/interrupts/interrupt-remapping';
import { irtePosts, type RawIrte } from '../../machine/iommu/interrupts/irte';
import type { Cycles } from '../../machine/time/event-queue';
import type { RowRef, Tracer } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';

/** By address of a posted-interrupt descriptor: who is told of the row that shows a post to it. */
export type PostListeners = ReadonlyMap<number, (vector: number, row: RowRef) => void>;

/** The pen for the interrupts of one unit, on the unit's track. */
export class InterruptTrace implements InterruptRemappingObserver {
  constructor(
    private readonly tracer: Tracer,
    private readonly now: () => Cycles,
    private readonly track: () => number,
    private readonly posts: PostListeners = new Map(),
  ) {}

  entryRead(index: number, address: number, raw: RawIrte): void {
    const [d0, d1, d2, d3] = raw;
    this.note(Kind.IrteRead, address, index);
    this.aside(irtePosts(raw) ? Kind.IrtePosted : Kind.IrteRemapped, d0, d1);
    this.aside(Kind.IrteSource, d2, d3);
  }

  /** An entry from the cache was shown when it was read. */
  entryHit(): void {}

  remapped(index: number, { vector }: InterruptMessage): void {
    this.note(Kind.IrqRemap, index, vector);
  }

  posted(
    _index: number,
    vector: number,
    descriptor: number,
    notification: InterruptMessage | 'outstanding' | 'suppressed',
  ): void {
    this.note(Kind.IrqPost, vector, descriptor);
    this.posts.get(descriptor)?.(vector, this.tracer.cause);
    if (typeof notification !== 'string')
      this.note(Kind.IrqNotify, notification.vector, notification.destination);
  }

  blocked({ requester, reason, index }: InterruptFault, recorded: boolean): void {
    this.note(Kind.IrqBlocked, reason, index);
    if (!recorded) this.aside(Kind.IommuUnrecorded, requester, reason);
  }

  /** What follows hangs on this row. */
  private note(kind: number, a: number, b: number): void {
    this.tracer.cause = this.tracer.instant(this.now(), this.track(), kind, a, b);
  }

  /** A detail: nothing follows from it. */
  private aside(kind: number, a: number, b: number): void {
    this.tracer.instant(this.now(), this.track(), kind, a, b);
  }
}
