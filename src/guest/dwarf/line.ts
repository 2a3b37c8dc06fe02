/** Source lines of machine code, from .debug_line. */
import { ByteReader } from '../elf/byte-reader';
import { upperBound } from '../sorted';
import { readInitialLength } from './form';
import { readLineHeader } from './line-header';
import { runLineProgram } from './line-program';
import { LineRows, RowFlag, type LineColumns } from './line-rows';
import { readUnitPlaces, type DebugSections } from './units';

/** A place in a source file. */
export interface SourcePlace {
  /** Absolute path, as the compiler saw it (or as remapped). */
  file: string;
  /** 1-based. */
  line: number;
  /** 1-based; 0 when the debug information does not tell. */
  column: number;
}

/** Debug sections of one file; all but `line` may be missing. */
export interface LineSections extends DebugSections {
  line: Uint8Array;
}

/** A place where a breakpoint can be. */
export interface StatementPlace {
  readonly line: number;
  /** 1-based; 0 when the debug information does not tell. */
  readonly column: number;
  /** Ascending; several where the statement is inlined or unrolled. */
  readonly addresses: readonly bigint[];
}

/** Row of a column of files that has none: the end of a sequence, or code of no line. */
const NO_FILE = 0xffffffff;

/** All line tables of a file as one, sorted by address. */
export class LineTable {
  /** Files that have code, sorted. */
  readonly files: readonly string[];
  /** file → its statements. */
  private statements: Map<string, FileStatements> | undefined;

  private constructor(
    private readonly rows: LineColumns,
    private readonly paths: readonly string[],
  ) {
    const used = new Set<number>(rows.files);
    this.files = paths.filter((_, index) => used.has(index)).sort();
  }

  /** A table that knows no line. */
  static readonly empty = new LineTable(new LineRows().sorted(), []);

  /**
   * Reads all line tables.
   * @param remap applied to each file's path
   * @param bias added to each address
   * @throws GuestImageError when the debug information is damaged or of an unknown version
   */
  static parse(
    sections: LineSections,
    remap: (path: string) => string = (path) => path,
    bias = 0n,
  ): LineTable {
    const places = readUnitPlaces(sections);
    const paths: string[] = [];
    const idOf = new Map<string, number>();
    const intern = (path: string | undefined): number => {
      if (path === undefined) return NO_FILE;
      const known = idOf.get(path);
      if (known !== undefined) return known;
      idOf.set(path, paths.length);
      return paths.push(remap(path)) - 1;
    };
    const rows = new LineRows();
    const reader = new ByteReader(sections.line, 'section .debug_line');
    while (reader.left > 0) {
      const start = reader.offset;
      const { length, offsetSize } = readInitialLength(reader);
      const unit = new ByteReader(reader.span(length), `the line table at offset ${start} of .debug_line`);
      const { strings, lineStrings } = sections;
      const header = readLineHeader(unit, { offsetSize, strings, lineStrings }, places.get(start));
      const files: (number | undefined)[] = [];
      runLineProgram(unit, header, (sequence) => {
        for (const row of sequence) {
          const isNowhere = row.endSequence || row.line === 0;
          const file = isNowhere ? NO_FILE : (files[row.file] ??= intern(header.files[row.file]));
          rows.add(row, BigInt.asUintN(64, row.address + bias), file);
        }
        rows.endSequence();
      });
    }
    return new LineTable(rows.sorted(), paths);
  }

  /** The source line of the instruction that contains an address; undefined when the debug information has none. */
  lookup(address: bigint | number): SourcePlace | undefined {
    const { addresses, files, lines, columns } = this.rows;
    const index = upperBound(addresses, BigInt(address)) - 1;
    const file = index < 0 ? undefined : this.paths[files[index]];
    return file === undefined ? undefined : { file, line: lines[index], column: columns[index] };
  }

  /**
   * Where a line's code begins (several places when it is inlined or unrolled), ascending; for breakpoints.
   * @param column only statements that begin in it; without it, of neighbouring statements of the line only the first counts
   */
  addressesOf(file: string, line: number, column?: number): readonly bigint[] {
    const statements = this.statementsOf(file);
    if (column === undefined) return statements?.starts.get(line) ?? [];
    return statements?.places.get(line)?.get(column) ?? [];
  }

  /** Statements that begin in lines from the first to the last, by line and column. */
  statementsIn(file: string, first: number, last: number): readonly StatementPlace[] {
    const places = [...(this.statementsOf(file)?.places ?? [])].filter(
      ([line]) => line >= first && line <= last,
    );
    return places
      .flatMap(([line, columns]) => [...columns].map(([column, addresses]) => ({ line, column, addresses })))
      .sort((a, b) => a.line - b.line || a.column - b.column);
  }

