/** Call frame instructions (DWARF 5, 6.4.2): how the rows of rules of one function are encoded. */
import type { ByteReader } from '../elf/byte-reader';
import { GuestImageError } from '../errors';
import { readPointer, type PointerContext } from './frame-pointer';

/** Where the value of a register of the caller is (6.4.1). Offsets are in bytes from the CFA. */
export type RegisterRule =
  /** It is lost. */
  | { readonly kind: 'undefined' }
  /** The callee has not changed it. */
  | { readonly kind: 'same' }
  /** In memory at CFA + offset. */
  | { readonly kind: 'offset'; readonly offset: bigint }
  /** It is CFA + offset. */
  | { readonly kind: 'value-offset'; readonly offset: bigint }
  | { readonly kind: 'register'; readonly register: number }
  /** In memory at the result of a DWARF expression that begins with the CFA on its stack. */
  | { readonly kind: 'expression'; readonly bytes: Uint8Array }
  /** It is the result of such an expression. */
  | { readonly kind: 'value-expression'; readonly bytes: Uint8Array };

/** How the canonical frame address is worked out. */
export type CfaRule =
  | { readonly kind: 'register'; readonly register: number; readonly offset: bigint }
  | { readonly kind: 'expression'; readonly bytes: Uint8Array };

/** The rules that hold at one instruction. A register without a rule is as its architecture's ABI has it. */
export interface FrameRules {
  readonly cfa: CfaRule | undefined;
  readonly registers: ReadonlyMap<number, RegisterRule>;
}

/** What a program's factors and encodings are, from its common information entry. */
export interface FrameProgramContext extends PointerContext {
  readonly codeAlignment: bigint;
  readonly dataAlignment: bigint;
  /** DW_EH_PE_… of DW_CFA_set_loc. */
  readonly pointerEncoding: number;
}

/** A register number beyond any architecture's; more is taken for damage. */
const MAX_REGISTER = 1024;
/** Compilers remember one row, at most a few. */
const MAX_REMEMBERED = 64;

interface State {
  context: FrameProgramContext;
  cfa: CfaRule | undefined;
  registers: Map<number, RegisterRule>;
  /** What a restored register goes back to: the rules after the common entry's program. */
  initial: FrameRules;
  remembered: FrameRules[];
  location: bigint;
}

type Instruction = (state: State, reader: ByteReader) => void;

function readRegister(reader: ByteReader): number {
  const register = reader.ulebNumber();
  if (register > MAX_REGISTER)
    throw new GuestImageError(`${reader.name}: register ${register} does not exist.`);
  return register;
}

function block(reader: ByteReader): Uint8Array {
  return reader.span(reader.ulebNumber());
}

function restore(state: State, register: number): void {
  const rule = state.initial.registers.get(register);
  if (rule) state.registers.set(register, rule);
  else state.registers.delete(register);
}

/** A CFA that is a register and an offset is changed in one of the two. */
function changeCfa(state: State, reader: ByteReader, change: { register?: number; offset?: bigint }): void {
  if (state.cfa?.kind !== 'register')
    throw new GuestImageError(`${reader.name}: the CFA is changed before it has been given a register.`);
  state.cfa = { ...state.cfa, ...change };
}

function advance(state: State, delta: number): void {
  state.location += BigInt(delta) * state.context.codeAlignment;
}

/** Sets a rule whose offset is read by `offset`. */
function setOffset(kind: 'offset' | 'value-offset', offset: (reader: ByteReader) => bigint): Instruction {
  return (state, reader) =>
    state.registers.set(readRegister(reader), {
      kind,
      offset: offset(reader) * state.context.dataAlignment,
    });
}

const unsigned = (reader: ByteReader): bigint => reader.uleb();
const signed = (reader: ByteReader): bigint => reader.sleb();

