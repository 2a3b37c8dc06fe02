/** Encoded pointers of .eh_frame (Linux Standard Base Core, "DWARF Exception Header Encoding"). */
import type { ByteReader } from '../elf/byte-reader';
import { GuestImageError } from '../errors';

/** DW_EH_PE_omit: no value is there. */
export const POINTER_OMITTED = 0xff;
const INDIRECT = 0x80;
const APPLICATION = 0x70;
const RELATIVE_TO_ITSELF = 0x10;

/** How a section's pointers are read. */
export interface PointerContext {
  /** Bytes of a target address: 4 or 8. */
  readonly addressSize: number;
  /** Address of the reader's first byte in the program; 0 for a section that is not loaded. */
  readonly sectionAddress: bigint;
}

type Read = (reader: ByteReader, addressSize: number) => bigint;

/** By the low four bits. */
const formats: Record<number, Read | undefined> = {
  0x0: (reader, size) => readAddress(reader, size),
  0x1: (reader) => reader.uleb(),
  0x2: (reader) => BigInt(reader.u16()),
  0x3: (reader) => BigInt(reader.u32()),
  0x4: (reader) => reader.u64(),
  0x9: (reader) => reader.sleb(),
  0xa: (reader) => BigInt.asIntN(16, BigInt(reader.u16())),
  0xb: (reader) => BigInt.asIntN(32, BigInt(reader.u32())),
  0xc: (reader) => BigInt.asIntN(64, reader.u64()),
};

/** A target address of 2, 4 or 8 bytes. */
export function readAddress(reader: ByteReader, size: number): bigint {
  if (size === 8) return reader.u64();
  return BigInt(size === 2 ? reader.u16() : reader.u32());
}

/**
 * Reads a pointer.
 * @param encoding DW_EH_PE_…
 * @param valueOnly the pointer counts something, so that only its format matters
 * @returns undefined for one that is left out, that lies elsewhere in memory, or whose base only a running program knows
 * @throws GuestImageError for a format that is not defined
 */
export function readPointer(
  reader: ByteReader,
  encoding: number,
  context: PointerContext,
  valueOnly = false,
): bigint | undefined {
  if (encoding === POINTER_OMITTED) return undefined;
  const at = context.sectionAddress + BigInt(reader.offset);
  const read = formats[encoding & 0x0f];
  if (!read)
    throw new GuestImageError(`${reader.name}: unknown pointer encoding 0x${encoding.toString(16)}.`);
  const value = read(reader, context.addressSize);
  if (valueOnly) return value;
  const application = encoding & APPLICATION;
  if (encoding & INDIRECT || (application !== 0 && application !== RELATIVE_TO_ITSELF)) return undefined;
  return BigInt.asUintN(8 * context.addressSize, application === 0 ? value : value + at);
}
