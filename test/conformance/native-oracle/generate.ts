/** Seeded random instruction tests: short sequences over every encoding of the general-purpose integer instructions. */
import {
  Code,
  CodeExt,
  Encoder,
  Instruction,
  Mnemonic,
  OpCodeOperandKind as K,
  OpKind,
  Register,
  RflagsBits,
} from 'iced-x86';
import { randomSource } from '../../support/random-source';

export { randomSource };

/** Both sides map this state block and this code page at these virtual addresses. */
export const STATE = 0x10000000;
export const BLOB = 0x10200000;
/** Offsets in the state block: registers in, flags in, registers out, flags out, scratch memory, test stack top. */
export const IN_FLAGS = 0x80;
export const HOST_STACK = 0x88;
export const OUT = 0x100;
export const OUT_FLAGS = 0x180;
export const SCRATCH = 0x400;
export const TEST_STACK = 0x800;
export const FLAG_STACK = 0xf00;
export const STATE_BYTES = 0x1000;

/** One test: the sequence, the registers, flags and memory before it, and which flags are defined after it. */
export interface OracleTest {
  code: Uint8Array;
  text: string;
  state: Uint8Array;
  /** Mask over RFLAGS of the status flags that the manual defines. */
  defined: number;
}

const NAMES =
  /^(Add|Or|Adc|Sbb|And|Sub|Xor|Cmp|Test|Mov|Lea|Inc|Dec|Neg|Not|Mul|Imul|Div|Idiv|Shl|Shr|Sar|Rol|Ror|Rcl|Rcr|Shld|Shrd|Bt|Bts|Btr|Btc|Bsf|Bsr|Tzcnt|Lzcnt|Popcnt|Bswap|Xchg|Xadd|Cmpxchg|Cmpxchg8b|Cmpxchg16b|Movzx|Movsx|Movsxd|Movbe|Set[a-z]+|Cmov[a-z]+|Pushw?|Pushq|Pop|Cbw|Cwde|Cdqe|Cwd|Cdq|Cqo|Lahf|Sahf|Clc|Stc|Cmc)(_|$)/;
const FOREIGN =
  /_(cr|dr|tr|Sreg|mm|xmm|FS|GS|moffs)|_(cr|dr|tr|mm|xmm|mmm64|xmmm64)$|Sreg|Setssbsy|Xchg_r16_AX/;

/** Every encoding under test. */
export const CODES: readonly number[] = Object.entries(Code)
  .filter((e): e is [string, number] => typeof e[1] === 'number')
  .filter(([name, code]) => NAMES.test(name) && !FOREIGN.test(name) && CodeExt.opCode(code as Code).mode64)
  .map(([, code]) => code);

const REG8 = [
  Register.AL,
  Register.CL,
  Register.DL,
  Register.BL,
  Register.SIL,
  Register.DIL,
  Register.R8L,
  Register.R13L,
];
const HIGH8 = [Register.AH, Register.CH, Register.DH, Register.BH];
/** Neither RSP (the stack), R14 (index) nor R15 (base). */
const NUMBERS = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13];
const IMMEDIATES = [0n, 1n, -1n, 0x7fn, -0x80n, 2n, 31n, 32n, 33n, 63n];

type Rng = () => number;
const pick = <T>(rng: Rng, list: readonly T[]): T => list[rng() % list.length];

function setRegister(insn: Instruction, at: number, register: number): void {
  insn.setOpKind(at, OpKind.Register);
  insn.setOpRegister(at, register);
}

function anyRegister(rng: Rng, size: number, high: boolean): number {
  if (size === 1)
    return high && rng() % 3 === 0 ? pick(rng, HIGH8) : pick(rng, high ? REG8.slice(0, 4) : REG8);
  const first = { 2: Register.AX, 4: Register.EAX, 8: Register.RAX }[size] as number;
  return first + pick(rng, NUMBERS);
}

function setMemory(insn: Instruction, at: number, rng: Rng): void {
  insn.setOpKind(at, OpKind.Memory);
  insn.memoryBase = Register.R15;
  insn.memoryDisplacement = BigInt((rng() % 192) - 64);
  insn.memoryDisplSize = 8;
  if (rng() % 3 === 0) {
    insn.memoryIndex = Register.R14;
    insn.memoryIndexScale = 1 << (rng() % 4);
  }
}

