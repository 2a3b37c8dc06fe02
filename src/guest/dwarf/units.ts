/** Units of .debug_info and .debug_types, and the entries in them (DWARF 5, 7.5). */
import { ByteReader } from '../elf/byte-reader';
import { Abbreviations, type Abbreviation, type AbbreviationTable } from './abbreviations';
import {
  readForm,
  readInitialLength,
  readOffset,
  skipForm,
  textAt,
  type FormContext,
  type FormValue,
} from './form';
import { GuestImageError } from '../errors';
import { At } from './numbers';

/** Unit types of DWARF 5 (7.5.1), and what their headers carry beyond the common fields. */
const unitTypes: Readonly<Record<number, { kind: UnitKind; extra?: 'type' | 'dwo' } | undefined>> = {
  1: { kind: 'code' }, // compile
  2: { kind: 'type', extra: 'type' },
  3: { kind: 'code' }, // partial
  4: { kind: 'skeleton', extra: 'dwo' },
  5: { kind: 'code', extra: 'dwo' }, // split compile
  6: { kind: 'type', extra: 'type' }, // split type
};

/** How many entries an attribute may be looked up through: a concrete one, its abstract origin, a declaration. */
const MAX_ORIGINS = 8;

export type UnitKind = 'code' | 'type' | 'skeleton';

/** Debug sections of one file that units refer to. */
export interface DebugSections {
  info: Uint8Array | undefined;
  abbrev: Uint8Array | undefined;
  strings: Uint8Array | undefined;
  lineStrings: Uint8Array | undefined;
  /** .debug_types of DWARF 4. */
  types?: Uint8Array;
  addresses?: Uint8Array;
  stringOffsets?: Uint8Array;
}

/** One entry (DIE). */
export class Entry {
  constructor(
    readonly unit: Unit,
    /** In its unit. */
    readonly offset: number,
    readonly tag: number,
    readonly hasChildren: boolean,
    /** Offset after its attributes. */
    readonly end: number,
    private readonly values: ReadonlyMap<number, FormValue>,
  ) {}

  /** An attribute of this very entry. */
  get(attribute: number): FormValue | undefined {
    return this.values.get(attribute);
  }

  /** The entry that this one completes: its abstract origin, or its declaration. */
  get origin(): Entry | undefined {
    return this.reference(At.abstractOrigin) ?? this.reference(At.specification);
  }

  /** An attribute of this entry, or else of those that it completes (DWARF 5, 2.13.2 and 3.3.8.2). */
  inherited(attribute: number): FormValue | undefined {
    return this.owner(attribute)?.get(attribute);
  }

  /** The entry among this one and those it completes that has the attribute; so many steps away at most. */
  owner(attribute: number, steps = MAX_ORIGINS): Entry | undefined {
    if (this.get(attribute)) return this;
    return steps > 0 ? this.origin?.owner(attribute, steps - 1) : undefined;
  }

  /** The entry that an attribute refers to. */
  reference(attribute: number): Entry | undefined {
    return this.unit.units.follow(this.unit, this.get(attribute));
  }

  /** The type, its own or that of what it completes. */
  get typeEntry(): Entry | undefined {
    return this.owner(At.type)?.reference(At.type);
  }

  text(attribute: number): string | undefined {
    const owner = this.owner(attribute);
    return owner?.unit.text(owner.get(attribute));
  }

  get name(): string | undefined {
    return this.text(At.name);
  }

  flag(attribute: number): boolean {
    const value = this.inherited(attribute);
    return value?.kind === 'flag' && value.value;
  }

  /** A constant; undefined where there is none or it is no safe integer. */
  number(attribute: number): number | undefined {
    const value = this.inherited(attribute);
    const number = value?.kind === 'constant' ? Number(value.value) : undefined;
    return Number.isSafeInteger(number) ? number : undefined;
  }

  /** An address of this very entry, as in the file. */
  address(attribute: number): bigint | undefined {
    return this.unit.addressOf(this.get(attribute));
  }

  /** Entries directly below. */
  *children(): Generator<Entry> {
    if (!this.hasChildren) return;
    let next = this.unit.entryAt(this.end);
    while (next) {
      yield next;
      next = this.unit.entryAt(this.unit.offsetAfter(next));
    }
  }
}

/** One unit. Its entries are read when asked for. */
export class Unit {
  readonly context: FormContext;
  private readonly reader: ByteReader;
  private first: Entry | undefined;
  private table: AbbreviationTable | undefined;

  /**
   * @param bytes from the length in its header to its end
   * @param start where it begins in its section
   */
  constructor(
    readonly units: Units,
    bytes: Uint8Array,
    readonly start: number,
    section: string,
    readonly kind: UnitKind,
    context: FormContext,
    private readonly abbreviationOffset: number,
    private readonly firstOffset: number,
    /** Of a type unit: its signature, and the offset of its type. */
    readonly signed: { signature: bigint; typeOffset: number } | undefined,
  ) {
    this.context = context;
    this.reader = new ByteReader(bytes, `the unit at offset ${start} of ${section}`);
  }