  /** The first line at or after `line` that has code; where a breakpoint on an empty line goes. */
  nextLineWithCode(file: string, line: number): number | undefined {
    const lines = [...(this.statementsOf(file)?.starts.keys() ?? [])].filter((each) => each >= line);
    return lines.length > 0 ? lines.reduce((least, each) => Math.min(least, each)) : undefined;
  }

  /** Where statements begin in a range of addresses, ascending. */
  *statementsBetween(low: bigint, high: bigint): Generator<SourcePlace & { address: bigint }> {
    const { addresses, files, lines, columns, flags } = this.rows;
    for (let row = upperBound(addresses, low - 1n); row < addresses.length && addresses[row] < high; row++) {
      const file = this.paths[files[row]];
      if (file === undefined || !(flags[row] & RowFlag.statement)) continue;
      // Of several rows of one address the last counts, as in `lookup`.
      if (addresses[row + 1] === addresses[row]) continue;
      yield { address: addresses[row], file, line: lines[row], column: columns[row] };
    }
  }

  /** Whether a statement begins at an address, so that a step may end there. */
  isStatementAt(address: bigint): boolean {
    const { addresses, flags } = this.rows;
    let index = upperBound(addresses, address) - 1;
    for (; index >= 0 && addresses[index] === address; index--)
      if (flags[index] & RowFlag.statement) return true;
    return false;
  }

  /**
   * Where a function's own work begins: the address that the compiler marks (DW_LNS_set_prologue_end), or where it marks none and the
   * function begins with a frame of its own, the second one of the table, since the first row is the prologue's.
   * @param low of the function's first instruction
   * @param high after the function, or its first part
   * @param makesFrame whether its first instructions make a frame
   * @returns undefined where there is no prologue that one would have to pass
   */
  afterPrologue(low: bigint, high: bigint, makesFrame: boolean): bigint | undefined {
    const { addresses, flags } = this.rows;
    const first = upperBound(addresses, low - 1n);
    let second: bigint | undefined;
    for (let index = first; index < addresses.length && addresses[index] < high; index++) {
      if (flags[index] & RowFlag.prologueEnd) return addresses[index];
      if (addresses[index] > low) second ??= addresses[index];
    }
    return makesFrame ? second : undefined;
  }

  /** Where the compiler marks that a function begins to leave (DW_LNS_set_epilogue_begin), ascending; many mark nothing. */
  epiloguesIn(low: bigint, high: bigint): readonly bigint[] {
    const { addresses, flags } = this.rows;
    const found: bigint[] = [];
    for (
      let index = upperBound(addresses, low - 1n);
      index < addresses.length && addresses[index] < high;
      index++
    )
      if (flags[index] & RowFlag.epilogueBegin && found.at(-1) !== addresses[index])
        found.push(addresses[index]);
    return found;
  }

  private statementsOf(file: string): FileStatements | undefined {
    this.statements ??= this.indexStatements();
    return this.statements.get(file);
  }

  private indexStatements(): Map<string, FileStatements> {
    const { addresses, files, lines, columns, flags } = this.rows;
    const index = new Map<string, FileStatements>();
    let last = -1;
    for (let row = 0; row < addresses.length; row++) {
      const file = this.paths[files[row]];
      const goesOn = last >= 0 && files[last] === files[row] && lines[last] === lines[row];
      const isStatement = (flags[row] & RowFlag.statement) !== 0;
      last = isStatement || file === undefined ? row : last;
      if (file === undefined || !isStatement) continue;
      const statements: FileStatements = index.get(file) ?? { starts: new Map(), places: new Map() };
      index.set(file, statements);
      // Of neighbouring rows with one line only the first counts: the rest is the same statement going on.
      if (!goesOn) append(statements.starts, lines[row], addresses[row]);
      const places = statements.places.get(lines[row]) ?? new Map<number, bigint[]>();
      statements.places.set(lines[row], places);
      append(places, columns[row], addresses[row]);
    }
    return index;
  }
}

/** Statements of one file. */
interface FileStatements {
  /** line → addresses, ascending. */
  readonly starts: Map<number, bigint[]>;
  /** line → column → addresses, ascending. */
  readonly places: Map<number, Map<number, bigint[]>>;
}

function append(map: Map<number, bigint[]>, key: number, address: bigint): void {
  const addresses = map.get(key);
  if (!addresses) map.set(key, [address]);
  else if (addresses.at(-1) !== address) addresses.push(address);
}
