/**
 * Static ELF executables for x86 in 64-bit and in 32-bit files (System V ABI, chapters 4 and 5, and its i386 and AMD64
 * supplements). The file may be hostile: every offset in it is checked, and whatever is wrong ends in a `GuestImageError`.
 */
import { ByteReader } from './byte-reader';
import { elf32, elf64, type ElfFormat, type FileHeader, type SectionHeader } from './format';
import { oldPackedName, SHF_COMPRESSED, unpack, unpackOld } from './packed-section';
import { refuseHeader } from './refusals';
import { GuestImageError } from '../errors';
import type { ElfSection, ElfSymbol, GuestFile, LoadSegment } from '../file';
import { positioned } from './static-pie';

/** Section types and flags this house needs. */
const SHT_SYMTAB = 2;
/** `e_ident[EI_CLASS]` of a 64-bit file. */
const ELFCLASS64 = 2;
const SHT_NOBITS = 8;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PT_NOTE = 4;
const NT_GNU_BUILD_ID = 3;

const symbolTypes: Record<number, ElfSymbol['type']> = {
  0: 'none',
  1: 'object',
  2: 'function',
  3: 'section',
  4: 'file',
};

/** A static executable. */
export class ElfFile implements GuestFile {
  readonly entry: bigint;
  readonly segments: readonly LoadSegment[];
  readonly sections: readonly ElfSection[];
  readonly buildId: string | undefined;
  readonly addressBytes: 4 | 8;
  readonly bytes: Uint8Array;
  readonly bias: bigint;
  private readonly format: ElfFormat;
  private symbolTable: readonly ElfSymbol[] | undefined;
  /** Contents of packed sections that have been asked for. */
  private readonly unpacked = new Map<string, Uint8Array>();

  /**
   * Reads the headers; symbols and section contents are read when asked for.
   * @param file all of it; of a static position-independent executable a copy is taken, at the place where it is to run
   * @param name of the file, for messages
   * @throws GuestImageError when the file is not a static ELF executable for x86, or is damaged
   */
  constructor(
    file: Uint8Array,
    readonly name: string,
  ) {
    const { bytes, bias } = positioned(file, name);
    this.bytes = bytes;
    this.bias = bias;
    refuseHeader(bytes, name);
    this.format = bytes[4] === ELFCLASS64 ? elf64 : elf32;
    this.addressBytes = this.format.addressBytes;
    if (bytes.length < this.format.headerBytes)
      throw this.error(`is truncated: ${bytes.length} bytes, less than an ELF header`);
    const header = this.format.fileHeader(new ByteReader(bytes, name, 24));
    this.entry = header.entry;
    const raw = this.readProgramHeaders(header);
    this.segments = raw
      .filter((each) => each.type === PT_LOAD && each.segment.memorySize > 0n)
      .map((each) => each.segment);
    if (this.segments.length === 0)
      throw this.error('has nothing to load (no PT_LOAD segment): link it with the guest kit');
    this.sections = this.readSections(header);
    this.buildId = raw
      .filter((each) => each.type === PT_NOTE)
      .map((each) => this.readBuildId(each.segment.bytes))
      .find(Boolean);
  }

  /** Contents of a section, unpacked when it is compressed; undefined when there is none of that name. */
  section(name: string): Uint8Array | undefined {
    const named = (wanted: string | undefined): ElfSection | undefined =>
      this.sections.find((each) => each.name === wanted && each.type !== SHT_NOBITS);
    const section = named(name);
    if (section && !(section.flags & SHF_COMPRESSED)) return this.raw(section);
    const old = section ?? named(oldPackedName(name));
    if (!old) return undefined;
    const known = this.unpacked.get(name);
    if (known) return known;
    const contents = section
      ? this.contents(section)
      : unpackOld(this.raw(old), `${this.name} has section ${old.name}`);
    this.unpacked.set(name, contents);
    return contents;
  }

  /** The symbol table, in the file's order; empty for a stripped file. */
  symbols(): readonly ElfSymbol[] {
    return (this.symbolTable ??= this.readSymbols());
  }

  private error(what: string): GuestImageError {
    return new GuestImageError(`${this.name} ${what}.`);
  }

  private readProgramHeaders(header: FileHeader): { type: number; segment: LoadSegment }[] {
    const { programHeaders, programHeaderSize: size, programHeaderCount: count } = header;
    if (count > 0 && size !== this.format.programHeaderBytes)
      throw this.error(`is damaged: program headers of ${size} bytes`);
    return Array.from({ length: count }, (_, index) => {
      const reader = new ByteReader(this.bytes, `${this.name}, program header ${index}`);
      reader.seek(programHeaders);
      reader.skip(index * size);
      const { type, flags, offset, virtualAddress, address, fileSize, memorySize } =
        this.format.programHeader(reader);
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
      const limit = 1n << BigInt(8 * this.addressBytes);
      if (address + memorySize > limit || virtualAddress + memorySize > limit) {
        throw this.error(
          `is damaged: segment ${index} goes beyond the ${8 * this.addressBytes}-bit address space`,
        );
      }
      reader.seek(offset);
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

  private readSections(header: FileHeader): ElfSection[] {
    const { sectionHeaders, sectionHeaderSize: size, sectionHeaderCount: count, sectionNames } = header;
    if (count === 0 || sectionHeaders === 0) return [];
    if (size !== this.format.sectionHeaderBytes)
      throw this.error(`is damaged: section headers of ${size} bytes`);
    const headers = Array.from({ length: count }, (_, index): SectionHeader => {
      const reader = new ByteReader(this.bytes, `${this.name}, section header ${index}`);
      reader.seek(sectionHeaders);
      reader.skip(index * size);
      return this.format.sectionHeader(reader);
    });
    const table = headers[sectionNames];
    if (!table) return [];
    const texts = new ByteReader(this.raw(table), `${this.name}, section names`);
    return headers.map(({ nameOffset, type, flags, address, offset, size: bytes, link }) => {
      texts.seek(nameOffset);
      const name = texts.left > 0 ? texts.string() : '';
      return { name, type, flags, address, offset, size: bytes, link };
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
    return unpack(raw, this.format, `${this.name} has section ${section.name}`);
  }

  private readSymbols(): ElfSymbol[] {
    const table = this.sections.find((each) => each.type === SHT_SYMTAB);
    const strings = table && this.sections[table.link];
    if (!table || !strings) return [];
    const reader = new ByteReader(this.contents(table), `${this.name}, symbol table`);
    const texts = new ByteReader(this.contents(strings), `${this.name}, symbol names`);
    const symbols: ElfSymbol[] = [];
    while (reader.left >= this.format.symbolBytes) {
      const { nameOffset, info, section, value: address, size } = this.format.symbol(reader);
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
