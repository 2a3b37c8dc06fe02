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

/** What an attribute holds, as far as this house wants it: a text, a number, or nothing of interest. */
export type FormValue = string | number | undefined;

type FormReader = (reader: ByteReader, context: FormContext) => FormValue;

/** An offset into another section. */
export function readOffset(reader: ByteReader, size: 4 | 8): number {
  return size === 8 ? reader.u64Number() : reader.u32();
}

function stringAt(section: Uint8Array | undefined, offset: number, name: string): string {
  if (!section) throw new GuestImageError(`The debug information refers to ${name}, which is missing.`);
  return new Reader(section, name, offset).string();
}

function skip(count: number): FormReader {
  return (reader) => {
    reader.skip(count);
    return undefined;
  };
}

function block(length: (reader: ByteReader) => number): FormReader {
  return (reader) => {
    reader.skip(length(reader));
    return undefined;
  };
}

const leb: FormReader = (reader) => {
  reader.uleb();
  return undefined;
};

const forms: Record<number, FormReader> = {
  0x01: (reader, context) => skip(context.addressSize)(reader, context), // addr
  0x03: block((reader) => reader.u16()), // block2
  0x04: block((reader) => reader.u32()), // block4
  0x05: (reader) => reader.u16(), // data2
  0x06: (reader) => reader.u32(), // data4
  0x07: (reader) => Number(BigInt.asUintN(53, reader.u64())), // data8
  0x08: (reader) => reader.string(), // string
  0x09: block((reader) => reader.ulebNumber()), // block
  0x0a: block((reader) => reader.u8()), // block1
  0x0b: (reader) => reader.u8(), // data1
  0x0c: skip(1), // flag
  0x0d: leb, // sdata
  0x0e: (reader, { offsetSize, strings }) => stringAt(strings, readOffset(reader, offsetSize), '.debug_str'), // strp
  0x0f: (reader) => reader.ulebNumber(), // udata
  0x10: (reader, { version, addressSize, offsetSize }) =>
    skip(version <= 2 ? addressSize : offsetSize)(reader, nothing), // ref_addr
  0x11: skip(1), // ref1
  0x12: skip(2), // ref2
  0x13: skip(4), // ref4
  0x14: skip(8), // ref8
  0x15: leb, // ref_udata
  0x17: (reader, { offsetSize }) => readOffset(reader, offsetSize), // sec_offset
  0x18: block((reader) => reader.ulebNumber()), // exprloc
  0x19: () => undefined, // flag_present
  0x1a: leb, // strx
  0x1b: leb, // addrx
  0x1c: skip(4), // ref_sup4
  0x1d: (reader, { offsetSize }) => skip(offsetSize)(reader, nothing), // strp_sup
  0x1e: skip(16), // data16
  0x1f: (reader, { offsetSize, lineStrings }) =>
    stringAt(lineStrings, readOffset(reader, offsetSize), '.debug_line_str'), // line_strp
  0x20: skip(8), // ref_sig8
  0x22: leb, // loclistx
  0x23: leb, // rnglistx
  0x24: skip(8), // ref_sup8
  0x25: skip(1), // strx1
  0x26: skip(2), // strx2
  0x27: skip(3), // strx3
  0x28: skip(4), // strx4
  0x29: skip(1), // addrx1
  0x2a: skip(2), // addrx2
  0x2b: skip(3), // addrx3
  0x2c: skip(4), // addrx4
};

const nothing: FormContext = {
  offsetSize: 4,
  addressSize: 8,
  version: 5,
  strings: undefined,
  lineStrings: undefined,
};

/** DW_FORM_implicit_const: the value stands in the abbreviation, nothing in the entry. */
export const IMPLICIT_CONST = 0x21;
const INDIRECT = 0x16;

/** Reads one attribute. Throws GuestImageError for a form that DWARF does not define. */
export function readForm(reader: ByteReader, form: number, context: FormContext): FormValue {
  const real = form === INDIRECT ? reader.ulebNumber() : form;
  if (real === IMPLICIT_CONST) return undefined;
  const read = forms[real];
  if (!read)
    throw new GuestImageError(
      `${reader.name}: unknown DWARF form 0x${real.toString(16)} at offset ${reader.offset}.`,
    );
  return read(reader, context);
}

/** True when an attribute of this form takes at least one byte, so that a count of them is bounded by the section. */
export function takesSpace(form: number): boolean {
  return form !== 0x19 && form !== IMPLICIT_CONST && form in forms;
}

/** The length that a DWARF unit begins with (DWARF 5, 7.4): 32-bit, or 64-bit after an escape. */
export function readInitialLength(reader: ByteReader): { length: number; offsetSize: 4 | 8 } {
  const length = reader.u32();
  if (length === 0xffffffff) return { length: reader.u64Number(), offsetSize: 8 };
  if (length >= 0xfffffff0)
    throw new GuestImageError(`${reader.name}: reserved unit length 0x${length.toString(16)}.`);
  return { length, offsetSize: 4 };
}
