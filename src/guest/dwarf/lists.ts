/** Lists of address ranges and of locations: DWARF 5, 2.17.3 and 2.6.2 (7.25, 7.29); DWARF 4, 2.17.3 and 2.6.2. */
import { ByteReader } from '../elf/byte-reader';
import { readOffset, type FormValue, type IndexedTable } from './form';
import { GuestImageError } from '../errors';
import { At } from './numbers';
import type { Entry, Unit } from './units';

/** Addresses as in the file, the second one exclusive. */
export interface AddressRange {
  readonly low: bigint;
  readonly high: bigint;
}

/** Code for which a location holds; without a range: all that no other entry has. */
interface LocationRow {
  readonly range: AddressRange | undefined;
  readonly expression: Uint8Array;
}

/** Sections that hold lists; absent where the file has none. */
export interface ListSections {
  /** .debug_ranges, .debug_loc: before DWARF 5. */
  readonly ranges: Uint8Array | undefined;
  readonly locations: Uint8Array | undefined;
  /** .debug_rnglists, .debug_loclists: DWARF 5. */
  readonly rangeLists: Uint8Array | undefined;
  readonly locationLists: Uint8Array | undefined;
}

type ListKind = 'ranges' | 'locations';
type Row = 'end' | { base: bigint } | { range: AddressRange | undefined } | 'nothing';

/** Where lists of a kind are, and how an entry of DWARF 5 is read, by its first byte. */
interface ListFormat {
  readonly old: keyof ListSections;
  readonly current: keyof ListSections;
  readonly base: number;
  readonly table: IndexedTable;
  readonly entries: readonly ((reader: ByteReader, unit: Unit, base: bigint) => Row)[];
}

const plain = (reader: ByteReader, unit: Unit): bigint => reader.unsigned(unit.context.addressSize);
const indexed = (reader: ByteReader, unit: Unit): bigint => unit.address(reader.ulebNumber());
const from = (low: bigint, length: bigint): Row => ({ range: { low, high: low + length } });

const entry = {
  end: (): Row => 'end',
  baseIndexed: (reader: ByteReader, unit: Unit): Row => ({ base: indexed(reader, unit) }),
  indexedPair: (reader: ByteReader, unit: Unit): Row => ({
    range: { low: indexed(reader, unit), high: indexed(reader, unit) },
  }),
  indexedLength: (reader: ByteReader, unit: Unit): Row => from(indexed(reader, unit), reader.uleb()),
  offsets: (reader: ByteReader, _unit: Unit, base: bigint): Row => ({
    range: { low: base + reader.uleb(), high: base + reader.uleb() },
  }),
  base: (reader: ByteReader, unit: Unit): Row => ({ base: plain(reader, unit) }),
  pair: (reader: ByteReader, unit: Unit): Row => ({
    range: { low: plain(reader, unit), high: plain(reader, unit) },
  }),
  length: (reader: ByteReader, unit: Unit): Row => from(plain(reader, unit), reader.uleb()),
  byDefault: (): Row => ({ range: undefined }),
  /** Views of GNU compilers: which of several moments at one address. */
  views: (reader: ByteReader): Row => {
    reader.skipLeb();
    reader.skipLeb();
    return 'nothing';
  },
};

const { end, baseIndexed, indexedPair, indexedLength, offsets, base, pair, length, byDefault, views } = entry;

const formats: Readonly<Record<ListKind, ListFormat>> = {
  ranges: {
    old: 'ranges',
    current: 'rangeLists',
    base: At.rnglistsBase,
    table: 'ranges',
    entries: [end, baseIndexed, indexedPair, indexedLength, offsets, base, pair, length],
  },
  locations: {
    old: 'locations',
    current: 'locationLists',
    base: At.loclistsBase,
    table: 'locations',
    entries: [end, baseIndexed, indexedPair, indexedLength, offsets, byDefault, base, pair, length, views],
  },
};

const sectionNames: Readonly<Record<keyof ListSections, string>> = {
  ranges: '.debug_ranges',
  locations: '.debug_loc',
  rangeLists: '.debug_rnglists',
  locationLists: '.debug_loclists',
};

/**
 * Lists of ranges overlap in damaged files only, so that all of them are as long as their sections. When reading them has taken
 * this many times that, no more are read, as it could take for ever.
 */
const OVERLAP = 4;

/** The lists of a file. */
export class Lists {
  private readonly known = new Map<string, readonly AddressRange[]>();
  private bytesRead = 0;

  constructor(private readonly sections: ListSections) {}

