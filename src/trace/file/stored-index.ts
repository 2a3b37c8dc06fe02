/**
 * The index that is stored with a trace: sections between the last record batch and the footer, where readers of Arrow files do not
 * look. The footer's schema says where they begin and end. A file without it, or with one that does not fit, is as good: the index is
 * made anew from the rows.
 *
 *     "TRAPIDX1"  sections u32  0 u32  { name 8 bytes  version u32  check u32  offset f64  length f64 } …  contents, each on 8 bytes
 */
import type { RandomAccess } from './random-access';
import { partOf } from './random-access';
import { viewOf } from './messages';
import { INDEX_VERSION, openIndex } from '../query/index-bytes';
import { checkOf } from '../query/index/check';
import type { TraceIndex } from '../query/index/stored';
import { SIDES_VERSION, decodeSides, type SideTables } from '../query/side-tables';
import { packing } from './codec';

const MAGIC = 'TRAPIDX1';
const NAME_BYTES = 8;
const HEAD_BYTES = 16;
const ENTRY_BYTES = 32;
/** More than there will ever be. */
const MOST_SECTIONS = 64;

/** Sections by name. */
export const SECTION_SIDES = 'sides';
export const SECTION_LANES = 'lanes';

/** A section to be written. */
export interface IndexSection {
  /** At most 8 letters. */
  name: string;
  /** Of its contents: a reader that knows another leaves it alone. */
  version: number;
  /** Its contents; each part but the last of a length that is a multiple of 4. */
  parts: readonly Uint8Array[];
}

/** A section of a file. */
export interface StoredSection {
  version: number;
  check: number;
  content: RandomAccess;
}

const padded = (length: number): number => (length + 7) & ~7;

/** The stored index as parts; their concatenation lies in the file, at a position that is a multiple of 8. */
export function indexParts(sections: readonly IndexSection[]): Uint8Array[] {
  const head = new Uint8Array(HEAD_BYTES + ENTRY_BYTES * sections.length);
  const view = viewOf(head);
  head.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, sections.length, true);
  const parts: Uint8Array[] = [head];
  let offset = head.length;
  sections.forEach(({ name, version, parts: content }, i) => {
    const at = HEAD_BYTES + ENTRY_BYTES * i;
    const length = content.reduce((sum, part) => sum + part.length, 0);
    head.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES), at);
    view.setUint32(at + 8, version, true);
    view.setUint32(at + 12, checkOf(content), true);
    view.setFloat64(at + 16, offset, true);
    view.setFloat64(at + 24, length, true);
    parts.push(...content);
    const padding = padded(length) - length;
    if (padding > 0) parts.push(new Uint8Array(padding));
    offset += padded(length);
  });
  return parts;
}

/** What stands in the footer: position and length of the stored index. */
export function indexPlace(offset: number, length: number): string {
  return `${offset},${length}`;
}

/** The sections of a file by name; undefined where there is no sound list of them. */
export function sectionsOf(
  access: RandomAccess,
  place: string | undefined,
): Map<string, StoredSection> | undefined {
  const [, offset, length] = (/^(\d{1,15}),(\d{1,15})$/.exec(place ?? '') ?? []).map(Number);
  if (offset === undefined || length === undefined) return undefined;
  if (length < HEAD_BYTES || offset + length > access.size) return undefined;
  const whole = partOf(access, offset, length);
  const head = whole.read(0, HEAD_BYTES);
  if (new TextDecoder().decode(head.subarray(0, MAGIC.length)) !== MAGIC) return undefined;
  const count = viewOf(head).getUint32(8, true);
  if (count > MOST_SECTIONS || HEAD_BYTES + ENTRY_BYTES * count > length) return undefined;
  const entries = whole.read(HEAD_BYTES, ENTRY_BYTES * count);
  const view = viewOf(entries);
  const sections = new Map<string, StoredSection>();
  for (let at = 0; at < entries.length; at += ENTRY_BYTES) {
    const from = view.getFloat64(at + 16, true);
    const size = view.getFloat64(at + 24, true);
    const sound = Number.isInteger(from) && Number.isInteger(size) && from >= 0 && size >= 0;
    if (!sound || from + size > length) return undefined;
    const name = new TextDecoder().decode(entries.subarray(at, at + NAME_BYTES)).replace(/\0+$/, '');
    sections.set(name, {
      version: view.getUint32(at + 8, true),
      check: view.getUint32(at + 12, true),
      content: partOf(whole, from, size),
    });
  }
  return sections;
}

/** The bytes of a section of that version; undefined where there is none, or it is damaged. */
export function contentOf(section: StoredSection | undefined, version: number): Uint8Array | undefined {
  if (section?.version !== version) return undefined;
  const bytes = section.content.read(0, section.content.size);
  return checkOf([bytes]) === section.check ? bytes : undefined;
}

/** What is stored with the rows of a file. */
export interface StoredIndex {
  sides: SideTables;
  /** Read as far as somebody asks; undefined: not stored, or not as it is read here. */
  lanes: TraceIndex | undefined;
}

/** The index of a file with `rows` rows; undefined where none is stored. */
export function readStoredIndex(
  access: RandomAccess,
  place: string | undefined,
  rows: number,
): StoredIndex | undefined {
  const sections = sectionsOf(access, place);
  const content = contentOf(sections?.get(SECTION_SIDES), SIDES_VERSION);
  const sides = content && decodeSides(content, rows);
  if (sides === undefined) return undefined;
  const lanes = sections?.get(SECTION_LANES);
  // It has check values of its own, for it is not read as a whole.
  return {
    sides,
    lanes: lanes?.version === INDEX_VERSION ? openIndex(lanes.content, rows, packing) : undefined,
  };
}
