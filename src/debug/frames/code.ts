/** What the bytes of code tell where no call frame information does. */
import type { MachineReader } from './machine';
import type { Program } from './program';

/** A function as far as any table knows it. */
export interface CodeRange {
  readonly low: bigint;
  readonly high: bigint;
}

/** Longest function that is searched. */
const MAX_SEARCHED = 1 << 16;
/** A function whose end no table tells is looked at this far. */
const UNKNOWN_SIZE = 256n;

/** The function that an address belongs to: by call frame information, else by the symbols. */
export function codeRangeAt(program: Program, pc: bigint): CodeRange | undefined {
  const known = program.frames.functionAt(pc);
  if (known) return known;
  const symbol = program.symbols.functionAt(pc);
  return symbol && { low: symbol.address, high: symbol.address + (symbol.size || UNKNOWN_SIZE) };
}

const IRET = 0xcf;
const REX_W = 0x48;

const known = new WeakMap<Program, Map<bigint, boolean>>();

/** Whether a function has an IRET in it, as only one does that an interrupt enters (SDM vol. 2, IRET). */
export function returnsFromInterrupt(program: Program, machine: MachineReader, range: CodeRange): boolean {
  const answers = known.get(program) ?? new Map<bigint, boolean>();
  known.set(program, answers);
  const answer = answers.get(range.low);
  if (answer !== undefined) return answer;
  const code = machine.readMemory(range.low, Math.min(Number(range.high - range.low), MAX_SEARCHED));
  const wide = program.architecture.addressBytes === 8;
  const found = code.some((byte, index) => byte === IRET && (!wide || code[index - 1] === REX_W));
  answers.set(range.low, found);
  return found;
}

const PUSH_FRAME_POINTER = 0x55;
/** ENDBR64 and ENDBR32 differ in the last byte. */
const ENDBR = [0xf3, 0x0f, 0x1e] as const;
const ENDBR_BYTES = 4;

/** Address after `push %rbp` with which a function begins; undefined: it begins in another way. */
export function afterPush(machine: MachineReader, low: bigint): bigint | undefined {
  const code = machine.readMemory(low, ENDBR_BYTES + 1);
  const skipped = ENDBR.every((byte, index) => code[index] === byte) ? ENDBR_BYTES : 0;
  return code[skipped] === PUSH_FRAME_POINTER ? low + BigInt(skipped) + 1n : undefined;
}

/** Whether the instruction at an address is a near RET. */
export function isReturn(machine: MachineReader, pc: bigint): boolean {
  const opcode = machine.readMemory(pc, 1)[0];
  return opcode === 0xc3 || opcode === 0xc2;
}

/** Bytes of CALL through a register or memory, without a prefix. */
const INDIRECT_CALLS = [2, 3, 4, 6, 7] as const;
const RELATIVE_CALL_BYTES = 5;
const BEFORE = 7;

/** Whether a CALL may stand right before an address, as it does before each return address. */
export function followsCall(machine: MachineReader, address: bigint): boolean {
  if (address < BigInt(BEFORE)) return false;
  const code = machine.readMemory(address - BigInt(BEFORE), BEFORE);
  if (code.length < BEFORE) return false;
  if (code[BEFORE - RELATIVE_CALL_BYTES] === 0xe8) return true;
  return INDIRECT_CALLS.some(
    (length) => code[BEFORE - length] === 0xff && ((code[BEFORE - length + 1] >> 3) & 7) === 2,
  );
}
