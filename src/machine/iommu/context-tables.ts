/**
 * Finds out how a request is translated: root table, context table, and in scalable mode PASID directory and PASID table (VT-d
 * specification, 3.4; formats in 9.1 to 9.6).
 */
import type { RequesterId } from '../bus';
import type { TranslationCaches } from './caches';
import { FaultReason } from './fault-reasons';
import type { RemappingOptions } from './options';
import type { TableReader } from './table-reader';
import {
  decodeLegacyContext,
  decodePasidEntry,
  decodeScalableContext,
  type Context,
  type PasidEntry,
  type Refusal,
  type ScalableContext,
  type Translation,
} from './translation';
import { bitsAboveWidth, isSet, pageAddress, type Words } from './words';

/** The root-table address register as the unit has taken it (SRTP). */
export interface RootTable {
  address: number;
  /** TTM, its bits 11 and 10. */
  mode: number;
}

/** Values of TTM. */
export const TableMode = { legacy: 0, scalable: 1 } as const;

/** What requests of a function, or of one PASID of it, are translated by. */
export interface Resolved {
  translation: Translation;
  /** Undefined in legacy mode. */
  pasid: number | undefined;
  /** Requests and translations of a device TLB are allowed. */
  deviceTlb: boolean;
  faultsDisabled: boolean;
}

/** What a look-up needs of its unit. */
export interface ContextLookup {
  readonly reader: TableReader;
  readonly options: RemappingOptions;
  readonly root: RootTable;
  /** Undefined: nothing is remembered, nothing is looked up. */
  readonly caches: TranslationCaches | undefined;
}

const ROOT_BYTES = 16;
const DIRECTORY_BYTES = 8;
const PASID_BYTES = 64;
/** PASIDs of one table: bits 5 to 0. */
const TABLE_PASIDS = 64;

/** Layout and reasons of a mode. */
const MODES = {
  legacy: {
    contextBytes: 16,
    rootAccess: FaultReason.RootAccess,
    rootNotPresent: FaultReason.RootNotPresent,
    rootReserved: FaultReason.RootReserved,
    contextAccess: FaultReason.ContextAccess,
    decode: decodeLegacyContext,
  },
  scalable: {
    contextBytes: 32,
    rootAccess: FaultReason.ScalableRootAccess,
    rootNotPresent: FaultReason.ScalableRootNotPresent,
    rootReserved: FaultReason.ScalableRootReserved,
    contextAccess: FaultReason.ScalableContextAccess,
    decode: decodeScalableContext,
  },
} as const;

const refuse = (fault: FaultReason, faultsDisabled = false): Refusal => ({ fault, faultsDisabled });

/** @param pasid of the request; undefined: it has none */
export function resolve(
  lookup: ContextLookup,
  requester: RequesterId,
  pasid: number | undefined,
): Resolved | Refusal {
  const { mode } = lookup.root;
  const scalable = mode === TableMode.scalable && lookup.options.scalableMode;
  if (!scalable && mode !== TableMode.legacy) return refuse(FaultReason.TableModeReserved);
  if (!scalable && pasid !== undefined) return refuse(FaultReason.PasidInLegacyMode);
  const context = contextOf(lookup, requester, scalable ? 'scalable' : 'legacy');
  if ('fault' in context) return context;
  if (context.mode === 'legacy') return context;
  const refused = refusePasid(context, pasid);
  if (refused !== undefined) return refuse(refused, context.faultsDisabled);
  const used = pasid ?? context.requesterPasid;
  const entry = pasidEntryOf(lookup, requester, context, used);
  if ('fault' in entry) return refuse(entry.fault, entry.faultsDisabled || context.faultsDisabled);
  return {
    translation: entry.translation,
    pasid: used,
    deviceTlb: context.deviceTlb,
    faultsDisabled: context.faultsDisabled || entry.faultsDisabled,
  };
}

function refusePasid(context: ScalableContext, pasid: number | undefined): FaultReason | undefined {
  const limit = context.directoryEntries * TABLE_PASIDS;
  if (pasid === undefined)
    return context.requesterPasid >= limit ? FaultReason.RequesterPasidTooLarge : undefined;
  if (!context.pasids) return FaultReason.PasidDisabled;
  return pasid >= limit ? FaultReason.PasidTooLarge : undefined;
}

function contextOf(
  lookup: ContextLookup,
  requester: RequesterId,
  mode: 'legacy' | 'scalable',
): Context | Refusal {
  const known = lookup.caches?.contexts.find(0, 0, requester);
  // Software invalidates the cache when it changes the mode (6.6); what is still there of the other mode does not count.
  if (known?.mode === mode) return known;
  const { reader, options, root } = lookup;
  const layout = MODES[mode];
  const words = reader.read('root', 0, root.address + (requester >> 8) * ROOT_BYTES, ROOT_BYTES);
  if (!words) return refuse(layout.rootAccess);
  const perTable = 4096 / layout.contextBytes;
  const index = requester & 0xff;
  // In scalable mode the upper half of a root entry is for devices 16 to 31 (9.2).
  const half = mode === 'scalable' && index >= perTable ? 2 : 0;
  if (!isSet(words[half], 0)) return refuse(layout.rootNotPresent);
  if (rootReserved(words, half, mode, options)) return refuse(layout.rootReserved);
  const table = pageAddress(words, half);
  const entry = reader.read(
    'context',
    0,
    table + (index % perTable) * layout.contextBytes,
    layout.contextBytes,
  );
  if (!entry) return refuse(layout.contextAccess);
  const context = layout.decode(entry, options);
  if (!('fault' in context)) lookup.caches?.contexts.insert(0, 0, requester, context);
  return context;
}

function rootReserved(
  words: Words,
  half: number,
  mode: 'legacy' | 'scalable',
  options: RemappingOptions,
): boolean {
  const above = 0xfff00000 | bitsAboveWidth(options.hostAddressWidth);
  const upper = mode === 'legacy' ? words[2] | words[3] : 0;
  return (words[half] & 0xffe) !== 0 || (words[half + 1] & above) !== 0 || upper !== 0;
}

function pasidEntryOf(
  lookup: ContextLookup,
  requester: RequesterId,
  context: ScalableContext,
  pasid: number,
): PasidEntry | Refusal {
  const { reader, options, caches } = lookup;
  const known = caches?.pasids.find(requester, 0, pasid);
  if (known) return known;
  const place = context.directory + Math.floor(pasid / TABLE_PASIDS) * DIRECTORY_BYTES;
  const directory = reader.read('pasid-dir', 0, place, DIRECTORY_BYTES);
  if (!directory) return refuse(FaultReason.PasidDirectoryAccess);
  const quiet = isSet(directory[0], 1);
  if (!isSet(directory[0], 0)) return refuse(FaultReason.PasidDirectoryNotPresent, quiet);
  const above = 0xfff00000 | bitsAboveWidth(options.hostAddressWidth);
  if ((directory[0] & 0xffc) !== 0 || (directory[1] & above) !== 0)
    return refuse(FaultReason.PasidDirectoryReserved, quiet);
  const words = reader.read(
    'pasid',
    0,
    pageAddress(directory) + (pasid % TABLE_PASIDS) * PASID_BYTES,
    PASID_BYTES,
  );
  if (!words) return refuse(FaultReason.PasidEntryAccess, quiet);
  const entry = decodePasidEntry(words, options);
  if ('fault' in entry) return refuse(entry.fault, entry.faultsDisabled || quiet);
  const kept = { ...entry, faultsDisabled: entry.faultsDisabled || quiet };
  caches?.pasids.insert(requester, 0, pasid, kept);
  return kept;
}