const SIZES: Partial<Record<number, number>> = {
  [K.r8_or_mem]: 1,
  [K.r16_or_mem]: 2,
  [K.r32_or_mem]: 4,
  [K.r64_or_mem]: 8,
  [K.r8_reg]: 1,
  [K.r16_reg]: 2,
  [K.r32_reg]: 4,
  [K.r64_reg]: 8,
  [K.r8_opcode]: 1,
  [K.r16_opcode]: 2,
  [K.r32_opcode]: 4,
  [K.r64_opcode]: 8,
  [K.r64_rm]: 8,
};
const FIXED: Partial<Record<number, number>> = {
  [K.al]: Register.AL,
  [K.ax]: Register.AX,
  [K.eax]: Register.EAX,
  [K.rax]: Register.RAX,
  [K.cl]: Register.CL,
};
/** Immediate forms: operand kind and bits of the value. */
const IMMEDIATE: Partial<Record<number, [number, number]>> = {
  [K.imm8]: [OpKind.Immediate8, 8],
  [K.imm16]: [OpKind.Immediate16, 16],
  [K.imm32]: [OpKind.Immediate32, 32],
  [K.imm64]: [OpKind.Immediate64, 64],
  [K.imm32sex64]: [OpKind.Immediate32to64, 32],
  [K.imm8sex16]: [OpKind.Immediate8to16, 8],
  [K.imm8sex32]: [OpKind.Immediate8to32, 8],
  [K.imm8sex64]: [OpKind.Immediate8to64, 8],
};

function setImmediate(insn: Instruction, at: number, kind: number, bits: number, rng: Rng): void {
  let value = rng() % 2 ? pick(rng, IMMEDIATES) : BigInt(rng()) | (BigInt(rng()) << 32n);
  value = BigInt.asIntN(bits, value);
  insn.setOpKind(at, kind);
  if (kind === OpKind.Immediate8) insn.immediate8 = Number(BigInt.asUintN(8, value));
  else if (kind === OpKind.Immediate16) insn.immediate16 = Number(BigInt.asUintN(16, value));
  else if (kind === OpKind.Immediate32) insn.immediate32 = Number(BigInt.asUintN(32, value));
  else if (kind === OpKind.Immediate64) insn.immediate64 = BigInt.asUintN(64, value);
  else if (kind === OpKind.Immediate32to64) insn.immediate32to64 = value;
  else if (kind === OpKind.Immediate8to16) insn.immediate8to16 = Number(value);
  else if (kind === OpKind.Immediate8to32) insn.immediate8to32 = Number(value);
  else insn.immediate8to64 = value;
}

/** A random instruction of this encoding. */
function randomInstruction(code: number, rng: Rng): Instruction {
  const opcode = CodeExt.opCode(code);
  const insn = new Instruction();
  insn.code = code;
  // A high-byte register cannot go with a REX prefix: then only legacy registers, and no memory (its base is R15).
  const high = rng() % 4 === 0;
  const wide = Array.from({ length: opcode.opCount }, (_, i) => SIZES[opcode.opKind(i)] ?? 0);
  const legacy = high && wide.every((size) => size <= 1);
  for (let i = 0; i < opcode.opCount; i++) {
    const kind: number = opcode.opKind(i);
    const size = SIZES[kind];
    const immediate = IMMEDIATE[kind];
    const memory =
      kind === K.mem || ([K.r8_or_mem, K.r16_or_mem, K.r32_or_mem, K.r64_or_mem] as number[]).includes(kind);
    if (memory && (kind === K.mem || (!legacy && rng() % 2))) setMemory(insn, i, rng);
    else if (size) setRegister(insn, i, anyRegister(rng, size, legacy));
    else if (FIXED[kind] !== undefined) setRegister(insn, i, FIXED[kind]);
    else if (kind === K.imm8_const_1) {
      insn.setOpKind(i, OpKind.Immediate8);
      insn.immediate8 = 1;
    } else if (immediate) setImmediate(insn, i, immediate[0], immediate[1], rng);
    else throw new Error(`operand kind ${K[kind]} of ${Code[code]}`);
  }
  return insn;
}

const SHIFTS: ReadonlySet<number> = new Set(
  [
    Mnemonic.Shl,
    Mnemonic.Sal,
    Mnemonic.Shr,
    Mnemonic.Sar,
    Mnemonic.Rol,
    Mnemonic.Ror,
    Mnemonic.Rcl,
    Mnemonic.Rcr,
  ].concat([Mnemonic.Shld, Mnemonic.Shrd]),
);

