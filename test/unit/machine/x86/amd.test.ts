/** What AMD's processors do otherwise than Intel's (AMD64 manual, vol. 3; native runs on a Zen 5 where it is silent). */
import { describe, expect, it } from 'vitest';
import type { JitOptions } from '../../../../src/machine/x86/jit/jit';
import { disassemble } from '../../../../src/machine/x86';
import { StopReason, type CpuHardware, type CpuVendor } from '../../../../src/machine/x86/types';
import { CODE, COSTS, STACK, bench, type Bench } from './harness';
import { alter, modeBench, untilHandler, type Entry } from './mode-bench';

const HLT = 0xf4;
const UD = 6;
const GP = 13;
const VENDORS: readonly CpuVendor[] = ['intel', 'amd'];
const RAX = 0;
const RCX = 1;
const RSP = 4;
const RSI = 6;
const RDI = 7;

/** The three ways through the vCPU: general, fast, and compiled at the first branch. */
const WAYS: readonly [string, boolean, JitOptions | false][] = [
  ['general', false, false],
  ['fast', true, false],
  ['compiled', true, { threshold: 1, batch: 1 }],
];

describe.each(WAYS)('66H before a near branch, %s path', (_, fastPaths, jit) => {
  /** One instruction at CODE; RAX is a target above 64 KiB, which [RBX] and the stack hold as well. */
  function one(code: number[], vendor: CpuVendor): Bench {
    const b = bench(code, {}, fastPaths, jit, vendor);
    b.poke(STACK, 0x2_3456n);
    b.cpu.setReg(RAX, 0x2_3456n);
    b.cpu.setReg(3, BigInt(STACK));
    b.cpu.setReg(RCX, 2n);
    b.cpu.run(b.cpu.now() + 1);
    return b;
  }

  // Bytes, then where RIP and RSP are afterwards on Intel's and on AMD's. ZF is clear.
  it.each<[string, number[], number, number, number, number]>([
    ['JNE rel8', [0x66, 0x75, 0x10], CODE + 0x13, 0x13, 0, 0],
    ['JE rel8, not taken', [0x66, 0x74, 0x10], CODE + 3, CODE + 3, 0, 0],
    ['JNE rel32 and rel16', [0x66, 0x0f, 0x85, 0, 1, 0, 0], CODE + 0x107, 0x105, 0, 0],
    ['JMP rel8', [0x66, 0xeb, 0xfe], CODE + 1, 1, 0, 0],
    ['JMP rel32 and rel16', [0x66, 0xe9, 0, 1, 0, 0], CODE + 0x106, 0x104, 0, 0],
    ['CALL rel32 and rel16', [0x66, 0xe8, 0, 1, 0, 0], CODE + 0x106, 0x104, -8, -2],
    ['RET', [0x66, 0xc3], 0x23456, 0x3456, 8, 2],
    ['RET 16', [0x66, 0xc2, 16, 0], 0x23456, 0x3456, 24, 18],
    ['JMP RAX', [0x66, 0xff, 0xe0], 0x23456, 0x3456, 0, 0],
    ['JMP [RBX]', [0x66, 0xff, 0x23], 0x23456, 0x3456, 0, 0],
    ['CALL RAX', [0x66, 0xff, 0xd0], 0x23456, 0x3456, -8, -2],
    ['CALL [RBX]', [0x66, 0xff, 0x13], 0x23456, 0x3456, -8, -2],
    ['LOOP', [0x66, 0xe2, 0x10], CODE + 0x13, 0x13, 0, 0],
    ['JRCXZ, not taken', [0x66, 0xe3, 0x10], CODE + 3, CODE + 3, 0, 0],
    ['JMP RAX with REX.W', [0x66, 0x48, 0xff, 0xe0], 0x23456, 0x23456, 0, 0],
  ])('%s', (__, code, intelRip, amdRip, intelStack, amdStack) => {
    const intel = one(code, 'intel');
    expect([intel.cpu.ripLow, Number(intel.cpu.getReg(RSP)) - STACK]).toEqual([intelRip, intelStack]);
    const amd = one(code, 'amd');
    expect([amd.cpu.ripLow, Number(amd.cpu.getReg(RSP)) - STACK]).toEqual([amdRip, amdStack]);
  });

  it('loops of 16-bit branches, calls and returns come to their end', () => {
    const at = 0x8000;
    const rounds = 500;
    // dec ecx; call 8010 (16); jnz 8000 (16); hlt; at 8010: nop; ret (16)
    const loop = [0xff, 0xc9, 0x66, 0xe8, 0x0a, 0x00, 0x66, 0x75, 0xf7, HLT];
    const b = bench([], {}, fastPaths, jit, 'amd');
    b.machine.memory.write(at, Uint8Array.from([...loop, 0, 0, 0, 0, 0, 0, 0x90, 0x66, 0xc3]));
    b.cpu.setRip(BigInt(at));
    b.cpu.setReg(RCX, BigInt(rounds));
    expect(b.cpu.run(b.cpu.now() + 1_000_000)).toBe(StopReason.Halted);
    expect([b.cpu.ripLow, b.cpu.getReg(RCX), b.cpu.getReg(RSP)]).toEqual([at + 10, 0n, BigInt(STACK)]);
    expect(b.cpu.instructions()).toBe(rounds * 5 + 1);
    expect(b.peek(STACK - 2) & 0xffffn).toBe(BigInt(at + 6));
  });
});

