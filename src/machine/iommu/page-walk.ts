/** Translates one address of a device by the tables: which stages there are, and what comes out of them together. */
import { coveredBits, pageNumber, pageSpace, type CachedPage, type TranslationCaches } from './caches';
import { resolve, type Resolved, type RootTable } from './context-tables';
import { FaultReason } from './fault-reasons';
import { firstStage } from './first-stage';
import { touchesInterruptRange } from './layout';
import type { TranslatedPage, TranslationRequest } from './observer';
import type { RemappingOptions } from './options';
import { secondStage } from './second-stage';
import type { StageResult, Walk } from './stage';
import type { TableReader } from './table-reader';
import type { Refusal } from './translation';

/** Largest level of a page: 1 GiB. */
const HIGHEST_PAGE_LEVEL = 3;

/** Whose tables are walked, and with which memory of them. */
export interface WalkSource {
  readonly options: RemappingOptions;
  readonly root: RootTable;
  readonly caches: TranslationCaches | undefined;
  /** The request is one of a device TLB, which the function may not be allowed to have. */
  readonly deviceTlb: boolean;
}

/** What came of a request. */
export interface WalkOutcome {
  /** Undefined when no entry told of a translation. */
  resolved: Resolved | undefined;
  result: TranslatedPage | Refusal;
}

/**
 * Translates the address of a request, by what the caches know, or by the tables; and remembers what came out.
 * @param length bytes of the access from that address on, which may go beyond the page
 */
export function walkPage(
  source: WalkSource,
  reader: TableReader,
  request: TranslationRequest,
  length: number,
): WalkOutcome {
  const { options, root, caches, deviceTlb } = source;
  const resolved = resolve({ reader, options, root, caches }, request.requester, request.pasid);
  if ('fault' in resolved) return { resolved: undefined, result: resolved };
  const refused = deviceTlb ? refuseDeviceTlb(resolved) : undefined;
  if (refused) return { resolved, result: refused };
  if (resolved.translation.kind === 'pass-through') {
    const fault = passThroughFault(options, resolved, request.iova);
    return fault ? { resolved, result: fault } : found(resolved, identity(request.iova), length);
  }
  const known = caches && cachedPage(caches, resolved, request);
  if (known) return found(resolved, known, length);
  const walk: Walk = { reader, options, translation: resolved.translation, pasid: resolved.pasid, caches };
  const staged = stages(walk, request);
  if ('fault' in staged)
    return { resolved, result: { fault: staged.fault, faultsDisabled: resolved.faultsDisabled } };
  caches?.pages.insert(
    pageSpace(resolved.translation.domain, resolved.pasid),
    staged.level,
    pageNumber(request.iova, staged.level),
    cached(resolved, staged),
  );
  const { address, level, read, write } = staged;
  return found(resolved, { address, size: 2 ** coveredBits(level), read, write }, length);
}

function found(resolved: Resolved, page: TranslatedPage, length: number): WalkOutcome {
  return { resolved, result: refuseInterruptRange(resolved, page, length) ?? page };
}

function cached(resolved: Resolved, page: Exclude<StageResult, { fault: unknown }>): CachedPage {
  const { domain, kind } = resolved.translation;
  const size = 2 ** coveredBits(page.level);
  return {
    domain,
    pasid: resolved.pasid,
    nested: kind === 'nested',
    address: page.address - (page.address % size),
    read: page.read,
    write: page.write,
    dirty: page.dirty,
  };
}

/** The page in the IOTLB, unless it does not suffice: tables may have given more rights since, and dirty bits are to be set. */
function cachedPage(
  caches: TranslationCaches,
  { translation, pasid }: Resolved,
  { iova, write }: TranslationRequest,
): TranslatedPage | undefined {
  const space = pageSpace(translation.domain, pasid);
  for (let level = 1; level <= HIGHEST_PAGE_LEVEL; level++) {
    const page = caches.pages.find(space, level, pageNumber(iova, level));
    if (!page || !(write ? page.write && page.dirty : page.read)) continue;
    const size = 2 ** coveredBits(level);
    return { address: page.address + (iova % size), size, read: page.read, write: page.write };
  }
  return undefined;
}

function stages(walk: Walk, { iova, write }: TranslationRequest): StageResult {
  const { first, second } = walk.translation;
  if (!first)
    return second ? secondStage(walk, second, iova, write, 'access') : { fault: FaultReason.ContextInvalid };
  const outer = firstStage(walk, first, iova, write);
  if ('fault' in outer || !second) return outer;
  const inner = secondStage(walk, second, outer.address, write, 'access');
  if ('fault' in inner) return inner;
  // What is mapped as a whole is the smaller of both pages (6.2.5).
  return {
    ...inner,
    level: Math.min(outer.level, inner.level),
    read: outer.read && inner.read,
    write: outer.write && inner.write,
    dirty: outer.dirty && inner.dirty,
  };
}

/** Pass-through: addresses are the host's, whose width is a multiple of the largest page. */
function identity(iova: number): TranslatedPage {
  return { address: iova, size: 2 ** coveredBits(HIGHEST_PAGE_LEVEL), read: true, write: true };
}

function passThroughFault(options: RemappingOptions, resolved: Resolved, iova: number): Refusal | undefined {
  if (iova < 2 ** options.hostAddressWidth) return undefined;
  const fault = resolved.translation.scalable
    ? FaultReason.ScalableAddressBeyondHost
    : FaultReason.AddressBeyondWidth;
  return { fault, faultsDisabled: resolved.faultsDisabled };
}

/** No translation leads to where interrupts are written to (3.14). */
function refuseInterruptRange(resolved: Resolved, page: TranslatedPage, length: number): Refusal | undefined {
  if (!touchesInterruptRange(page.address, bytesIn(page, length))) return undefined;
  const fault = resolved.translation.scalable
    ? FaultReason.ScalableInterruptRange
    : FaultReason.InterruptRange;
  return { fault, faultsDisabled: resolved.faultsDisabled };
}

/** Why a function may not ask for translations, or use addresses that are the host's; undefined when it may (3.13, ATS). */
export function refuseDeviceTlb({ deviceTlb, translation, faultsDisabled }: Resolved): Refusal | undefined {
  if (deviceTlb) return undefined;
  const fault = translation.scalable ? FaultReason.DeviceTlbDisabled : FaultReason.TranslationTypeBlocked;
  return { fault, faultsDisabled };
}

/** Bytes of an access that lie in the page of its first one. */
export function bytesIn({ address, size }: TranslatedPage, length: number): number {
  return Math.min(length, size - (address % size));
}
