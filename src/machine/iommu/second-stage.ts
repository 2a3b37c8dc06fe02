/**
 * The second stage: tables of three to five levels with rights to read and write (VT-d specification 3.7, formats in 9.8). Legacy
 * mode has it alone; in scalable mode it can stand below a first stage.
 */
import { pageNumber } from './caches';
import { FaultReason } from './fault-reasons';
import { entryAddress, offsetIn, type StageResult, type Walk } from './stage';
import type { StagePage } from './stage-page';
import type { StageTables } from './translation';
import { bitsAboveWidth, isSet, pageAddress, type Words } from './words';

/** What an address of the second stage is needed for, which decides the fault that is told. */
export type SecondStagePurpose =
  /** The access itself. */
  | 'access'
  /** To read the topmost table of the first stage. */
  | 'first-root'
  /** To read another table of the first stage. */
  | 'first-table';

/** Lower words of entries: R, W, PS, A, D. */
const READ = 1 << 0;
const WRITE = 1 << 1;
const LARGE = 7;
const ACCESSED = 1 << 8;
const DIRTY = 1 << 9;
/** SNP, reserved in entries that lead to tables. */
const SNOOP = 1 << 11;
/** TM in the upper word, a hint for device TLBs. */
const TRANSIENT = 1 << 30;
const ENTRY_BYTES = 8;

/** Where a walk goes on: a table, and the rights of what led to it. */
interface Position {
  table: number;
  level: number;
  read: boolean;
  write: boolean;
}

/** Reasons in legacy and in scalable mode. */
const REASONS = {
  legacy: {
    rootAccess: FaultReason.SecondStageAccess,
    access: FaultReason.SecondStageAccess,
    reserved: FaultReason.SecondStageReserved,
    width: FaultReason.AddressBeyondWidth,
    read: FaultReason.ReadDenied,
    write: FaultReason.WriteDenied,
  },
  scalable: {
    rootAccess: FaultReason.ScalableSecondStageRootAccess,
    access: FaultReason.ScalableSecondStageAccess,
    reserved: FaultReason.ScalableSecondStageReserved,
    width: FaultReason.ScalableAddressBeyondWidth,
    read: FaultReason.ScalableReadDenied,
    write: FaultReason.ScalableWriteDenied,
  },
} as const;

/** Reasons of a nested walk that reads tables of the first stage by the second one. */
const NESTED_REASONS = {
  'first-root': { width: FaultReason.FirstStageBeyondWidth, read: FaultReason.FirstStageRootReadDenied },
  'first-table': { width: FaultReason.FirstStageBeyondWidth, read: FaultReason.FirstStageReadDenied },
} as const;

type Reasons = { [K in keyof (typeof REASONS)['legacy']]: FaultReason };

function reasonsOf(walk: Walk, purpose: SecondStagePurpose): Reasons {
  const { scalable } = walk.translation;
  const plain = scalable ? REASONS.scalable : REASONS.legacy;
  return purpose === 'access' ? plain : { ...plain, ...NESTED_REASONS[purpose] };
}

/**
 * Translates one address.
 * @param write whether the byte is to be written; it is to be read otherwise
 */
export function secondStage(
  walk: Walk,
  tables: StageTables,
  address: number,
  write: boolean,
  purpose: SecondStagePurpose,
): StageResult {
  const reasons = reasonsOf(walk, purpose);
  const width = Math.min(walk.options.addressWidth, 12 + 9 * tables.levels);
  if (address >= 2 ** width) return { fault: reasons.width };
  let at = start(walk, tables, address, write);
  for (;;) {
    const place = entryAddress(at.table, address, at.level);
    const words = walk.reader.read('second', at.level, place, ENTRY_BYTES);
    if (!words) return { fault: at.level === tables.levels ? reasons.rootAccess : reasons.access };
    const fault = refuse(walk, words, at.level, write, reasons);
    if (fault !== undefined) return { fault };
    const read = at.read && (words[0] & READ) !== 0;
    const writable = at.write && (words[0] & WRITE) !== 0;
    const leaf = isLeaf(words, at.level);
    const word = setAccessed(walk, place, words[0], leaf && write);
    if (leaf) {
      const page = pageAddress(words);
      return {
        address: page - offsetIn(page, at.level) + offsetIn(address, at.level),
        level: at.level,
        read,
        write: writable,
        dirty: !walk.translation.secondAccessedDirty || (word & DIRTY) !== 0,
        leaf: { address: place, word },
      };
    }
    at = { table: pageAddress(words), level: at.level - 1, read, write: writable };
    remember(walk, address, at);
  }
}

