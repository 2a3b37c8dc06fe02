/** Tests of one instruction each: registers, flags and memory chosen so that its operands lie where both sides have memory. */
import type { Instruction } from 'iced-x86';
import { Code, Mnemonic as M, OpKind, Register, RegisterExt, RflagsBits } from 'iced-x86';
import type { CpuVendor } from '../../../src/machine/x86/types';
import { rowOf } from '../../../src/machine/x86/decode/decode-tables';
import { randomSource } from './generate';
import { decodeAt, isInvalid, planOf, randomBytes, type Bits, type Plan, type Random } from './encodings';
import {
  CODE_BYTES,
  DATA,
  DATA_BYTES,
  MEMORY,
  MEMORY_BYTES,
  STACK_TOP,
  STATE,
  TEST,
  leave,
  marker,
} from './place';

/** One test. Two of the same seed are the same. */
export interface Case {
  bits: Bits;
  code: Uint8Array;
  /** RAX … R15, RFLAGS; then the compared memory. */
  registers: BigUint64Array;
  memory: Uint8Array;
  /** Status flags that the manual defines afterwards. */
  defined: number;
  /** `Code` number. */
  encoding: number;
}

/** What the operating system or the host would answer, what has no one answer, or what would pull the rug from under the test. */
const EXCLUDED: ReadonlySet<number> = new Set([
  ...[M.Syscall, M.Sysenter, M.Int, M.Vmcall, M.Vmmcall, M.Cpuid, M.Rdtsc, M.Rdtscp, M.Rdpmc, M.Rdpid],
  ...[M.Sgdt, M.Sidt, M.Smsw, M.Str, M.Sldt, M.Lar, M.Lsl, M.Verr, M.Verw, M.Lfs, M.Int1],
  ...[M.Sysexit, M.Sysexitq],
  ...[
    M.Rdfsbase,
    M.Wrfsbase,
    M.Rdgsbase,
    M.Wrgsbase,
    M.Retf,
    M.Iret,
    M.Iretd,
    M.Iretq,
    M.Sysret,
    M.Sysretq,
    M.Wait,
  ],
  // A processor with bounds registers takes them for more than NOPs.
  ...[M.Bndmk, M.Bndcl, M.Bndcu, M.Bndcn, M.Bndmov, M.Bndldx, M.Bndstx, M.Invpcid],
]);

const BY_NAME = new RegExp(
  `^(${[
    'Jmp Call Ret Push Pop Imul Enter Leave Loop Loope Loopne Jcxz Jecxz Jrcxz Pusha Pushad Popa Popad',
    'Mov Bound Into Lds Les Lss Lgs',
  ]
    .join(' ')
    .replaceAll(' ', '|')}|J[a-z]{1,2}|Set[a-z]{1,2}|Cmov[a-z]{1,2})$`,
);

/**
 * Of these, what an AMD processor has no long mode's form of: #UD there, in a process too. Of SYSEXIT they differ in what comes first,
 * that or the #GP of its privilege (EPYC 9004).
 */
const AMD_LACKS: ReadonlySet<number> = new Set([M.Sysenter]);

/** True when the vCPU has this mnemonic and a native process can be asked about it. */
function wanted(mnemonic: number, vendor: CpuVendor): boolean {
  if (vendor === 'amd' && AMD_LACKS.has(mnemonic)) return true;
  if (EXCLUDED.has(mnemonic)) return false;
  return rowOf(mnemonic) !== undefined || BY_NAME.test(M[mnemonic]);
}

/** Whose encodings are wanted, and which of them (`Code` numbers) there are. */
export interface Asked {
  readonly vendor: CpuVendor;
  has(code: number): boolean;
}

/** Every encoding of this mode that is to be tested, and how many the host's processor does not have. */
function plansOf(bits: Bits, host: Asked): { plans: Plan[]; absent: number } {
  const plans: Plan[] = [];
  let absent = 0;
  for (const code of Object.values(Code)) {
    if (typeof code !== 'number' || isForeign(code)) continue;
    const plan = planOf(code, bits, host.vendor);
    if (!plan || !wanted(plan.mnemonic, host.vendor)) continue;
    if (host.has(code)) plans.push(plan);
    else absent++;
  }
  return { plans, absent };
}

