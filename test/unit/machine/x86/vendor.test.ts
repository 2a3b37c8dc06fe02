/** What processors do that test kernels found wanting: SYSCALL by vendor, TF behind SYSRET, segment bases over IRET, PAUSE. */
import { describe, expect, it } from 'vitest';
import type { CpuVendor } from '../../../../src/machine/x86/types';
import { CODE, COSTS, bench } from './harness';
import { S, alter, modeBench, selectors, untilHandler } from './mode-bench';

const SYSCALL = [0x0f, 0x05];
const SYSRETL = [0x0f, 0x07];
const NOP = 0x90;
const VECTOR_DB = 1;
const VECTOR_UD = 6;
const FLAG_TF = 0x100n;
const EFER_SCE = 1n;
/** Positions in `CpuHardware.msrs`. */
const EFER = 0;
const STAR = 1;
const LSTAR = 2;
const CSTAR = 3;
const R11 = 11;
const GS = 5;

function compatibility(vendor: CpuVendor): ReturnType<typeof modeBench> {
  const b = modeBench([...SYSCALL], { mode: 'compatibility', cpl: 3, vendor });
  alter(b, (state) => {
    state.msrs[EFER] |= EFER_SCE;
    state.msrs[STAR] = BigInt(S.code64) << 32n;
    state.msrs[LSTAR] = 0x31000n;
    state.msrs[CSTAR] = 0x32000n;
  });
  return b;
}

describe('SYSCALL of compatibility mode', () => {
  it('goes to CSTAR in 64-bit mode on AMD (AMD64 vol. 2, 6.1.1)', () => {
    const b = compatibility('amd');
    b.cpu.run(b.cpu.now() + 1);
    expect([b.cpu.ripLow, b.cpu.cpl(), b.cpu.mode()]).toEqual([0x32000, 0, 'long']);
    expect(b.cpu.getReg(1)).toBe(BigInt(CODE + SYSCALL.length));
  });

  it('is not there on Intel (SDM vol. 2, SYSCALL)', () => {
    expect(untilHandler(compatibility('intel'))).toBe(VECTOR_UD);
  });
});

it('TF that SYSRET loads traps before the next instruction', () => {
  const b = modeBench([...SYSRETL], { mode: 'long' });
  const target = 0x33000;
  b.machine.memory.write(target, Uint8Array.of(NOP, NOP));
  alter(b, (state) => {
    state.msrs[EFER] |= EFER_SCE;
    // SYSRET takes CS and SS from the descriptors' layout: 32-bit code, then data.
    state.msrs[STAR] = BigInt(S.userCode) << 48n;
    state.general[1] = BigInt(target);
    state.general[R11] = FLAG_TF;
  });
  expect(untilHandler(b)).toBe(VECTOR_DB);
  expect(Number(b.peek(Number(b.cpu.getReg(4))))).toBe(target);
});

it('IRET to a lower privilege takes the selector of GS and leaves its base', () => {
  const base = 0x12345000n;
  const b = modeBench([0x48, 0xcf], { mode: 'long' });
  b.poke(Number(b.cpu.getReg(4)), 0x34000n, BigInt(S.userCode64), 2n, 0x70000n, BigInt(S.userData));
  b.machine.memory.write(0x34000, Uint8Array.of(NOP));
  alter(b, (state) => {
    state.segments[GS * 4] = base;
  });
  b.cpu.run(b.cpu.now() + 1);
  expect([b.cpu.ripLow, b.cpu.cpl(), selectors(b)[GS]]).toEqual([0x34000, 3, 0]);
  expect(b.cpu.save().hardware.segments[GS * 4]).toBe(base);
});

it('PAUSE takes its own time and NOP the base', () => {
  const b = bench([NOP, 0xf3, NOP, 0xf4]);
  b.cpu.run(b.cpu.now() + 1);
  expect([b.cpu.now(), b.cpu.ripLow]).toEqual([COSTS.base, CODE + 1]);
  b.cpu.run(b.cpu.now() + 1);
  expect([b.cpu.now(), b.cpu.ripLow]).toEqual([COSTS.base + COSTS.pause, CODE + 3]);
});
