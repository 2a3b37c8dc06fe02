/** One decoded instruction into one micro-op: operands, size, variant and cost (SDM vol. 2). */
import type { Instruction } from 'iced-x86';
import * as L from '../core/state/layout';
import { op } from '../operations/general';
import { rowOf, type CostClass, type Row } from './decode-tables';
import { segmentIndex, registerOffset, registerSize, operandBytes, isGeneralRegister } from './registers';
import { Code, Mnemonic, OpKind, Register } from './iced';
import { emptyMicroOp, type MicroOp } from './uop-writer';

/** A micro-op, and whether its block ends with it. */
export interface Decoded {
  uop: MicroOp;
  cost: CostClass;
  ends: boolean;
  /** Control never reaches the next instruction except by a branch to it. */
  leaves: boolean;
}

/** Address size of a string operand. */
const STRING_ADDRESS = new Map<number, number>([
  [OpKind.MemorySegSI, 2],
  [OpKind.MemorySegDI, 2],
  [OpKind.MemoryESDI, 2],
  [OpKind.MemorySegESI, 4],
  [OpKind.MemorySegEDI, 4],
  [OpKind.MemoryESEDI, 4],
]);

function setMemory(u: MicroOp, insn: Instruction): void {
  const base = insn.memoryBase as number;
  const index = insn.memoryIndex as number;
  const relative = base === Register.RIP || base === Register.EIP;
  u.disp = insn.memoryDisplacement;
  if (base !== Register.None && !relative) u.base = registerOffset(base);
  if (index !== Register.None) u.index = registerOffset(index);
  u.scale = Math.log2(insn.memoryIndexScale);
  if (base === Register.EIP) u.asize = 4;
  else if (!relative) u.asize = registerSize(base === Register.None ? index : base) || insn.memoryDisplSize;
  setSegment(u, insn);
}

function setSegment(u: MicroOp, insn: Instruction): void {
  const segment = insn.memorySegment as number;
  if (segment === Register.FS) u.seg = L.C_SEGMENTS + L.SEG_FS * L.SEG_SIZE + L.S_BASE;
  else if (segment === Register.GS) u.seg = L.C_SEGMENTS + L.SEG_GS * L.SEG_SIZE + L.S_BASE;
  else if (segment === Register.SS) u.flags |= L.UF_STACK;
  u.segx = segmentIndex(segment);
}

function setFirst(u: MicroOp, insn: Instruction, at: number): void {
  const kind = insn.opKind(at);
  if (kind === OpKind.Register) {
    u.k1 = L.K_REG;
    u.r1 = registerOffset(insn.opRegister(at));
  } else if (kind === OpKind.Memory) {
    u.k1 = L.K_MEM;
    setMemory(u, insn);
  } else {
    u.k1 = L.K_IMM;
    u.imm = insn.immediate(at);
  }
}

function setSecond(u: MicroOp, insn: Instruction, at: number): void {
  const kind = insn.opKind(at);
  if (kind === OpKind.Register) {
    u.k2 = L.K_REG;
    u.r2 = registerOffset(insn.opRegister(at));
  } else if (kind === OpKind.Memory) {
    u.k2 = L.K_MEM;
    setMemory(u, insn);
  } else {
    u.k2 = L.K_IMM;
    u.imm = insn.immediate(at);
  }
}

/** A register destination, a register source `at`, whose number goes to U_EXT, and an r/m source. */
function setThree(u: MicroOp, insn: Instruction, at: number, rm: number): void {
  u.size = operandBytes(insn, 0);
  setFirst(u, insn, 0);
  setSecond(u, insn, rm);
  u.ext = (registerOffset(insn.opRegister(at)) - L.C_REGS) / 8;
}

type ShapeWriter = (u: MicroOp, insn: Instruction) => void;