/**
 * Encodings with operands that the vCPU has no registers for, or far ones, or of FS; and a segment register pushed with 32 bits, whose
 * upper half some processors write as zero and others leave as it was (SDM vol. 2, PUSH).
 */
const FOREIGN =
  /^Pushd_[CDEGS]S$|KNC|mm|_k|_(cr|dr|tr)|ptr1616|ptr1632|_m16(16|32|64)$|_FS$|Jmpe|_m1616|_m1632|_m1664/;
const isForeign = (code: number): boolean => FOREIGN.test(Code[code]);

const EDGES = [
  0n,
  1n,
  2n,
  -1n,
  -2n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
];
const WIDE = [0xffffffffn, 0x100000000n, 1n << 62n, 1n << 63n, (1n << 63n) - 1n, 0x5555555555555555n];
const VALUES = [...EDGES, ...WIDE];
const MASK64 = (1n << 64n) - 1n;

function value(random: Random): bigint {
  const kind = random() % 8;
  if (kind < 4) return VALUES[random() % VALUES.length] & MASK64;
  if (kind === 4) return 1n << BigInt(random() & 63);
  return BigInt(random()) | (BigInt(random()) << 32n);
}

const STATUS = 0x8d5;
const DF = 0x400n;
const REP_STRING = /^(movs|cmps|scas|lods|stos|ins|outs)[bwdq]$/i;
const STACK_USERS: ReadonlySet<number> = new Set([
  ...[
    M.Push,
    M.Pop,
    M.Pusha,
    M.Pushad,
    M.Popa,
    M.Popad,
    M.Pushf,
    M.Pushfd,
    M.Pushfq,
    M.Popf,
    M.Popfd,
    M.Popfq,
  ],
  ...[M.Call, M.Ret, M.Enter, M.Leave],
]);

const numberOf = (register: number): number => RegisterExt.number(register);
const isGeneral = (register: number): boolean =>
  RegisterExt.isGPR(register) && register !== Register.RIP && register !== Register.EIP;

/** The registers, as they are being chosen. */
class Chooser {
  readonly registers = new BigUint64Array(17);
  readonly memory = new Uint8Array(MEMORY_BYTES);
  readonly view = new DataView(this.memory.buffer);
  private readonly fixed = new Set<number>();

  constructor(readonly random: Random) {
    for (let r = 0; r < 16; r++) this.registers[r] = value(random);
    for (let at = 0; at < MEMORY_BYTES; at += 8) this.view.setBigUint64(at, value(random), true);
    this.registers[4] = BigInt(STATE + STACK_TOP - (random() % 4 === 0 ? random() & 7 : 0));
    this.registers[16] = BigInt((random() & STATUS) | 0x202) | (random() % 4 === 0 ? DF : 0n);
  }

  /** Gives a register its value; false when it has another purpose already. */
  fix(register: number, to: bigint): boolean {
    if (this.fixed.has(register)) return false;
    this.fixed.add(register);
    this.registers[register] = BigInt.asUintN(64, to);
    return true;
  }

  /** The low half is an address; with a 32-bit address size the upper half is anything. */
  fixAddress(register: number, address: bigint, wide: boolean): boolean {
    return this.fix(register, wide ? address : BigInt.asUintN(32, address) | (BigInt(this.random()) << 32n));
  }

  poke(address: bigint, bytes: number, to: bigint): void {
    for (let i = 0; i < bytes; i++) {
      const at = Number(address) + i - STATE - MEMORY;
      if (at >= 0 && at < MEMORY_BYTES) this.memory[at] = Number((to >> BigInt(8 * i)) & 255n);
    }
  }
}

