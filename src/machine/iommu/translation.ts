/** What entries of context and PASID tables say about the translation of a function's requests, decoded (VT-d specification, 9.3 to 9.6). */
import { FaultReason } from './fault-reasons';
import type { RemappingOptions } from './options';
import { bitsAboveWidth, field, isSet, pageAddress, type Words } from './words';

/** Tables of one stage. */
export interface StageTables {
  /** Host-physical address of the topmost table; of a nested first stage an address that the second stage translates. */
  root: number;
  /** 3, 4 or 5. */
  levels: number;
}

/** How requests are translated. */
export interface Translation {
  /** Domain identifier. */
  domain: number;
  kind: 'second' | 'first' | 'nested' | 'pass-through';
  first: StageTables | undefined;
  second: StageTables | undefined;
  /** Accessed and dirty bits of second-stage entries are kept. */
  secondAccessedDirty: boolean;
  scalable: boolean;
}

/** A context entry of legacy mode. */
export interface LegacyContext {
  mode: 'legacy';
  faultsDisabled: boolean;
  /** Translation requests and translated requests are allowed (TT 01). */
  deviceTlb: boolean;
  translation: Translation;
  /** There are no PASIDs in this mode. */
  pasid: undefined;
}

/** A context entry of scalable mode. */
export interface ScalableContext {
  mode: 'scalable';
  faultsDisabled: boolean;
  deviceTlb: boolean;
  /** Requests with a PASID are allowed. */
  pasids: boolean;
  directory: number;
  /** Entries of the PASID directory; each leads to a table of 64. */
  directoryEntries: number;
  /** The PASID of requests that have none. */
  requesterPasid: number;
}

/** What the context cache keeps. */
export type Context = LegacyContext | ScalableContext;

/** What the PASID cache keeps. */
export interface PasidEntry {
  faultsDisabled: boolean;
  translation: Translation;
}

/** An entry that refuses, and whether it asks for silence about that. */
export interface Refusal {
  fault: FaultReason;
  faultsDisabled: boolean;
}

/** AW: 1, 2, 3 for three, four, five levels. */
function levelsOf(width: number): number | undefined {
  return width >= 1 && width <= 3 ? width + 2 : undefined;
}

const refusal = (fault: FaultReason, faultsDisabled: boolean): Refusal => ({ fault, faultsDisabled });

const TranslationType = { untranslated: 0, deviceTlb: 1, passThrough: 2 } as const;

/** A legacy context entry that is present or not (9.3). */
export function decodeLegacyContext(words: Words, options: RemappingOptions): LegacyContext | Refusal {
  const faultsDisabled = isSet(words[0], 1);
  if (!isSet(words[0], 0)) return refusal(FaultReason.ContextNotPresent, faultsDisabled);
  const reserved =
    (words[0] & 0xff0) |
    (words[1] & (0xfff00000 | bitsAboveWidth(options.hostAddressWidth))) |
    (words[2] & 0xff000080) |
    words[3];
  if (reserved !== 0) return refusal(FaultReason.ContextReserved, faultsDisabled);
  const type = field(words[0], 2, 2);
  const levels = levelsOf(field(words[2], 0, 3));
  const known =
    type === TranslationType.untranslated ||
    (type === TranslationType.deviceTlb && options.deviceTlbs) ||
    (type === TranslationType.passThrough && options.passThrough);
  if (!known || levels === undefined) return refusal(FaultReason.ContextInvalid, faultsDisabled);
  const passThrough = type === TranslationType.passThrough;
  return {
    mode: 'legacy',
    faultsDisabled,
    pasid: undefined,
    deviceTlb: type === TranslationType.deviceTlb,
    translation: {
      domain: field(words[2], 8, 16),
      kind: passThrough ? 'pass-through' : 'second',
      first: undefined,
      second: passThrough ? undefined : { root: pageAddress(words), levels },
      secondAccessedDirty: false,
      scalable: false,
    },
  };
}

/** A context entry of scalable mode (9.4). */
export function decodeScalableContext(words: Words, options: RemappingOptions): ScalableContext | Refusal {
  const faultsDisabled = isSet(words[0], 1);
  if (!isSet(words[0], 0)) return refusal(FaultReason.ScalableContextNotPresent, faultsDisabled);
  // Bit 4, page requests, and bit 20 of the second field, privileged requests, belong to what this unit does not have.
  const reserved =
    (words[0] & (0x1f0 | (options.deviceTlbs ? 0 : 1 << 2))) |
    (words[1] & (0xfff00000 | bitsAboveWidth(options.hostAddressWidth))) |
    (words[2] & 0xfff00000) |
    words[3] |
    words[4] |
    words[5] |
    words[6] |
    words[7];
  if (reserved !== 0) return refusal(FaultReason.ScalableContextReserved, faultsDisabled);
  return {
    mode: 'scalable',
    faultsDisabled,
    deviceTlb: isSet(words[0], 2),
    pasids: isSet(words[0], 3),
    directory: pageAddress(words),
    directoryEntries: 2 ** (field(words[0], 9, 3) + 7),
    requesterPasid: field(words[2], 0, 20),
  };
}

const GrantedTranslation = { 1: 'first', 2: 'second', 3: 'nested', 4: 'pass-through' } as const;
const FirstStageMode = { fourLevels: 0, fiveLevels: 1 } as const;

/** An entry of a PASID table (9.6). */
export function decodePasidEntry(words: Words, options: RemappingOptions): PasidEntry | Refusal {
  const faultsDisabled = isSet(words[0], 1);
  if (!isSet(words[0], 0)) return refusal(FaultReason.PasidEntryNotPresent, faultsDisabled);
  const above = bitsAboveWidth(options.hostAddressWidth);
  // Of a nested first stage the pointer is an address of the second one, which has no such bound.
  const kind = GrantedTranslation[field(words[0], 6, 3) as keyof typeof GrantedTranslation] as
    Translation['kind'] | undefined;
  const reserved =
    (words[0] & (0xc00 | (options.secondStageAccessedDirty ? 0 : 0x200))) |
    (words[1] & (0xfff00000 | above)) |
    (words[2] & 0x007f0000) |
    (words[4] & 0xf00) |
    (words[5] & (0xfff00000 | (kind === 'nested' ? 0 : above))) |
    words.subarray(6).reduce((sum, word) => sum | word, 0);
  if (reserved !== 0) return refusal(FaultReason.PasidEntryReserved, faultsDisabled);
  const secondLevels = levelsOf(field(words[0], 2, 3));
  const firstLevels = firstStageLevels(field(words[4], 2, 2), options);
  const hasFirst = kind === 'first' || kind === 'nested';
  const hasSecond = kind === 'second' || kind === 'nested';
  const first = hasFirst && firstLevels ? { root: pageAddress(words, 4), levels: firstLevels } : undefined;
  const second = hasSecond && secondLevels ? { root: pageAddress(words), levels: secondLevels } : undefined;
  const invalid =
    kind === undefined ||
    (hasFirst && !first) ||
    (hasSecond && !second) ||
    (kind === 'pass-through' && !options.passThrough);
  if (invalid) return refusal(FaultReason.PasidEntryInvalid, faultsDisabled);
  return {
    faultsDisabled,
    translation: {
      domain: field(words[2], 0, 16),
      kind,
      first,
      second,
      secondAccessedDirty: isSet(words[0], 9),
      scalable: true,
    },
  };
}

function firstStageLevels(mode: number, options: RemappingOptions): number | undefined {
  if (mode === FirstStageMode.fourLevels) return 4;
  return mode === FirstStageMode.fiveLevels && options.firstStageFiveLevels ? 5 : undefined;
}