function usable(insn: Instruction): boolean {
  const m = insn.mnemonic;
  const last = insn.opCount - 1;
  const narrow =
    insn.opKind(0) === OpKind.Register ? /[lhw]$|^(ax|bx|cx|dx|si|di|bp)$|^[abcd][lh]$|^[sd]il$/i : undefined;
  // Undefined results: double shifts of 16 bits by more than 16, BSWAP of 16 bits.
  if (m === Mnemonic.Shld || m === Mnemonic.Shrd) {
    const word = insn.code <= Code.Shld_rm16_r16_CL && /16/.test(Code[insn.code]);
    if (/_rm16_/.test(Code[insn.code]) || word)
      return insn.opKind(last) === OpKind.Immediate8 && (insn.immediate8 & 31) <= 16;
  }
  if (insn.code === Code.Bswap_r16) return false;
  // A register bit index would reach anywhere in memory.
  if (/^Bt[src]?_rm\d+_r\d+$/.test(Code[insn.code]) && insn.opKind(0) === OpKind.Memory) return false;
  if (m === Mnemonic.Cmpxchg16b) insn.memoryDisplacement = (insn.memoryDisplacement / 16n) * 16n;
  if (m === Mnemonic.Cmpxchg16b && insn.memoryIndex !== Register.None) insn.memoryIndexScale = 8;
  if (m === Mnemonic.Cmpxchg16b) insn.memoryIndex = Register.None;
  return narrow === undefined || m !== Mnemonic.INVALID;
}

const STATUS: [number, number][] = [
  [RflagsBits.CF, 1],
  [RflagsBits.PF, 4],
  [RflagsBits.AF, 16],
  [RflagsBits.ZF, 64],
  [RflagsBits.SF, 128],
  [RflagsBits.OF, 0x800],
];
const ALL_STATUS = STATUS.reduce((m, [bit]) => m | bit, 0);

/** Status flags undefined after `insn`, given those undefined before it. */
function undefinedAfter(insn: Instruction, before: number): number {
  if (!SHIFTS.has(insn.mnemonic)) {
    return (before & ~insn.rflagsModified) | (insn.rflagsUndefined & ALL_STATUS);
  }
  // A count of 0 keeps what was there; other counts than 1 leave OF undefined; CF goes when all bits are shifted out.
  const rotate = /^R[oc]/.test(Mnemonic[insn.mnemonic]);
  const narrow = /rm(8|16)_/.test(Code[insn.code]);
  const lost = RflagsBits.OF | (rotate ? 0 : RflagsBits.AF) | (narrow && !rotate ? RflagsBits.CF : 0);
  return before | lost;
}

function rflagsMask(undefinedBits: number): number {
  return STATUS.reduce((mask, [bit, position]) => (undefinedBits & bit ? mask : mask | position), 0);
}

const INTERESTING = [
  0n,
  1n,
  -1n,
  0x7fn,
  0x80n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  1n << 63n,
  (1n << 63n) - 1n,
];

function randomState(rng: Rng): Uint8Array {
  const state = new Uint8Array(STATE_BYTES);
  const view = new DataView(state.buffer);
  for (let r = 0; r < 16; r++) {
    const value = rng() % 3 === 0 ? pick(rng, INTERESTING) : BigInt(rng()) | (BigInt(rng()) << 32n);
    view.setBigUint64(r * 8, BigInt.asUintN(64, value), true);
  }
  view.setBigUint64(4 * 8, BigInt(STATE + TEST_STACK), true);
  view.setBigUint64(14 * 8, BigInt(rng() % 8), true);
  view.setBigUint64(15 * 8, BigInt(STATE + SCRATCH + 0x100), true);
  view.setBigUint64(IN_FLAGS, BigInt((rng() & 0x8d5) | 0x202), true);
  for (let i = SCRATCH; i < TEST_STACK + 64; i++) state[i] = rng() & 255;
  return state;
}

/** `count` tests; the same seed gives the same tests. */
export function generateTests(seed: number, count: number): OracleTest[] {
  const rng = randomSource(seed);
  const tests: OracleTest[] = [];
  for (let n = 0; n < count; n++) {
    const encoder = new Encoder(64);
    const texts: string[] = [];
    let undefinedBits = 0;
    const wanted = 1 + (n % 4);
    let depth = 0;
    let lengthSoFar = 0;
    for (let k = 0; k < wanted; k++) {
      // Every encoding in turn, so that all are met; the rest of a sequence at random.
      const code = k === 0 ? CODES[n % CODES.length] : pick(rng, CODES);
      const insn = randomInstruction(code, rng);
      if (!usable(insn) || insn.rflagsRead & undefinedBits) continue;
      depth += insn.stackPointerIncrement;
      if (depth > 0 || depth < -64) {
        depth -= insn.stackPointerIncrement;
        continue;
      }
      lengthSoFar += encoder.encode(insn, BigInt(BLOB + 256 + lengthSoFar));
      undefinedBits = undefinedAfter(insn, undefinedBits);
      texts.push(insn.toString());
    }
    const code = encoder.takeBuffer();
    tests.push({ code, text: texts.join('; '), state: randomState(rng), defined: rflagsMask(undefinedBits) });
  }
  return tests;
}