const patch = (bytes: number[], at: number, to: bigint, size: number): void => {
  for (let i = 0; i < size; i++) bytes[at + i] = Number((to >> BigInt(8 * i)) & 255n);
};

/** Makes the explicit memory operand address `target`; false when it cannot. */
function aim(
  insn: Instruction,
  bytes: number[],
  displacementAt: number,
  target: bigint,
  c: Chooser,
): boolean {
  const base: number = insn.memoryBase;
  const index: number = insn.memoryIndex;
  const width = [base, index].find((r) => r !== Register.None && isGeneral(r));
  const wide = width !== undefined && RegisterExt.size(width) === 8;
  if (width !== undefined && RegisterExt.size(width) === 2) return false;
  let left = target;
  if (index !== Register.None) {
    const count = BigInt(c.random() % 16) - (wide ? 4n : 0n);
    if (numberOf(index) === numberOf(base) && isGeneral(base)) return false;
    if (!c.fixAddress(numberOf(index), count, wide)) return false;
    left -= count * BigInt(insn.memoryIndexScale);
  }
  if (base === Register.RIP || base === Register.EIP) {
    if (displacementAt === 0) return false;
    patch(bytes, displacementAt, left - insn.nextIP, 4);
    return true;
  }
  if (base !== Register.None) return c.fixAddress(numberOf(base), left - insn.memoryDisplacement, wide);
  if (displacementAt === 0) return false;
  patch(bytes, displacementAt, left, /moffs/.test(Code[insn.code]) ? insn.memoryDisplSize : 4);
  return true;
}

/** Registers that an instruction reads addresses and counts from without naming them. */
function aimImplied(insn: Instruction, c: Chooser, wide: boolean): boolean {
  const { random } = c;
  const near = (): bigint => BigInt(STATE + DATA + 0x40 + (random() % 0xc0));
  const name = M[insn.mnemonic];
  if (REP_STRING.test(name) && insn.isStringInstruction) {
    const source = near();
    const target = random() % 3 === 0 ? source + BigInt(random() % 9) - 4n : near();
    if (!c.fixAddress(6, source, wide) || !c.fixAddress(7, target, wide)) return false;
    if (insn.hasRepPrefix || insn.hasRepnePrefix) return c.fixAddress(1, BigInt(random() % 6), wide);
  }
  if (insn.mnemonic === M.Xlatb) return c.fixAddress(3, near() - (c.registers[0] & 255n), wide);
  if (insn.mnemonic === M.Leave || insn.mnemonic === M.Enter) c.fix(5, BigInt(STATE + STACK_TOP - 0x40));
  const name2 = name.slice(0, 4);
  if (name2 === 'Loop' || /^J[er]?cxz$/.test(name)) c.fixAddress(1, BigInt(random() % 3), wide);
  return true;
}

function addressWidth(insn: Instruction, bits: Bits): number {
  for (let i = 0; i < insn.opCount; i++) {
    const kind = insn.opKind(i) as number;
    if (kind === OpKind.MemorySegESI || kind === OpKind.MemorySegEDI || kind === OpKind.MemoryESEDI) return 4;
    if (kind === OpKind.MemorySegSI || kind === OpKind.MemorySegDI || kind === OpKind.MemoryESDI) return 2;
  }
  if (insn.mnemonic === M.Xlatb) return RegisterExt.size(insn.memoryBase);
  return bits === 64 ? 8 : 4;
}

const SHIFTS: ReadonlySet<number> = new Set([
  M.Shl,
  M.Sal,
  M.Shr,
  M.Sar,
  M.Rol,
  M.Ror,
  M.Rcl,
  M.Rcr,
  M.Shld,
  M.Shrd,
]);
const FLAG_BITS: [number, number][] = [
  [RflagsBits.CF, 1],
  [RflagsBits.PF, 4],
  [RflagsBits.AF, 16],
  [RflagsBits.ZF, 64],
  [RflagsBits.SF, 128],
  [RflagsBits.OF, 0x800],
];

