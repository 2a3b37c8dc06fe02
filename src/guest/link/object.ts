/** Relocatable objects of x86-64 compilers (System V ABI, chapter 4, and its AMD64 supplement, 4.4). They may be hostile. */
import { ByteReader } from '../elf/byte-reader';
import { elf64, type SectionHeader } from '../elf/format';
import { oldUnpackedName, SHF_COMPRESSED, unpack, unpackOld } from '../elf/packed-section';
import { isElf } from '../elf/refusals';
import { GuestImageError } from '../errors';

const ET_REL = 1;
const X86_64 = 62;
const SHT_SYMTAB = 2;
const SHT_RELA = 4;
const SHT_NOBITS = 8;
const RELA_BYTES = 24;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
const SHN_COMMON = 0xfff2;
const MAX_ALIGNMENT = 1 << 16;

/** Bits of a section's flags. */
export const SectionFlag = { write: 1, alloc: 2, execute: 4 } as const;

/** A piece of an object that goes to one place. */
export interface ObjectSection {
  name: string;
  flags: number;
  /** Empty where the section has zeros only. */
  bytes: Uint8Array;
  size: number;
  nobits: boolean;
  alignment: number;
}

/** A symbol; `section` is the index of the section that `value` is an offset in. */
export interface ObjectSymbol {
  name: string;
  binding: 'local' | 'global' | 'weak';
  /** ELF type: 0 none, 1 object, 2 function, 3 section, 4 file. */
  type: number;
  where: 'undefined' | 'absolute' | 'common' | 'section';
  section: number;
  /** For `common`: the alignment. */
  value: bigint;
  size: bigint;
}

/** A place to be filled in. */
export interface Relocation {
  /** Index of the section it lies in. */
  section: number;
  offset: number;
  type: number;
  symbol: number;
  addend: bigint;
}

/** One object file, read. */
export interface ObjectFile {
  name: string;
  /** By index in the file. */
  sections: ObjectSection[];
  symbols: ObjectSymbol[];
  relocations: Relocation[];
}

/** @throws GuestImageError when the file is no relocatable x86-64 object, or is damaged */
export function parseObject(bytes: Uint8Array, name: string): ObjectFile {
  const fail = (what: string): never => {
    throw new GuestImageError(`${name} ${what}.`);
  };
  if (!isElf(bytes))
    fail('is not an ELF object: compile it with `-c` for x86-64 ELF (clang: -target x86_64-elf)');
  const ident = new ByteReader(bytes, name, 4);
  const [width, order] = [ident.u8(), ident.u8()];
  const kind = new ByteReader(bytes, name, 16);
  const [type, machine] = [kind.u16(), kind.u16()];
  if (width !== 2 || order !== 1 || machine !== X86_64) fail('is not for x86-64: compile it with -m64');
  if (type !== ET_REL) fail('is not a relocatable object: name an executable as "elf"');
  const header = elf64.fileHeader(new ByteReader(bytes, name, 24));
  if (header.sectionHeaderSize !== elf64.sectionHeaderBytes)
    fail('is damaged: section headers of a wrong size');
  const headers = Array.from({ length: header.sectionHeaderCount }, (_, index): SectionHeader => {
    const reader = new ByteReader(bytes, `${name}, section header ${index}`);
    reader.seek(header.sectionHeaders);
    reader.skip(index * elf64.sectionHeaderBytes);
    return elf64.sectionHeader(reader);
  });
  const raw = (section: SectionHeader): Uint8Array => {
    if (section.type === SHT_NOBITS) return new Uint8Array(0);
    const reader = new ByteReader(bytes, name);
    reader.seek(section.offset);
    return reader.span(section.size);
  };
  const names = headers[header.sectionNames];
  const nameBytes = names ? raw(names) : new Uint8Array(0);
  const sections = headers.map((each): ObjectSection => {
    const sectionName = stringAt(nameBytes, each.nameOffset, name);
    const alignment = Number(each.alignment) || 1;
    if (alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)) !== 0)
      fail(
        `has section ${sectionName} aligned to ${alignment}, and a power of 2 up to ${MAX_ALIGNMENT} can be had`,
      );
    const nobits = each.type === SHT_NOBITS;
    const plainName = oldUnpackedName(sectionName);
    const who = `${name} has section ${sectionName}`;
    let contents = raw(each);
    if (plainName !== undefined) contents = unpackOld(contents, who);
    else if ((each.flags & SHF_COMPRESSED) !== 0 && !nobits) contents = unpack(contents, elf64, who);
    const size = nobits ? each.size : contents.length;
    return { name: plainName ?? sectionName, flags: each.flags, bytes: contents, size, nobits, alignment };
  });
  const table = headers.findIndex((each) => each.type === SHT_SYMTAB);
  const symbols =
    table < 0
      ? []
      : readSymbols(raw(headers[table]), raw(headers[headers[table].link] ?? headers[0]), sections, name);
  const relocations = headers
    .filter((each) => each.type === SHT_RELA)
    .flatMap((each) => {
      if (each.link !== table || !sections[each.info]) return fail('is damaged: relocations of nothing');
      return readRelocations(raw(each), each.info, symbols.length, name);
    });
  return { name, sections, symbols, relocations };
}

function readSymbols(
  bytes: Uint8Array,
  strings: Uint8Array,
  sections: readonly ObjectSection[],
  name: string,
): ObjectSymbol[] {
  const reader = new ByteReader(bytes, `${name}, symbol table`);
  const symbols: ObjectSymbol[] = [];
  while (reader.left >= elf64.symbolBytes) {
    const record = elf64.symbol(reader);
    const { section, value, size } = record;
    const where =
      section === SHN_UNDEF
        ? 'undefined'
        : section === SHN_ABS
          ? 'absolute'
          : section === SHN_COMMON
            ? 'common'
            : 'section';
    if (where === 'section' && !sections[section])
      throw new GuestImageError(
        `${name} is damaged: a symbol lies in section ${section}, which does not exist.`,
      );
    const binding = record.info >> 4 === 0 ? 'local' : record.info >> 4 === 2 ? 'weak' : 'global';
    const symbolName = stringAt(strings, record.nameOffset, name);
    symbols.push({ name: symbolName, binding, type: record.info & 15, where, section, value, size });
  }
  return symbols;
}

function readRelocations(bytes: Uint8Array, section: number, symbols: number, name: string): Relocation[] {
  const reader = new ByteReader(bytes, `${name}, relocations`);
  const found: Relocation[] = [];
  while (reader.left >= RELA_BYTES) {
    const offset = reader.u64Number();
    const type = reader.u32();
    const symbol = reader.u32();
    if (symbol >= symbols) throw new GuestImageError(`${name} is damaged: a relocation to symbol ${symbol}.`);
    found.push({ section, offset, type, symbol, addend: BigInt.asIntN(64, reader.u64()) });
  }
  return found;
}

function stringAt(bytes: Uint8Array, offset: number, name: string): string {
  if (bytes.length === 0) return '';
  const reader = new ByteReader(bytes, `${name}, names`);
  reader.seek(offset);
  return reader.left > 0 ? reader.string() : '';
}
