/** The state machine that a line table is encoded for (DWARF 5, 6.2.2 and 6.2.5). */
import type { ByteReader } from '../elf/byte-reader';
import { readFile2, type LineHeader } from './line-header';

/** A row of the line matrix. */
export interface LineRow {
  address: bigint;
  /** Index into the header's files. */
  file: number;
  /** 1-based; 0 for code that belongs to no line. */
  line: number;
  /** 1-based; 0 for the left edge. */
  column: number;
  /** A good place for a breakpoint. */
  isStatement: boolean;
  /** Where a breakpoint on entry to a function should be. */
  prologueEnd: boolean;
  /** Where a breakpoint on exit from a function should be. */
  epilogueBegin: boolean;
  /** The first address after the sequence; belongs to no line. */
  endSequence: boolean;
}

const NS_COPY = 1;
const NS_ADVANCE_PC = 2;
const NS_ADVANCE_LINE = 3;
const NS_SET_FILE = 4;
const NS_SET_COLUMN = 5;
const NS_NEGATE_STATEMENT = 6;
const NS_CONST_ADD_PC = 8;
const NS_FIXED_ADVANCE_PC = 9;
const NS_SET_PROLOGUE_END = 10;
const NS_SET_EPILOGUE_BEGIN = 11;
const NE_END_SEQUENCE = 1;
const NE_SET_ADDRESS = 2;
const NE_DEFINE_FILE = 3;

/** Runs a line program to the end of its unit. Each sequence of rows comes out whole; addresses wrap at 2^64. */
export function runLineProgram(
  unit: ByteReader,
  header: LineHeader,
  sequence: (rows: LineRow[]) => void,
): void {
  const start = (): LineRow & { operation: number } => ({
    address: 0n,
    file: 1,
    line: 1,
    column: 0,
    isStatement: header.defaultIsStatement,
    prologueEnd: false,
    epilogueBegin: false,
    endSequence: false,
    operation: 0,
  });
  let state = start();
  let rows: LineRow[] = [];

  const emit = (): void => {
    const { operation: _, ...row } = state;
    rows.push(row);
    state.prologueEnd = false;
    state.epilogueBegin = false;
  };
  /** Moves on by operations; on x86-64 an operation is a byte, but the format knows VLIW machines too. */
  const advance = (operations: bigint): void => {
    const width = BigInt(Math.max(1, header.maximumOperations));
    const total = BigInt(state.operation) + operations;
    state.address = BigInt.asUintN(
      64,
      state.address + BigInt(header.minimumInstructionLength) * (total / width),
    );
    state.operation = Number(total % width);
  };
  const special = (opcode: number): number => Math.trunc((opcode - header.opcodeBase) / header.lineRange);

  const extended = (): void => {
    const length = unit.ulebNumber();
    if (length === 0) return;
    const end = unit.offset + length;
    const opcode = unit.u8();
    if (opcode === NE_END_SEQUENCE) {
      state.endSequence = true;
      emit();
      sequence(rows);
      rows = [];
      state = start();
    } else if (opcode === NE_SET_ADDRESS) {
      state.address = length === 5 ? BigInt(unit.u32()) : unit.u64();
      state.operation = 0;
    } else if (opcode === NE_DEFINE_FILE) {
      header.files.push(readFile2(unit, header));
    }
    unit.seek(end);
  };

  const standard: Record<number, () => void> = {
    [NS_COPY]: emit,
    [NS_ADVANCE_PC]: () => advance(unit.uleb()),
    [NS_ADVANCE_LINE]: () => (state.line = Number(BigInt.asUintN(32, BigInt(state.line) + unit.sleb()))),
    [NS_SET_FILE]: () => (state.file = unit.ulebNumber()),
    [NS_SET_COLUMN]: () => (state.column = unit.ulebNumber()),
    [NS_NEGATE_STATEMENT]: () => (state.isStatement = !state.isStatement),
    [NS_CONST_ADD_PC]: () => advance(BigInt(special(255))),
    [NS_FIXED_ADVANCE_PC]: () => {
      state.address = BigInt.asUintN(64, state.address + BigInt(unit.u16()));
      state.operation = 0;
    },
    [NS_SET_PROLOGUE_END]: () => (state.prologueEnd = true),
    [NS_SET_EPILOGUE_BEGIN]: () => (state.epilogueBegin = true),
  };

  while (unit.left > 0) {
    const opcode = unit.u8();
    if (opcode >= header.opcodeBase) {
      advance(BigInt(special(opcode)));
      state.line = (state.line + header.lineBase + ((opcode - header.opcodeBase) % header.lineRange)) >>> 0;
      emit();
    } else if (opcode === 0) {
      extended();
    } else if (standard[opcode]) {
      standard[opcode]();
    } else {
      for (let i = header.operandCounts[opcode - 1] ?? 0; i > 0; i--) unit.uleb(); // marks that say nothing about lines
    }
  }
}