/** Operand size of shifts, by the name of the encoding. */
function bitsOf(insn: Instruction): number {
  return Number(/_rm(8|16|32|64)/.exec(Code[insn.code])?.[1] ?? 64);
}

function shiftCount(insn: Instruction, cl: bigint): number {
  const last = insn.opCount - 1;
  const raw = insn.opKind(last) === OpKind.Register ? Number(cl & 255n) : insn.immediate8;
  return raw & (bitsOf(insn) === 64 ? 63 : 31);
}

/** Status flags defined after the instruction (SDM vol. 2, "Flags affected" of each). */
function definedAfter(insn: Instruction, cl: bigint): number {
  if (!SHIFTS.has(insn.mnemonic)) {
    return FLAG_BITS.reduce((mask, [bit, at]) => (insn.rflagsUndefined & bit ? mask : mask | at), 0);
  }
  const count = shiftCount(insn, cl);
  if (count === 0) return STATUS;
  const rotate = /^R[oc]/.test(M[insn.mnemonic]);
  let defined = STATUS;
  if (!rotate) defined &= ~16;
  if (count !== 1) defined &= ~0x800;
  if (!rotate && count >= bitsOf(insn) && insn.mnemonic !== M.Sar) defined &= ~1;
  return defined;
}

/**
 * Double shifts of 16 bits by more than 16 have no defined result (SDM vol. 2, "SHLD"). `cl` is RCX as the test will have it: an
 * operand in memory may have taken the register for its address.
 */
function isUndefined(insn: Instruction, cl: bigint): boolean {
  const m: number = insn.mnemonic;
  return (m === M.Shld || m === M.Shrd) && bitsOf(insn) === 16 && shiftCount(insn, cl) > 16;
}

/** A random test of the encoding, or undefined when this roll of the dice makes none. */
function roll(plan: Plan, bits: Bits, vendor: CpuVendor, random: Random): Case | undefined {
  const bytes = randomBytes(plan, bits, random);
  const { insn, displacementAt, immediateAt } = decodeAt(bytes, bits, vendor);
  try {
    const bad = isInvalid(insn);
    // Only a misplaced LOCK may make it invalid; other prefixes may make it another encoding.
    if (bad ? !bytes.slice(0, 3).includes(0xf0) : insn.code !== plan.code) return undefined;
    const c = new Chooser(random);
    const code = bytes.slice(0, bad ? bytes.length : insn.length);
    if (!bad && !dress(insn, code, { displacementAt, immediateAt }, bits, c)) return undefined;
    if (!bad && isUndefined(insn, c.registers[1])) return undefined;
    if (isBranch(insn)) code.push(...marker(bits));
    code.push(...leave(bits, TEST + code.length));
    if (code.length > CODE_BYTES) return undefined;
    const defined = bad ? STATUS : definedAfter(insn, c.registers[1]);
    return {
      bits,
      code: Uint8Array.from(code),
      registers: c.registers,
      memory: c.memory,
      defined,
      encoding: plan.code,
    };
  } finally {
    insn.free();
  }
}

const isBranch = (insn: Instruction): boolean => {
  const kind = insn.opCount > 0 ? (insn.opKind(0) as number) : -1;
  const near = kind === OpKind.NearBranch64 || kind === OpKind.NearBranch32 || kind === OpKind.NearBranch16;
  return near || insn.mnemonic === M.Jmp || insn.mnemonic === M.Call || insn.mnemonic === M.Ret;
};

