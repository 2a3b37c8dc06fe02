/** Source lines of machine code, from .debug_line. */
import { ByteReader } from '../elf/byte-reader';
import { readInitialLength } from './form';
import { readLineHeader } from './line-header';
import { runLineProgram, type LineRow } from './line-program';
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

/** Row without a line: the end of a sequence. */
const NO_FILE = 0xffffffff;

/** All line tables of a file as one, sorted by address. */
export class LineTable {
  /** Files that have code, sorted. */
  readonly files: readonly string[];
  /** file → line → addresses of its statements, ascending. */
  private statements: Map<string, Map<number, bigint[]>> | undefined;

  private constructor(
    private readonly addresses: BigUint64Array,
    /** Index into `paths`, or NO_FILE. */
    private readonly fileOf: Uint32Array,
    private readonly lineOf: Uint32Array,
    private readonly columnOf: Uint32Array,
    private readonly isStatement: Uint8Array,
    private readonly paths: readonly string[],
  ) {
    const used = new Set<number>(fileOf);
    this.files = paths.filter((_, index) => used.has(index)).sort();
  }

  /** A table that knows no line. */
  static readonly empty = LineTable.fromRows([], []);

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
    const rows: LineRow[] = [];
    const reader = new ByteReader(sections.line, 'section .debug_line');
    while (reader.left > 0) {
      const start = reader.offset;
      const { length, offsetSize } = readInitialLength(reader);
      const unit = new ByteReader(reader.span(length), `the line table at offset ${start} of .debug_line`);
      const { strings, lineStrings } = sections;
      const header = readLineHeader(unit, { offsetSize, strings, lineStrings }, places.get(start));
      const files: (number | undefined)[] = [];
      runLineProgram(unit, header, (sequence) => {
        for (const row of sequence)
          rows.push({
            ...row,
            address: BigInt.asUintN(64, row.address + bias),
            file: (files[row.file] ??= intern(header.files[row.file])),
          });
      });
    }
    return LineTable.fromRows(rows, paths);
  }

  private static fromRows(rows: LineRow[], paths: string[]): LineTable {
    // Stable: among rows of one address the last wins, as debuggers have it, but the end of a sequence yields to a start.
    rows.sort((a, b) => compare(a.address, b.address) || Number(b.endSequence) - Number(a.endSequence));
    return new LineTable(
      BigUint64Array.from(rows, (row) => row.address),
      Uint32Array.from(rows, (row) => (row.endSequence || row.line === 0 ? NO_FILE : row.file)),
      Uint32Array.from(rows, (row) => row.line),
      Uint32Array.from(rows, (row) => row.column),
      Uint8Array.from(rows, (row) => Number(row.isStatement && !row.endSequence)),
      paths,
    );
  }

  /** The source line of the instruction that contains an address; undefined when the debug information has none. */
  lookup(address: bigint | number): SourcePlace | undefined {
    const index = upperBound(this.addresses, BigInt(address)) - 1;
    const file = index < 0 ? undefined : this.paths[this.fileOf[index]];
    return file === undefined ? undefined : { file, line: this.lineOf[index], column: this.columnOf[index] };
  }

  /** Where a line's code begins (several places when it is inlined or unrolled), ascending; for breakpoints. */
  addressesOf(file: string, line: number): readonly bigint[] {
    return this.statementsOf(file)?.get(line) ?? [];
  }

  /** The first line at or after `line` that has code; where a breakpoint on an empty line goes. */
  nextLineWithCode(file: string, line: number): number | undefined {
    const lines = [...(this.statementsOf(file)?.keys() ?? [])].filter((each) => each >= line);
    return lines.length > 0 ? lines.reduce((least, each) => Math.min(least, each)) : undefined;
  }

  private statementsOf(file: string): Map<number, bigint[]> | undefined {
    this.statements ??= this.indexStatements();
    return this.statements.get(file);
  }

  /** Of neighbouring rows with one line only the first counts: the rest is the same statement going on. */
  private indexStatements(): Map<string, Map<number, bigint[]>> {
    const index = new Map<string, Map<number, bigint[]>>();
    let last = -1;
    for (let row = 0; row < this.addresses.length; row++) {
      const file = this.paths[this.fileOf[row]];
      const goesOn =
        last >= 0 && this.fileOf[last] === this.fileOf[row] && this.lineOf[last] === this.lineOf[row];
      last = this.isStatement[row] || file === undefined ? row : last;
      if (goesOn || file === undefined || !this.isStatement[row]) continue;
      const lines = index.get(file) ?? new Map<number, bigint[]>();
      index.set(file, lines);
      const addresses = lines.get(this.lineOf[row]) ?? [];
      lines.set(this.lineOf[row], addresses);
      if (addresses.at(-1) !== this.addresses[row]) addresses.push(this.addresses[row]);
    }
    return index;
  }
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Index of the first element greater than `value`. */
export function upperBound(sorted: BigUint64Array, value: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
