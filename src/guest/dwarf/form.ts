/** Attribute forms of DWARF 2 to 5 (DWARF 5, 7.5.6): how the bytes of one attribute are read, or stepped over. */
import type { ByteReader } from '../elf/byte-reader';
import { ByteReader as Reader } from '../elf/byte-reader';
import { GuestImageError } from '../errors';

/** Sizes and sections that forms refer to. */
export interface FormContext {
  /** Bytes of an offset into another section: 4, or 8 in 64-bit DWARF. */
  offsetSize: 4 | 8;
  /** Bytes of a target address: 4 or 8. */
  addressSize: number;
  /** Of the unit: 2 to 5. */
  version: number;
  /** Contents of .debug_str and .debug_line_str. */
  strings: Uint8Array | undefined;
  lineStrings: Uint8Array | undefined;
}

/** Tables of a unit that an attribute may hold an index of (DWARF 5, 7.26 to 7.29). */
export type IndexedTable = 'address' | 'string' | 'ranges' | 'locations';

/** What an attribute holds, by the class of its form (DWARF 5, 7.5.5). */
export type FormValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'constant'; readonly value: bigint }
  | { readonly kind: 'address'; readonly value: bigint }
  | { readonly kind: 'block'; readonly bytes: Uint8Array }
  | { readonly kind: 'flag'; readonly value: boolean }
  /** An entry, by offset in its unit or in .debug_info. */
  | { readonly kind: 'reference'; readonly within: 'unit' | 'section'; readonly offset: number }
  /** A type, by the signature of its type unit. */
  | { readonly kind: 'signature'; readonly value: bigint }
  /** An offset in a section that the attribute implies. */
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'index'; readonly of: IndexedTable; readonly index: number }
  /** Something in a supplementary file (DWARF 5, 7.3.6), which is not read. */
  | { readonly kind: 'elsewhere' };

/** How a form is read, and how many bytes it takes. */
interface Form {
  readonly read: (reader: ByteReader, context: FormContext) => FormValue;
  /** Bytes, or what of the unit tells them; a function where stepping over means reading. */
  readonly skip: number | ((unit: FormSizes) => number) | { over: (reader: ByteReader) => void };
}

/** What of a unit decides how many bytes a form takes. */
export type FormSizes = Pick<FormContext, 'offsetSize' | 'addressSize' | 'version'>;

/** An offset into another section. */
export function readOffset(reader: ByteReader, size: 4 | 8): number {
  return size === 8 ? reader.u64Number() : reader.u32();
}

/** A text of a section of texts. */
export function textAt(section: Uint8Array | undefined, offset: number, name: string): string {
  if (!section) throw new GuestImageError(`The debug information refers to ${name}, which is missing.`);
  return new Reader(section, name, offset).string();
}

const skipLeb: Form['skip'] = { over: (reader) => reader.skipLeb() };
const skipOffset: Form['skip'] = ({ offsetSize }) => offsetSize;
const skipReference = ({ version, addressSize, offsetSize }: FormSizes): number =>
  version <= 2 ? addressSize : offsetSize;

const data = (bytes: number): Form => ({
  read: (reader) => ({
    kind: 'constant',
    value:
      bytes === 8
        ? reader.u64()
        : BigInt(bytes === 1 ? reader.u8() : bytes === 2 ? reader.u16() : reader.u32()),
  }),
  skip: bytes,
});

const block = (length: (reader: ByteReader) => number): Form => ({
  read: (reader) => ({ kind: 'block', bytes: reader.span(length(reader)) }),
  skip: { over: (reader) => reader.skip(length(reader)) },
});

const unitReference = (offset: (reader: ByteReader) => number, skip: Form['skip']): Form => ({
  read: (reader) => ({ kind: 'reference', within: 'unit', offset: offset(reader) }),
  skip,
});

const index = (of: IndexedTable, read: (reader: ByteReader) => number, skip: Form['skip']): Form => ({
  read: (reader) => ({ kind: 'index', of, index: read(reader) }),
  skip,
});

const elsewhere = (skip: number | ((unit: FormSizes) => number)): Form => ({
  read: (reader, context) => {
    reader.skip(typeof skip === 'number' ? skip : skip(context));
    return { kind: 'elsewhere' };
  },
  skip,
});

const ulebNumber = (reader: ByteReader): number => reader.ulebNumber();
const u8 = (reader: ByteReader): number => reader.u8();
const u16 = (reader: ByteReader): number => reader.u16();
const u24 = (reader: ByteReader): number => reader.u24();
const u32 = (reader: ByteReader): number => reader.u32();

/** DW_FORM_strp: an offset in .debug_str. */
export const STRP = 0x0e;
const FLAG_PRESENT = 0x19;
const INDIRECT = 0x16;
/** DW_FORM_implicit_const: the value stands in the abbreviation, nothing in the entry. */
export const IMPLICIT_CONST = 0x21;

