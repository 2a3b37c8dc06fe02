import { describe, expect, it } from 'vitest';
import { CODE, STACK, type Bench } from './harness';
import {
  GDT,
  KERNEL_STACK,
  S,
  TSS,
  alter,
  descriptor,
  expectFault,
  frame,
  gate,
  modeBench,
  selectors,
  untilHandler,
} from './mode-bench';

const GP = 13;
const NP = 11;
const SS = 12;
const TS = 10;
const TARGET = 0x40000;
const le16 = (v: number): number[] => [v & 255, v >> 8];
const le32 = (v: number): number[] => [...le16(v & 0xffff), ...le16(v >>> 16)];
/** JMP and CALL to an immediate far pointer, in 32-bit code. */
const jmp = (selector: number, offset = TARGET): number[] => [0xea, ...le32(offset), ...le16(selector)];
const call = (selector: number, offset = TARGET): number[] => [0x9a, ...le32(offset), ...le16(selector)];
const one = (b: Bench): number => b.cpu.run(b.cpu.now() + 1);
const place = (b: Bench): unknown[] => [b.cpu.mode(), b.cpu.cpl(), selectors(b)[1], b.cpu.ripLow];

describe('far JMP and CALL to code segments', () => {
  it('push CS and EIP of the next instruction; RETF comes back', () => {
    const b = modeBench(call(S.code), { mode: 'protected' });
    b.machine.memory.write(TARGET, Uint8Array.of(0xca, 8, 0)); // retf 8
    one(b);
    expect(place(b)).toEqual(['protected', 0, S.code, TARGET]);
    expect(frame(b, 4, 2)).toEqual([CODE + 7, S.code]);
    one(b);
    expect(place(b)).toEqual(['protected', 0, S.code, CODE + 7]);
    expect(Number(b.cpu.getReg(4))).toBe(STACK + 8);
  });

  it('keep the level in conforming code, whose RPL is then the CPL', () => {
    const b = modeBench(jmp(S.conforming), { mode: 'protected', cpl: 3 });
    one(b);
    expect(place(b)).toEqual(['protected', 3, S.conforming | 3, TARGET]);
  });

  it('lead from compatibility to 64-bit code and back', () => {
    const b = modeBench(jmp(S.code64), { mode: 'compatibility' });
    // jmp far [rip]: offset of 32 bits, selector
    b.machine.memory.write(
      TARGET,
      Uint8Array.from([0xff, 0x2d, 0, 0, 0, 0, ...le32(CODE + 0x100), ...le16(S.code)]),
    );
    one(b);
    expect(place(b)).toEqual(['long', 0, S.code64, TARGET]);
    one(b);
    expect(place(b)).toEqual(['compatibility', 0, S.code, CODE + 0x100]);
  });

  const checks: [what: string, selector: number, vector: number, error: number, cpl: 0 | 3][] = [
    ['a null selector', 2, GP, 0, 0],
    ['a selector beyond the table', S.beyond, GP, S.beyond, 0],
    ['a data segment', S.data, GP, S.data, 0],
    ['code of another level', S.userCode, GP, S.userCode & ~3, 0],
    ['code of a more privileged level', S.code | 3, GP, S.code, 3],
    ['an RPL above the CPL', S.code | 3, GP, S.code, 0],
    ['a segment that is not present', S.absentCode, NP, S.absentCode, 0],
    ['an offset beyond the limit', S.smallCode, GP, 0, 0],
    ['an LDT', S.ldt, GP, S.ldt, 0],
  ];
  for (const [what, selector, vector, error, cpl] of checks) {
    it(`refuse ${what}`, () => {
      for (const code of [jmp(selector), call(selector)]) {
        const b = modeBench(code, { mode: 'protected', cpl });
        expectFault(b, 4, vector, error);
        expect(frame(b, 4, 2)[1]).toBe(CODE);
        expect(Number(b.cpu.getReg(4))).toBe(STACK - 16);
      }
    });
  }

  it('stop at a TSS, which would switch tasks', () => {
    const b = modeBench(jmp(S.free), { mode: 'protected' });
    b.poke(GDT + S.free, descriptor(0x89, 0, 0x67, TSS));
    expect(one(b)).toBe(5);
    expect(b.cpu.faultReport()?.message).toContain('task');
    expect(b.cpu.ripLow).toBe(CODE);
  });
});