const shapes: Record<Row['shape'], ShapeWriter> = {
  none: () => undefined,
  general: (u, insn) => {
    u.size = operandBytes(insn, 0);
    setFirst(u, insn, 0);
    if (insn.opCount > 1) setSecond(u, insn, 1);
  },
  extend: (u, insn) => {
    u.size = operandBytes(insn, 0);
    u.size2 = operandBytes(insn, 1);
    setFirst(u, insn, 0);
    setSecond(u, insn, 1);
  },
  shift: (u, insn) => {
    u.size = operandBytes(insn, 0);
    setFirst(u, insn, 0);
    setSecond(u, insn, 1);
  },
  doubleShift: (u, insn) => {
    u.size = operandBytes(insn, 0);
    setFirst(u, insn, 0);
    setSecond(u, insn, 1);
    if (insn.opKind(2) === OpKind.Register) u.ext = 1;
    else u.imm = insn.immediate(2);
  },
  toRegister: (u, insn) => {
    u.size = operandBytes(insn, 0);
    setFirst(u, insn, 0);
    setSecond(u, insn, 1);
    if (insn.opCount > 2) u.imm = insn.immediate(2);
  },
  vexMiddle: (u, insn) => setThree(u, insn, 1, 2),
  vexLast: (u, insn) => setThree(u, insn, 2, 1),
  string: (u, insn) => {
    for (let i = 0; i < insn.opCount; i++) u.asize = STRING_ADDRESS.get(insn.opKind(i)) ?? u.asize;
    if (insn.hasRepnePrefix) u.flags |= L.UF_REPNE;
    else if (insn.hasRepPrefix) u.flags |= L.UF_REP;
    setSegment(u, insn);
  },
  pcid: (u, insn) => {
    setFirst(u, insn, 1);
    setSecond(u, insn, 0);
  },
  port: (u, insn) => {
    const value = u.op === op.OP_IN ? 0 : 1;
    u.size = operandBytes(insn, value);
    const port = 1 - value;
    u.k2 = insn.opKind(port) === OpKind.Register ? L.K_REG : L.K_IMM;
    if (u.k2 === L.K_IMM) u.imm = insn.immediate(port);
  },
};

function plain(u: MicroOp, cost: CostClass): Decoded {
  return { uop: u, cost, ends: false, leaves: false };
}

function leaving(u: MicroOp, cost: CostClass): Decoded {
  return { uop: u, cost, ends: true, leaves: true };
}

/** Operand size of a direct near branch. */
const BRANCH_SIZE = new Map<number, number>([
  [OpKind.NearBranch16, 2],
  [OpKind.NearBranch32, 4],
  [OpKind.NearBranch64, 8],
]);

function direct(operation: number, insn: Instruction): MicroOp {
  const u = emptyMicroOp(operation);
  u.size = BRANCH_SIZE.get(insn.opKind(0)) ?? 8;
  u.imm = insn.nearBranchTarget;
  return u;
}

/** A far pointer in the instruction itself: offset in `imm`, selector in `disp`. */
function farImmediate(insn: Instruction, far: number): Decoded {
  const u = emptyMicroOp(far);
  const wide = insn.opKind(0) === OpKind.FarBranch32;
  u.k1 = L.K_IMM;
  u.size = wide ? 4 : 2;
  u.imm = BigInt(wide ? insn.farBranch32 : insn.farBranch16);
  u.disp = BigInt(insn.farBranchSelector);
  return leaving(u, 'serialising');
}

function transfer(insn: Instruction, near: number, indirect: number, far: number): Decoded {
  if (BRANCH_SIZE.has(insn.opKind(0))) return leaving(direct(near, insn), 'branch');
  if (insn.isJmpFar || insn.isCallFar) return farImmediate(insn, far);
  const isFar = insn.isJmpFarIndirect || insn.isCallFarIndirect;
  const u = emptyMicroOp(isFar ? far : indirect);
  setFirst(u, insn, 0);
  u.size = operandBytes(insn, 0) - (isFar ? 2 : 0);
  return leaving(u, isFar ? 'serialising' : 'branch');
}

function decodePush(insn: Instruction): Decoded {
  const u = emptyMicroOp(op.OP_PUSH);
  setFirst(u, insn, 0);
  u.size = -insn.stackPointerIncrement;
  u.size2 = u.size;
  const register = insn.opKind(0) === OpKind.Register ? insn.opRegister(0) : Register.None;
  if (segmentIndex(register) >= 0) u.size2 = 2;
  return plain(u, 'memory');
}

function decodePop(insn: Instruction): Decoded {
  const segment = insn.opKind(0) === OpKind.Register ? segmentIndex(insn.opRegister(0)) : -1;
  const u = emptyMicroOp(segment >= 0 ? op.OP_POP_SEG : op.OP_POP);
  if (segment >= 0) u.ext = segment;
  else setFirst(u, insn, 0);
  u.size = insn.stackPointerIncrement;
  return plain(u, 'memory');
}

/** MOV with a control, debug or segment register. */
function decodeSystemMov(insn: Instruction): Decoded | undefined {
  if (insn.opCount !== 2) return undefined;
  const special = [0, 1].findIndex(
    (i) => insn.opKind(i) === OpKind.Register && !isGeneralRegister(insn.opRegister(i)),
  );
  if (special < 0) return undefined;
  const register: number = insn.opRegister(special);
  const segment = segmentIndex(register);
  if (segment >= 0) {
    const u = emptyMicroOp(special === 0 ? op.OP_MOV_TO_SEG : op.OP_MOV_FROM_SEG);
    setFirst(u, insn, 1 - special);
    u.size = operandBytes(insn, 1 - special);
    u.ext = segment;
    return plain(u, special === 0 ? 'serialising' : 'base');
  }
  const control = register >= Register.CR0 && register <= Register.CR15;
  const debug = register >= Register.DR0 && register <= Register.DR7;
  if (!control && !debug) return undefined;
  const to = special === 0;
  const u = emptyMicroOp(
    control ? (to ? op.OP_MOV_TO_CR : op.OP_MOV_FROM_CR) : to ? op.OP_MOV_TO_DR : op.OP_MOV_FROM_DR,
  );
  u.ext = register - (control ? Register.CR0 : Register.DR0);
  setFirst(u, insn, 1 - special);
  u.size = operandBytes(insn, 1 - special);
  return { uop: u, cost: 'control', ends: to, leaves: false };
}

