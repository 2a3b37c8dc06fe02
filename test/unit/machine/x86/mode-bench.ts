/** A machine with descriptor tables for every mode, entered at any privilege level, for tests of segmentation and delivery. */
import { expect } from 'vitest';
import type { CpuCallouts, CpuHardware, CpuVendor } from '../../../../src/machine/x86/types';
import { CODE, STACK, bench, type Bench } from './harness';

export const GDT = 0x5000;
export const LDT = 0x5400;
export const TSS = 0x5800;
export const IDT = 0x6000;
export const KERNEL_STACK = 0x80000;
export const HANDLERS = 0x20000;
/** Where the handler of a vector begins. */
export const handlerOf = (vector: number): number => HANDLERS + vector * 16;

/** A segment descriptor (SDM vol. 3, figure 3-8) from its access byte, its flags nibble (G, D/B, L, AVL), base and limit. */
export function descriptor(access: number, flags = 0xc, limit = 0xfffff, base = 0): bigint {
  return (
    BigInt(limit & 0xffff) |
    (BigInt(base & 0xffffff) << 16n) |
    (BigInt(access) << 40n) |
    (BigInt(limit >>> 16) << 48n) |
    (BigInt(flags) << 52n) |
    (BigInt(base >>> 24) << 56n)
  );
}

/** A call, interrupt, trap or task gate of 8 bytes, or the first half of one of 16 (figures 5-8 and 6-2). */
export function gate(type: number, selector: number, offset: number, dpl = 3, low = 0): bigint {
  return (
    BigInt(offset & 0xffff) |
    (BigInt(selector) << 16n) |
    (BigInt(low) << 32n) |
    (BigInt(0x80 | (dpl << 5) | type) << 40n) |
    (BigInt(offset >>> 16) << 48n)
  );
}

/** Selectors of the table below. */
export const S = {
  code: 0x08,
  data: 0x10,
  userCode: 0x1b,
  userData: 0x23,
  tss: 0x28, // two slots
  code16: 0x38,
  data16: 0x40,
  conforming: 0x48,
  absentCode: 0x50,
  absentData: 0x58,
  smallCode: 0x60, // last offset 0xfff
  readOnly: 0x68,
  data1: 0x70, // DPL 1
  executeOnly: 0x7b, // DPL 3
  code64: 0x80,
  userCode64: 0x8b,
  ldt: 0x90, // two slots
  expandDown: 0xa0, // from 0x10000
  /** Free for a test to fill: two slots. */
  free: 0xb0,
  beyond: 0xc0,
} as const;

function fillGdt(b: Bench, long: boolean): void {
  b.poke(
    GDT,
    ...[0n, descriptor(0x9a), descriptor(0x92), descriptor(0xfa), descriptor(0xf2)],
    ...[
      descriptor(long ? 0x8b : 0x8b, 0, 0x67, TSS),
      0n,
      descriptor(0x9a, 0, 0xffff),
      descriptor(0x92, 0, 0xffff),
    ],
    ...[descriptor(0x9e), descriptor(0x1a), descriptor(0x12), descriptor(0x9a, 4, 0xfff), descriptor(0x90)],
    ...[descriptor(0xb2), descriptor(0xf8), descriptor(0x9a, 0xa), descriptor(0xfa, 0xa)],
    ...[descriptor(0x82, 0, 0x1f, LDT), 0n, descriptor(0x96, 4, 0xffff), 0n, 0n, 0n],
  );
}

/** How code is to be entered. */
export interface Entry {
  mode: 'protected' | 'long' | 'compatibility';
  cpl?: 0 | 3;
  flags?: bigint;
  stack?: number;
  vendor?: CpuVendor;
}

