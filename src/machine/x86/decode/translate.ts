/** Translates a basic block of guest code into micro-ops: called by the core when it meets code it does not know. */
import { Decoder, Instruction } from 'iced-x86';
import * as L from '../core/state/layout';
import { op } from '../operations/general';
import { decodeInstruction, missingInstruction } from './decode';
import { MODE_BITS } from './disassemble';
import { fastOperation } from './fast-forms';
import { DecoderError, Mnemonic } from './iced';
import type { CpuVendor, MachineCoreOptions } from '../types';
import { emptyMicroOp, writeMicroOp, type MicroOp } from './uop-writer';
import { DECODER_OPTIONS, amend } from './vendor';

const PAGE = 4096;
/** Longest x86 instruction. */
const LONGEST = 15;
/** Bytes handed to the decoder at once: enough for most blocks, little enough to copy. */
const WINDOW = 320;
/** Answers of `translate` instead of a count. */
const NEEDS_PAGE = -1;
const BEYOND_SEGMENT = -2;
/** Operations with a target in `imm`; within a page the core chains them to it. */
const DIRECT: ReadonlySet<number> = new Set([op.OP_JMP, op.OP_CALL, op.OP_JCC, op.OP_LOOP]);

/** Where a block begins. */
export interface CodePlace {
  /** Physical address of the first byte. */
  phys: number;
  /** Physical address of the page that follows; −1: not known. */
  phys2: number;
  /** RIP, EIP or IP of the first instruction, unsigned. */
  rip: bigint;
  /** MODE_*. */
  mode: number;
  /** Bytes from here to the end of the code segment. */
  room: number;
}

/** EIP counts 32 bits, in 16-bit code too. */
function cutRip(rip: bigint, mode: number): bigint {
  return mode === L.MODE_64 ? rip : BigInt.asUintN(32, rip);
}

/** A branch at `inPage` of its page by `distance` stays in the page. */
function samePage(inPage: number, distance: bigint): boolean {
  const at = BigInt(inPage) + BigInt.asIntN(64, distance);
  return at >= 0n && at < BigInt(PAGE);
}

/** Where the translator finds code and puts micro-ops. */
export interface TranslatorTarget {
  /** The core's whole memory. */
  buffer: ArrayBuffer;
  /** Where RAM starts in it. */
  ramBase: number;
  /** Tells the core which bytes of RAM were decoded, so that stores to them are noticed. */
  markGranules(physical: number, length: number): void;
}

/** Where instructions may have to be stopped at. */
export interface TranslatorStops {
  /** @param inPage offset of its first byte in its page */
  mayStopAt(rip: bigint, inPage: number, mode: number): boolean;
}

/** How translation is done. */
export interface TranslatorOptions {
  costs: MachineCoreOptions['costs'];
  /** Whose decoder. */
  vendor: CpuVendor;
  /** False: every instruction takes the general path (for comparing the two). */
  fastPaths: boolean;
  /** Taken direct branches after which their target is hot; 0: never. */
  hits: number;
}

/** Translates blocks. One object serves all vCPUs of a machine. */
export class Translator {
  private readonly view: DataView;
  private readonly bytes: Uint8Array;
  private readonly instruction = new Instruction();

  constructor(
    private readonly target: TranslatorTarget,
    private readonly options: TranslatorOptions,
    private readonly stops: TranslatorStops,
  ) {
    this.view = new DataView(target.buffer);
    this.bytes = new Uint8Array(target.buffer);
  }

  /**
   * Writes the block that begins at `place` to `out`; returns the number of micro-ops. Returns −1 when the first instruction
   * goes on in the next page and that page's physical address is not known, −2 when it goes beyond the code segment.
   */
  translate(place: CodePlace, out: number): number {
    const { phys, rip, mode, room } = place;
    const left = PAGE - (phys % PAGE);
    if (place.phys2 >= 0) return this.translateCrossing(place, left, out);
    const window = Math.min(left, WINDOW, room);
    const start = this.target.ramBase + phys;
    const decoder = this.decoder(mode, this.bytes.subarray(start, start + window), rip);
    let count = 0;
    let decoded = 0;
    let open = true;
    while (open && count < L.BLOCK_MAX && decoded < window) {
      decoder.decodeOut(this.instruction);
      if (decoder.lastError === DecoderError.NoMoreBytes) {
        if (count === 0 && (window === room || window === left)) {
          decoder.free();
          return window === room ? BEYOND_SEGMENT : NEEDS_PAGE;
        }
        break;
      }
      count += this.emitBreak(out + count * L.UOP_SIZE, (phys % PAGE) + decoded, mode);
      open = this.emit(out + count * L.UOP_SIZE, (phys % PAGE) + decoded, mode);
      decoded += this.instruction.length;
      count++;
    }
    decoder.free();
    this.target.markGranules(phys, Math.min(decoded + LONGEST, left));
    if (open || this.needsGoto) {
      this.emitGoto(out + count * L.UOP_SIZE, cutRip(rip + BigInt(decoded), mode), mode);
      count++;
    }
    return count;
  }