describe('call gates', () => {
  const callGate = (b: Bench, type: number, selector: number, { dpl = 3, count = 0 } = {}): void =>
    b.poke(GDT + S.free, gate(type, selector, TARGET, dpl, count), 0n);

  it('copy parameters to the stack of the inner level; RETF drops them from both', () => {
    const b = modeBench(call(S.free | 3, 0), { mode: 'protected', cpl: 3 });
    callGate(b, 12, S.code, { count: 2 });
    b.poke(STACK, 0x2222222211111111n);
    b.machine.memory.write(TARGET, Uint8Array.of(0xca, 8, 0)); // retf 8
    one(b);
    expect(place(b)).toEqual(['protected', 0, S.code, TARGET]);
    expect(frame(b, 4, 6)).toEqual([CODE + 7, S.userCode, 0x11111111, 0x22222222, STACK, S.userData]);
    expect(Number(b.cpu.getReg(4))).toBe(KERNEL_STACK - 24);
    one(b);
    expect(place(b)).toEqual(['protected', 3, S.userCode, CODE + 7]);
    expect(Number(b.cpu.getReg(4))).toBe(STACK + 8);
    expect(selectors(b)[2]).toBe(S.userData);
  });

  it('push words of 16 bits through a gate of 16 bits', () => {
    const b = modeBench(call(S.free, 0), { mode: 'protected' });
    b.poke(GDT + S.free, gate(4, S.code, 0x1234));
    alter(b, (s) => {
      s.general[16] = 0x4000n;
    });
    b.machine.memory.write(0x4000, Uint8Array.from(call(S.free, 0)));
    one(b);
    expect(frame(b, 2, 2)).toEqual([0x4007, S.code]);
    expect(b.cpu.ripLow).toBe(0x1234);
  });

  it('lead to 64-bit code with a null SS and a frame of 8-byte words, without parameters', () => {
    const b = modeBench(call(S.free | 3, 0), { mode: 'compatibility', cpl: 3 });
    callGate(b, 12, S.code64, { count: 5 });
    one(b);
    expect(place(b)).toEqual(['long', 0, S.code64, TARGET]);
    expect(selectors(b)[2]).toBe(0);
    expect(Number(b.cpu.getReg(4))).toBe(KERNEL_STACK - 32);
    expect(frame(b, 8, 4)).toEqual([CODE + 7, S.userCode, STACK, S.userData]);
  });

  const checks: [what: string, vector: number, error: number, set: (b: Bench) => void][] = [
    ['a gate of lower DPL', GP, S.free, (b) => callGate(b, 12, S.code, { dpl: 0 })],
    [
      'a gate that is not present',
      NP,
      S.free,
      (b) => b.poke(GDT + S.free, gate(12, S.code, 0) & ~(1n << 47n)),
    ],
    ['a null code selector', GP, 0, (b) => callGate(b, 12, 0)],
    ['a data segment', GP, S.data, (b) => callGate(b, 12, S.data)],
    ['absent code', NP, S.absentCode, (b) => callGate(b, 12, S.absentCode)],
    ['a null inner stack', TS, 0, (b) => (callGate(b, 12, S.code), b.poke(TSS + 8, 0n))],
    [
      'an absent inner stack',
      SS,
      S.absentData,
      (b) => (callGate(b, 12, S.code), b.poke(TSS + 8, BigInt(S.absentData))),
    ],
  ];
  for (const [what, vector, error, set] of checks) {
    it(`refuse ${what}`, () => {
      const b = modeBench(call(S.free | 3, 0), { mode: 'protected', cpl: 3 });
      set(b);
      expectFault(b, 4, vector, error);
    });
  }

  it('do not raise the level of JMP', () => {
    const b = modeBench(jmp(S.free | 3, 0), { mode: 'protected', cpl: 3 });
    callGate(b, 12, S.code);
    expectFault(b, 4, GP, S.code);
  });

  it('refuse 32-bit code, and a gate of 16 bits, under IA-32e', () => {
    for (const [type, selector, error] of [
      [12, S.code, S.code],
      [4, S.code64, S.free],
    ]) {
      const b = modeBench(call(S.free, 0), { mode: 'compatibility' });
      callGate(b, type, selector);
      expectFault(b, 8, GP, error);
    }
  });
});

