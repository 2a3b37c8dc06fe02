/**
 * Static position-independent executables (ET_DYN without an interpreter; System V ABI, chapter 5, and its AMD64 supplement,
 * 4.4): what a dynamic linker would do for one, done to a copy of the file. The rest of this room then sees an ET_EXEC.
 */
import { ByteReader } from './byte-reader';
import { elf64, type FileHeader, type ProgramHeader } from './format';
import { GuestImageError } from '../errors';

/** Where a file goes that is linked to 0; a multiple of the largest page that a linker aligns to. */
const LOAD_ADDRESS = 0x200000n;
/** A file linked to this or above has an address of its own already. */
const OWN_ADDRESS = 0x100000n;
/** More loadable segments than any linker makes; bounds the search for an address. */
const MAX_SEGMENTS = 128;

const ET_EXEC = 2;
const ET_DYN = 3;
const EM_X86_64 = 62;
const Program = { none: 0, load: 1, dynamic: 2, interpreter: 3 } as const;
const SHF_ALLOC = 2n;
const SHT_SYMTAB = 2;
const STT_TLS = 6;
/** Section indices from here on are no sections (SHN_ABS …). */
const SHN_LORESERVE = 0xff00;
const Tag = {
  needed: 1,
  pltRelSize: 2,
  rela: 7,
  relaSize: 8,
  relaEntry: 9,
  relSize: 18,
  jmpRel: 23,
  relrSize: 35,
};
const RELA_BYTES = 24;
const R_NONE = 0;
const R_RELATIVE = 8;

/** Names of the relocations one may meet (AMD64 supplement, table 4.10). */
const relocationNames: Record<number, string> = {
  1: 'R_X86_64_64',
  5: 'R_X86_64_COPY',
  6: 'R_X86_64_GLOB_DAT',
  7: 'R_X86_64_JUMP_SLOT',
  16: 'R_X86_64_DTPMOD64',
  17: 'R_X86_64_DTPOFF64',
  18: 'R_X86_64_TPOFF64',
  37: 'R_X86_64_IRELATIVE',
};

/** What to do about each; most come from a symbol that the file leaves open. */
const remedies: Record<number, string> = {
  16: 'it has thread-local variables, and a guest has no threads: make them ordinary ones',
  17: 'it has thread-local variables, and a guest has no threads: make them ordinary ones',
  18: 'it has thread-local variables, and a guest has no threads: make them ordinary ones',
  37: 'it chooses functions when it starts (ifunc), as the C library does: link with -nostdlib',
};
const OPEN_SYMBOL =
  'a symbol is left open that only a dynamic linker could find: define it in the file, link with -Wl,-Bsymbolic, or link with -static -no-pie';

/** A file as it is to be read. */
export interface PositionedFile {
  bytes: Uint8Array;
  /** What has been added to the linker's addresses; debug information still has those. */
  bias: bigint;
}

/**
 * Gives a static position-independent executable its place: headers and symbols are shifted, relocations applied, all in a copy.
 * Any other file comes back as it is.
 * @throws GuestImageError when it is damaged, or needs what only a dynamic linker does
 */
export function positioned(bytes: Uint8Array, name: string): PositionedFile {
  const asIs = { bytes, bias: 0n };
  if (bytes.length < elf64.headerBytes || bytes[4] !== 2 || bytes[5] !== 1) return asIs;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isElf = view.getUint32(0, false) === 0x7f454c46;
  if (!isElf || view.getUint16(16, true) !== ET_DYN || view.getUint16(18, true) !== EM_X86_64) return asIs;
  const header = elf64.fileHeader(new ByteReader(bytes, name, 24));
  if (header.programHeaderSize !== elf64.programHeaderBytes) return asIs;
  const programs = readPrograms(bytes, name, header);
  if (programs.some(({ type }) => type === Program.interpreter)) return asIs;
  return new Positioning(bytes, name, header, programs).result();
}

function readPrograms(bytes: Uint8Array, name: string, header: FileHeader): ProgramHeader[] {
  const reader = new ByteReader(bytes, `${name}, program headers`);
  reader.seek(header.programHeaders);
  return Array.from({ length: header.programHeaderCount }, () => {
    const start = reader.offset;
    const program = elf64.programHeader(reader);
    reader.seek(start); // what stands behind the fields that are read is skipped
    reader.skip(elf64.programHeaderBytes);
    return program;
  });
}

class Positioning {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly loads: readonly ProgramHeader[];
  private readonly bias: bigint;

  constructor(
    original: Uint8Array,
    private readonly name: string,
    private readonly header: FileHeader,
    private readonly programs: readonly ProgramHeader[],
  ) {
    this.bytes = new Uint8Array(original);
    this.view = new DataView(this.bytes.buffer);
    this.loads = programs.filter(({ type }) => type === Program.load);
    if (this.loads.length > MAX_SEGMENTS)
      throw this.error(`is damaged: ${this.loads.length} segments to load`);
    const lowest = this.loads.reduce(
      (low, each) => (each.virtualAddress < low ? each.virtualAddress : low),
      OWN_ADDRESS,
    );
    this.bias = lowest < OWN_ADDRESS ? LOAD_ADDRESS : 0n;
  }

  result(): PositionedFile {
    this.relocate();
    this.shiftHeaders();
    this.shiftSections();
    return { bytes: this.bytes, bias: this.bias };
  }

  private error(what: string): GuestImageError {
    return new GuestImageError(`${this.name} ${what}.`);
  }