  /**
   * The code of an entry, in the file's order; undefined where the entry says nothing of code.
   * @throws GuestImageError when the list is damaged
   */
  rangesOf(owner: Entry): readonly AddressRange[] | undefined {
    const list = owner.get(At.ranges);
    if (list) return this.rangeList(owner.unit, list);
    const low = owner.address(At.lowPc);
    const value = owner.get(At.highPc);
    if (low === undefined || !value) return undefined;
    const high = value.kind === 'constant' ? low + value.value : owner.unit.addressOf(value);
    return high === undefined ? undefined : high > low ? [{ low, high }] : [];
  }

  /**
   * The expression for code at an address, in a list that an attribute refers to.
   * @param value of a form that refers to a list
   * @throws GuestImageError when the list is damaged
   */
  locationIn(unit: Unit, value: FormValue, address: bigint): Uint8Array | undefined {
    const reader = this.reader('locations', unit, value);
    if (!reader) return undefined;
    let otherwise: Uint8Array | undefined;
    for (const { range, expression } of this.rows('locations', unit, reader)) {
      if (!range) otherwise = expression;
      else if (address >= range.low && address < range.high) return expression;
    }
    return otherwise;
  }

  /** Whether an attribute refers to a list of locations. */
  isLocationList(unit: Unit, value: FormValue): boolean {
    return (value.kind === 'index' && value.of === 'locations') || unit.listOffset(value) !== undefined;
  }

  private rangeList(unit: Unit, value: FormValue): readonly AddressRange[] {
    const reader = this.reader('ranges', unit, value);
    if (!reader) return [];
    const start = reader.offset;
    const key = `${unit.start} ${start}`;
    const known = this.known.get(key);
    if (known) return known;
    if (this.bytesRead > OVERLAP * reader.bytes.length)
      throw new GuestImageError(`${reader.name}: its lists overlap. The file is damaged.`);
    const found: AddressRange[] = [];
    this.known.set(key, found);
    try {
      for (const { range } of this.rows('ranges', unit, reader))
        if (range && range.high > range.low) found.push(range);
    } finally {
      this.bytesRead += reader.offset - start;
    }
    return found;
  }

  /** A reader at the beginning of a list; undefined where the attribute refers to none. */
  private reader(kind: ListKind, unit: Unit, value: FormValue): ByteReader | undefined {
    const format = formats[kind];
    const { version, offsetSize } = unit.context;
    const which = version >= 5 ? format.current : format.old;
    const section = this.sections[which];
    const at = (offset: number): ByteReader => {
      if (!section)
        throw new GuestImageError(
          `The debug information refers to ${sectionNames[which]}, which is missing.`,
        );
      return new ByteReader(section, `section ${sectionNames[which]}`, offset);
    };
    const offset = unit.listOffset(value);
    if (offset !== undefined) return at(offset);
    if (value.kind !== 'index' || value.of !== format.table) return undefined;
    // Without a base, the table of offsets that follows the section's header.
    const first = unit.base(format.base) ?? (offsetSize === 8 ? 20 : 12);
    return at(first + readOffset(at(first + value.index * offsetSize), offsetSize));
  }

  private *rows(kind: ListKind, unit: Unit, reader: ByteReader): Generator<LocationRow> {
    const hasExpression = kind === 'locations';
    const isCurrent = unit.context.version >= 5;
    let base = unit.root.address(At.lowPc) ?? 0n;
    for (;;) {
      const row = isCurrent
        ? readCurrent(reader, unit, base, formats[kind])
        : readOld(reader, unit.context.addressSize, base);
      if (row === 'end') return;
      if (row === 'nothing') continue;
      if ('base' in row) base = row.base;
      else {
        const expression = hasExpression
          ? reader.span(isCurrent ? reader.ulebNumber() : reader.u16())
          : nothing;
        yield { range: row.range, expression };
      }
    }
  }
}

const nothing = new Uint8Array(0);

function readCurrent(reader: ByteReader, unit: Unit, base: bigint, format: ListFormat): Row {
  const kind = reader.u8();
  const read = format.entries[kind] as ListFormat['entries'][number] | undefined;
  if (!read)
    throw new GuestImageError(
      `${reader.name}: unknown kind of entry ${kind} before offset ${reader.offset}.`,
    );
  return read(reader, unit, base);
}

/** Pairs of offsets; two zeros are the end, and the largest address comes before a base. */
function readOld(reader: ByteReader, addressSize: number, base: bigint): Row {
  const low = reader.unsigned(addressSize);
  const high = reader.unsigned(addressSize);
  if (low === 0n && high === 0n) return 'end';
  if (low === (1n << BigInt(8 * addressSize)) - 1n) return { base: high };
  return { range: { low: base + low, high: base + high } };
}
