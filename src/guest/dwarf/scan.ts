/** A quick walk over the entries of a unit that reads no more of each than its name. */
import type { ByteReader } from '../elf/byte-reader';
import type { Abbreviation } from './abbreviations';
import { readForm, readOffset, skipForm, STRP } from './form';
import { At, Tag } from './numbers';
import type { Unit } from './units';

/** An entry that the walk meets. */
export interface Head {
  readonly offset: number;
  readonly abbreviation: Abbreviation;
  /** A text, or where it begins in .debug_str; undefined where the entry has none of its own. */
  readonly name: string | number | undefined;
  /** 1 for what stands directly in the unit. */
  readonly depth: number;
}

/** What holds names of the unit's own level. */
const open: ReadonlySet<number> = new Set([Tag.namespace, Tag.enumeration]);

/**
 * Walks the entries below a unit's first one.
 * @param deep whether functions, types and blocks are entered; otherwise only the unit's own level and the values of its enumerations
 * @throws GuestImageError when the unit is damaged; `visit` has had all before
 */
export function scan(unit: Unit, deep: boolean, visit: (head: Head) => void): void {
  const { root } = unit;
  if (!root.hasChildren) return;
  const cursor = unit.cursorAt(root.end);
  /** Depth below which nothing is visited, because an entry that is not entered has no DW_AT_sibling. */
  let closedAt = Infinity;
  for (let depth = 1; depth > 0 && cursor.left > 0;) {
    const offset = cursor.offset;
    const abbreviation = unit.abbreviation(cursor);
    if (!abbreviation) {
      depth--;
      if (depth <= closedAt) closedAt = Infinity;
      continue;
    }
    if (depth > closedAt) {
      unit.skipAttributes(cursor, abbreviation);
      if (abbreviation.hasChildren) depth++;
      continue;
    }
    const { name, sibling } = readHead(unit, cursor, abbreviation);
    visit({ offset, abbreviation, name, depth });
    if (!abbreviation.hasChildren) continue;
    if (deep || open.has(abbreviation.tag)) depth++;
    else if (sibling > cursor.offset && sibling <= unit.size) cursor.seek(sibling);
    else closedAt = depth++;
  }
}

function readHead(
  unit: Unit,
  cursor: ByteReader,
  abbreviation: Abbreviation,
): { name: string | number | undefined; sibling: number } {
  let name: string | number | undefined;
  let sibling = 0;
  const wanted = abbreviation.has.has(At.name) || abbreviation.has.has(At.sibling);
  if (!wanted) {
    unit.skipAttributes(cursor, abbreviation);
    return { name, sibling };
  }
  const { context } = unit;
  for (const { attribute, form } of abbreviation.attributes) {
    if (attribute === At.name && form === STRP) name = readOffset(cursor, context.offsetSize);
    else if (attribute === At.name) {
      const value = readForm(cursor, form, context);
      name =
        value.kind === 'index' && value.of === 'string' ? unit.stringOffset(value.index) : unit.text(value);
    } else if (attribute === At.sibling) {
      const value = readForm(cursor, form, context);
      if (value.kind === 'reference' && value.within === 'unit') sibling = value.offset;
    } else skipForm(cursor, form, context);
  }
  return { name, sibling };
}
