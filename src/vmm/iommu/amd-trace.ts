/** What AMD's IOMMU does about interrupts, as rows of the trace: each hangs on the message of the device, or on the row before. */
import type { RequesterId } from '../../machine/bus';
import type { InterruptMessage } from '../../machine/interrupts/message';
import type { AmdCommand } from '../../machine/iommu/amd/commands';
import { irteOfGuest } from '../../machine/iommu/amd/entries';
import type { AmdInterruptObserver } from '../../machine/iommu/amd/interrupt-unit';
import { amdReasonNames, type AmdReason } from '../../machine/iommu/amd/reasons';
import type { Words } from '../../machine/iommu/words';
import type { Cycles } from '../../machine/time/event-queue';
import type { Tracer } from '../../trace/record/tracer';
import { Kind } from '../../trace/vocabulary/events';
import { invalidationNumber, type InvalidationWords } from '../../trace/vocabulary/invalidation';
import type { PostListeners } from './interrupt-trace';

/** Why it refuses a request, for the track. */
export const amdReasons: Record<string, string> = { ...amdReasonNames };

/** Which entries a command drops; of the others nothing is shown. */
const invalidations: Readonly<
  Partial<Record<AmdCommand['kind'], Pick<InvalidationWords, 'cache' | 'scope'>>>
> = {
  'device-entry': { cache: 'context', scope: 'device' },
  'interrupt-table': { cache: 'interrupt-entries', scope: 'device' },
  all: { cache: 'interrupt-entries', scope: 'global' },
};

/** The pen of one unit, on the unit's track. */
export class AmdTrace implements AmdInterruptObserver {
  /** @param posts who is told of a request, by address of a backing page */
  constructor(
    private readonly tracer: Tracer,
    private readonly now: () => Cycles,
    private readonly track: () => number,
    private readonly posts: PostListeners,
  ) {}

  deviceEntryRead(_device: RequesterId, _address: number, words: Words): void {
    this.aside(Kind.AmdDeviceEntry, words[4], words[5]);
  }

  entryRead(index: number, address: number, words: Words): void {
    const [w0, w1, w2, w3] = words;
    this.note(Kind.IrteRead, address, index);
    this.aside(irteOfGuest(words) ? Kind.AmdIrteGuest : Kind.AmdIrteRemapped, w0, w1);
    this.aside(Kind.AmdIrteUpper, w2, w3);
  }

  remapped(index: number, { vector }: InterruptMessage): void {
    this.note(Kind.IrqRemap, index, vector);
  }

  posted(vector: number, backingPage: number): void {
    this.note(Kind.AvicPost, vector, backingPage);
    this.posts.get(backingPage)?.(vector, this.tracer.cause);
  }

  doorbell(vector: number, hostApicId: number): void {
    this.note(Kind.AvicDoorbell, vector, hostApicId);
  }

  logged(tag: number, address: number): void {
    this.note(Kind.GaLogEntry, tag, address);
  }

  lost(tag: number): void {
    this.note(Kind.GaLogOverflow, tag, 0);
  }

  blocked(device: RequesterId, reason: AmdReason, index: number, quiet: boolean): void {
    this.note(Kind.IrqBlocked, reason, index);
    if (quiet) this.aside(Kind.IommuUnrecorded, device, reason);
  }

  commandDone(command: AmdCommand, begin: Cycles, dropped: number): void {
    const took = this.now() - begin;
    if (command.kind === 'wait') {
      const { address, low } = command.store ?? { address: 0, low: 0 };
      this.tracer.span(begin, took, this.track(), Kind.IommuWait, address, low);
      return;
    }
    const what = invalidations[command.kind];
    if (!what) return;
    const number = invalidationNumber({ ...what, by: 'queue', domain: undefined });
    this.tracer.span(begin, took, this.track(), Kind.IommuInvalidate, number, dropped);
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
