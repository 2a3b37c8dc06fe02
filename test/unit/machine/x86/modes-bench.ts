/** A bare machine in 32- or 16-bit code: paging off, segments as the test gives them. */
import type { CpuCallouts } from '../../../../src/machine/x86/types';
import { CODE, STACK, bench, type Bench } from './harness';

/** Segment registers in the order of a vCPU's state. */
export const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
export type SegmentName = (typeof SEGMENTS)[number];

/** A segment register with its hidden part; `attributes` are bits 40-55 of a descriptor. */
export interface Segment {
  selector: number;
  base: number;
  limit: number;
  attributes: number;
}

/** Attributes: present, S, type, and D/B and G where they matter. */
export const CODE32 = 0xc09b;
export const CODE16 = 0x009b;
export const DATA32 = 0xc093;
export const DATA16 = 0x0093;

export const FLAT_CODE: Segment = { selector: 8, base: 0, limit: 0xffffffff, attributes: CODE32 };
export const FLAT_DATA: Segment = { selector: 16, base: 0, limit: 0xffffffff, attributes: DATA32 };

/** A real-mode segment: base selector × 16, 64 KiB. */
export function real(selector: number): Segment {
  return { selector, base: selector * 16, limit: 0xffff, attributes: DATA16 };
}

/** How a machine begins. */
export interface Start {
  /** CR0.PE. */
  protectedMode: boolean;
  segments: Partial<Record<SegmentName, Segment>>;
  ip: number;
  sp: number;
  /** False: every instruction takes the general path. */
  fastPaths?: boolean;
}

/** 32-bit protected mode, flat. */
export const FLAT32: Start = {
  protectedMode: true,
  segments: { cs: FLAT_CODE, ds: FLAT_DATA, es: FLAT_DATA, ss: FLAT_DATA, fs: FLAT_DATA, gs: FLAT_DATA },
  ip: CODE,
  sp: STACK,
};

/** Real mode: code at 1000:0000 (linear CODE), data at 5000:0, extra at 6000:0, stack 8000:8000. */
export const REAL16: Start = {
  protectedMode: false,
  segments: {
    cs: { ...real(0x1000), attributes: CODE16 },
    ds: real(0x5000),
    es: real(0x6000),
    ss: real(0x8000),
    fs: real(0x5000),
    gs: real(0x5000),
  },
  ip: 0,
  sp: 0x8000,
};

/** A machine with `code` at linear CODE that begins as told. */
export function benchMode(
  code: readonly number[],
  start: Start,
  overrides: Partial<CpuCallouts> = {},
): Bench {
  const b = bench([...code], overrides, start.fastPaths ?? true);
  const saved = b.cpu.save();
  const state = saved.hardware;
  state.control.fill(0n);
  state.control[0] = start.protectedMode ? 0x11n : 0x10n;
  state.msrs[0] = 0n;
  state.general.fill(0n);
  state.general[4] = BigInt(start.sp);
  state.general[16] = BigInt(start.ip);
  state.general[17] = 2n;
  SEGMENTS.forEach((name, i) => {
    const s = start.segments[name];
    if (s)
      state.segments.set([BigInt(s.base), BigInt(s.selector), BigInt(s.limit), BigInt(s.attributes)], i * 4);
  });
  b.cpu.load(saved);
  return b;
}
