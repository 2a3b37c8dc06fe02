/**
 * Which micro-ops the inner loop executes in place. The names of its operations (`operations/table.ts`) are built from the
 * operation, the operand forms and the size; what has no such name takes the general path.
 */
import * as L from '../core/state/layout';
import { op } from '../operations/general';
import { operationNumber } from '../operations/table';
import type { MicroOp } from './uop-writer';

const NAMES = new Map<number, string>([
  [op.OP_ADD, 'ADD'],
  [op.OP_ADC, 'ADC'],
  [op.OP_SBB, 'SBB'],
  [op.OP_SUB, 'SUB'],
  [op.OP_AND, 'AND'],
  [op.OP_OR, 'OR'],
  [op.OP_XOR, 'XOR'],
  [op.OP_CMP, 'CMP'],
  [op.OP_TEST, 'TEST'],
  [op.OP_MOV, 'MOV'],
  [op.OP_INC, 'INC'],
  [op.OP_DEC, 'DEC'],
  [op.OP_NEG, 'NEG'],
  [op.OP_NOT, 'NOT'],
  [op.OP_SHL, 'SHL'],
  [op.OP_SHR, 'SHR'],
  [op.OP_SAR, 'SAR'],
]);
const CONDITIONS = ['O', 'NO', 'B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'];
const FORM = ['', 'R', 'M', 'I'];

/** The inner loop adds a base and an index only: the base of FS or GS takes whichever of them is free. */
function foldSegment(u: MicroOp): void {
  if (u.seg === L.C_ZERO || u.asize !== 8 || u.op === op.OP_LEA) return;
  if (u.k1 !== L.K_MEM && u.k2 !== L.K_MEM) return;
  if (u.index === L.C_ZERO) {
    u.index = u.seg;
    u.scale = 0;
  } else if (u.base === L.C_ZERO) u.base = u.seg;
  else return;
  u.seg = L.C_ZERO;
}

/** What the inner loop does with 64-bit operands whatever the operand size: the stack, calls and indirect branches. */
const WIDE: ReadonlySet<number> = new Set([
  ...[op.OP_PUSH, op.OP_POP, op.OP_PUSHF, op.OP_POPF, op.OP_LEAVE],
  ...[op.OP_CALL, op.OP_RET, op.OP_JMP_IND, op.OP_CALL_IND],
]);

/**
 * The inner loop has the operands: addresses with no FS or GS left, not cut to 32 or 16 bits, not checked against a
 * segment; in 32- and 16-bit code, and with other operands than 64 bits, no stack. Of LEA with a 32-bit result the bits above the address size do not matter.
 */
function plainOperands(u: MicroOp): boolean {
  const memory = u.k1 === L.K_MEM || u.k2 === L.K_MEM;
  if (u.op === op.OP_LEA) return u.asize === 8 || (u.asize === 4 && u.size === 4);
  if (WIDE.has(u.op) && u.size !== 8) return false;
  if (u.flags & L.UF_SEGMENTED) return !memory && !WIDE.has(u.op);
  return u.seg === L.C_ZERO && (!memory || u.asize === 8);
}

function shiftName(u: MicroOp): string {
  const bits = u.size * 8;
  const count = Number(BigInt.asUintN(8, u.imm)) & (bits === 64 ? 63 : 31);
  if (u.k2 === L.K_REG) return `${NAMES.get(u.op)}_${FORM[u.k1]}C${bits}`;
  if (count === 0) return '';
  // By 1 the overflow flag is defined; SAR always clears it.
  if (count === 1 && u.op !== op.OP_SAR) return `${NAMES.get(u.op)}1_${FORM[u.k1]}${bits}`;
  u.imm = BigInt(count);
  return `${NAMES.get(u.op)}_${FORM[u.k1]}I${bits}`;
}

function binaryName(u: MicroOp): string {
  const bits = u.size * 8;
  // Immediates are kept sign-extended from the operand size, as the flags want them.
  if (u.k2 === L.K_IMM) u.imm = BigInt.asIntN(bits, u.imm);
  if (u.op === op.OP_MOV && u.k1 === L.K_REG && u.k2 === L.K_IMM) {
    u.imm = BigInt.asUintN(bits, u.imm);
    return u.size < 4 ? `MOV_RI${bits}` : 'MOV_RI';
  }
  return `${NAMES.get(u.op)}_${FORM[u.k1]}${FORM[u.k2]}${bits}`;
}

