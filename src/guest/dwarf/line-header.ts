/** Headers of line tables, DWARF 2 to 5 (DWARF 5, 6.2.4; DWARF 4, 6.2.4). */
import { posix } from 'node:path';
import type { ByteReader } from '../elf/byte-reader';
import { readForm, readOffset, takesSpace, type FormContext } from './form';
import type { UnitPlace } from './units';
import { GuestImageError } from '../errors';

const DW_LNCT_PATH = 1;
const DW_LNCT_DIRECTORY_INDEX = 2;

/** What the line program needs to know. */
export interface LineHeader {
  version: number;
  minimumInstructionLength: number;
  maximumOperations: number;
  defaultIsStatement: boolean;
  lineBase: number;
  lineRange: number;
  opcodeBase: number;
  /** Number of LEB128 operands of each standard opcode, from opcode 1 at index 0. */
  operandCounts: readonly number[];
  /** Absolute paths by the program's file register; before DWARF 5 index 0 is undefined. */
  files: (string | undefined)[];
  directories: string[];
  compilationDirectory: string;
}

/** Reads from after the unit length to the first opcode of the program. */
export function readLineHeader(
  unit: ByteReader,
  context: Omit<FormContext, 'version' | 'addressSize'>,
  place: UnitPlace | undefined,
): LineHeader {
  const version = unit.u16();
  if (version < 2 || version > 5) {
    throw new GuestImageError(
      `The debug information has a line table of DWARF version ${version}; versions 2 to 5 are read.`,
    );
  }
  let addressSize = 8;
  if (version >= 5) {
    addressSize = unit.u8();
    unit.skip(1); // segment selector size
  }
  const headerLength = readOffset(unit, context.offsetSize);
  const program = unit.offset + headerLength;
  const minimumInstructionLength = unit.u8();
  const maximumOperations = version >= 4 ? unit.u8() : 1;
  const defaultIsStatement = unit.u8() !== 0;
  const lineBase = unit.i8();
  const lineRange = unit.u8();
  const opcodeBase = unit.u8();
  if (lineRange === 0 || opcodeBase === 0)
    throw new GuestImageError(`${unit.name}: the line table's header is damaged.`);
  const operandCounts = Array.from({ length: opcodeBase - 1 }, () => unit.u8());
  const full: FormContext = { ...context, version, addressSize };
  const { files, directories, compilationDirectory } =
    version >= 5 ? readTables5(unit, full) : readTables2(unit, place);
  unit.seek(program);
  return {
    version,
    minimumInstructionLength,
    maximumOperations,
    defaultIsStatement,
    lineBase,
    lineRange,
    opcodeBase,
    operandCounts,
    files,
    directories,
    compilationDirectory,
  };
}

type Tables = Pick<LineHeader, 'files' | 'directories' | 'compilationDirectory'>;

/** A file of a DWARF 2 to 4 table, or of a DW_LNE_define_file: directory 0 is that of the compilation. */
export function readFile2(unit: ByteReader, tables: Tables, name = unit.string()): string {
  const directory = unit.ulebNumber();
  unit.uleb(); // time of modification
  unit.uleb(); // length
  return posix.resolve('/', tables.compilationDirectory, tables.directories[directory] ?? '', name);
}

function readTables2(unit: ByteReader, place: UnitPlace | undefined): Tables {
  const tables: Tables = {
    files: [undefined],
    directories: [''],
    compilationDirectory: place?.compilationDirectory ?? '/',
  };
  for (let name = unit.string(); name !== ''; name = unit.string()) tables.directories.push(name);
  for (let name = unit.string(); name !== ''; name = unit.string())
    tables.files.push(readFile2(unit, tables, name));
  return tables;
}

function readTables5(unit: ByteReader, context: FormContext): Tables {
  const directories = readEntries(unit, context).map((entry) => entry.path);
  const compilationDirectory = directories[0] ?? '/';
  const files = readEntries(unit, context).map((entry) =>
    posix.resolve('/', compilationDirectory, directories[entry.directory] ?? '', entry.path),
  );
  return { files, directories, compilationDirectory };
}

/** One of the two self-describing tables of DWARF 5: first the formats of its columns, then its rows. */
function readEntries(unit: ByteReader, context: FormContext): { path: string; directory: number }[] {
  const formats = Array.from({ length: unit.u8() }, () => ({
    content: unit.ulebNumber(),
    form: unit.ulebNumber(),
  }));
  const count = unit.ulebNumber();
  if (count > 0 && !formats.some(({ form }) => takesSpace(form))) {
    throw new GuestImageError(`${unit.name}: a table of ${count} files has no columns.`);
  }
  const entries: { path: string; directory: number }[] = [];
  for (let index = 0; index < count; index++) {
    const entry = { path: '', directory: 0 };
    for (const { content, form } of formats) {
      const value = readForm(unit, form, context);
      if (content === DW_LNCT_PATH && value.kind === 'text') entry.path = value.text;
      if (content === DW_LNCT_DIRECTORY_INDEX && value.kind === 'constant')
        entry.directory = Number(value.value);
    }
    entries.push(entry);
  }
  return entries;
}