describe('IRET', () => {
  /** Pushes the frame's words, last first, then IRETD (or IRETQ). */
  const push = (v: number): number[] => [0x68, ...le32(v)];
  const frameOf = (...words: number[]): number[] => words.reverse().flatMap(push);

  const checks: [what: string, words: number[], vector: number, error: number][] = [
    ['a null code selector', [TARGET, 0, 2], GP, 0],
    ['a selector beyond the table', [TARGET, S.beyond, 2], GP, S.beyond],
    ['a data segment', [TARGET, S.data, 2], GP, S.data],
    ['nonconforming code of another DPL', [TARGET, S.userCode & ~3, 2], GP, S.userCode & ~3],
    ['code that is not present', [TARGET, S.absentCode, 2], NP, S.absentCode],
    ['an offset beyond the limit', [TARGET, S.smallCode, 2], GP, 0],
    ['a null stack selector for level 3', [TARGET, S.userCode, 2, STACK, 0], GP, 0],
    ['a stack of another RPL', [TARGET, S.userCode, 2, STACK, S.userData & ~3], GP, S.userData & ~3],
    ['a stack of another DPL', [TARGET, S.userCode, 2, STACK, S.data | 3], GP, S.data],
    ['code as stack', [TARGET, S.userCode, 2, STACK, S.userCode], GP, S.userCode & ~3],
  ];
  for (const [what, words, vector, error] of checks) {
    it(`refuses ${what}`, () => {
      const b = modeBench([...frameOf(...words), 0xcf], { mode: 'protected' });
      expectFault(b, 4, vector, error);
    });
  }

  it('refuses a return to an inner level', () => {
    const b = modeBench([...frameOf(TARGET, S.code, 2), 0xcf], { mode: 'protected', cpl: 3 });
    expectFault(b, 4, GP, S.code);
  });

  it('changes IOPL at level 0 only, and IF within IOPL only', () => {
    const words = (cs: number): number[] => frameOf(TARGET, cs, 0x3202);
    const kernel = modeBench([...words(S.code), 0xcf], { mode: 'protected' });
    for (let i = 0; i < 4; i++) one(kernel);
    expect([kernel.cpu.ripLow, Number(kernel.cpu.rflags())]).toEqual([TARGET, 0x3202]);
    const user = modeBench([...words(S.userCode), 0xcf], { mode: 'protected', cpl: 3 });
    for (let i = 0; i < 4; i++) one(user);
    expect([user.cpu.ripLow, Number(user.cpu.rflags())]).toEqual([TARGET, 2]);
  });

  it('stops at NT, and at VM in the popped flags', () => {
    const nested = modeBench([0xcf], { mode: 'protected', flags: 0x4002n });
    expect(one(nested)).toBe(5);
    expect(nested.cpu.faultReport()?.message).toContain('task');
    const virtual = modeBench([...frameOf(TARGET, S.code, 0x20002), 0xcf], { mode: 'protected' });
    expect(virtual.cpu.run(1000)).toBe(5);
    expect(virtual.cpu.faultReport()?.message).toContain('virtual-8086');
  });

  it('takes a null SS to 64-bit code of level 0', () => {
    const b = modeBench([...frameOf(TARGET, S.code64, 2, STACK - 8, 0), 0x48, 0xcf], { mode: 'long' });
    for (let i = 0; i < 6; i++) one(b);
    expect(place(b)).toEqual(['long', 0, S.code64, TARGET]);
    expect([selectors(b)[2], Number(b.cpu.getReg(4))]).toEqual([0, STACK - 8]);
  });

  it('replaces SP only where the stack it returns to has 16 bits', () => {
    const b = modeBench([...frameOf(TARGET, S.userCode, 2, 0x12345678, S.free | 3), 0xcf], {
      mode: 'protected',
    });
    b.poke(GDT + S.free, descriptor(0xf2, 0, 0xffff));
    for (let i = 0; i < 6; i++) one(b);
    expect(b.cpu.cpl()).toBe(3);
    expect(Number(b.cpu.getReg(4))).toBe(((STACK - 20) & ~0xffff) | 0x5678);
  });
});

