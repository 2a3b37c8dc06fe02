/** What compiling one region has at hand: guest registers in locals, memory by the TLB, and the way out at a boundary. */
import * as L from '../core/state/layout';
import { I32, Op, WasmWriter } from './wasm-writer';

/** Locals of a region's function; parameter 0 is the vCPU's block. The sixteen general registers follow `REGS`. */
export const CPU = 0;
export const PC = 1;
export const NEXT = 2;
export const MMU = 3;
export const ENTRY = 4;
export const HOST = 5;
export const BUDGET = 6;
export const CC = 7;
export const CCA = 8;
export const CCB = 9;
export const AT = 10;
export const X = 11;
export const Y = 12;
export const REGS = 13;
/** Locals by type, after the parameter. */
export const I32_LOCALS = 5;
export const I64_LOCALS = 7 + 16;

/** What is known of C_CC while compiling: class and shift, or nothing. */
export const UNKNOWN = -1;

/** Bytes of an access by bits, its loads by signedness, its store. */
const LOADS: Record<number, { signed: number; unsigned: number; store: number }> = {
  8: { signed: Op.i64Load8S, unsigned: Op.i64Load8U, store: Op.i64Store8 },
  16: { signed: Op.i64Load16S, unsigned: Op.i64Load16U, store: Op.i64Store16 },
  32: { signed: Op.i64Load32S, unsigned: Op.i64Load32U, store: Op.i64Store32 },
  64: { signed: Op.i64Load, unsigned: Op.i64Load, store: Op.i64Store },
};

/** Emits the code of one region's blocks. */
export class Emitter {
  readonly w = new WasmWriter();
  /** The micro-op under way. */
  uop = 0;
  /** Class and shift of the flags where known. */
  known = UNKNOWN;
  /** Registers in use, and of them those written, as bits. */
  used = 0;
  written = 0;
  /** Label of the block around everything: what is written back follows it. */
  exit = 0;
  /** Instructions and cycles of the block before the micro-op under way. */
  private count = 0;
  private cycles = 0;

  constructor(readonly data: DataView) {}

  // ---- the micro-op ----

  u8(field: number): number {
    return this.data.getUint8(this.uop + field);
  }

  u16(field: number): number {
    return this.data.getUint16(this.uop + field, true);
  }

  /** Low half of a field. */
  u32(field: number): number {
    return this.data.getUint32(this.uop + field, true);
  }

  /** Pushes a 64-bit field as a constant. */
  field(field: number): void {
    this.w.i64Halves(this.u32(field), this.u32(field + 4));
  }

  // ---- budget and exits ----

  beginBlock(): void {
    this.count = 0;
    this.cycles = 0;
    this.known = UNKNOWN;
  }

  /** The micro-op under way has retired: what comes is charged for it. */
  retire(): void {
    this.count += this.u32(L.U_COST);
    this.cycles += this.u32(L.U_COST + 4);
  }

  /** What has retired so far, to come back to where code goes two ways. */
  mark(): readonly [count: number, cycles: number, known: number] {
    return [this.count, this.cycles, this.known];
  }

  reset(mark: readonly [count: number, cycles: number, known: number]): void {
    [this.count, this.cycles, this.known] = mark;
  }

  /** Takes what has retired in this block from the budget. */
  charge(): void {
    if (this.count === 0) return;
    const { w } = this;
    w.get(BUDGET);
    w.i64Halves(this.count, this.cycles);
    w.byte(Op.i64Sub);
    w.set(BUDGET);
  }

  /** Leaves with the micro-op `uop` next, everything before it done. */
  leave(uop: number): void {
    this.charge();
    this.w.i32(uop);
    this.w.set(PC);
    this.w.br(this.exit);
  }

  /** Leaves before the micro-op under way if the i32 on the stack is not 0. */
  leaveIf(): void {
    this.w.open(Op.if);
    this.leave(this.uop);
    this.w.close();
  }

  // ---- registers ----

  /** Local of the general register that a register field names. */
  private local(offset: number): number {
    const register = offset >> 3;
    this.used |= 1 << register;
    return REGS + register;
  }