function decodeRet(insn: Instruction, operation: number): Decoded {
  const u = emptyMicroOp(operation);
  u.size = SIZE_BY_CODE.get(insn.code) ?? 0;
  if (insn.opCount > 0) u.imm = insn.immediate(0);
  return leaving(u, operation === op.OP_RET ? 'branch' : 'serialising');
}

/** Operand size of instructions whose name has none but whose `Code` tells it. */
const SIZE_BY_CODE = new Map<number, number>([
  [Code.Retnw, 2],
  [Code.Retnw_imm16, 2],
  [Code.Retnd, 4],
  [Code.Retnd_imm16, 4],
  [Code.Retnq, 8],
  [Code.Retnq_imm16, 8],
  [Code.Retfw, 2],
  [Code.Retfw_imm16, 2],
  [Code.Retfd, 4],
  [Code.Retfd_imm16, 4],
  [Code.Retfq, 8],
  [Code.Retfq_imm16, 8],
  [Code.Enterw_imm16_imm8, 2],
  [Code.Enterd_imm16_imm8, 4],
  [Code.Enterq_imm16_imm8, 8],
  [Code.Leavew, 2],
  [Code.Leaved, 4],
  [Code.Leaveq, 8],
]);

function decodeImul(insn: Instruction): Decoded {
  const u = emptyMicroOp([op.OP_IMUL1, op.OP_IMUL2, op.OP_IMUL3][insn.opCount - 1]);
  shapes[insn.opCount === 1 ? 'general' : 'toRegister'](u, insn);
  return plain(u, 'multiply');
}

function decodeEnter(insn: Instruction): Decoded {
  const u = emptyMicroOp(op.OP_ENTER);
  u.imm = insn.immediate(0);
  u.ext = Number(insn.immediate(1));
  u.size = SIZE_BY_CODE.get(insn.code) ?? 0;
  return plain(u, 'memory');
}

function decodeLeave(insn: Instruction): Decoded {
  const u = emptyMicroOp(op.OP_LEAVE);
  u.size = SIZE_BY_CODE.get(insn.code) ?? 0;
  return plain(u, 'memory');
}

function decodeInt(insn: Instruction): Decoded {
  const u = emptyMicroOp(op.OP_INT);
  u.imm = insn.immediate(0);
  return leaving(u, 'serialising');
}

/** LES, LDS, LSS, LFS, LGS. */
function decodeLoadPointer(insn: Instruction, segment: number): Decoded {
  const u = emptyMicroOp(op.OP_LOAD_POINTER);
  shapes.toRegister(u, insn);
  u.ext = segment;
  return plain(u, 'serialising');
}

const LOOPS = new Map<number, number>([
  [Mnemonic.Loopne, 0],
  [Mnemonic.Loope, 1],
  [Mnemonic.Loop, 2],
  [Mnemonic.Jrcxz, 3],
  [Mnemonic.Jecxz, 3],
  [Mnemonic.Jcxz, 3],
]);

/** Address size, which is the counter's, by the counter that the `Code`'s name ends or begins with. */
const COUNTER_SIZE = new Map<number, number>();
for (const [name, code] of Object.entries(Code)) {
  const counter = /^Loopn?e?_rel8_\d\d_([ER]?)CX$|^J([er]?)cxz_rel8/.exec(name);
  if (counter && typeof code === 'number')
    COUNTER_SIZE.set(code, { e: 4, r: 8 }[(counter[1] || counter[2] || '').toLowerCase()] ?? 2);
}

function decodeLoop(insn: Instruction): Decoded {
  const u = direct(op.OP_LOOP, insn);
  u.ext = LOOPS.get(insn.mnemonic) ?? 0;
  u.asize = COUNTER_SIZE.get(insn.code) ?? 8;
  return plain(u, 'branch');
}

