/**
 * Requests of devices that have TLBs of their own (VT-d specification, 3.13 and chapter 4; PCI Express, Address Translation
 * Services): for a translation, and with an address that is translated already.
 */
import type { RequesterId } from '../bus';
import type { DmaTranslated } from '../memory/dma-translation';
import type { Cycles } from '../time/event-queue';
import { resolve } from './context-tables';
import { AddressType } from './fault-log';
import { FaultReason } from './fault-reasons';
import { touchesInterruptRange } from './layout';
import type { TranslatedPage, TranslationRequest } from './observer';
import { refuseDeviceTlb, walkPage, type WalkOutcome, type WalkSource } from './page-walk';
import type { ProtectedMemory } from './protected-memory';
import { TableReader, type TableMemory } from './table-reader';
import type { Refusal } from './translation';

/** What a device is told of a page. */
export type TranslationCompletion =
  /** Rights that the device may use until it is told to drop them; undefined: there is nothing it may do there. */
  | { page: TranslatedPage | undefined; cycles: Cycles }
  /** The function may not ask, or tables are broken. */
  | { unsupported: true; cycles: Cycles };

/** Faults that are an answer to a translation request, and no error that is recorded (7.1.4). */
const ANSWERS: ReadonlySet<FaultReason> = new Set([
  FaultReason.ReadDenied,
  FaultReason.WriteDenied,
  FaultReason.FirstStageNotPresent,
  FaultReason.UserDenied,
  FaultReason.ScalableSecondStageNotPresent,
  FaultReason.ScalableReadDenied,
  FaultReason.ScalableWriteDenied,
]);

/** What these requests need of their unit. */
export interface DeviceRequestHost {
  readonly memory: TableMemory;
  readonly protectedMemory: ProtectedMemory;
  /** Tables and caches now; undefined while translation is off. */
  source(): WalkSource | undefined;
  /** Tells of a walk. @returns its cycles */
  tell(request: TranslationRequest, reader: TableReader, outcome: WalkOutcome): Cycles;
  /** Records a fault and tells of it. */
  refuse(request: TranslationRequest, refusal: Refusal, addressType: number): void;
}

/** The two kinds of requests. */
export class DeviceRequests {
  constructor(private readonly host: DeviceRequestHost) {}

  /** A translation request; without `write` the device asks for reading alone (NW). */
  request(request: TranslationRequest): TranslationCompletion {
    const source = this.host.source();
    if (!source) return { unsupported: true, cycles: 0 };
    const asked = this.walk(source, request);
    if (asked.completion !== 'less' || !request.write) return asWhole(asked);
    // What may not be written may still be read.
    const less = this.walk(source, { ...request, write: false });
    return asWhole({ ...less, cycles: asked.cycles + less.cycles });
  }

  /** An access to an address of the host, by a function that may have such. */
  translated(requester: RequesterId, address: number, length: number, write: boolean): DmaTranslated {
    const { host } = this;
    const source = host.source();
    if (!source) return { fault: 'blocked', cycles: 0 };
    const request = { requester, pasid: undefined, iova: address, write };
    const reader = new TableReader(host.memory, true);
    const resolved = resolve({ ...source, reader }, requester, undefined);
    const refusal = 'fault' in resolved ? resolved : refuseDeviceTlb(resolved);
    const cycles = source.options.costs.reference * reader.references.length;
    if (refusal) {
      host.refuse(request, refusal, AddressType.translated);
      return { fault: 'blocked', cycles };
    }
    const blocked =
      touchesInterruptRange(address, length) ||
      host.protectedMemory.blocks(address, length) ||
      address + length > 2 ** source.options.hostAddressWidth;
    return blocked ? { fault: 'blocked', cycles } : { pieces: [{ address, length }], cycles };
  }

  private walk(source: WalkSource, request: TranslationRequest): WalkAnswer {
    const { host } = this;
    const reader = new TableReader(host.memory, true);
    const outcome = walkPage({ ...source, deviceTlb: true }, reader, request, 1);
    const cycles = host.tell(request, reader, outcome);
    const { result } = outcome;
    if (!('fault' in result)) {
      // The right to write is given to who asks for it: the dirty bit is set then.
      return { completion: { ...result, write: request.write && result.write }, cycles };
    }
    if (ANSWERS.has(result.fault)) return { completion: 'less', cycles };
    host.refuse(request, result, AddressType.translationRequest);
    return { completion: 'unsupported', cycles };
  }
}

interface WalkAnswer {
  completion: TranslatedPage | 'less' | 'unsupported';
  cycles: Cycles;
}

function asWhole({ completion, cycles }: WalkAnswer): TranslationCompletion {
  if (completion === 'unsupported') return { unsupported: true, cycles };
  return { page: completion === 'less' ? undefined : completion, cycles };
}
