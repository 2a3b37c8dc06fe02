/** Physical region pages (4.3): from a command's two pointers, and the lists that the second may lead to, to parts of memory. */
import { longAt, type Segment } from './command';
import { Status } from './status';

/** A list that is to be read: entries of 8 bytes. */
export interface ListPart {
  address: number;
  entries: number;
}

/** What a command's pointers say, or a list: parts of memory in order, and what is to be read next. */
export interface Prps {
  segments: Segment[];
  /** Absent: all parts are known. */
  list?: ListPart;
  /** Entries that are still unknown. */
  entriesLeft: number;
}

const ENTRY_BYTES = 8;
/** Addresses of data are those of words, addresses of lists those of entries. */
const DATA_ALIGN = 4;
const LIST_ALIGN = 8;

/**
 * Begins with the two pointers of a command.
 * @param length bytes of data, not 0
 * @returns a status when a pointer is not as it has to be
 */
export function firstPrps(prp1: number, prp2: number, length: number, page: number): Prps | number {
  if (prp1 % DATA_ALIGN !== 0) return Status.InvalidPrpOffset;
  const first = Math.min(length, page - (prp1 % page));
  const segments = [{ address: prp1, length: first }];
  const left = length - first;
  if (left === 0) return { segments, entriesLeft: 0 };
  if (left <= page) {
    if (prp2 % page !== 0) return Status.InvalidPrpOffset;
    segments.push({ address: prp2, length: left });
    return { segments, entriesLeft: 0 };
  }
  if (prp2 % LIST_ALIGN !== 0) return Status.InvalidPrpOffset;
  const entriesLeft = Math.ceil(left / page);
  return { segments, list: listPart(prp2, entriesLeft, page), entriesLeft };
}

/**
 * Goes on with a list.
 * @param bytes of the list, as `ListPart` asked for them
 * @param entriesLeft data entries that were unknown before
 * @param left bytes of data that they are for
 */
export function listPrps(bytes: Uint8Array, entriesLeft: number, left: number, page: number): Prps | number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = bytes.length / ENTRY_BYTES;
  // The last entry of a list that is too short for all is where the next one stands.
  const chained = entries < entriesLeft;
  const usable = chained ? entries - 1 : entries;
  const segments: Segment[] = [];
  for (let i = 0; i < usable; i++) {
    const address = longAt(view, i * ENTRY_BYTES);
    if (address % page !== 0) return Status.InvalidPrpOffset;
    segments.push({ address, length: Math.min(page, left - i * page) });
  }
  if (!chained) return { segments, entriesLeft: 0 };
  const next = longAt(view, usable * ENTRY_BYTES);
  // Lists behind the first begin with their pages, so that each has room for more than its own continuation.
  if (next % page !== 0) return Status.InvalidPrpOffset;
  const still = entriesLeft - usable;
  return { segments, list: listPart(next, still, page), entriesLeft: still };
}

/** As much of a list as its page holds, or as is needed. */
function listPart(address: number, entries: number, page: number): ListPart {
  const room = (page - (address % page)) / ENTRY_BYTES;
  return { address, entries: Math.min(room, entries) };
}