const special = new Map<number, (insn: Instruction) => Decoded | undefined>([
  [Mnemonic.Jmp, (i) => transfer(i, op.OP_JMP, op.OP_JMP_IND, op.OP_JMP_FAR)],
  [Mnemonic.Call, (i) => transfer(i, op.OP_CALL, op.OP_CALL_IND, op.OP_CALL_FAR)],
  [Mnemonic.Ret, (i) => decodeRet(i, op.OP_RET)],
  [Mnemonic.Retf, (i) => decodeRet(i, op.OP_RETF)],
  [Mnemonic.Push, decodePush],
  [Mnemonic.Pop, decodePop],
  [Mnemonic.Mov, decodeSystemMov],
  [Mnemonic.Imul, decodeImul],
  [Mnemonic.Enter, decodeEnter],
  [Mnemonic.Leave, decodeLeave],
  [Mnemonic.Int, decodeInt],
  [Mnemonic.Les, (i) => decodeLoadPointer(i, L.SEG_ES)],
  [Mnemonic.Lss, (i) => decodeLoadPointer(i, L.SEG_SS)],
  [Mnemonic.Lds, (i) => decodeLoadPointer(i, L.SEG_DS)],
  [Mnemonic.Lfs, (i) => decodeLoadPointer(i, L.SEG_FS)],
  [Mnemonic.Lgs, (i) => decodeLoadPointer(i, L.SEG_GS)],
  ...[...LOOPS.keys()].map((m): [number, (insn: Instruction) => Decoded] => [m, decodeLoop]),
]);

/** Jcc, SETcc and CMOVcc. */
function decodeConditional(insn: Instruction): Decoded | undefined {
  const code = (insn.conditionCode as number) - 1;
  if (code < 0) return undefined;
  if (insn.isJccShortOrNear) {
    const u = direct(op.OP_JCC, insn);
    u.ext = code;
    return plain(u, 'branch');
  }
  if (insn.opCount === 1 && operandBytes(insn, 0) === 1) {
    const u = emptyMicroOp(op.OP_SETCC);
    u.ext = code;
    u.size = 1;
    setFirst(u, insn, 0);
    return plain(u, u.k1 === L.K_MEM ? 'memory' : 'base');
  }
  if (insn.opCount === 2 && isGeneralRegister(insn.opRegister(0))) {
    const u = emptyMicroOp(op.OP_CMOVCC);
    u.ext = code;
    shapes.toRegister(u, insn);
    return plain(u, u.k2 === L.K_MEM ? 'memory' : 'base');
  }
  return undefined;
}

/** LGDT, LIDT, SGDT and SIDT with 16-bit operands, which `ext` tells: of the base that is loaded only 24 bits count. */
const SHORT_TABLES: ReadonlySet<number> = new Set([
  Code.Lgdt_m1632_16,
  Code.Lidt_m1632_16,
  Code.Sgdt_m1632_16,
  Code.Sidt_m1632_16,
]);

/** Operands the core has no registers for (x87, MMX, SSE, masks). */
function foreign(insn: Instruction): boolean {
  for (let i = 0; i < insn.opCount; i++) {
    if (insn.opKind(i) === OpKind.Register && !isGeneralRegister(insn.opRegister(i))) return true;
  }
  return false;
}

/** In 32- and 16-bit code every memory operand goes through its segment, whose base is not added elsewhere. */
function segmented(decoded: Decoded): Decoded {
  const u = decoded.uop;
  u.seg = L.C_ZERO;
  u.flags = (u.flags & ~L.UF_STACK) | L.UF_SEGMENTED;
  return decoded;
}

/** The micro-op of an instruction that the core lacks: #UD, noted under its mnemonic (`iced-x86` number). */
export function missingInstruction(insn: Instruction): MicroOp {
  const u = emptyMicroOp(op.OP_MISSING);
  u.imm = BigInt(insn.mnemonic);
  return u;
}

/** The micro-op of a valid instruction decoded for `mode` (MODE_*); undefined when the core lacks it. */
export function decodeInstruction(insn: Instruction, mode: number): Decoded | undefined {
  const decoded = decodeOperation(insn);
  return decoded && mode !== L.MODE_64 ? segmented(decoded) : decoded;
}

function decodeOperation(insn: Instruction): Decoded | undefined {
  const chosen = special.get(insn.mnemonic)?.(insn) ?? decodeConditional(insn);
  if (chosen) return chosen;
  const row = rowOf(insn.mnemonic);
  if (!row || foreign(insn)) return undefined;
  const u = emptyMicroOp(row.op);
  u.size = row.size ?? 0;
  u.ext = SHORT_TABLES.has(insn.code) ? 1 : (row.ext ?? 0);
  u.imm = row.imm ?? 0n;
  shapes[row.shape](u, insn);
  const memory = (u.k1 === L.K_MEM || u.k2 === L.K_MEM) && row.op !== op.OP_LEA;
  const cost = row.cost ?? (memory ? 'memory' : 'base');
  return { uop: u, cost, ends: row.ends ?? false, leaves: false };
}
