/**
 * ELF64 files for x86-64 (System V ABI, chapters 4 and 5, and its AMD64 supplement). The file may be hostile: every offset
 * in it is checked, and whatever is wrong ends in a `GuestImageError`.
 */
import { inflateSync } from 'node:zlib';
import { ByteReader } from './byte-reader';
import { refuseHeader } from './elf-refusals';
import { GuestImageError } from './errors';

/** Section types and flags this house needs. */
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHF_COMPRESSED = 0x800;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_NOTE = 4;
const NT_GNU_BUILD_ID = 3;
const ELFCOMPRESS_ZLIB = 1;
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
/** A debug section that claims to unpack to more than this is not believed. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

/** A piece of the file that belongs into RAM (PT_LOAD). Addresses are physical. */
export interface ElfSegment {
  /** Physical address (p_paddr), where the loader puts it. */
  address: bigint;
  virtualAddress: bigint;
  /** Bytes from the file; not a copy. */
  bytes: Uint8Array;
  /** Bytes in memory; what is beyond `bytes` is zero. */
  memorySize: bigint;
  readable: boolean;
  writable: boolean;
  executable: boolean;
}

/** A section as its header tells it. */
export interface ElfSection {
  name: string;
  type: number;
  flags: number;
  address: bigint;
  offset: number;
  size: number;
  link: number;
}

/** A row of the symbol table. */
export interface ElfSymbol {
  name: string;
  address: bigint;
  size: bigint;
  type: 'none' | 'object' | 'function' | 'section' | 'file' | 'other';
  global: boolean;
  /** False for a symbol that another file would have to define. */
  defined: boolean;
}

const symbolTypes: Record<number, ElfSymbol['type']> = {
  0: 'none',
  1: 'object',
  2: 'function',
  3: 'section',
  4: 'file',
};