describe('loads of data segments', () => {
  /** mov eax,selector; mov SEG,eax */
  const load = (register: number, selector: number): number[] => [
    0xb8,
    ...le32(selector),
    0x8e,
    0xc0 | (register << 3),
  ];
  const DS = 3;
  const STACK_SEGMENT = 2;
  const checks: [
    what: string,
    register: number,
    selector: number,
    cpl: 0 | 3,
    vector: number,
    error: number,
  ][] = [
    ['a null SS', STACK_SEGMENT, 0, 0, GP, 0],
    ['a selector beyond the table', DS, S.beyond, 0, GP, S.beyond],
    ['a system segment', DS, S.tss, 0, GP, S.tss],
    ['execute-only code', DS, S.executeOnly, 0, GP, S.executeOnly & ~3],
    ['data of a more privileged level', DS, S.data, 3, GP, S.data],
    ['an RPL above the DPL', DS, S.data | 3, 0, GP, S.data],
    ['data that is not present', DS, S.absentData, 0, NP, S.absentData],
    ['SS of another RPL', STACK_SEGMENT, S.data | 3, 0, GP, S.data],
    ['SS of another DPL', STACK_SEGMENT, S.data1, 0, GP, S.data1],
    ['SS that cannot be written', STACK_SEGMENT, S.readOnly, 0, GP, S.readOnly],
    ['SS that is not present', STACK_SEGMENT, S.absentData, 0, SS, S.absentData],
  ];
  for (const [what, register, selector, cpl, vector, error] of checks) {
    it(`refuse ${what}`, () => {
      expectFault(modeBench(load(register, selector), { mode: 'protected', cpl }), 4, vector, error);
    });
  }

  it('take a null DS, and refuse the access through it', () => {
    const b = modeBench([...load(DS, 0), 0xa1, 0, 0, 0, 0], { mode: 'protected' });
    expectFault(b, 4, GP, 0);
    expect(selectors(b)[3]).toBe(0);
  });

  it('find segments of the LDT after LLDT', () => {
    // mov eax,0x90; lldt ax; mov eax,12; mov ds,eax
    const b = modeBench([0xb8, S.ldt, 0, 0, 0, 0x0f, 0, 0xd0, ...load(DS, 12)], { mode: 'protected' });
    b.poke(0x5408, descriptor(0x92, 0, 0x1234, 0x56789a));
    for (let i = 0; i < 4; i++) one(b);
    expect(untilHandler(b, 0)).toBe(-100);
    expect(Array.from(b.cpu.save().hardware.segments.subarray(12, 16))).toEqual([
      0x56789an,
      12n,
      0x1234n,
      0x93n,
    ]);
    expect((b.peek(0x5408) >> 40n) & 1n).toBe(1n);
  });
});

