/** What first and second stage have in common. */
import { coveredBits, type TranslationCaches } from './caches';
import type { FaultReason } from './fault-reasons';
import type { RemappingOptions } from './options';
import type { TableReader } from './table-reader';
import type { Translation } from './translation';
import type { StagePage } from './stage-page';

/** Bytes of an entry. */
const ENTRY_BYTES = 8;

/** A walk under way. */
export interface Walk {
  readonly reader: TableReader;
  readonly options: RemappingOptions;
  readonly translation: Translation;
  /** Undefined in legacy mode. */
  readonly pasid: number | undefined;
  /** Undefined: nothing is remembered, nothing is looked up. */
  readonly caches: TranslationCaches | undefined;
}

/** How a stage ends. */
export type StageResult = StagePage | { fault: FaultReason };

/** Address of the entry of a table that an address is translated by. */
export function entryAddress(table: number, address: number, level: number): number {
  return table + (Math.floor(address / 2 ** coveredBits(level)) % 512) * ENTRY_BYTES;
}

/** The part of an address within what an entry of a level covers. */
export function offsetIn(address: number, level: number): number {
  return address % 2 ** coveredBits(level);
}