/** A static x86-64 executable. */
export class ElfFile {
  readonly entry: bigint;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];
  /** SHA-1 or whatever the linker was asked for, hexadecimal; absent without `--build-id`. */
  readonly buildId: string | undefined;
  private symbolTable: readonly ElfSymbol[] | undefined;

  /**
   * Reads the headers; symbols and section contents are read when asked for.
   * @param bytes the whole file
   * @param name of the file, for messages
   * @throws GuestImageError when the file is not a static ELF64 executable for x86-64, or is damaged
   */
  constructor(
    readonly bytes: Uint8Array,
    readonly name: string,
  ) {
    refuseHeader(bytes, name);
    if (bytes.length < HEADER_BYTES)
      throw this.error(`is truncated: ${bytes.length} bytes, less than an ELF header`);
    const header = new ByteReader(bytes, name, 24);
    this.entry = header.u64();
    const programHeaders = header.u64Number();
    const sectionHeaders = header.u64Number();
    header.skip(6);
    const programHeaderSize = header.u16();
    const programHeaderCount = header.u16();
    const sectionHeaderSize = header.u16();
    const sectionHeaderCount = header.u16();
    const sectionNames = header.u16();

    const raw = this.readProgramHeaders(programHeaders, programHeaderSize, programHeaderCount);
    this.segments = raw
      .filter((each) => each.type === PT_LOAD && each.segment.memorySize > 0n)
      .map((each) => each.segment);
    if (this.segments.length === 0)
      throw this.error('has nothing to load (no PT_LOAD segment): link it with the guest kit');
    this.sections = this.readSections(sectionHeaders, sectionHeaderSize, sectionHeaderCount, sectionNames);
    this.buildId = raw
      .filter((each) => each.type === PT_NOTE)
      .map((each) => this.readBuildId(each.segment.bytes))
      .find(Boolean);
  }

  /** Contents of a section, unpacked when it is compressed; undefined when there is none of that name. */
  section(name: string): Uint8Array | undefined {
    const section = this.sections.find((each) => each.name === name && each.type !== SHT_NOBITS);
    return section && this.contents(section);
  }

  /** The symbol table, in the file's order; empty for a stripped file. */
  symbols(): readonly ElfSymbol[] {
    return (this.symbolTable ??= this.readSymbols());
  }

  /**
   * Checks that all segments and the entry lie in RAM.
   * @param ramBytes bytes of RAM from physical address 0
   * @throws GuestImageError with the size that would do
   */
  checkFits(ramBytes: number): void {
    const ram = BigInt(ramBytes);
    const end = this.segments.reduce((most, each) => max(most, each.address + each.memorySize), 0n);
    if (end > ram) {
      const needs = (end + 0xfffffn) >> 20n;
      if (needs > 1n << 20n) {
        throw this.error(
          `has a segment at physical address 0x${(end - 1n).toString(16)}, which is no RAM: link it to low addresses, as guest.ld does`,
        );
      }
      throw this.error(
        `needs ${needs} MiB of RAM, the VM has ${ram >> 20n} MiB: raise memoryMiB to at least ${needs}`,
      );
    }
    const runs = this.segments.some(
      (each) =>
        each.executable &&
        this.entry >= each.virtualAddress &&
        this.entry < each.virtualAddress + each.memorySize,
    );
    if (!runs)
      throw this.error(
        `starts at 0x${this.entry.toString(16)}, where it has no code: give the linker script an ENTRY`,
      );
  }

  private error(what: string): GuestImageError {
    return new GuestImageError(`${this.name} ${what}.`);
  }

  private readProgramHeaders(
    offset: number,
    size: number,
    count: number,
  ): { type: number; segment: ElfSegment }[] {
    if (count > 0 && size !== PROGRAM_HEADER_BYTES)
      throw this.error(`is damaged: program headers of ${size} bytes`);
    return Array.from({ length: count }, (_, index) => {
      const reader = new ByteReader(this.bytes, `${this.name}, program header ${index}`);
      reader.seek(offset);
      reader.skip(index * size);
      const type = reader.u32();
      const flags = reader.u32();
      const fileOffset = reader.u64Number();
      const virtualAddress = reader.u64();
      const address = reader.u64();
      const fileSize = reader.u64Number();
      const memorySize = reader.u64();
      if (type === PT_INTERP || type === PT_DYNAMIC) {
        throw this.error(
          'is dynamically linked, and a guest has no dynamic linker: link with -static -no-pie -nostdlib',
        );
      }
      if (type !== PT_LOAD && type !== PT_NOTE)
        return { type, segment: { ...nothing, address, virtualAddress } };
      if (type === PT_LOAD && memorySize < BigInt(fileSize)) {
        throw this.error(`is damaged: segment ${index} has more bytes in the file than in memory`);
      }
      if (address + memorySize > 1n << 64n || virtualAddress + memorySize > 1n << 64n) {
        throw this.error(`is damaged: segment ${index} goes beyond the 64-bit address space`);
      }
      reader.seek(fileOffset);
      const bytes = reader.span(fileSize);
      const [readable, writable, executable] = [4, 2, 1].map((bit) => (flags & bit) !== 0) as [
        boolean,
        boolean,
        boolean,
      ];
      return {
        type,
        segment: { address, virtualAddress, bytes, memorySize, readable, writable, executable },
      };
    });
  }

  private readSections(offset: number, size: number, count: number, names: number): ElfSection[] {
    if (count === 0 || offset === 0) return [];
    if (size !== SECTION_HEADER_BYTES) throw this.error(`is damaged: section headers of ${size} bytes`);
    const headers = Array.from({ length: count }, (_, index) => {
      const reader = new ByteReader(this.bytes, `${this.name}, section header ${index}`);
      reader.seek(offset);
      reader.skip(index * size);
      const nameOffset = reader.u32();
      const type = reader.u32();
      const flags = Number(BigInt.asUintN(32, reader.u64()));
      const address = reader.u64();
      return {
        nameOffset,
        type,
        flags,
        address,
        offset: reader.u64Number(),
        size: reader.u64Number(),
        link: reader.u32(),
      };
    });
    const table = headers[names];
    if (!table) return [];
    const texts = new ByteReader(this.raw(table), `${this.name}, section names`);
    return headers.map(({ nameOffset, ...header }) => {
      texts.seek(nameOffset);
      return { name: texts.left > 0 ? texts.string() : '', ...header };
    });
  }

  private raw(section: { type: number; offset: number; size: number }): Uint8Array {
    if (section.type === SHT_NOBITS) return new Uint8Array(0);
    const reader = new ByteReader(this.bytes, this.name);
    reader.seek(section.offset);
    return reader.span(section.size);
  }

  private contents(section: ElfSection): Uint8Array {
    const raw = this.raw(section);
    if (!(section.flags & SHF_COMPRESSED)) return raw;
    const reader = new ByteReader(raw, `${this.name}, section ${section.name}`);
    const method = reader.u32();
    reader.skip(4);
    const unpacked = reader.u64Number();
    reader.skip(8);
    if (method !== ELFCOMPRESS_ZLIB || unpacked > MAX_UNPACKED_BYTES) {
      throw this.error(
        `has section ${section.name} packed in a way that is not read here: compile with -gz=none`,
      );
    }
    try {
      return new Uint8Array(
        inflateSync(reader.span(reader.left), { maxOutputLength: Math.max(1, unpacked) }),
      );
    } catch {
      throw this.error(`is damaged: section ${section.name} cannot be unpacked`);
    }
  }

  private readSymbols(): ElfSymbol[] {
    const table = this.sections.find((each) => each.type === SHT_SYMTAB);
    const strings = table && this.sections[table.link];
    if (!table || !strings) return [];
    const reader = new ByteReader(this.contents(table), `${this.name}, symbol table`);
    const texts = new ByteReader(this.contents(strings), `${this.name}, symbol names`);
    const symbols: ElfSymbol[] = [];
    while (reader.left >= SYMBOL_BYTES) {
      const nameOffset = reader.u32();
      const info = reader.u8();
      reader.skip(1);
      const section = reader.u16();
      const address = reader.u64();
      const size = reader.u64();
      if (nameOffset === 0) continue;
      texts.seek(nameOffset);
      const type = symbolTypes[info & 15] ?? 'other';
      symbols.push({
        name: texts.string(),
        address,
        size,
        type,
        global: info >> 4 !== 0,
        defined: section !== 0,
      });
    }
    return symbols;
  }

  private readBuildId(notes: Uint8Array): string | undefined {
    const reader = new ByteReader(notes, `${this.name}, notes`);
    while (reader.left >= 12) {
      const nameSize = reader.u32();
      const size = reader.u32();
      const type = reader.u32();
      const owner = reader.span(Math.min(reader.left, align4(nameSize)));
      const content = reader.span(Math.min(reader.left, align4(size)));
      if (
        type === NT_GNU_BUILD_ID &&
        nameSize === 4 &&
        String.fromCharCode(...owner) === 'GNU\0' &&
        size <= 64
      ) {
        return Array.from(content.subarray(0, size), (byte) => byte.toString(16).padStart(2, '0')).join('');
      }
    }
    return undefined;
  }
}

const nothing = {
  bytes: new Uint8Array(0),
  memorySize: 0n,
  readable: false,
  writable: false,
  executable: false,
};

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
