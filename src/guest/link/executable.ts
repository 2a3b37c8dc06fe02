/** Writes a static ELF64 executable (System V ABI, chapters 4 and 5). */

/** A section of the image, or of debug information (`alloc` false). */
export interface OutputSection {
  name: string;
  /** Zeros only: has a size, but no bytes. */
  nobits: boolean;
  alloc: boolean;
  address: number;
  size: number;
  bytes: Uint8Array;
}

/** A row of the symbol table. */
export interface OutputSymbol {
  name: string;
  /** ELF type. */
  type: number;
  size: bigint;
  global: boolean;
  address: bigint;
}

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const SHN_ABS = 0xfff1;
const Type = { progbits: 1, symtab: 2, strtab: 3, nobits: 8 } as const;
/** Program header flags by section: execute 1, write 2, read 4. */
const access: Record<string, number> = { '.text': 5, '.rodata': 4, '.init_array': 4, '.data': 6, '.bss': 6 };

/** The file's bytes. */
export function writeExecutable(
  sections: readonly OutputSection[],
  symbols: readonly OutputSymbol[],
  entry: bigint,
): Uint8Array {
  const loaded = sections.filter(({ alloc, size }) => alloc && size > 0);
  const table = symbolTable(symbols);
  const names = strings(['.symtab', '.strtab', '.shstrtab', ...sections.map(({ name }) => name)]);
  const pieces = [...sections.map(({ bytes }) => bytes), table.rows, table.names, names.bytes];
  const offsets: number[] = [];
  let end = HEADER_BYTES + loaded.length * PROGRAM_HEADER_BYTES;
  for (const piece of pieces) {
    offsets.push(end);
    end = Math.ceil((end + piece.length) / 8) * 8;
  }
  const count = pieces.length + 1;
  const file = new Uint8Array(end + count * SECTION_HEADER_BYTES);
  const view = new DataView(file.buffer);
  pieces.forEach((piece, index) => file.set(piece, offsets[index]));
  writeHeader(view, entry, end, loaded.length, count);
  loaded.forEach((section, index) => {
    const at = HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
    const offset = offsets[sections.indexOf(section)];
    view.setUint32(at, 1, true);
    view.setUint32(at + 4, access[section.name] ?? 4, true);
    const fields = [offset, section.address, section.address, section.bytes.length, section.size, 1];
    fields.forEach((value, i) => view.setBigUint64(at + 8 + 8 * i, BigInt(value), true));
  });
  const header = (
    index: number,
    name: string,
    type: number,
    fields: {
      flags?: number;
      address?: number;
      offset: number;
      size: number;
      link?: number;
      info?: number;
      entry?: number;
    },
  ): void => {
    const at = end + index * SECTION_HEADER_BYTES;
    view.setUint32(at, names.at.get(name) ?? 0, true);
    view.setUint32(at + 4, type, true);
    const { flags = 0, address = 0, offset, size } = fields;
    [flags, address, offset, size].forEach((value, i) =>
      view.setBigUint64(at + 8 + 8 * i, BigInt(value), true),
    );
    view.setUint32(at + 40, fields.link ?? 0, true);
    view.setUint32(at + 44, fields.info ?? 0, true);
    view.setBigUint64(at + 48, 1n, true);
    view.setBigUint64(at + 56, BigInt(fields.entry ?? 0), true);
  };
  sections.forEach(({ name, nobits, alloc, address, size }, index) => {
    const flags = alloc ? 2 | ((access[name] ?? 4) & 2 ? 1 : 0) | ((access[name] ?? 4) & 1 ? 4 : 0) : 0;
    header(index + 1, name, nobits ? Type.nobits : Type.progbits, {
      flags,
      address,
      offset: offsets[index],
      size,
    });
  });
  const n = sections.length;
  const locals = table.locals;
  header(n + 1, '.symtab', Type.symtab, {
    offset: offsets[n],
    size: table.rows.length,
    link: n + 2,
    info: locals,
    entry: SYMBOL_BYTES,
  });
  header(n + 2, '.strtab', Type.strtab, { offset: offsets[n + 1], size: table.names.length });
  header(n + 3, '.shstrtab', Type.strtab, { offset: offsets[n + 2], size: names.bytes.length });
  return file;
}

function writeHeader(
  view: DataView,
  entry: bigint,
  sectionHeaders: number,
  programs: number,
  sections: number,
): void {
  [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1].forEach((byte, index) => view.setUint8(index, byte));
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, entry, true);
  view.setBigUint64(32, BigInt(HEADER_BYTES), true);
  view.setBigUint64(40, BigInt(sectionHeaders), true);
  const halves = [HEADER_BYTES, PROGRAM_HEADER_BYTES, programs, SECTION_HEADER_BYTES, sections, sections - 1];
  halves.forEach((value, index) => view.setUint16(52 + 2 * index, value, true));
}

/** The table with its strings; local symbols first, as the ABI has it. */
function symbolTable(symbols: readonly OutputSymbol[]): {
  rows: Uint8Array;
  names: Uint8Array;
  locals: number;
} {
  const sorted = [...symbols.filter(({ global }) => !global), ...symbols.filter(({ global }) => global)];
  const names = strings(sorted.map(({ name }) => name));
  const rows = new Uint8Array((sorted.length + 1) * SYMBOL_BYTES);
  const view = new DataView(rows.buffer);
  sorted.forEach(({ name, type, size, global, address }, index) => {
    const at = (index + 1) * SYMBOL_BYTES;
    view.setUint32(at, names.at.get(name) ?? 0, true);
    view.setUint8(at + 4, (global ? 0x10 : 0) | type);
    view.setUint16(at + 6, SHN_ABS, true);
    view.setBigUint64(at + 8, BigInt.asUintN(64, address), true);
    view.setBigUint64(at + 16, size, true);
  });
  return { rows, names: names.bytes, locals: symbols.filter(({ global }) => !global).length + 1 };
}

function strings(texts: readonly string[]): { bytes: Uint8Array; at: Map<string, number> } {
  const at = new Map<string, number>();
  const parts: number[] = [0];
  const encoder = new TextEncoder();
  for (const text of texts) {
    if (at.has(text)) continue;
    at.set(text, parts.length);
    for (const byte of encoder.encode(text)) parts.push(byte);
    parts.push(0);
  }
  return { bytes: Uint8Array.from(parts), at };
}