/** Sets the dirty bit of a page that the unit itself writes to, when it keeps such bits. */
export function markDirty(walk: Walk, page: StagePage): void {
  setAccessed(walk, page.leaf.address, page.leaf.word, true);
}

/** The lowest table that a paging-structure cache knows, or the topmost one. */
function start(walk: Walk, tables: StageTables, address: number, write: boolean): Position {
  const { caches, translation, reader } = walk;
  for (let level = 2; caches && level <= tables.levels; level++) {
    const known = caches.tables.find(translation.domain, level, pageNumber(address, level));
    // Rights that do not suffice are looked up anew: tables may have given more meanwhile (6.2.4).
    if (!known || !(write ? known.write : known.read)) continue;
    reader.spared();
    return { table: known.table, level: level - 1, read: known.read, write: known.write };
  }
  return { table: tables.root, level: tables.levels, read: true, write: true };
}

/** Remembers the entry above a table that a walk has come to. */
function remember(walk: Walk, address: number, to: Position): void {
  const { domain } = walk.translation;
  walk.caches?.tables.insert(domain, to.level + 1, pageNumber(address, to.level + 1), {
    domain,
    pasid: undefined,
    nested: false,
    table: to.table,
    page: undefined,
    read: to.read,
    write: to.write,
  });
}

function isLeaf(words: Words, level: number): boolean {
  return level === 1 || (level <= 3 && isSet(words[0], LARGE));
}

/** Why an entry does not allow an access; undefined when it does. */
function refuse(
  walk: Walk,
  words: Words,
  level: number,
  write: boolean,
  reasons: Reasons,
): FaultReason | undefined {
  const rights = words[0] & (READ | WRITE);
  const denied = write ? reasons.write : reasons.read;
  if (rights === 0) return walk.translation.scalable ? FaultReason.ScalableSecondStageNotPresent : denied;
  if (hasReserved(walk, words, level)) return reasons.reserved;
  return (rights & (write ? WRITE : READ)) === 0 ? denied : undefined;
}

function hasReserved({ options, translation }: Walk, words: Words, level: number): boolean {
  const above = bitsAboveWidth(options.hostAddressWidth);
  if (!isLeaf(words, level)) {
    const low = SNOOP | (level >= 4 ? 1 << LARGE : 0);
    return (words[0] & low) !== 0 || (words[1] & (above | TRANSIENT)) !== 0;
  }
  const { twoMegabytes, oneGigabyte } = options.largePages;
  if ((level === 2 && !twoMegabytes) || (level === 3 && !oneGigabyte)) return true;
  // Address bits below the page's size: 20 to 12 of 2 MiB, 29 to 12 of 1 GiB.
  const unaligned = level === 1 ? 0 : 2 ** (12 + 9 * (level - 1)) - 0x1000;
  const low = unaligned | (options.snoopControl || translation.scalable ? 0 : SNOOP);
  return (words[0] & low) !== 0 || (words[1] & (above | (options.deviceTlbs ? 0 : TRANSIENT))) !== 0;
}

/** Sets the bits that are not set yet. @returns the entry's lower word with them */
function setAccessed(walk: Walk, place: number, word: number, dirty: boolean): number {
  if (!walk.translation.secondAccessedDirty) return word;
  const wanted = (word | ACCESSED | (dirty ? DIRTY : 0)) >>> 0;
  if (wanted === word) return word;
  walk.reader.setBits(place, word, wanted);
  return wanted;
}