  /** Bytes, with the header. */
  get size(): number {
    return this.reader.bytes.length;
  }

  /** @throws GuestImageError when the unit has no entry, or is damaged */
  get root(): Entry {
    this.first ??= this.entryAt(this.firstOffset);
    if (!this.first) throw new GuestImageError(`${this.reader.name} is empty: the file is damaged.`);
    return this.first;
  }

  /**
   * @returns undefined for the end of a list of entries
   * @throws GuestImageError when there is none
   */
  entryAt(offset: number): Entry | undefined {
    const cursor = this.cursorAt(offset);
    if (cursor.left === 0) return undefined; // some producers leave out the last ends
    const abbreviation = this.abbreviation(cursor);
    if (!abbreviation) return undefined;
    const values = new Map<number, FormValue>();
    for (const { attribute, form, implicit } of abbreviation.attributes)
      values.set(attribute, implicit ?? readForm(cursor, form, this.context));
    return new Entry(this, offset, abbreviation.tag, abbreviation.hasChildren, cursor.offset, values);
  }

  /** A reader that stands at an offset of this unit. */
  cursorAt(offset: number): ByteReader {
    return new ByteReader(this.reader.bytes, this.reader.name, offset);
  }

  /** The kind of the entry that begins at a cursor, which then stands at its attributes; undefined for the end of a list. */
  abbreviation(cursor: ByteReader): Abbreviation | undefined {
    const code = cursor.ulebNumber();
    if (code === 0) return undefined;
    this.table ??= this.units.abbreviations.at(this.abbreviationOffset, this.context);
    const found = this.table.get(code);
    if (!found) throw new GuestImageError(`${cursor.name}: no abbreviation ${code}. The file is damaged.`);
    return found;
  }

  /** Steps over the attributes of an entry. */
  skipAttributes(cursor: ByteReader, { bytes, attributes }: Abbreviation): void {
    if (bytes !== undefined) cursor.skip(bytes);
    else for (const { form } of attributes) skipForm(cursor, form, this.context);
  }

  /** Where an entry's next sibling begins, or the end of their list. */
  offsetAfter(entry: Entry): number {
    if (!entry.hasChildren) return entry.end;
    const sibling = entry.get(At.sibling);
    if (sibling?.kind === 'reference' && sibling.offset > entry.end && sibling.offset <= this.size)
      return sibling.offset;
    const cursor = this.cursorAt(entry.end);
    for (let depth = 1; depth > 0 && cursor.left > 0;) {
      const abbreviation = this.abbreviation(cursor);
      if (!abbreviation) depth--;
      else {
        this.skipAttributes(cursor, abbreviation);
        if (abbreviation.hasChildren) depth++;
      }
    }
    return cursor.offset;
  }

  /** A text, wherever it stands. */
  text(value: FormValue | undefined): string | undefined {
    if (value?.kind === 'text') return value.text;
    if (value?.kind !== 'index' || value.of !== 'string') return undefined;
    return textAt(this.units.sections.strings, this.stringOffset(value.index), '.debug_str');
  }

  /** Offset in .debug_str of a text by its index in .debug_str_offsets (DWARF 5, 7.26). */
  stringOffset(index: number): number {
    const { offsetSize } = this.context;
    // Without a base, the table that follows the section's header.
    const base = this.base(At.strOffsetsBase) ?? (offsetSize === 8 ? 16 : 8);
    const reader = tableReader(
      this.units.sections.stringOffsets,
      '.debug_str_offsets',
      base + index * offsetSize,
    );
    return readOffset(reader, offsetSize);
  }

  /** An address as in the file, wherever it stands. */
  addressOf(value: FormValue | undefined): bigint | undefined {
    if (value?.kind === 'address') return value.value;
    return value?.kind === 'index' && value.of === 'address' ? this.address(value.index) : undefined;
  }

  /** An address as in the file, by its index in .debug_addr (DWARF 5, 7.27). */
  address(index: number): bigint {
    const { addressSize, offsetSize } = this.context;
    const base = this.base(At.addrBase) ?? (offsetSize === 8 ? 16 : 8);
    return tableReader(this.units.sections.addresses, '.debug_addr', base + index * addressSize).unsigned(
      addressSize,
    );
  }

  /** Where this unit's part of a section begins, as its first entry says. */
  base(attribute: number): number | undefined {
    const value = this.root.get(attribute);
    return value?.kind === 'offset' ? value.offset : undefined;
  }

  /** An offset into a section of lists, which the forms of before DWARF 4 give as plain data. */
  listOffset(value: FormValue | undefined): number | undefined {
    if (value?.kind === 'offset') return value.offset;
    return value?.kind === 'constant' && this.context.version < 4 ? Number(value.value) : undefined;
  }
}

function tableReader(section: Uint8Array | undefined, name: string, offset: number): ByteReader {
  if (!section) throw new GuestImageError(`The debug information refers to ${name}, which is missing.`);
  return new ByteReader(section, `section ${name}`, offset);
}

