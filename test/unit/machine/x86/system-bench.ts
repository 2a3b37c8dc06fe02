/** A bare machine with descriptor tables, for tests of interrupts and faults. */
import type { JitOptions } from '../../../../src/machine/x86/jit/jit';
import type { CpuCallouts } from '../../../../src/machine/x86/types';
import { bench, type Bench } from './harness';

const GDT = 0x5000;
const TABLES = 0x5100;
const TSS = 0x5800;
const IDT = 0x6000;
export const COUNTER = 0x7000;
export const KERNEL_STACK = 0x80000;
/** Little-endian bytes of a 32-bit value. */
export const le = (v: number): number[] => [v & 255, (v >> 8) & 255, (v >> 16) & 255, (v >>> 24) & 255];
/** lgdt [TABLES]; lidt [TABLES+16]; mov eax,0x28; ltr ax */
export const SETUP = [
  ...[0x0f, 0x01, 0x14, 0x25, ...le(TABLES)],
  ...[0x0f, 0x01, 0x1c, 0x25, ...le(TABLES + 16)],
  ...[0xb8, 0x28, 0, 0, 0, 0x0f, 0x00, 0xd8],
];

/** An interrupt gate (SDM vol. 3, figure 6-8) to a handler below 4 GiB. */
export function setGate(b: Bench, vector: number, handler: number, dpl = 0, type = 0xe): void {
  const low = (handler & 0xffff) | (8 << 16);
  const high = (handler & 0xffff0000) | 0x8000 | (dpl << 13) | (type << 8);
  b.poke(IDT + vector * 16, BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n), 0n);
}

/** A machine with GDT, TSS and an empty IDT; SETUP loads them, then `code` runs. */
export function system(
  code: number[],
  overrides: Partial<CpuCallouts> = {},
  fastPaths = true,
  jit?: JitOptions | false,
): Bench {
  const b = bench([...SETUP, ...code], overrides, fastPaths, jit);
  const tss = 0x67n | (BigInt(TSS) << 16n) | (0x89n << 40n);
  b.poke(
    GDT,
    0n,
    0x00af9a000000ffffn,
    0x00cf92000000ffffn,
    0x00affa000000ffffn,
    0x00cff2000000ffffn,
    tss,
    0n,
  );
  b.poke(TABLES, 0x37n | (BigInt(GDT) << 16n), 0n, 0xfffn | (BigInt(IDT) << 16n));
  b.machine.memory.write(TSS + 4, Uint8Array.from([...le(KERNEL_STACK), 0, 0, 0, 0]));
  return b;
}
