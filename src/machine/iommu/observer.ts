/** What a remapping unit tells of its work: the owner of the trace's pen makes rows of it. */
import type { RequesterId } from '../bus';
import type { Cycles } from '../time/event-queue';
import type { Invalidation } from './descriptors';
import type { Words } from './words';

/** The tables that a translation reads. */
export type TableKind = 'root' | 'context' | 'pasid-dir' | 'pasid' | 'first' | 'second';

/** One entry that was read from memory. */
export interface WalkReference {
  what: TableKind;
  /** Level of a paging entry, 1 is that of pages of 4 KiB; 0 of the other tables. */
  level: number;
  /** Host-physical address of the entry. */
  address: number;
  /** The entry as it was read; empty when nothing answers at the address. */
  words: Words;
}

/** What a page of device addresses stands for. */
export interface TranslatedPage {
  /** Host-physical address that the first byte of the access has. */
  address: number;
  /** Bytes of the page that is mapped as a whole: 4 KiB, 2 MiB, 1 GiB. */
  size: number;
  read: boolean;
  write: boolean;
}

/** Whose request, and for what. */
export interface TranslationRequest {
  requester: RequesterId;
  /** Undefined: the request has none. */
  pasid: number | undefined;
  /** Address as the device has it. */
  iova: number;
  write: boolean;
}

/** A walk of tables. */
export interface WalkReport {
  request: TranslationRequest;
  /** The domain; undefined when the walk did not come so far. */
  domain: number | undefined;
  references: readonly WalkReference[];
  /** References to root, context and PASID tables. */
  tableReferences: number;
  /** References to paging entries of first and second stage: what the literature counts as the references of a walk. */
  pageReferences: number;
  /** Levels of the first stage and of the second; 0 of a stage that does not take part. */
  levels: { first: number; second: number };
  /** Entries of paging-structure caches that shortened the walk. */
  structureHits: number;
  /** Accessed and dirty bits that were set in memory. */
  updates: number;
  /** What came out of it; undefined: a fault. */
  page: TranslatedPage | undefined;
  cycles: Cycles;
}

/** A request that was refused. */
export interface FaultReport {
  request: TranslationRequest;
  /** One of `FaultReason`, or of an interrupt request 20H to 29H. */
  reason: number;
  /** False: a fault processing disable bit, or an overflow, kept it out of the registers. */
  recorded: boolean;
}

/** Caches that are invalidated. */
export type InvalidatedCache = 'context' | 'pasid' | 'iotlb' | 'device-tlb' | 'interrupt-entries';

/** An invalidation that has ended. */
export interface InvalidationReport {
  cache: InvalidatedCache;
  scope: 'global' | 'domain' | 'device' | 'page' | 'pasid' | 'pasid-page' | 'index';
  /** By a register, or by a descriptor of the queue. */
  by: 'register' | 'queue';
  domain: number | undefined;
  begin: Cycles;
  end: Cycles;
  /** Entries that were there to be dropped; undefined of interrupt entries, which another part has. */
  dropped: number | undefined;
}

/** A wait descriptor that has been processed. */
export interface WaitReport {
  /** Where the status was written, and what; undefined: nowhere. */
  status: { address: number; data: number } | undefined;
  interrupt: boolean;
  begin: Cycles;
  end: Cycles;
}

/** Told at once, within the call or event that brings it about. */
export interface IommuObserver {
  /** The IOTLB has known the page. */
  hit(request: TranslationRequest, page: TranslatedPage): void;
  walked(report: WalkReport): void;
  faulted(report: FaultReport): void;
  /** @param what was asked for */
  invalidated(report: InvalidationReport, what: Invalidation): void;
  waited(report: WaitReport): void;
}

/** Nobody listens. */
export const NO_OBSERVER: IommuObserver = {
  hit: () => undefined,
  walked: () => undefined,
  faulted: () => undefined,
  invalidated: () => undefined,
  waited: () => undefined,
};