describe('F3 before 90', () => {
  const after = (code: number[], vendor: CpuVendor): [bigint, bigint, number] => {
    const b = bench(code, {}, true, undefined, vendor);
    b.cpu.setReg(RAX, 1n << 40n);
    b.cpu.setReg(8, 2n << 40n);
    b.cpu.run(b.cpu.now() + 1);
    return [b.cpu.getReg(RAX), b.cpu.getReg(8), b.cpu.now()];
  };
  it('is PAUSE, with its own time, on both', () => {
    for (const vendor of VENDORS)
      expect(after([0xf3, 0x90], vendor)).toEqual([1n << 40n, 2n << 40n, COSTS.pause]);
  });
  it('is an exchange of R8 and RAX with REX.B on AMD', () => {
    expect(after([0xf3, 0x49, 0x90], 'intel').slice(0, 2)).toEqual([1n << 40n, 2n << 40n]);
    expect(after([0xf3, 0x49, 0x90], 'amd').slice(0, 2)).toEqual([2n << 40n, 1n << 40n]);
    // Of 32 bits without REX.W: both upper halves go.
    expect(after([0xf3, 0x41, 0x90], 'amd').slice(0, 2)).toEqual([0n, 0n]);
  });
});

it('a repeated string instruction with 67H and ECX = 0 leaves RCX, RSI and RDI whole on AMD', () => {
  const high = 1n << 40n;
  const after = (vendor: CpuVendor): bigint[] => {
    const b = bench([0x67, 0xf3, 0xa4], {}, true, undefined, vendor);
    for (const r of [RCX, RSI, RDI]) b.cpu.setReg(r, high);
    b.cpu.run(b.cpu.now() + 1);
    expect(b.cpu.ripLow).toBe(CODE + 3);
    return [RCX, RSI, RDI].map((r) => b.cpu.getReg(r));
  };
  expect(after('amd')).toEqual([high, high, high]);
  expect(after('intel')).toEqual([0n, 0n, 0n]);
});

