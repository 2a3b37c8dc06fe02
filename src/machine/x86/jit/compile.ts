/** Compiles regions to functions of one WebAssembly module: `(vCPU's block) -> next micro-op`. */
import * as L from '../core/state/layout';
import { CONDITIONS, type Condition } from '../operations/definition';
import { numberOf } from '../operations/table';
import { condition } from './conditions';
import {
  AT,
  BUDGET,
  CC,
  CCA,
  CCB,
  CPU,
  Emitter,
  I32_LOCALS,
  I64_LOCALS,
  MMU,
  NEXT,
  PC,
  REGS,
} from './emitter';
import { operations, pushStack } from './operations';
import { fastOf, ripKey, type Region } from './region';
import { I32, I64, Op, WasmWriter } from './wasm-writer';

const RSP = 32;

const JMP = numberOf('JMP');
const GOTO = numberOf('GOTO');
const CALL = numberOf('CALL');
const RET = numberOf('RET');

/** Conditions of the direct conditional branches. */
const BRANCHES = new Map<number, Condition>(CONDITIONS.map((name) => [numberOf(`J${name}`), name]));

/** Where the code of one region's function stands while it is written. */
class RegionCompiler {
  private readonly e: Emitter;
  /** Labels that lead to later blocks. */
  private readonly labels: number[] = [];
  private dispatch = 0;
  private current = 0;
  private self = 0;
  private compiled = 0;

  constructor(
    data: DataView,
    private readonly region: Region,
  ) {
    this.e = new Emitter(data);
  }

  /** The function's body; undefined when nothing of the hot block can be compiled. */
  body(): Uint8Array | undefined {
    const { e, region } = this;
    const { w } = e;
    e.exit = w.open(Op.block);
    this.dispatch = w.open(Op.loop);
    for (let i = region.blocks.length - 1; i >= 0; i--) this.labels[i] = w.open(Op.block);
    w.get(NEXT);
    w.brTable(this.labels);
    for (let i = 0; i < region.blocks.length; i++) {
      w.close();
      this.block(i);
      if (i === 0 && this.compiled === 0) return undefined;
    }
    // Every block ends by going elsewhere.
    w.byte(0x00);
    w.close();
    w.close();
    return this.frame(w.view());
  }

  /** Locals, loads before and stores after the code. */
  private frame(code: Uint8Array): Uint8Array {
    const { used, written } = this.e;
    const w = new WasmWriter();
    w.unsigned(2);
    w.unsigned(I32_LOCALS);
    w.byte(I32);
    w.unsigned(I64_LOCALS);
    w.byte(I64);
    const slots: readonly (readonly [number, number])[] = [
      [BUDGET, L.C_BUDGET],
      [CC, L.C_CC],
      [CCA, L.C_CCA],
      [CCB, L.C_CCB],
    ];
    const load = (local: number, field: number): void => {
      w.get(CPU);
      w.memory(Op.i64Load, field);
      w.set(local);
    };
    const store = (local: number, field: number): void => {
      w.get(CPU);
      w.get(local);
      w.memory(Op.i64Store, field);
    };
    for (const [local, field] of slots) load(local, field);
    for (let r = 0; r < 16; r++) if (used & (1 << r)) load(REGS + r, L.C_REGS + 8 * r);
    w.get(CPU);
    w.memory(Op.i32Load, L.C_MMU);
    w.set(MMU);
    w.append(code);
    for (const [local, field] of slots) store(local, field);
    for (let r = 0; r < 16; r++) if (written & (1 << r)) store(REGS + r, L.C_REGS + 8 * r);
    w.get(PC);
    w.byte(Op.end);
    return w.view();
  }

  private block(index: number): void {
    const { e, region } = this;
    const { w } = e;
    const { head, end } = region.blocks[index];
    this.current = index;
    this.self = w.open(Op.loop);
    e.beginBlock();
    e.uop = head;
    this.guard(end);
    let open = true;
    for (let uop = head; open && uop < end; uop += L.UOP_SIZE) {
      e.uop = uop;
      open = this.instruction(fastOf(e.data, uop));
    }
    if (open) e.leave(end);
    w.close();
  }

  /** Leaves before the block when the budget does not cover all of it: its end is then found one by one. */
  private guard(end: number): void {
    const { e } = this;
    const { data, w } = e;
    let count = 0;
    let cycles = 0;
    for (let uop = e.uop; uop < end; uop += L.UOP_SIZE) {
      count += data.getUint32(uop + L.U_COST, true);
      cycles += data.getUint32(uop + L.U_COST + 4, true);
    }
    w.get(BUDGET);
    w.i64Halves(count, cycles);
    w.byte(Op.i64LtS);
    e.leaveIf();
  }

  /** One micro-op; false when control has gone elsewhere. */
  private instruction(number: number): boolean {
    const { e } = this;
    const name = BRANCHES.get(number);
    if (name) return this.branch(name);
    if (number === JMP || number === GOTO) return this.jump();
    if (number === CALL) return this.call();
    if (number === RET) return this.ret();
    if (!operations[number]?.(e)) {
      e.leave(e.uop);
      return false;
    }
    this.compiled++;
    e.retire();
    return true;
  }

