/**
 * The records of an ELF file in its two classes (System V ABI, chapter 4): what they hold is the same, only widths and order
 * differ. Reading them here lets all else speak of one kind of file.
 */
import type { ByteReader } from './byte-reader';

/** The fields of the file header after `e_version`. */
export interface FileHeader {
  entry: bigint;
  programHeaders: number;
  sectionHeaders: number;
  programHeaderSize: number;
  programHeaderCount: number;
  sectionHeaderSize: number;
  sectionHeaderCount: number;
  /** Index of the section that holds the names of sections. */
  sectionNames: number;
}

/** A program header. */
export interface ProgramHeader {
  type: number;
  flags: number;
  offset: number;
  virtualAddress: bigint;
  address: bigint;
  fileSize: number;
  memorySize: bigint;
}

/** A section header. */
export interface SectionHeader {
  /** Offset in the section of names. */
  nameOffset: number;
  type: number;
  flags: number;
  address: bigint;
  offset: number;
  size: number;
  link: number;
  info: number;
  alignment: bigint;
  entrySize: number;
}

/** A row of a symbol table. */
export interface SymbolRecord {
  nameOffset: number;
  info: number;
  section: number;
  value: bigint;
  size: bigint;
}

/** Sizes and readers of one class. */
export interface ElfFormat {
  /** Bytes of an address: 4 or 8. */
  addressBytes: 4 | 8;
  headerBytes: number;
  programHeaderBytes: number;
  sectionHeaderBytes: number;
  symbolBytes: number;
  /** The reader stands behind `e_version`. */
  fileHeader(reader: ByteReader): FileHeader;
  programHeader(reader: ByteReader): ProgramHeader;
  sectionHeader(reader: ByteReader): SectionHeader;
  symbol(reader: ByteReader): SymbolRecord;
  /** A compression header: the method, and the unpacked size. */
  compression(reader: ByteReader): { method: number; size: number };
}

/** The six halves that end the file header of both classes. */
function counts(
  reader: ByteReader,
  entry: bigint,
  programHeaders: number,
  sectionHeaders: number,
): FileHeader {
  reader.skip(6); // e_flags, e_ehsize
  return {
    entry,
    programHeaders,
    sectionHeaders,
    programHeaderSize: reader.u16(),
    programHeaderCount: reader.u16(),
    sectionHeaderSize: reader.u16(),
    sectionHeaderCount: reader.u16(),
    sectionNames: reader.u16(),
  };
}

/** ELFCLASS64. */
export const elf64: ElfFormat = {
  addressBytes: 8,
  headerBytes: 64,
  programHeaderBytes: 56,
  sectionHeaderBytes: 64,
  symbolBytes: 24,
  fileHeader: (reader) => counts(reader, reader.u64(), reader.u64Number(), reader.u64Number()),
  programHeader(reader) {
    const [type, flags, offset] = [reader.u32(), reader.u32(), reader.u64Number()];
    const [virtualAddress, address] = [reader.u64(), reader.u64()];
    return {
      type,
      flags,
      offset,
      virtualAddress,
      address,
      fileSize: reader.u64Number(),
      memorySize: reader.u64(),
    };
  },
  sectionHeader: (reader) => ({
    nameOffset: reader.u32(),
    type: reader.u32(),
    flags: Number(BigInt.asUintN(32, reader.u64())),
    address: reader.u64(),
    offset: reader.u64Number(),
    size: reader.u64Number(),
    link: reader.u32(),
    info: reader.u32(),
    alignment: reader.u64(),
    entrySize: reader.u64Number(),
  }),
  symbol(reader) {
    const [nameOffset, info] = [reader.u32(), reader.u8()];
    reader.skip(1);
    return { nameOffset, info, section: reader.u16(), value: reader.u64(), size: reader.u64() };
  },
  compression(reader) {
    const method = reader.u32();
    reader.skip(4);
    const size = reader.u64Number();
    reader.skip(8);
    return { method, size };
  },
};

/** ELFCLASS32. */
export const elf32: ElfFormat = {
  addressBytes: 4,
  headerBytes: 52,
  programHeaderBytes: 32,
  sectionHeaderBytes: 40,
  symbolBytes: 16,
  fileHeader: (reader) => counts(reader, BigInt(reader.u32()), reader.u32(), reader.u32()),
  programHeader(reader) {
    const [type, offset] = [reader.u32(), reader.u32()];
    const [virtualAddress, address] = [BigInt(reader.u32()), BigInt(reader.u32())];
    const [fileSize, memorySize] = [reader.u32(), BigInt(reader.u32())];
    return { type, flags: reader.u32(), offset, virtualAddress, address, fileSize, memorySize };
  },
  sectionHeader: (reader) => ({
    nameOffset: reader.u32(),
    type: reader.u32(),
    flags: reader.u32(),
    address: BigInt(reader.u32()),
    offset: reader.u32(),
    size: reader.u32(),
    link: reader.u32(),
    info: reader.u32(),
    alignment: BigInt(reader.u32()),
    entrySize: reader.u32(),
  }),
  symbol(reader) {
    const [nameOffset, value, size] = [reader.u32(), BigInt(reader.u32()), BigInt(reader.u32())];
    const info = reader.u8();
    reader.skip(1);
    return { nameOffset, info, section: reader.u16(), value, size };
  },
  compression(reader) {
    const [method, size] = [reader.u32(), reader.u32()];
    reader.skip(4);
    return { method, size };
  },
};
