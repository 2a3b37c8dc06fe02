/** Translates a basic block of guest code into micro-ops: called by the core when it meets code it does not know. */
import { Decoder, DecoderError, Instruction, Mnemonic } from 'iced-x86';
import * as L from './core/layout';
import * as op from './core/ops';
import { decodeInstruction } from './decode';
import { fastOperation } from './fast-forms';
import type { MachineCoreOptions } from './types';
import { emptyMicroOp, writeMicroOp, type MicroOp } from './uop-writer';

const PAGE = 4096;
/** Longest x86 instruction. */
const LONGEST = 15;
/** Bytes handed to the decoder at once: enough for most blocks, little enough to copy. */
const WINDOW = 320;

/** Where the translator finds code and puts micro-ops. */
export interface TranslatorTarget {
  /** The core's whole memory. */
  buffer: ArrayBuffer;
  /** Where RAM starts in it. */
  ramBase: number;
  /** Tells the core which bytes of RAM were decoded, so that stores to them are noticed. */
  markGranules(physical: number, length: number): void;
}

/** How translation is done. */
export interface TranslatorOptions {
  costs: MachineCoreOptions['costs'];
  /** False: every instruction takes the general path (for comparing the two). */
  fastPaths: boolean;
}

/** Translates blocks. One object serves all vCPUs of a machine. */
export class Translator {
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly instruction = new Instruction();

  constructor(
    private readonly target: TranslatorTarget,
    private readonly options: TranslatorOptions,
  ) {
    this.view = new DataView(target.buffer);
    this.bytes = new Uint8Array(target.buffer);
  }

  /**
   * Writes the block at physical address `phys`, linear `rip`, to `out`; returns the number of micro-ops. Returns −1 when
   * the first instruction goes on in the next page and that page's physical address `phys2` is −1 (not known).
   */
  translate(phys: number, phys2: number, rip: bigint, out: number): number {
    const left = PAGE - (phys % PAGE);
    if (phys2 >= 0) return this.translateCrossing(phys, phys2, left, rip, out);
    const window = Math.min(left, WINDOW);
    const start = this.target.ramBase + phys;
    const decoder = new Decoder(64, this.bytes.subarray(start, start + window), 0);
    decoder.ip = rip;
    let count = 0;
    let decoded = 0;
    let open = true;
    while (open && count < L.BLOCK_MAX && decoded < window) {
      decoder.decodeOut(this.instruction);
      if (decoder.lastError === DecoderError.NoMoreBytes) {
        if (count === 0 && window === left) {
          decoder.free();
          return -1;
        }
        break;
      }
      open = this.emit(out + count * L.UOP_SIZE);
      decoded += this.instruction.length;
      count++;
    }
    decoder.free();
    this.target.markGranules(phys, Math.min(decoded + LONGEST, left));
    if (open || this.needsGoto) {
      this.emitGoto(out + count * L.UOP_SIZE, rip + BigInt(decoded));
      count++;
    }
    return count;
  }

  /** A block of the one instruction that lies in two pages, with a guard for the second page's mapping. */
  private translateCrossing(phys: number, phys2: number, left: number, rip: bigint, out: number): number {
    const { ramBase } = this.target;
    const code = new Uint8Array(left + LONGEST);
    code.set(this.bytes.subarray(ramBase + phys, ramBase + phys + left));
    code.set(this.bytes.subarray(ramBase + phys2, ramBase + phys2 + LONGEST), left);
    const decoder = new Decoder(64, code, 0);
    decoder.ip = rip;
    decoder.decodeOut(this.instruction);
    decoder.free();
    this.target.markGranules(phys, left);
    this.target.markGranules(phys2, LONGEST);
    const guard = emptyMicroOp(op.OP_CROSS);
    guard.imm = BigInt(phys2);
    this.write(out, rip, guard, 0);
    const length = this.instruction.length;
    const open = this.emit(out + L.UOP_SIZE);
    if (!open && !this.needsGoto) return 2;
    this.emitGoto(out + 2 * L.UOP_SIZE, rip + BigInt(length));
    return 3;
  }

  /** The last emitted instruction ends its block but may be followed by the next one in line. */
  private needsGoto = false;

  /** Emits the current instruction; false when the block ends with it. */
  private emit(at: number): boolean {
    const insn = this.instruction;
    const rip = insn.ip;
    if (insn.mnemonic === Mnemonic.INVALID) {
      this.needsGoto = false;
      const bad = emptyMicroOp(op.OP_UD);
      bad.cost = this.options.costs.base;
      this.write(at, rip, bad, 0);
      return false;
    }
    const decoded = decodeInstruction(insn);
    const uop = decoded?.uop ?? emptyMicroOp(op.OP_UNSUPPORTED);
    uop.length = insn.length;
    uop.cost = this.options.costs[decoded?.cost ?? 'base'];
    this.write(at, rip, uop, this.options.fastPaths ? fastOperation(uop, insn.nextIP) : 0);
    this.needsGoto = decoded !== undefined && decoded.ends && !decoded.leaves;
    return decoded !== undefined && !decoded.ends;
  }

  private emitGoto(at: number, rip: bigint): void {
    const uop = emptyMicroOp(op.OP_GOTO);
    uop.imm = BigInt.asIntN(64, rip);
    this.write(at, rip, uop, this.options.fastPaths ? fastOperation(uop, rip) : 0);
  }

  private write(at: number, rip: bigint, uop: MicroOp, fast: number): void {
    writeMicroOp(this.view, at, rip, uop, fast);
  }
}
