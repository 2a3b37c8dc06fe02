/** Micro-operations in the core's memory, written field by field. */
import * as L from '../core/state/layout';

/** A micro-op before it is written. Register fields are byte offsets within the vCPU's block. */
export interface MicroOp {
  op: number;
  r1: number;
  r2: number;
  k1: number;
  k2: number;
  size: number;
  size2: number;
  ext: number;
  imm: bigint;
  disp: bigint;
  base: number;
  index: number;
  scale: number;
  seg: number;
  /** Segment of the memory operand, SEG_*. */
  segx: number;
  /** Address size in bytes. */
  asize: number;
  flags: number;
  length: number;
  /** Cycles; 0 only for micro-ops that are no instructions, which do not count as retired either. */
  cost: number;
}

/** A micro-op without operands. */
export function emptyMicroOp(op: number): MicroOp {
  return {
    op,
    r1: L.C_ZERO,
    r2: L.C_ZERO,
    k1: L.K_NONE,
    k2: L.K_NONE,
    size: 0,
    size2: 0,
    ext: 0,
    imm: 0n,
    disp: 0n,
    base: L.C_ZERO,
    index: L.C_ZERO,
    scale: 0,
    seg: L.C_ZERO,
    segx: L.SEG_DS,
    asize: 8,
    flags: 0,
    length: 0,
    cost: 0,
  };
}

/** Writes a micro-op at `at`; `fast` is the inner loop's operation for it, 0 for none. */
export function writeMicroOp(view: DataView, at: number, rip: bigint, u: MicroOp, fast: number): void {
  view.setUint16(at + L.U_FAST, fast, true);
  view.setUint16(at + L.U_OP, u.op, true);
  view.setUint16(at + L.U_R1, u.r1, true);
  view.setUint16(at + L.U_R2, u.r2, true);
  view.setUint32(at + L.U_COST, u.cost > 0 ? 1 : 0, true);
  view.setUint32(at + L.U_COST + 4, u.cost, true);
  view.setBigInt64(at + L.U_IMM, BigInt.asIntN(64, u.imm), true);
  view.setBigInt64(at + L.U_DISP, BigInt.asIntN(64, u.disp), true);
  view.setUint16(at + L.U_BASE, u.base, true);
  view.setUint16(at + L.U_INDEX, u.index, true);
  view.setUint16(at + L.U_SEG, u.seg, true);
  view.setUint8(at + L.U_SCALE, u.scale);
  view.setUint8(at + L.U_FLAGS, u.flags);
  view.setBigInt64(at + L.U_RIP, BigInt.asIntN(64, rip), true);
  view.setUint32(at + L.U_TARGET, 0, true);
  view.setUint8(at + L.U_LEN, u.length);
  view.setUint8(at + L.U_SIZE, u.size);
  view.setUint8(at + L.U_SIZE2, u.size2);
  view.setUint8(at + L.U_K1, u.k1);
  view.setUint8(at + L.U_K2, u.k2);
  view.setUint8(at + L.U_EXT, u.ext);
  view.setUint8(at + L.U_SEGX, u.segx);
  view.setUint8(at + L.U_ASIZE, u.asize);
  view.setInt32(at + L.U_HITS, 0, true);
}