/** Instructions whose operands are not in the opcode (7.24), and GNU's. */
const instructions: Record<number, Instruction | undefined> = {
  0x00: () => undefined, // nop
  0x01: (state, reader) => {
    // set_loc
    const { context } = state;
    state.location = readPointer(reader, context.pointerEncoding, context) ?? state.location;
  },
  0x02: (state, reader) => advance(state, reader.u8()), // advance_loc1
  0x03: (state, reader) => advance(state, reader.u16()), // advance_loc2
  0x04: (state, reader) => advance(state, reader.u32()), // advance_loc4
  0x05: setOffset('offset', unsigned), // offset_extended
  0x06: (state, reader) => restore(state, readRegister(reader)), // restore_extended
  0x07: (state, reader) => state.registers.set(readRegister(reader), { kind: 'undefined' }),
  0x08: (state, reader) => state.registers.set(readRegister(reader), { kind: 'same' }),
  0x09: (state, reader) => {
    const register = readRegister(reader);
    state.registers.set(register, { kind: 'register', register: readRegister(reader) });
  },
  0x0a: (state, reader) => {
    // remember_state
    if (state.remembered.length >= MAX_REMEMBERED)
      throw new GuestImageError(
        `${reader.name}: more than ${MAX_REMEMBERED} rows are remembered at one time.`,
      );
    state.remembered.push({ cfa: state.cfa, registers: new Map(state.registers) });
  },
  0x0b: (state, reader) => {
    // restore_state
    const row = state.remembered.pop();
    if (!row) throw new GuestImageError(`${reader.name}: a row is restored that has not been remembered.`);
    state.cfa = row.cfa;
    state.registers = new Map(row.registers);
  },
  0x0c: (state, reader) => {
    // def_cfa
    state.cfa = { kind: 'register', register: readRegister(reader), offset: reader.uleb() };
  },
  0x0d: (state, reader) => changeCfa(state, reader, { register: readRegister(reader) }),
  0x0e: (state, reader) => changeCfa(state, reader, { offset: reader.uleb() }),
  0x0f: (state, reader) => {
    // def_cfa_expression
    state.cfa = { kind: 'expression', bytes: block(reader) };
  },
  0x10: (state, reader) =>
    state.registers.set(readRegister(reader), { kind: 'expression', bytes: block(reader) }),
  0x11: setOffset('offset', signed), // offset_extended_sf
  0x12: (state, reader) => {
    // def_cfa_sf
    const register = readRegister(reader);
    state.cfa = { kind: 'register', register, offset: reader.sleb() * state.context.dataAlignment };
  },
  0x13: (state, reader) => changeCfa(state, reader, { offset: reader.sleb() * state.context.dataAlignment }),
  0x14: setOffset('value-offset', unsigned), // val_offset
  0x15: setOffset('value-offset', signed), // val_offset_sf
  0x16: (state, reader) =>
    state.registers.set(readRegister(reader), { kind: 'value-expression', bytes: block(reader) }),
  0x2e: (_state, reader) => void reader.uleb(), // GNU_args_size: of arguments on the stack, which the CFA has in it
  0x2f: setOffset('offset', (reader) => -reader.uleb()), // GNU_negative_offset_extended
};

/** The three whose operand is in the opcode's low six bits, by the two above. */
const packed: Record<number, ((state: State, operand: number, reader: ByteReader) => void) | undefined> = {
  1: (state, operand) => advance(state, operand), // advance_loc
  2: (state, operand, reader) =>
    state.registers.set(operand, {
      kind: 'offset',
      offset: reader.uleb() * state.context.dataAlignment,
    }),
  3: restore,
};

/**
 * Runs call frame instructions up to an address.
 * @param program from the first instruction to the last
 * @param start address that the first row is for
 * @param until the rules that hold at this address are wanted; undefined: those after the last instruction
 * @param initial the rules to begin with
 * @throws GuestImageError when the program is damaged
 */
export function runFrameProgram(
  program: ByteReader,
  context: FrameProgramContext,
  start: bigint,
  until: bigint | undefined,
  initial: FrameRules,
): FrameRules {
  const state: State = {
    context,
    cfa: initial.cfa,
    registers: new Map(initial.registers),
    initial,
    remembered: [],
    location: start,
  };
  while (program.left > 0) {
    const opcode = program.u8();
    const short = packed[opcode >> 6];
    if (short) short(state, opcode & 0x3f, program);
    else {
      const instruction = instructions[opcode];
      if (!instruction)
        throw new GuestImageError(
          `${program.name}: unknown call frame instruction 0x${opcode.toString(16)}.`,
        );
      instruction(state, program);
    }
    if (until !== undefined && state.location > until) break;
  }
  return { cfa: state.cfa, registers: state.registers };
}
