/** A guest as one runs and debugs it: its machine code, its names, its source lines. */
import { createHash } from 'node:crypto';
import { DwarfInfo } from './dwarf/info';
import { LineTable } from './dwarf/line';
import type { DebugInfo } from './dwarf/model';
import { ElfFile } from './elf/elf';
import { isElf } from './elf/refusals';
import type { ProgramFacts, ProgramSections } from './dwarf/program';
import type { DebugSections } from './dwarf/units';
import { GuestImageError } from './errors';
import type { GuestFile } from './file';
import { FlatFile } from './elf/flat-file';
import { findMultibootHeader } from './boot/multiboot-header';
import { RomFile } from './boot/rom-file';
import { SymbolTable, type SymbolPlace } from './symbols';

/** Paths in the debug information that begin with `from` are to be read as beginning with `to`. */
export interface PathRemap {
  from: string;
  to: string;
}

/** What is known about an instruction's address; empty when nothing is. */
export interface ResolvedPlace {
  /** Function. */
  symbol?: string;
  /** Absolute path. */
  file?: string;
  /** 1-based. */
  line?: number;
}

/** A loaded guest file. */
export class GuestImage {
  private info: DebugInfo | undefined;

  private constructor(
    readonly file: GuestFile,
    readonly symbols: SymbolTable,
    readonly lines: LineTable,
    /** Of the file's bytes, hexadecimal. */
    readonly sha256: string,
    /** Why there are no source lines although the file has debug information; undefined when all is well. */
    readonly debugProblem: string | undefined,
    private readonly remap: readonly PathRemap[],
  ) {}

  /**
   * Reads a guest. Damaged debug information is no reason to refuse a guest that runs: `debugProblem` tells of it.
   * @param bytes the whole file; kept, not copied
   * @param name of the file, for messages
   * @param remap where the sources are now; the first entry that fits a path is used
   * @throws GuestImageError when the file cannot be a guest or its headers or symbols are damaged
   */
  static parse(bytes: Uint8Array, name: string, remap: readonly PathRemap[] = []): GuestImage {
    const file = readFile(bytes, name);
    const symbols = new SymbolTable(file.symbols());
    const { lines, problem } = readLines(file, remap);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return new GuestImage(file, symbols, lines, sha256, problem, remap);
  }

  /**
   * Takes a firmware's ROM image.
   * @throws GuestImageError when no ROM has its size
   */
  static rom(bytes: Uint8Array, name: string): GuestImage {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return new GuestImage(
      new RomFile(bytes, name),
      new SymbolTable([]),
      LineTable.empty,
      sha256,
      undefined,
      [],
    );
  }

  /** Types, variables and functions; read from the file as far as they are asked for. Damage is told there, and never thrown. */
  get debug(): DebugInfo {
    return (this.info ??= debugInfo(this.file, this.lines, this.remap));
  }

  /** As the linker wrote it, hexadecimal; absent without `--build-id`. */
  get buildId(): string | undefined {
    return this.file.buildId;
  }

  /** Function, file and line of an instruction, as far as they are known. */
  resolve(rip: bigint | number): ResolvedPlace {
    const symbol = this.symbols.functionAt(rip)?.name;
    const place = this.lines.lookup(rip);
    return { ...(symbol !== undefined && { symbol }), ...(place && { file: place.file, line: place.line }) };
  }

  /** Address and size of a function or variable. */
  symbol(name: string): SymbolPlace | undefined {
    return this.symbols.named(name);
  }
}

/** An ELF file; or whatever tells by a Multiboot header where it is to be loaded. */
function readFile(bytes: Uint8Array, name: string): GuestFile {
  const header = isElf(bytes) ? undefined : findMultibootHeader(bytes, name);
  return header?.addresses ? new FlatFile(bytes, name, header) : new ElfFile(bytes, name);
}

function debugInfo(file: GuestFile, lines: LineTable, remap: readonly PathRemap[]): DebugInfo {
  const sections = (): ProgramSections => ({
    ...debugSections(file),
    line: file.section('.debug_line'),
    types: file.section('.debug_types'),
    addresses: file.section('.debug_addr'),
    ranges: file.section('.debug_ranges'),
    locations: file.section('.debug_loc'),
    rangeLists: file.section('.debug_rnglists'),
    locationLists: file.section('.debug_loclists'),
    addressRanges: file.section('.debug_aranges'),
  });
  const facts: ProgramFacts = {
    bias: file.bias,
    isLoaded: (address) =>
      file.segments.some(
        ({ virtualAddress, memorySize }) =>
          address >= virtualAddress && address < virtualAddress + memorySize,
      ),
    remap: (path) => remapPath(path, remap),
    afterPrologue: (low, high) => lines.afterPrologue(low, high),
  };
  return new DwarfInfo(file.name, sections, facts, file.addressBytes);
}

function debugSections(file: GuestFile): DebugSections {
  return {
    info: file.section('.debug_info'),
    abbrev: file.section('.debug_abbrev'),
    strings: file.section('.debug_str'),
    lineStrings: file.section('.debug_line_str'),
    stringOffsets: file.section('.debug_str_offsets'),
  };
}

function readLines(
  elf: GuestFile,
  remap: readonly PathRemap[],
): { lines: LineTable; problem: string | undefined } {
  try {
    const line = elf.section('.debug_line');
    if (!line) return { lines: LineTable.empty, problem: undefined };
    return {
      lines: LineTable.parse({ line, ...debugSections(elf) }, (path) => remapPath(path, remap), elf.bias),
      problem: undefined,
    };
  } catch (error) {
    if (!(error instanceof GuestImageError)) throw error;
    return { lines: LineTable.empty, problem: `${elf.name}: no source lines. ${error.message}` };
  }
}

/** Applies the first entry whose `from` is the path or a folder above it. */
function remapPath(path: string, remap: readonly PathRemap[]): string {
  for (const { from, to } of remap) {
    const folder = from.endsWith('/') ? from.slice(0, -1) : from;
    if (path === folder || path.startsWith(`${folder}/`))
      return to.replace(/\/$/, '') + path.slice(folder.length);
  }
  return path;
}