  /** Block of this region that begins at the RIP in a field of the micro-op. */
  private target(field: number): number | undefined {
    return this.region.byRip.get(ripKey(this.e.data, this.e.uop + field));
  }

  /** Goes to a block of the region; what has retired is charged. */
  private go(index: number): void {
    const { e } = this;
    const { w } = e;
    e.charge();
    if (index === this.current) w.br(this.self);
    else if (index > this.current) w.br(this.labels[index]);
    else {
      w.i32(index);
      w.set(NEXT);
      w.br(this.dispatch);
    }
  }

  private jump(): boolean {
    const { e } = this;
    const index = this.near() ? this.target(L.U_IMM) : undefined;
    if (index === undefined) e.leave(e.uop);
    else {
      e.retire();
      this.compiled++;
      this.go(index);
    }
    return false;
  }

  /** A branch within its page; falling through into the next block is one too. */
  private near(): boolean {
    return (this.e.u8(L.U_FLAGS) & L.UF_NEAR) !== 0 || fastOf(this.e.data, this.e.uop) === GOTO;
  }

  private branch(name: Condition): boolean {
    const { e } = this;
    const { w } = e;
    if (!condition(e, name)) {
      e.leave(e.uop);
      return false;
    }
    const index = this.near() ? this.target(L.U_IMM) : undefined;
    w.open(Op.if);
    if (index === undefined) e.leave(e.uop);
    else {
      const mark = e.mark();
      e.retire();
      this.go(index);
      e.reset(mark);
    }
    w.close();
    e.retire();
    this.compiled++;
    return true;
  }

  private call(): boolean {
    const { e } = this;
    const index = this.near() ? this.target(L.U_IMM) : undefined;
    if (index === undefined) {
      e.leave(e.uop);
      return false;
    }
    pushStack(e, () => e.field(L.U_DISP));
    e.retire();
    this.compiled++;
    this.go(index);
    return false;
  }

  /** A return to one of the region's own calls; any other is the interpreter's. */
  private ret(): boolean {
    const { e } = this;
    const { w } = e;
    const sites = this.returnSites();
    if (sites.length === 0) {
      e.leave(e.uop);
      return false;
    }
    e.pushRegister(RSP, 64, false);
    e.translate(64, L.T_READ);
    e.load(64, false);
    w.set(AT);
    const mark = e.mark();
    for (const { index, at } of sites) {
      w.get(AT);
      w.i64Halves(e.data.getUint32(at, true), e.data.getUint32(at + 4, true));
      w.byte(Op.i64Eq);
      w.open(Op.if);
      e.pushRegister(RSP, 64, false);
      w.i64(8);
      w.byte(Op.i64Add);
      e.field(L.U_IMM);
      w.byte(Op.i64Add);
      e.popRegister(RSP, 64);
      e.retire();
      this.go(index);
      e.reset(mark);
      w.close();
    }
    e.leave(e.uop);
    this.compiled++;
    return false;
  }

  /** Blocks that follow a call of the region, and where in memory their RIPs stand. */
  private returnSites(): { index: number; at: number }[] {
    const { data } = this.e;
    const found = new Map<number, number>();
    for (const { head, end } of this.region.blocks) {
      for (let uop = head; uop < end; uop += L.UOP_SIZE) {
        if (fastOf(data, uop) !== CALL) continue;
        const index = this.region.byRip.get(ripKey(data, uop + L.U_DISP));
        if (index !== undefined) found.set(index, uop + L.U_DISP);
      }
    }
    return [...found].map(([index, at]) => ({ index, at }));
  }
}

/** Body of a region's function, or undefined when its hot block cannot be compiled. */
export function compileRegion(data: DataView, region: Region): Uint8Array | undefined {
  return new RegionCompiler(data, region).body();
}

/** A module that imports the core's memory and exports the functions with these bodies, named by their position. */
export function moduleOf(bodies: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const w = new WasmWriter();
  w.append(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  w.section(1, (s) => {
    s.append(Uint8Array.of(1, 0x60, 1, I32, 1, I32));
  });
  w.section(2, (s) => {
    s.unsigned(1);
    s.name('env');
    s.name('memory');
    s.append(Uint8Array.of(2, 0, 1));
  });
  w.section(3, (s) => {
    s.unsigned(bodies.length);
    for (let i = 0; i < bodies.length; i++) s.byte(0);
  });
  w.section(7, (s) => {
    s.unsigned(bodies.length);
    for (let i = 0; i < bodies.length; i++) {
      s.name(String(i));
      s.byte(0);
      s.unsigned(i);
    }
  });
  w.section(10, (s) => {
    s.unsigned(bodies.length);
    for (const body of bodies) {
      s.unsigned(body.length);
      s.append(body);
    }
  });
  return Uint8Array.from(w.view());
}
