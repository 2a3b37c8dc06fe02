/** SYSCALL, SYSRET, SYSENTER and SYSEXIT (SDM vol. 2; vol. 3, 5.8.7 and 5.8.8). */
import { describe, expect, it } from 'vitest';
import type { CpuHardware } from '../../../../src/machine/x86/types';
import { CODE, type Bench } from './harness';
import { S, alter, frame, modeBench } from './mode-bench';
import { GP, LONG, UD, USER, outcome } from './outcome';

describe('fast system calls', () => {
  const STAR = (0x0010n << 48n) | (0x0080n << 32n);
  const setUp = (_: Bench, state: CpuHardware): void => {
    state.msrs[0] |= 1n;
    state.msrs.set([STAR, 0x40000n], 1);
    state.msrs[4] = 0x700n; // TF, IF, DF
  };
  const at = (b: Bench): [number, bigint, bigint, bigint] => {
    const { segments } = b.cpu.save().hardware;
    return [b.cpu.cpl(), BigInt(b.cpu.ripLow), segments[5], segments[9]];
  };
  it('SYSCALL saves RIP and RFLAGS, masks flags, and takes CS and SS of STAR', () => {
    const b = modeBench([0x0f, 0x05], { ...USER, flags: 0x602n });
    alter(b, (state) => setUp(b, state));
    b.cpu.run(1);
    expect(at(b)).toEqual([0, 0x40000n, 0x80n, 0x88n]);
    expect([b.cpu.getReg(1), b.cpu.getReg(11), b.cpu.rflags()]).toEqual([BigInt(CODE + 2), 0x602n, 2n]);
  });
  it('SYSRET goes back to CPL 3, by operand size to 64-bit or compatibility code', () => {
    const back = (code: number[]): Bench => {
      const b = modeBench(code, LONG);
      alter(b, (state) => setUp(b, state));
      b.cpu.setReg(1, 0x1_0004_0000n);
      b.cpu.setReg(11, 0x33202n | (1n << 17n));
      b.cpu.run(1);
      expect(b.cpu.rflags()).toBe(0x3202n); // neither RF nor VM
      return b;
    };
    const long = back([0x48, 0x0f, 0x07]);
    expect([at(long), long.cpu.ripHigh, long.cpu.mode()]).toEqual([[3, 0x40000n, 0x23n, 0x1bn], 1, 'long']);
    const short = back([0x0f, 0x07]);
    expect([at(short), short.cpu.ripHigh, short.cpu.mode()]).toEqual([
      [3, 0x40000n, 0x13n, 0x1bn],
      0,
      'compatibility',
    ]);
  });
  it('refuse: SCE clear, outside 64-bit code, CPL 3, and what is not canonical', () => {
    expect([outcome([0x0f, 0x05], LONG).vector, outcome([0x48, 0x0f, 0x07], LONG).vector]).toEqual([UD, UD]);
    expect(outcome([0x0f, 0x05], { mode: 'compatibility' }, 0n, setUp).vector).toBe(UD);
    expect(outcome([0x48, 0x0f, 0x07], USER, 0n, setUp).vector).toBe(GP);
    const bad = outcome([0x48, 0x0f, 0x07], LONG, 0n, (b, state) => {
      setUp(b, state);
      state.general[1] = 1n << 47n;
    });
    expect([bad.vector, frame(bad.b, 8, 3).slice(0, 3)]).toEqual([GP, [0, CODE, S.code64]]);
  });

  const SYSENTER = [0x0f, 0x34];
  const enter = (_: Bench, state: CpuHardware): void => {
    state.msrs.set([0x81n, 0xffff8000_00090000n, 0x40000n], 7); // CS with an RPL, ESP, EIP
  };
  it('SYSENTER goes to CPL 0 by three MSRs, with interrupts off', () => {
    const b = modeBench(SYSENTER, { ...USER, flags: 0x202n });
    alter(b, (state) => enter(b, state));
    b.cpu.run(1);
    expect([at(b), b.cpu.getReg(4), b.cpu.rflags()]).toEqual([
      [0, 0x40000n, 0x80n, 0x88n],
      0xffff8000_00090000n,
      2n,
    ]);
    const legacy = modeBench(SYSENTER, { mode: 'protected', cpl: 3 });
    alter(legacy, (state) => enter(legacy, state));
    legacy.cpu.run(1);
    expect([at(legacy), legacy.cpu.getReg(4), legacy.cpu.mode()]).toEqual([
      [0, 0x40000n, 0x80n, 0x88n],
      0x90000n,
      'protected',
    ]);
  });
  it('SYSEXIT goes to CPL 3, to RDX with the stack of RCX', () => {
    const exit = (code: number[]): Bench => {
      const b = modeBench(code, LONG);
      alter(b, (state) => enter(b, state));
      b.cpu.setReg(1, 0x1_0009_0000n);
      b.cpu.setReg(2, 0x1_0004_0000n);
      b.cpu.run(1);
      return b;
    };
    const long = exit([0x48, 0x0f, 0x35]);
    expect([at(long), long.cpu.ripHigh, long.cpu.getReg(4)]).toEqual([
      [3, 0x40000n, 0xa3n, 0xabn],
      1,
      0x1_0009_0000n,
    ]);
    const short = exit([0x0f, 0x35]);
    expect([at(short), short.cpu.ripHigh, short.cpu.getReg(4)]).toEqual([
      [3, 0x40000n, 0x93n, 0x9bn],
      0,
      0x90000n,
    ]);
  });
  it('refuse with #GP(0): no selector, CPL 3, what is not canonical', () => {
    expect([outcome(SYSENTER, USER).vector, outcome([0x0f, 0x35], LONG).vector]).toEqual([GP, GP]);
    expect(outcome([0x0f, 0x35], USER, 0n, enter).vector).toBe(GP);
    for (const register of [1, 2]) {
      const change = (b: Bench, state: CpuHardware): void => {
        enter(b, state);
        state.general[register] = 1n << 47n;
      };
      expect(outcome([0x48, 0x0f, 0x35], LONG, 0n, change).vector).toBe(GP);
    }
  });
});