  /** A decoder of the vendor's; the caller frees it. */
  private decoder(mode: number, code: Uint8Array, rip: bigint): Decoder {
    const decoder = new Decoder(MODE_BITS[mode], code, DECODER_OPTIONS[this.options.vendor]);
    decoder.ip = rip;
    return decoder;
  }

  /** A block of the one instruction that lies in two pages, with a guard for the second page's mapping. */
  private translateCrossing(place: CodePlace, left: number, out: number): number {
    const { phys, phys2, rip, mode, room } = place;
    const { ramBase } = this.target;
    const code = new Uint8Array(left + LONGEST);
    code.set(this.bytes.subarray(ramBase + phys, ramBase + phys + left));
    code.set(this.bytes.subarray(ramBase + phys2, ramBase + phys2 + LONGEST), left);
    const decoder = this.decoder(mode, code.subarray(0, Math.min(room, code.length)), rip);
    decoder.decodeOut(this.instruction);
    const beyond = decoder.lastError === DecoderError.NoMoreBytes;
    decoder.free();
    if (beyond) return BEYOND_SEGMENT;
    this.target.markGranules(phys, left);
    this.target.markGranules(phys2, LONGEST);
    const guard = emptyMicroOp(op.OP_CROSS);
    guard.imm = BigInt(phys2);
    this.write(out, rip, guard, 0);
    const length = this.instruction.length;
    const count = 1 + this.emitBreak(out + L.UOP_SIZE, phys % PAGE, mode);
    const open = this.emit(out + count * L.UOP_SIZE, phys % PAGE, mode);
    if (!open && !this.needsGoto) return count + 1;
    this.emitGoto(out + (count + 1) * L.UOP_SIZE, cutRip(rip + BigInt(length), mode), mode);
    return count + 2;
  }

  /** The last emitted instruction ends its block but may be followed by the next one in line. */
  private needsGoto = false;

  /** Emits what stops before the current instruction, if anything may; returns how many micro-ops. */
  private emitBreak(at: number, inPage: number, mode: number): number {
    const rip = this.instruction.ip;
    if (!this.stops.mayStopAt(rip, inPage, mode)) return 0;
    this.write(at, rip, emptyMicroOp(op.OP_BREAK), 0);
    return 1;
  }

  /** Emits the current instruction, which begins at `inPage` of its page; false when the block ends with it. */
  private emit(at: number, inPage: number, mode: number): boolean {
    const insn = this.instruction;
    const rip = insn.ip;
    amend(insn, this.options.vendor);
    if (insn.mnemonic === Mnemonic.INVALID) {
      this.needsGoto = false;
      const bad = emptyMicroOp(op.OP_UD);
      bad.cost = this.options.costs.base;
      this.write(at, rip, bad, 0);
      return false;
    }
    const decoded = decodeInstruction(insn, mode);
    const uop = decoded?.uop ?? missingInstruction(insn);
    uop.length = insn.length;
    uop.cost = this.options.costs[decoded?.cost ?? 'base'];
    if (DIRECT.has(uop.op) && samePage(inPage, uop.imm - rip)) uop.flags |= L.UF_NEAR;
    this.write(at, rip, uop, this.options.fastPaths ? fastOperation(uop, insn.nextIP) : 0);
    this.needsGoto = decoded !== undefined && decoded.ends && !decoded.leaves;
    return decoded !== undefined && !decoded.ends;
  }

  private emitGoto(at: number, rip: bigint, mode: number): void {
    const uop = emptyMicroOp(op.OP_GOTO);
    if (mode !== L.MODE_64) uop.flags |= L.UF_SEGMENTED;
    uop.imm = BigInt.asIntN(64, rip);
    this.write(at, rip, uop, this.options.fastPaths ? fastOperation(uop, rip) : 0);
  }

  private write(at: number, rip: bigint, uop: MicroOp, fast: number): void {
    writeMicroOp(this.view, at, rip, uop, fast);
    const direct = uop.op === op.OP_JMP || uop.op === op.OP_JCC || uop.op === op.OP_CALL;
    if (direct && fast !== 0) this.view.setInt32(at + L.U_HITS, this.options.hits, true);
  }
}