/** Puts a segment register of a saved state to a selector of the GDT, with its hidden part. */
function setRegister(b: Bench, state: CpuHardware, index: number, selector: number): void {
  const d = b.peek(GDT + (selector & ~7));
  const coarse = (d >> 55n) & 1n;
  const limit = (d & 0xffffn) | ((d >> 32n) & 0xf0000n);
  const base = ((d >> 16n) & 0xffffffn) | ((d >> 32n) & 0xff000000n);
  const last = coarse ? (limit << 12n) | 0xfffn : limit;
  state.segments.set([base, BigInt(selector), last, (d >> 40n) & 0xffffn], index * 4);
}

/**
 * `code` at CODE, entered as told, with handlers of all 256 vectors at `handlerOf`: gates of DPL 3 to the conforming code
 * segment in protected mode, so that they need no stack of their own, and to 64-bit code of level 0 under IA-32e.
 */
export function modeBench(code: number[], entry: Entry, overrides: Partial<CpuCallouts> = {}): Bench {
  const b = bench(code, overrides, true, undefined, entry.vendor);
  const { mode, cpl = 0 } = entry;
  const ia32e = mode !== 'protected';
  fillGdt(b, ia32e);
  for (let v = 0; v < 256; v++) {
    if (ia32e) b.poke(IDT + v * 16, gate(0xe, S.code64, handlerOf(v)), 0n);
    else b.poke(IDT + v * 8, gate(0xe, S.conforming, handlerOf(v)));
  }
  if (ia32e) for (let i = 0; i < 12; i++) b.poke(TSS + 4 + i * 8, BigInt(KERNEL_STACK));
  else b.poke(TSS, BigInt(KERNEL_STACK) << 32n, BigInt(S.data));
  if (!ia32e) b.cpu.startProtectedMode(CODE, 0, 0);
  const saved = b.cpu.save();
  const state = saved.hardware;
  const codes = {
    protected: [S.code, S.userCode],
    compatibility: [S.code, S.userCode],
    long: [S.code64, S.userCode64],
  };
  setRegister(b, state, 1, codes[mode][cpl ? 1 : 0]);
  for (const index of [0, 2, 3, 4, 5]) setRegister(b, state, index, cpl ? S.userData : S.data);
  setRegister(b, state, 7, S.tss);
  state.tables.set([BigInt(GDT), BigInt(S.beyond - 1), BigInt(IDT), 0xfffn]);
  state.cpl = cpl;
  state.general[4] = BigInt(entry.stack ?? STACK);
  state.general[17] = entry.flags ?? 2n;
  b.cpu.load(saved);
  return b;
}

/** Changes the saved state. */
export function alter(b: Bench, change: (state: CpuHardware) => void): void {
  const saved = b.cpu.save();
  const state = saved.hardware;
  change(state);
  b.cpu.load(saved);
}

/** Executes instructions one by one until the first of a handler is next; tells its vector. */
export function untilHandler(b: Bench, most = 20): number {
  for (let i = 0; i < most; i++) {
    const at = b.cpu.ripLow - HANDLERS;
    if (at >= 0 && at < 4096 && at % 16 === 0) return at / 16;
    const stop = b.cpu.run(b.cpu.now() + 1);
    if (stop !== 0) return -1 - stop;
  }
  return -100;
}

/** The stack's topmost words of `size` bytes. */
export function frame(b: Bench, size: 2 | 4 | 8, count: number): number[] {
  const top = Number(b.cpu.getReg(4));
  return Array.from({ length: count }, (_, i) => Number(BigInt.asUintN(size * 8, b.peek(top + i * size))));
}

/** Selectors of the registers ES CS SS DS FS GS. */
export function selectors(b: Bench): number[] {
  const { segments } = b.cpu.save().hardware;
  return [0, 1, 2, 3, 4, 5].map((i) => Number(segments[i * 4 + 1]));
}

/** The vector that comes and the error code on its stack. */
export function expectFault(b: Bench, size: 4 | 8, vector: number, error: number): void {
  expect([untilHandler(b), frame(b, size, 1)[0]]).toEqual([vector, error]);
}