/** All units of a file, by their headers. */
export class Units {
  readonly all: readonly Unit[];
  readonly abbreviations: Abbreviations;
  private readonly bySignature = new Map<bigint, Unit>();
  /** Those of .debug_info, which offsets in that section refer to. */
  private readonly info: readonly Unit[];

  /**
   * Reads the headers.
   * @param report is told of what is damaged; units before it are there
   */
  constructor(
    readonly sections: DebugSections,
    report: (error: GuestImageError) => void,
  ) {
    this.abbreviations = new Abbreviations(sections.abbrev ?? new Uint8Array(0));
    this.info = this.read(sections.info, '.debug_info', report);
    this.all = [...this.info, ...this.read(sections.types, '.debug_types', report)];
    for (const unit of this.all) {
      const { signed } = unit;
      if (signed && !this.bySignature.has(signed.signature)) this.bySignature.set(signed.signature, unit);
    }
  }

  /** The entry that a reference of a unit refers to; undefined where the file does not have it. */
  follow(unit: Unit, value: FormValue | undefined): Entry | undefined {
    if (value?.kind === 'signature') {
      const home = this.bySignature.get(value.value);
      return home?.entryAt(home.signed?.typeOffset ?? 0);
    }
    if (value?.kind !== 'reference') return undefined;
    if (value.within === 'unit') return unit.entryAt(value.offset);
    const home = this.unitAt(value.offset);
    return home?.entryAt(value.offset - home.start);
  }

  /** The unit of .debug_info that an offset in it lies in. */
  unitAt(offset: number): Unit | undefined {
    let [low, high] = [0, this.info.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.info[middle].start <= offset) low = middle + 1;
      else high = middle;
    }
    const found = this.info[low - 1] as Unit | undefined;
    return found && offset < found.start + found.size ? found : undefined;
  }

  private read(
    section: Uint8Array | undefined,
    name: string,
    report: (error: GuestImageError) => void,
  ): Unit[] {
    const units: Unit[] = [];
    if (!section || !this.sections.abbrev) return units;
    const reader = new ByteReader(section, `section ${name}`);
    while (reader.left > 0) {
      const start = reader.offset;
      try {
        const { length, offsetSize } = readInitialLength(reader);
        const header = reader.offset - start;
        reader.skip(length);
        const bytes = section.subarray(start, reader.offset);
        const unit = this.readHeader(bytes, header, offsetSize, start, name);
        if (unit) units.push(unit);
      } catch (error) {
        if (!(error instanceof GuestImageError)) throw error;
        report(error);
        if (reader.offset - start <= 12) break; // where the next one begins is not known
      }
    }
    return units;
  }

  /**
   * Reads what follows the length of a unit. Units of versions and types that are not known are left out.
   * @param bytes of the unit from its length on
   */
  private readHeader(
    bytes: Uint8Array,
    from: number,
    offsetSize: 4 | 8,
    start: number,
    name: string,
  ): Unit | undefined {
    const header = new ByteReader(bytes, `the unit at offset ${start} of ${name}`, from);
    if (header.left < 2) return undefined;
    const version = header.u16();
    if (version < 2 || version > 5) return undefined;
    const type = version >= 5 ? unitTypes[header.u8()] : undefined;
    if (version >= 5 && !type) return undefined;
    const [addressSize, abbreviationOffset] =
      version >= 5
        ? [header.u8(), readOffset(header, offsetSize)]
        : [readOffset(header, offsetSize), header.u8()].reverse();
    if (addressSize !== 4 && addressSize !== 8)
      throw new GuestImageError(`${header.name} has addresses of ${addressSize} bytes: the file is damaged.`);
    if (type?.extra === 'dwo') header.skip(8);
    const isType = name === '.debug_types' || type?.extra === 'type';
    const signed = isType
      ? { signature: header.u64(), typeOffset: readOffset(header, offsetSize) }
      : undefined;
    const { strings, lineStrings } = this.sections;
    const context: FormContext = { offsetSize, addressSize, version, strings, lineStrings };
    const kind = isType ? 'type' : (type?.kind ?? 'code');
    return new Unit(this, bytes, start, name, kind, context, abbreviationOffset, header.offset, signed);
  }
}

/** What a unit says about its line table. */
export interface UnitPlace {
  compilationDirectory: string | undefined;
  name: string | undefined;
}

/**
 * Reads the first entry of each unit. Before DWARF 5 a line table names its files relative to a directory that only its unit's
 * first entry tells.
 * @returns by offset of the unit's line table in .debug_line
 * @throws GuestImageError when the sections are damaged
 */
export function readUnitPlaces(sections: DebugSections): Map<number, UnitPlace> {
  const places = new Map<number, UnitPlace>();
  const units = new Units(sections, (error) => {
    throw error;
  });
  for (const unit of units.all) {
    const table = unit.kind === 'type' ? undefined : unit.listOffset(unit.root.get(At.stmtList));
    if (table === undefined) continue;
    places.set(table, placeOf(unit));
  }
  return places;
}

/** What a unit's first entry says about its line table. */
export function placeOf({ root }: Unit): UnitPlace {
  return { compilationDirectory: root.text(At.compDir), name: root.name };
}