/** Gives the operands values that make sense. */
function dress(
  insn: Instruction,
  code: number[],
  at: { displacementAt: number; immediateAt: number },
  bits: Bits,
  c: Chooser,
): boolean {
  const { random } = c;
  const wide = addressWidth(insn, bits);
  if (wide === 2) return false;
  for (let i = 0; i < insn.opCount; i++) {
    if (insn.opKind(i) === OpKind.Register && insn.opRegister(i) === Register.FS) return false;
  }
  const m = insn.mnemonic as number;
  if (!aimImplied(insn, c, wide === 8)) return false;
  const memory = Array.from({ length: insn.opCount }, (_, i) => insn.opKind(i)).includes(OpKind.Memory);
  let target = BigInt(STATE + DATA + (random() % DATA_BYTES));
  if (m === M.Cmpxchg16b && random() % 8) target &= ~15n;
  if (memory && m !== M.Xlatb) {
    const viaStack = insn.memoryBase === Register.RSP || insn.memoryBase === Register.ESP;
    if (viaStack && STACK_USERS.has(m)) return false;
    const bitIndex = m === M.Bt || m === M.Bts || m === M.Btr || m === M.Btc;
    if (bitIndex && insn.opKind(1) === OpKind.Register) {
      target = BigInt(STATE + MEMORY + 0x180 + (random() & 0x3f));
      const size = RegisterExt.size(insn.opRegister(1));
      const offset = BigInt((random() % 2048) - 1024);
      const filler = size < 8 ? BigInt(random()) << 32n : 0n;
      const low = BigInt.asUintN(size * 8, offset);
      const middle = size === 2 ? BigInt(random() & 0xffff) << 16n : 0n;
      if (!c.fix(numberOf(insn.opRegister(1)), filler | middle | low)) return false;
    }
    if (!aim(insn, code, at.displacementAt, target, c)) return false;
  }
  if ((m === M.Div || m === M.Idiv) && random() % 2)
    c.fix(2, random() % 2 ? 0n : c.registers[0] & (1n << 63n) ? -1n : 0n);
  return aimBranch(insn, code, at.immediateAt, bits, target, c);
}

/** Near branches go behind the marker; flags from the stack do not trap. */
function aimBranch(
  insn: Instruction,
  code: number[],
  immediateAt: number,
  bits: Bits,
  target: bigint,
  c: Chooser,
): boolean {
  const m = insn.mnemonic as number;
  const skip = BigInt(TEST + code.length + marker(bits).length);
  if (m === M.Popf || m === M.Popfd || m === M.Popfq) {
    const at = Number(c.registers[4]) - STATE - MEMORY;
    c.view.setUint32(at, c.view.getUint32(at, true) & ~0x54100, true);
  }
  if (!isBranch(insn)) return true;
  if (m === M.Ret) {
    c.poke(c.registers[4], 8, skip);
    return true;
  }
  const kind = insn.opKind(0) as number;
  if (kind === OpKind.Register) {
    if (numberOf(insn.opRegister(0)) === 4) return false;
    const register = numberOf(insn.opRegister(0));
    if (c.random() % 8) return c.fix(register, skip);
    // A call to an address that is not canonical faults after its push here, though the manual checks first.
    return m !== M.Call || c.fix(register, c.registers[register] & 0x7fffffffffffn);
  }
  if (kind === OpKind.Memory) {
    c.poke(target, bits / 8, skip);
    return true;
  }
  patch(code, immediateAt, BigInt(marker(bits).length), code.length - immediateAt);
  return true;
}

/** Tries before an encoding counts as one that no test can be made of. */
const TRIES = 400;

/** Tests, of how many encodings, and how many are left out because the processor lacks them. */
export interface Cases {
  cases: Case[];
  encodings: number;
  absent: number;
}

/**
 * `each` tests of every encoding that the mode and the host have; the same seed gives the same tests. Throws when an encoding
 * yields none.
 */
export function casesOf(bits: Bits, host: Asked, seed: number, each: number): Cases {
  const random = randomSource(seed);
  const cases: Case[] = [];
  const { plans, absent } = plansOf(bits, host);
  for (const plan of plans) {
    let made = 0;
    for (let tries = 0; made < each && tries < TRIES + 8 * each; tries++) {
      const one = roll(plan, bits, host.vendor, random);
      if (!one) continue;
      cases.push(one);
      made++;
    }
    if (made === 0) throw new Error(`no test of ${Code[plan.code]} in ${bits}-bit code`);
  }
  return { cases, encodings: plans.length, absent };
}