describe('instructions that only one of the two has', () => {
  const vectorOf = (code: number[], entry: Entry, change?: (state: CpuHardware) => void): number => {
    const b = modeBench([...code, HLT], entry);
    if (change) alter(b, change);
    return untilHandler(b, 2);
  };
  const LONG: Entry = { mode: 'long' };

  it('0F 0D with a register is #UD on AMD; with memory it is a prefetch', () => {
    for (const code of [
      [0x0f, 0x0d, 0xc0],
      [0x48, 0x0f, 0x0d, 0xcb],
    ]) {
      expect(vectorOf(code, { ...LONG, vendor: 'amd' })).toBe(UD);
      expect(vectorOf(code, { ...LONG, vendor: 'intel' })).not.toBe(UD);
    }
    for (const vendor of VENDORS) expect(vectorOf([0x0f, 0x0d, 0x08], { ...LONG, vendor })).not.toBe(UD);
  });

  // With no selector in IA32_SYSENTER_CS, which is #GP(0) where the pair is there.
  it.each([
    ['SYSENTER', [0x0f, 0x34]],
    ['SYSEXIT', [0x0f, 0x35]],
    ['SYSEXIT of 64 bits', [0x48, 0x0f, 0x35]],
  ])('%s is #UD in long mode on AMD', (_, code) => {
    for (const cpl of [0, 3] as const) {
      expect(vectorOf(code, { ...LONG, cpl, vendor: 'amd' })).toBe(UD);
      expect(vectorOf(code, { ...LONG, cpl, vendor: 'intel' })).toBe(GP);
    }
    if (code[0] === 0x48) return;
    expect(vectorOf(code, { mode: 'compatibility', vendor: 'amd' })).toBe(UD);
    expect(vectorOf(code, { mode: 'protected', vendor: 'amd' })).toBe(GP);
  });

  it('LOCK MOV CR0 is MOV CR8 on AMD', () => {
    const seen: number[] = [];
    const code = [0xf0, 0x0f, 0x22, 0xc0]; // lock mov cr0, rax
    const b = bench(code, { cr8Write: (value) => void seen.push(value) }, true, undefined, 'amd');
    b.cpu.setReg(RAX, 5n);
    b.cpu.run(b.cpu.now() + 1);
    expect(seen).toEqual([5]);
    expect(vectorOf(code, { ...LONG, vendor: 'intel' })).toBe(UD);
  });

  it('SYSRET to an address that is not canonical faults at the target, as the user, on AMD', () => {
    const target = 1n << 47n;
    const faultAt = (vendor: CpuVendor): [bigint, bigint] => {
      const b = modeBench([0x48, 0x0f, 0x07], { ...LONG, vendor });
      alter(b, (state) => {
        state.msrs[0] |= 1n; // EFER.SCE
        state.msrs[1] = (0x0010n << 48n) | (0x0080n << 32n);
        state.general[RCX] = target;
        state.general[11] = 2n;
      });
      expect(untilHandler(b)).toBe(GP);
      const frame = Number(b.cpu.getReg(RSP));
      return [b.peek(frame + 8), b.peek(frame + 16) & 3n];
    };
    expect(faultAt('intel')).toEqual([BigInt(CODE), 0n]);
    expect(faultAt('amd')).toEqual([target, 3n]);
  });
});

it('SYSRET of legacy mode sets IF and leaves the other flags on AMD', () => {
  const b = modeBench([0x0f, 0x07], { mode: 'protected', flags: 0x8d7n, vendor: 'amd' });
  alter(b, (state) => {
    state.msrs[0] |= 1n; // EFER.SCE
    state.msrs[1] = 0x0018n << 48n;
    state.general[RCX] = 0x33000n;
    state.general[11] = 0n;
  });
  b.cpu.run(b.cpu.now() + 1);
  expect([b.cpu.ripLow, b.cpu.cpl(), b.cpu.rflags()]).toEqual([0x33000, 3, 0xad7n]);
});

it('listings follow the vendor', () => {
  const text = (code: number[], vendor: CpuVendor): string =>
    disassemble(Uint8Array.from(code), 0x10000n, 64, vendor);
  expect(text([0xf3, 0x49, 0x90], 'amd')).toBe('xchg r8, rax');
  expect(text([0xf3, 0x49, 0x90], 'intel')).toBe('pause');
  expect(text([0xf3, 0x90], 'amd')).toBe('pause');
  expect(text([0x0f, 0x0d, 0xc0], 'amd')).toBe('');
  expect(text([0x66, 0xff, 0xe0], 'amd')).toBe('jmp ax');
});
