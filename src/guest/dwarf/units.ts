/**
 * The compilation directories of the units in .debug_info. Before DWARF 5 a line table names its files relative to a directory
 * that only its unit's first entry tells.
 */
import { ByteReader } from '../elf/byte-reader';
import {
  IMPLICIT_CONST,
  readForm,
  readInitialLength,
  readOffset,
  type FormContext,
  type FormValue,
} from './form';

const DW_AT_NAME = 0x03;
const DW_AT_STMT_LIST = 0x10;
const DW_AT_COMP_DIR = 0x1b;

/** Unit types of DWARF 5 whose headers carry more (7.5.1): bytes to skip, by type. Type units tell nothing about lines. */
const extraHeader: Record<number, number | undefined> = { 1: 0, 3: 0, 4: 8, 5: 8 };

/** Debug sections of one file. */
export interface DebugSections {
  info: Uint8Array | undefined;
  abbrev: Uint8Array | undefined;
  strings: Uint8Array | undefined;
  lineStrings: Uint8Array | undefined;
}

/** What a unit says about its line table. */
export interface UnitPlace {
  compilationDirectory: string | undefined;
  name: string | undefined;
}

/**
 * Reads the first entry of each unit.
 * @returns by offset of the unit's line table in .debug_line
 * @throws GuestImageError when the sections are damaged
 */
export function readUnitPlaces(sections: DebugSections): Map<number, UnitPlace> {
  const places = new Map<number, UnitPlace>();
  if (!sections.info || !sections.abbrev) return places;
  const reader = new ByteReader(sections.info, 'section .debug_info');
  while (reader.left > 0) {
    const { length, offsetSize } = readInitialLength(reader);
    const unit = new ByteReader(reader.span(length), 'a unit of .debug_info');
    readUnit(unit, offsetSize, sections, sections.abbrev, places);
  }
  return places;
}

function readUnit(
  unit: ByteReader,
  offsetSize: 4 | 8,
  sections: DebugSections,
  abbrev: Uint8Array,
  places: Map<number, UnitPlace>,
): void {
  const version = unit.u16();
  if (version < 2 || version > 5) return;
  let addressSize: number;
  let abbrevOffset: number;
  if (version >= 5) {
    const extra = extraHeader[unit.u8()];
    if (extra === undefined) return;
    addressSize = unit.u8();
    abbrevOffset = readOffset(unit, offsetSize);
    unit.skip(extra);
  } else {
    abbrevOffset = readOffset(unit, offsetSize);
    addressSize = unit.u8();
  }
  const { strings, lineStrings } = sections;
  const context: FormContext = { offsetSize, addressSize, version, strings, lineStrings };
  const values = readFirstEntry(unit, new ByteReader(abbrev, 'section .debug_abbrev', abbrevOffset), context);
  const table = values.get(DW_AT_STMT_LIST);
  if (typeof table !== 'number') return;
  places.set(table, {
    compilationDirectory: text(values.get(DW_AT_COMP_DIR)),
    name: text(values.get(DW_AT_NAME)),
  });
}

/** Attributes of a unit's first entry, by number, as its abbreviation lists them. */
function readFirstEntry(unit: ByteReader, abbrev: ByteReader, context: FormContext): Map<number, FormValue> {
  const values = new Map<number, FormValue>();
  const wanted = unit.uleb();
  if (wanted === 0n) return values;
  for (let code = abbrev.uleb(); code !== 0n; code = abbrev.uleb()) {
    abbrev.uleb(); // tag
    abbrev.u8(); // has children
    for (;;) {
      const attribute = abbrev.ulebNumber();
      const form = abbrev.ulebNumber();
      if (form === IMPLICIT_CONST) abbrev.sleb();
      if (attribute === 0 && form === 0) break;
      if (code === wanted) values.set(attribute, readForm(unit, form, context));
    }
    if (code === wanted) break;
  }
  return values;
}

function text(value: FormValue): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
