/**
 * What a remapping unit does, as rows of the trace. A walk hangs on what the device has begun, the entries that it read and what it
 * found hang on the walk, and what a translation makes possible, a DMA or a fault, hangs on that.
 */
import { faultNames } from '../../machine/iommu/fault-names';
import { interruptFaultNames } from '../../machine/iommu/interrupts/interrupt-faults';
import type {
  FaultReport,
  InvalidationReport,
  IommuObserver,
  TranslatedPage,
  TranslationRequest,
  WaitReport,
  WalkReference,
  WalkReport,
} from '../../machine/iommu/observer';
import type { Cycles } from '../../machine/time/event-queue';
import type { Tracer } from '../../trace/record/tracer';
import { entryKinds, Kind } from '../../trace/vocabulary/events';
import { invalidationNumber } from '../../trace/vocabulary/invalidation';
import { entryFields, stageEntries, type EntryField } from '../../trace/vocabulary/table-entries';
import { isOfInterrupt } from './fault-records';

/** Cycles that tell when within a walk an entry is read. */
export interface WalkTimes {
  lookup: Cycles;
  reference: Cycles;
}

/** Words of a context entry of scalable mode; of a legacy one they are four. */
const SCALABLE_WORDS = 8;
const UPPER_HALF = 0x80;
/** An argument of a row holds bits 51 to 0 of a field. */
const ARGUMENT_HIGH = 0xfffff;

/** The pen for one unit. */
export class IommuTrace implements IommuObserver {
  /** @param track of type `iommu`, with `iommuReasons`; made when it is first asked for */
  constructor(
    private readonly tracer: Tracer,
    private readonly now: () => Cycles,
    private readonly track: () => number,
    private readonly times: WalkTimes,
  ) {}

  hit({ iova }: TranslationRequest, { address }: TranslatedPage): void {
    const { tracer } = this;
    const track = this.track();
    tracer.cause = tracer.instant(this.now(), track, Kind.IommuHit, iova, address);
  }

  walked(report: WalkReport): void {
    const { tracer, times } = this;
    const track = this.track();
    const { request, references, pageReferences, levels, page, cycles } = report;
    const begin = this.now();
    const walk = tracer.span(
      begin,
      cycles,
      track,
      Kind.IommuWalk,
      pageReferences,
      levels.first + levels.second,
    );
    tracer.cause = walk;
    const upper = (request.requester & 0xff) >= UPPER_HALF && isScalable(references);
    references.forEach((reference, index) => {
      this.entry(begin + times.lookup + index * times.reference, reference, upper);
    });
    if (page) tracer.instant(begin + cycles, track, Kind.IommuTranslation, request.iova, page.address);
  }

  /** One of interrupt remapping is told by who refuses the request. */
  faulted({ request, reason, recorded }: FaultReport): void {
    if (isOfInterrupt(reason)) return;
    const { tracer } = this;
    const track = this.track();
    tracer.cause = tracer.instant(this.now(), track, Kind.IommuFault, request.iova, reason);
    if (!recorded) tracer.instant(this.now(), track, Kind.IommuUnrecorded, request.requester, reason);
  }

  invalidated(report: InvalidationReport): void {
    const { tracer } = this;
    const track = this.track();
    const { begin, end, dropped } = report;
    tracer.span(begin, end - begin, track, Kind.IommuInvalidate, invalidationNumber(report), dropped ?? 0);
  }

  waited({ status, begin, end }: WaitReport): void {
    const { tracer } = this;
    const track = this.track();
    tracer.cause = tracer.span(
      begin,
      end - begin,
      track,
      Kind.IommuWait,
      status?.address ?? 0,
      status?.data ?? 0,
    );
  }

  /** One entry, each of its fields that has a meaning of its own. Of one that no memory holds there is nothing to show. */
  private entry(time: Cycles, { what, level, address, words }: WalkReference, upper: boolean): void {
    const { tracer } = this;
    const track = this.track();
    for (const { key, word } of fieldsOf(what, level, words.length, upper)) {
      if (word >= words.length) continue;
      const value = (words[word + 1] & ARGUMENT_HIGH) * 2 ** 32 + words[word];
      tracer.instant(time, track, entryKinds[key], address + 4 * word, value);
    }
  }
}

/** Reasons of `iommu.fault` and `irq.blocked` in words, for the unit's track. */
export const iommuReasons: Record<string, string> = { ...faultNames, ...interruptFaultNames };

function isScalable(references: readonly WalkReference[]): boolean {
  return references.some(({ what, words }) => what === 'context' && words.length === SCALABLE_WORDS);
}

function fieldsOf(
  what: WalkReference['what'],
  level: number,
  words: number,
  upper: boolean,
): readonly EntryField[] {
  switch (what) {
    case 'root':
      return upper ? entryFields.upperRoot : entryFields.root;
    case 'context':
      return words === SCALABLE_WORDS ? entryFields.scalableContext : entryFields.context;
    case 'pasid-dir':
      return entryFields.pasidDirectory;
    case 'pasid':
      return entryFields.pasid;
    case 'first':
      return [{ key: stageEntries.first[level - 1], word: 0 }];
    case 'second':
      return [{ key: stageEntries.second[level - 1], word: 0 }];
  }
}