describe('LAR, LSL, VERR, VERW and ARPL', () => {
  const ZF = 0x40n;
  /** Executes `code` (with the selector in EAX); tells ZF and ECX. */
  function ask(code: number[], selector: number, mode: 'protected' | 'long' = 'protected', cpl: 0 | 3 = 0) {
    const b = modeBench(code, { mode, cpl });
    b.cpu.setReg(0, BigInt(selector));
    b.cpu.setReg(1, 0x77777777n);
    one(b);
    expect(b.cpu.ripLow).toBe(CODE + code.length);
    return { zero: (b.cpu.rflags() & ZF) !== 0n, ecx: Number(b.cpu.getReg(1)) };
  }
  const LAR = [0x0f, 0x02, 0xc8];
  const LSL = [0x0f, 0x03, 0xc8];
  const VERR = [0x0f, 0x00, 0xe0];
  const VERW = [0x0f, 0x00, 0xe8];
  const UNTOUCHED = 0x77777777;

  it('LAR gives the access rights, LSL the limit in bytes', () => {
    expect(ask(LAR, S.code)).toEqual({ zero: true, ecx: 0xc09a00 });
    expect(ask(LSL, S.code)).toEqual({ zero: true, ecx: 0xffffffff });
    expect(ask(LAR, S.tss)).toEqual({ zero: true, ecx: 0x8b00 });
    expect(ask(LSL, S.tss)).toEqual({ zero: true, ecx: 0x67 });
    expect(ask(LSL, S.smallCode)).toEqual({ zero: true, ecx: 0xfff });
    expect(ask(LAR, S.absentData)).toEqual({ zero: true, ecx: 0xc01200 });
  });

  it('answer nothing for null, what lies beyond, or what the level may not reach', () => {
    for (const code of [LAR, LSL]) {
      for (const selector of [0, 3, S.beyond]) {
        expect(ask(code, selector)).toEqual({ zero: false, ecx: UNTOUCHED });
      }
      expect(ask(code, S.data, 'protected', 3)).toEqual({ zero: false, ecx: UNTOUCHED });
      expect(ask(code, S.data | 3)).toEqual({ zero: false, ecx: UNTOUCHED });
      expect(ask(code, S.conforming, 'protected', 3).zero).toBe(true);
    }
  });

  it('know under IA-32e which system descriptors there are', () => {
    const types = (code: number[], mode: 'protected' | 'long'): number[] =>
      Array.from({ length: 16 }, (_, type) => type).filter((type) => {
        const b = modeBench(code, { mode });
        b.poke(GDT + S.free, descriptor(0x80 | type, 0, 1), 0n);
        b.cpu.setReg(0, BigInt(S.free));
        one(b);
        return (b.cpu.rflags() & ZF) !== 0n;
      });
    expect(types(LAR, 'protected')).toEqual([1, 2, 3, 4, 5, 9, 11, 12]);
    expect(types(LSL, 'protected')).toEqual([1, 2, 3, 9, 11]);
    expect(types(LAR, 'long')).toEqual([2, 9, 11, 12]);
    expect(types(LSL, 'long')).toEqual([2, 9, 11]);
  });

  it('VERR and VERW tell what may be read and written', () => {
    const can = (selector: number, cpl: 0 | 3 = 0): string =>
      (ask(VERR, selector, 'protected', cpl).zero ? 'r' : '-') +
      (ask(VERW, selector, 'protected', cpl).zero ? 'w' : '-');
    expect([S.data, S.readOnly, S.code, S.executeOnly, S.tss, 0].map((s) => can(s))).toEqual([
      'rw',
      'r-',
      'r-',
      '--',
      '--',
      '--',
    ]);
    expect([S.data, S.userData, S.conforming].map((s) => can(s, 3))).toEqual(['--', 'rw', 'r-']);
  });

  it('ARPL raises the RPL and never lowers it', () => {
    const arpl = [0x63, 0xc8]; // arpl ax,cx
    for (const [from, with_, to, zero] of [
      [0x10, 0x1b, 0x13, true],
      [0x13, 0x19, 0x13, false],
      [0x12, 0x1a, 0x12, false],
    ] as const) {
      const b = modeBench(arpl, { mode: 'protected' });
      b.cpu.setReg(0, BigInt(from));
      b.cpu.setReg(1, BigInt(with_));
      one(b);
      expect([Number(b.cpu.getReg(0)), (b.cpu.rflags() & ZF) !== 0n]).toEqual([to, zero]);
    }
  });
});