const special = new Map<number, (u: MicroOp) => string>([
  [op.OP_LEA, (u) => `LEA${u.size * 8}`],
  [op.OP_MOVZX, (u) => (u.size >= 4 ? `MOVZX_R${FORM[u.k2]}${u.size2 * 8}` : '')],
  [op.OP_MOVSX, (u) => `MOVSX${u.size * 8}_R${FORM[u.k2]}${u.size2 * 8}`],
  [op.OP_CBW, (u) => ({ 8: 'CDQE', 4: 'CWDE' })[u.size] ?? ''],
  [op.OP_CWD, (u) => ({ 8: 'CQO', 4: 'CDQ' })[u.size] ?? ''],
  [op.OP_NOP, () => 'NOP'],
  [op.OP_PAUSE, () => 'PAUSE'],
  [op.OP_PUSH, (u) => (u.size === 8 && u.size2 === 8 ? `PUSH_${FORM[u.k1]}` : '')],
  [op.OP_POP, (u) => (u.size === 8 && u.k1 === L.K_REG ? 'POP_R' : '')],
  [op.OP_LEAVE, (u) => (u.size === 8 ? 'LEAVE' : '')],
  [op.OP_JMP, () => 'JMP'],
  [op.OP_GOTO, () => 'GOTO'],
  [op.OP_CALL, () => 'CALL'],
  [op.OP_RET, () => 'RET'],
  [op.OP_JMP_IND, (u) => `JMP_${FORM[u.k1]}`],
  [op.OP_CALL_IND, (u) => `CALL_${FORM[u.k1]}`],
  [op.OP_JCC, (u) => `J${CONDITIONS[u.ext]}`],
  [op.OP_SETCC, (u) => `SET${CONDITIONS[u.ext]}_${FORM[u.k1]}`],
  [op.OP_CMOVCC, (u) => `CMOV${CONDITIONS[u.ext]}_R${FORM[u.k2]}${u.size * 8}`],
  [op.OP_IMUL2, (u) => `IMUL2_R${FORM[u.k2]}${u.size * 8}`],
  [op.OP_IMUL3, (u) => (u.k2 === L.K_REG ? `IMUL3_R${u.size * 8}` : '')],
  [op.OP_MUL, (u) => `MUL_${FORM[u.k1]}${u.size * 8}`],
  [op.OP_DIV, (u) => `DIV_${FORM[u.k1]}${u.size * 8}`],
  [op.OP_XCHG, (u) => `XCHG_${FORM[u.k1]}R${u.size * 8}`],
  [op.OP_XADD, (u) => `XADD_${FORM[u.k1]}R${u.size * 8}`],
  [op.OP_CMPXCHG, (u) => `CMPXCHG_${FORM[u.k1]}R${u.size * 8}`],
  [op.OP_BT, (u) => `BT_${FORM[u.k1]}${FORM[u.k2]}${u.size * 8}`],
  [op.OP_BSWAP, (u) => `BSWAP_R${u.size * 8}`],
  [op.OP_CLI, () => 'CLI'],
  [op.OP_STI, () => 'STI'],
  [op.OP_IN, () => 'IN'],
  [op.OP_OUT, () => 'OUT'],
  [op.OP_PUSHF, (u) => (u.size === 8 ? 'PUSHF' : '')],
  [op.OP_POPF, (u) => (u.size === 8 ? 'POPF' : '')],
  [op.OP_SHL, shiftName],
  [op.OP_SHR, shiftName],
  [op.OP_SAR, shiftName],
]);

/** The inner loop's operation for a micro-op, 0 for none. May bring the immediate into the form the loop wants. */
export function fastOperation(u: MicroOp, nextRip: bigint): number {
  foldSegment(u);
  if (!plainOperands(u)) return 0;
  if (u.op === op.OP_CALL || (u.op === op.OP_CALL_IND && u.k1 === L.K_REG)) u.disp = nextRip;
  const build = special.get(u.op);
  if (build) return operationNumber(build(u));
  if (!NAMES.has(u.op)) return 0;
  const name = u.k2 === L.K_NONE ? `${NAMES.get(u.op)}_${FORM[u.k1]}${u.size * 8}` : binaryName(u);
  return operationNumber(name);
}