  /** Pushes a register's low `bits`, extended to 64. `offset` may name the second byte (AH) and what is no general register. */
  pushRegister(offset: number, bits: number, signed: boolean): void {
    const { w } = this;
    if (offset === L.C_ZERO) {
      w.i64(0);
      return;
    }
    if (offset > L.C_ZERO) {
      // Segment bases change outside of regions only.
      w.get(CPU);
      w.memory(Op.i64Load, offset);
      return;
    }
    w.get(this.local(offset));
    if (offset & 7) {
      w.i64((offset & 7) * 8);
      w.byte(Op.i64ShrU);
    }
    if (bits === 64) return;
    if (signed) w.byte(bits === 32 ? Op.i64Extend32S : bits === 16 ? Op.i64Extend16S : Op.i64Extend8S);
    else {
      w.i64Halves(bits === 32 ? -1 : (1 << bits) - 1, 0);
      w.byte(Op.i64And);
    }
  }

  /** Sets a register to what is on the stack, as the instruction set does for `bits`. */
  popRegister(offset: number, bits: number): void {
    const { w } = this;
    const local = this.local(offset);
    this.written |= 1 << (offset >> 3);
    if (bits < 64) {
      w.i64Halves(bits === 32 ? -1 : (1 << bits) - 1, 0);
      w.byte(Op.i64And);
    }
    if (bits < 32) {
      const shift = (offset & 7) * 8;
      if (shift) {
        w.i64(shift);
        w.byte(Op.i64Shl);
      }
      w.get(local);
      const kept = ~(((1 << bits) - 1) << shift);
      w.i64Halves(kept, -1);
      w.byte(Op.i64And);
      w.byte(Op.i64Or);
    }
    w.set(local);
  }

  // ---- memory ----

  /** Pushes the address of the memory operand. */
  address(): void {
    const { w } = this;
    const low = this.u32(L.U_DISP);
    const high = this.u32(L.U_DISP + 4);
    let terms = 0;
    const add = (): void => {
      if (terms++ > 0) w.byte(Op.i64Add);
    };
    const base = this.u16(L.U_BASE);
    if (base !== L.C_ZERO) {
      this.pushRegister(base, 64, false);
      add();
    }
    const index = this.u16(L.U_INDEX);
    if (index !== L.C_ZERO) {
      this.pushRegister(index, 64, false);
      const scale = this.u8(L.U_SCALE);
      if (scale) {
        w.i64(scale);
        w.byte(Op.i64Shl);
      }
      add();
    }
    if (terms === 0 || low !== 0 || high !== 0) {
      w.i64Halves(low, high);
      add();
    }
  }

  /**
   * Takes an address off the stack and leaves its host address in HOST; leaves the region before the micro-op when the TLB
   * does not serve the access. `tag` is T_READ or T_WRITE.
   */
  translate(bits: number, tag: number): void {
    const { w } = this;
    w.tee(AT);
    w.byte(Op.i32WrapI64);
    w.get(AT);
    w.byte(Op.i32WrapI64);
    w.i32(L.TLB_FOLD);
    w.byte(Op.i32ShrU);
    w.byte(Op.i32Xor);
    // (bits from 12 on, mod entries) × entry size, in one shift and one mask.
    w.i32(12 - Math.log2(L.TLB_ENTRY));
    w.byte(Op.i32ShrU);
    w.i32((L.TLB_ENTRIES - 1) * L.TLB_ENTRY);
    w.byte(Op.i32And);
    w.get(MMU);
    w.byte(Op.i32Add);
    w.tee(ENTRY);
    w.memory(Op.i64Load, tag);
    w.get(AT);
    if (bits > 8) {
      w.i64(bits / 8 - 1);
      w.byte(Op.i64Add);
    }
    w.i64(-4096);
    w.byte(Op.i64And);
    w.byte(Op.i64Ne);
    this.leaveIf();
    w.get(AT);
    w.byte(Op.i32WrapI64);
    w.get(ENTRY);
    w.memory(Op.i32Load, L.T_DATA);
    w.byte(Op.i32Add);
    w.set(HOST);
  }

  /** Pushes what stands at HOST. */
  load(bits: number, signed: boolean): void {
    this.w.get(HOST);
    this.w.memory(LOADS[bits][signed ? 'signed' : 'unsigned'], 0);
  }

  /** Stores to HOST what `push` pushes. */
  store(bits: number, push: () => void): void {
    this.w.get(HOST);
    push();
    this.w.memory(LOADS[bits].store, 0);
  }

  // ---- flags ----

  /** Notes the flags' class and shift; their operands are in CCA and CCB. */
  setKind(kind: number): void {
    this.w.i64(kind);
    this.w.set(CC);
    this.known = kind;
  }

  /** Opens an if that gives an i32. */
  choose(): void {
    this.w.open(Op.if, I32);
  }
}
