/** Abbreviation tables (DWARF 5, 7.5.3): what kinds of entries a unit has, each with its attributes and their forms. */
import { ByteReader } from '../elf/byte-reader';
import { fixedBytes, IMPLICIT_CONST, type FormSizes, type FormValue } from './form';
import { GuestImageError } from '../errors';

/** One attribute of a kind of entry. */
export interface AttributeSpec {
  readonly attribute: number;
  readonly form: number;
  /** The value itself, where it stands here (DW_FORM_implicit_const). */
  readonly implicit?: FormValue;
}

/** A kind of entry. */
export interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  readonly attributes: readonly AttributeSpec[];
  /** Which attributes its entries have. */
  readonly has: ReadonlySet<number>;
  /** Bytes of all attributes together, where every entry of this kind has the same number. */
  readonly bytes: number | undefined;
}

/**
 * Tables overlap in damaged files only, so that all of them are as long as the section. A file in which reading them takes this many
 * times the section's length is not read on, as it could take for ever.
 */
const OVERLAP = 4;

/** The tables of .debug_abbrev. */
export class Abbreviations {
  private readonly tables = new Map<string, AbbreviationTable>();
  private bytesRead = 0;

  constructor(private readonly section: Uint8Array) {}

  /**
   * The table at an offset, for a unit of these sizes.
   * @throws GuestImageError when the section has no such offset
   */
  at(offset: number, unit: FormSizes): AbbreviationTable {
    const key = `${offset} ${unit.offsetSize} ${unit.addressSize} ${unit.version}`;
    const known = this.tables.get(key);
    if (known) return known;
    const table = new AbbreviationTable(
      new ByteReader(this.section, 'section .debug_abbrev', offset),
      unit,
      (bytes) => this.account(bytes),
    );
    this.tables.set(key, table);
    return table;
  }

  private account(bytes: number): void {
    this.bytesRead += bytes;
    if (this.bytesRead > OVERLAP * this.section.length)
      throw new GuestImageError('section .debug_abbrev: its tables overlap. The file is damaged.');
  }
}

/** Kinds of entries by code; read as far as they are asked for, since of many units only the first entry is. */
export class AbbreviationTable {
  private readonly known = new Map<number, Abbreviation>();
  private isWhole = false;

  constructor(
    private readonly reader: ByteReader,
    private readonly unit: FormSizes,
    private readonly account: (bytes: number) => void,
  ) {}

  /** @throws GuestImageError when the table is damaged */
  get(wanted: number): Abbreviation | undefined {
    const found = this.known.get(wanted);
    if (found || this.isWhole) return found;
    const start = this.reader.offset;
    try {
      return this.readTo(wanted);
    } finally {
      this.account(this.reader.offset - start);
    }
  }

  private readTo(wanted: number): Abbreviation | undefined {
    for (let code = this.reader.ulebNumber(); code !== 0; code = this.reader.ulebNumber()) {
      const abbreviation = readAbbreviation(this.reader, this.unit);
      if (!this.known.has(code)) this.known.set(code, abbreviation);
      if (code === wanted) return abbreviation;
    }
    this.isWhole = true;
    return undefined;
  }
}

function readAbbreviation(reader: ByteReader, unit: FormSizes): Abbreviation {
  const tag = reader.ulebNumber();
  const hasChildren = reader.u8() !== 0;
  const attributes: AttributeSpec[] = [];
  let bytes: number | undefined = 0;
  for (;;) {
    const attribute = reader.ulebNumber();
    const form = reader.ulebNumber();
    const implicit: FormValue | undefined =
      form === IMPLICIT_CONST ? { kind: 'constant', value: reader.sleb() } : undefined;
    if (attribute === 0 && form === 0) break;
    attributes.push({ attribute, form, ...(implicit && { implicit }) });
    const size = fixedBytes(form, unit);
    bytes = bytes === undefined || size === undefined ? undefined : bytes + size;
  }
  return { tag, hasChildren, attributes, has: new Set(attributes.map((each) => each.attribute)), bytes };
}