const forms: Readonly<Record<number, Form | undefined>> = {
  // addr
  0x01: {
    read: (reader, { addressSize }) => ({ kind: 'address', value: reader.unsigned(addressSize) }),
    skip: ({ addressSize }) => addressSize,
  },
  0x03: block(u16), // block2
  0x04: block(u32), // block4
  0x05: data(2), // data2
  0x06: data(4), // data4
  0x07: data(8), // data8
  // string
  0x08: {
    read: (reader) => ({ kind: 'text', text: reader.string() }),
    skip: { over: (reader) => reader.skipString() },
  },
  0x09: block(ulebNumber), // block
  0x0a: block(u8), // block1
  0x0b: data(1), // data1
  0x0c: { read: (reader) => ({ kind: 'flag', value: reader.u8() !== 0 }), skip: 1 }, // flag
  0x0d: { read: (reader) => ({ kind: 'constant', value: reader.sleb() }), skip: skipLeb }, // sdata
  [STRP]: {
    read: (reader, { offsetSize, strings }) => ({
      kind: 'text',
      text: textAt(strings, readOffset(reader, offsetSize), '.debug_str'),
    }),
    skip: skipOffset,
  },
  0x0f: { read: (reader) => ({ kind: 'constant', value: reader.uleb() }), skip: skipLeb }, // udata
  // ref_addr: an address in DWARF 2, an offset from 3 on
  0x10: {
    read: (reader, context) => ({
      kind: 'reference',
      within: 'section',
      offset: Number(reader.unsigned(skipReference(context))),
    }),
    skip: skipReference,
  },
  0x11: unitReference(u8, 1), // ref1
  0x12: unitReference(u16, 2), // ref2
  0x13: unitReference(u32, 4), // ref4
  0x14: unitReference((reader) => reader.u64Number(), 8), // ref8
  0x15: unitReference(ulebNumber, skipLeb), // ref_udata
  // sec_offset
  0x17: {
    read: (reader, { offsetSize }) => ({ kind: 'offset', offset: readOffset(reader, offsetSize) }),
    skip: skipOffset,
  },
  0x18: block(ulebNumber), // exprloc
  [FLAG_PRESENT]: { read: () => ({ kind: 'flag', value: true }), skip: 0 },
  0x1a: index('string', ulebNumber, skipLeb), // strx
  0x1b: index('address', ulebNumber, skipLeb), // addrx
  0x1c: elsewhere(4), // ref_sup4
  0x1d: elsewhere(({ offsetSize }) => offsetSize), // strp_sup
  0x1e: { read: (reader) => ({ kind: 'block', bytes: reader.span(16) }), skip: 16 }, // data16
  // line_strp
  0x1f: {
    read: (reader, { offsetSize, lineStrings }) => ({
      kind: 'text',
      text: textAt(lineStrings, readOffset(reader, offsetSize), '.debug_line_str'),
    }),
    skip: skipOffset,
  },
  0x20: { read: (reader) => ({ kind: 'signature', value: reader.u64() }), skip: 8 }, // ref_sig8
  0x22: index('locations', ulebNumber, skipLeb), // loclistx
  0x23: index('ranges', ulebNumber, skipLeb), // rnglistx
  0x24: elsewhere(8), // ref_sup8
  0x25: index('string', u8, 1), // strx1
  0x26: index('string', u16, 2), // strx2
  0x27: index('string', u24, 3), // strx3
  0x28: index('string', u32, 4), // strx4
  0x29: index('address', u8, 1), // addrx1
  0x2a: index('address', u16, 2), // addrx2
  0x2b: index('address', u24, 3), // addrx3
  0x2c: index('address', u32, 4), // addrx4
  // The GNU tools' forms for a file that several share (dwz).
  0x1f20: elsewhere(({ offsetSize }) => offsetSize), // GNU_ref_alt
  0x1f21: elsewhere(({ offsetSize }) => offsetSize), // GNU_strp_alt
};

function formOf(reader: ByteReader, form: number): Form {
  const real = form === INDIRECT ? reader.ulebNumber() : form;
  const found = forms[real];
  if (!found)
    throw new GuestImageError(
      `${reader.name}: unknown DWARF form 0x${real.toString(16)} at offset ${reader.offset}.`,
    );
  return found;
}

/** Reads one attribute that is not an implicit constant. Throws GuestImageError for a form that DWARF does not define. */
export function readForm(reader: ByteReader, form: number, context: FormContext): FormValue {
  return formOf(reader, form).read(reader, context);
}

/** Steps over one attribute; of an implicit constant nothing stands in the entry. Throws as `readForm`. */
export function skipForm(reader: ByteReader, form: number, context: FormContext): void {
  if (form === IMPLICIT_CONST) return;
  const { skip } = formOf(reader, form);
  if (typeof skip === 'object') skip.over(reader);
  else reader.skip(typeof skip === 'number' ? skip : skip(context));
}

/** Bytes of a form where every attribute of it in a unit takes the same number; undefined for any other. */
export function fixedBytes(form: number, unit: FormSizes): number | undefined {
  const skip = form === IMPLICIT_CONST ? 0 : forms[form]?.skip;
  return typeof skip === 'function' ? skip(unit) : typeof skip === 'number' ? skip : undefined;
}

/** True when an attribute of this form takes at least one byte, so that a count of them is bounded by the section. */
export function takesSpace(form: number): boolean {
  return form !== FLAG_PRESENT && form in forms;
}

/** The length that a DWARF unit begins with (DWARF 5, 7.4): 32-bit, or 64-bit after an escape. */
export function readInitialLength(reader: ByteReader): { length: number; offsetSize: 4 | 8 } {
  const length = reader.u32();
  if (length === 0xffffffff) return { length: reader.u64Number(), offsetSize: 8 };
  if (length >= 0xfffffff0)
    throw new GuestImageError(`${reader.name}: reserved unit length 0x${length.toString(16)}.`);
  return { length, offsetSize: 4 };
}
