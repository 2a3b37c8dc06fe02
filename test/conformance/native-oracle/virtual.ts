/** Runs cases in the vCPU as a user-mode process would: CPL 3 under the selectors of Linux, every exception to a handler. */
import { StopReason, type CpuVendor } from '../../../src/machine/x86/types';
import { bench, type Bench } from '../../unit/machine/x86/harness';
import type { Case } from './cases';
import * as P from './place';
import type { Outcome } from './processor';

const STATE_PHYSICAL = 0x200000;
const GDT = 0x5000;
const TABLES = 0x5200;
const TSS = 0x5800;
const IDT = 0x6000;
const HANDLERS = 0x20000;
const SETUP = 0x10000;
const ENTER = 0x10100;
const KERNEL_STACK = 0x80000;
const FRAME = KERNEL_STACK - 0x100;
/** The epilogue's last instruction. */
const DONE = 0x40;
const WITH_ERROR: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);

/** One vCPU, used for all cases. */
export class VirtualProcessor {
  private readonly b: Bench;

  constructor(fastPaths: boolean, vendor: CpuVendor) {
    const b = bench([], {}, fastPaths, undefined, vendor);
    this.b = b;
    // Only the tests' stretch belongs to the user; it lies where the native program has it.
    for (let i = 0; i < 512; i++) b.poke(0x3000 + i * 8, (BigInt(i) << 21n) | 0x83n);
    for (let i = 0; i < 512; i++) b.poke(0x4000 + i * 8, 0n);
    b.poke(0x3000 + (P.STATE >> 21) * 8, BigInt(STATE_PHYSICAL) | 0x87n);
    for (let i = 3; i < 512; i++) if (i !== P.STATE >> 21) b.poke(0x3000 + i * 8, 0n);
    const tss = 0x67n | (BigInt(TSS) << 16n) | (0x89n << 40n);
    const code32 = 0x00cffb000000ffffn;
    const data = 0x00cff3000000ffffn;
    const code64 = 0x00affb000000ffffn;
    b.poke(GDT, 0n, 0n, 0x00af9b000000ffffn, 0x00cf93000000ffffn, code32, data, code64, 0n, tss, 0n);
    b.poke(TABLES, 0x4fn | (BigInt(GDT) << 16n), 0n, 0xfffn | (BigInt(IDT) << 16n));
    b.machine.memory.write(TSS + 4, Uint8Array.from([...P.le32(KERNEL_STACK), 0, 0, 0, 0]));
    b.machine.memory.write(TSS + 102, Uint8Array.of(0xff, 0xff)); // no port is open to the user
    for (let vector = 0; vector <= DONE; vector++) {
      const handler = HANDLERS + vector * 16;
      const open = vector === DONE || vector === 3 || vector === 4;
      const low = BigInt((handler & 0xffff) | (0x10 << 16));
      b.poke(IDT + vector * 16, low | (BigInt((handler & 0xffff0000) | (open ? 0xee00 : 0x8e00)) << 32n), 0n);
      b.machine.memory.write(handler, Uint8Array.of(0xf4));
    }
    const setup = [
      ...[0x0f, 0x01, 0x14, 0x25, ...P.le32(TABLES), 0x0f, 0x01, 0x1c, 0x25, ...P.le32(TABLES + 16)],
      ...[0xb8, 0x40, 0, 0, 0, 0x0f, 0x00, 0xd8, 0xf4], // mov eax,0x40; ltr ax; hlt
    ];
    b.machine.memory.write(SETUP, Uint8Array.from(setup));
    b.machine.memory.write(ENTER, Uint8Array.of(0x48, 0xcf)); // iretq
    this.install(P.PROLOGUE, P.PROLOGUE_CODE);
    this.install(P.EPILOGUE, P.epilogue([0xcd, DONE]));
    if (b.cpu.run(1000) !== StopReason.Halted)
      throw new Error(`set-up failed: ${b.cpu.faultReport()?.message}`);
    b.poke(
      FRAME,
      BigInt(P.PROLOGUE),
      BigInt(P.CS64),
      0x202n,
      BigInt(P.STATE + 0xe00),
      BigInt(P.DATA_SELECTOR),
    );
  }

  private install(linear: number, bytes: Uint8Array): void {
    this.b.machine.memory.write(linear - P.STATE + STATE_PHYSICAL, bytes);
  }

  run(one: Case): Outcome {
    const { b } = this;
    const { memory } = b.machine;
    const input = new Uint8Array(P.FAR + 8);
    input.set(new Uint8Array(one.registers.buffer), P.IN);
    input.set([...P.le32(P.TEST), one.bits === 64 ? P.CS64 : P.CS32], P.FAR);
    memory.write(STATE_PHYSICAL, input);
    memory.write(STATE_PHYSICAL + P.MEMORY, one.memory);
    this.install(P.TEST, one.code);
    b.cpu.setReg(4, BigInt(FRAME));
    b.cpu.setRip(BigInt(ENTER));
    const stop = b.cpu.run(b.cpu.now() + 100_000);
    if (stop !== StopReason.Halted) throw new Error(`stop ${stop}: ${b.cpu.faultReport()?.message ?? ''}`);
    const vector = (b.cpu.ripLow - 1 - HANDLERS) / 16;
    const after = memory.read(STATE_PHYSICAL + P.MEMORY, P.MEMORY_BYTES);
    const registers = new BigUint64Array(17);
    if (vector === DONE) {
      const saved = memory.read(STATE_PHYSICAL + P.OUT, P.REGISTERS_BYTES);
      registers.set(new BigUint64Array(saved.buffer, saved.byteOffset, 17));
      return { vector: -1, rip: 0n, registers, memory: after };
    }
    const frame = Number(b.cpu.getReg(4)) + (WITH_ERROR.has(vector) ? 8 : 0);
    for (let r = 0; r < 16; r++) registers[r] = b.cpu.getReg(r);
    registers[4] = b.peek(frame + 24);
    registers[16] = b.peek(frame + 16);
    return { vector, rip: b.peek(frame), registers, memory: after };
  }
}