  /** Offset in the file of `size` bytes at an address before the shift. */
  private offsetOf(address: bigint, size: number, what: string): number {
    const home = this.loads.find(
      ({ virtualAddress, fileSize }) =>
        address >= virtualAddress && address + BigInt(size) <= virtualAddress + BigInt(fileSize),
    );
    const offset = home ? home.offset + Number(address - home.virtualAddress) : this.bytes.length;
    if (offset + size > this.bytes.length)
      throw this.error(`is damaged: ${what} at 0x${address.toString(16)} is not in the file`);
    return offset;
  }

  private relocate(): void {
    const tags = this.dynamicTags();
    if (tags.has(Tag.needed))
      throw this.error('needs shared libraries, and a guest has none: link it with -static-pie -nostdlib');
    if (tags.get(Tag.relrSize))
      throw this.error(
        'has packed relocations (DT_RELR), which are not read here: link with -z nopack-relative-relocs',
      );
    if (tags.get(Tag.relSize))
      throw this.error(
        'has relocations without addends (DT_REL), which x86-64 does not use: the file is damaged',
      );
    this.applyTable(tags.get(Tag.rela), tags.get(Tag.relaSize), tags.get(Tag.relaEntry));
    this.applyTable(tags.get(Tag.jmpRel), tags.get(Tag.pltRelSize), undefined);
  }

  /** The dynamic section; of a tag that comes twice the last. */
  private dynamicTags(): Map<number, bigint> {
    const dynamic = this.programs.find(({ type }) => type === Program.dynamic);
    const tags = new Map<number, bigint>();
    if (!dynamic) return tags;
    const all = new ByteReader(this.bytes, `${this.name}, dynamic section`);
    all.seek(dynamic.offset);
    const reader = new ByteReader(all.span(dynamic.fileSize), `${this.name}, dynamic section`);
    while (reader.left >= 16) {
      const tag = reader.u64();
      if (tag === 0n) break;
      const value = reader.u64();
      if (tag <= BigInt(Tag.relrSize)) tags.set(Number(tag), value);
    }
    return tags;
  }

  private applyTable(address: bigint | undefined, size = 0n, entryBytes = BigInt(RELA_BYTES)): void {
    if (size === 0n) return;
    if (address === undefined || entryBytes !== BigInt(RELA_BYTES) || size > BigInt(this.bytes.length))
      throw this.error(`is damaged: relocations of ${entryBytes} bytes each, ${size} bytes in all`);
    const at = this.offsetOf(address, Number(size), 'the table of relocations');
    const table = this.bytes.slice(at, at + Number(size)); // a copy: a relocation may point into the table
    const reader = new ByteReader(table, `${this.name}, relocations`);
    while (reader.left >= RELA_BYTES) this.apply(reader.u64(), reader.u64(), reader.u64());
  }

  private apply(place: bigint, info: bigint, addend: bigint): void {
    const type = Number(info & 0xffffffffn);
    if (type === R_NONE) return;
    if (type !== R_RELATIVE) {
      const what = relocationNames[type] ?? `of type ${type}`;
      throw this.error(
        `has a relocation ${what} at 0x${place.toString(16)}, and only R_X86_64_RELATIVE can be done here: ${remedies[type] ?? OPEN_SYMBOL}`,
      );
    }
    const offset = this.offsetOf(place, 8, 'what a relocation changes');
    this.view.setBigUint64(offset, BigInt.asUintN(64, addend + this.bias), true);
  }

  private shift(offset: number): void {
    this.view.setBigUint64(
      offset,
      BigInt.asUintN(64, this.view.getBigUint64(offset, true) + this.bias),
      true,
    );
  }

  /** The header and the program headers have been read once: they lie in the file. */
  private shiftHeaders(): void {
    this.view.setUint16(16, ET_EXEC, true);
    this.shift(24);
    this.programs.forEach(({ type }, index) => {
      const at = this.header.programHeaders + index * elf64.programHeaderBytes;
      if (type === Program.dynamic) this.view.setUint32(at, Program.none, true);
      this.shift(at + 16);
      this.shift(at + 24);
    });
  }

  /** Addresses of sections, and the symbols. What lies outside the file is left to the reader of the file to refuse. */
  private shiftSections(): void {
    const { sectionHeaders, sectionHeaderSize, sectionHeaderCount } = this.header;
    if (sectionHeaderSize !== elf64.sectionHeaderBytes || sectionHeaders === 0) return;
    let hasSymbols = false;
    for (let index = 0; index < sectionHeaderCount; index++) {
      const at = sectionHeaders + index * sectionHeaderSize;
      if (at + sectionHeaderSize > this.bytes.length) return;
      if (this.view.getBigUint64(at + 8, true) & SHF_ALLOC) this.shift(at + 16);
      if (hasSymbols || this.view.getUint32(at + 4, true) !== SHT_SYMTAB) continue;
      hasSymbols = true; // the reader takes the first table, too
      this.shiftSymbols(this.view.getBigUint64(at + 24, true), this.view.getBigUint64(at + 32, true));
    }
  }

  private shiftSymbols(offset: bigint, size: bigint): void {
    if (offset + size > BigInt(this.bytes.length)) return;
    const end = Number(offset + size);
    for (let at = Number(offset); at + elf64.symbolBytes <= end; at += elf64.symbolBytes) {
      const section = this.view.getUint16(at + 6, true);
      const isThreadLocal = (this.bytes[at + 4] & 15) === STT_TLS;
      if (section !== 0 && section < SHN_LORESERVE && !isThreadLocal) this.shift(at + 8);
    }
  }
}
