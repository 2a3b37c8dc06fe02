import { describe, expect, it } from 'vitest';
import { CODE, STACK, type Bench } from './harness';
import {
  GDT,
  IDT,
  KERNEL_STACK,
  S,
  TSS,
  alter,
  descriptor,
  expectFault,
  frame,
  gate,
  handlerOf,
  modeBench,
  selectors,
  untilHandler,
} from './mode-bench';

const VECTOR = 0x30;
const INT = [0xcd, VECTOR];
const HLT = [0xf4];
const NOP = [0x90];
const DE = 0;
const UD = 6;
const DF = 8;
const TS = 10;
const NP = 11;
const SS = 12;
const GP = 13;
const PF = 14;
/** RF, IF, TF of RFLAGS. */
const RF = 0x10000;
const IF = 0x200;

describe('delivery in 32-bit protected mode', () => {
  const setGate = (b: Bench, type: number, selector: number, dpl = 3): void =>
    b.poke(IDT + VECTOR * 8, gate(type, selector, handlerOf(VECTOR), dpl));

  it('pushes EIP, CS, EFLAGS at the same level; an interrupt gate clears IF', () => {
    const b = modeBench(INT, { mode: 'protected', flags: 0x202n });
    setGate(b, 0xe, S.code);
    expect(untilHandler(b)).toBe(VECTOR);
    expect(Number(b.cpu.getReg(4))).toBe(STACK - 12);
    expect(frame(b, 4, 3)).toEqual([CODE + 2, S.code, 0x202]);
    expect(b.cpu.rflags()).toBe(2n);
  });

  it('leaves IF alone through a trap gate, and clears NT and TF', () => {
    const b = modeBench(NOP, { mode: 'protected', flags: 0x4302n });
    setGate(b, 0xf, S.code);
    b.cpu.deliverInterrupt(VECTOR);
    expect(frame(b, 4, 3)).toEqual([CODE, S.code, 0x4302]);
    expect(b.cpu.rflags()).toBe(0x202n);
  });

  it('pushes words of 16 bits through a gate of 16 bits', () => {
    const b = modeBench(NOP, { mode: 'protected', flags: 0x202n });
    b.poke(IDT + VECTOR * 8, gate(6, S.code, 0x1234));
    alter(b, (s) => {
      s.general[16] = 0x7ffe1234n;
    });
    b.cpu.deliverInterrupt(VECTOR);
    expect(Number(b.cpu.getReg(4))).toBe(STACK - 6);
    expect(frame(b, 2, 3)).toEqual([0x1234, S.code, 0x202]);
    expect(b.cpu.ripLow).toBe(0x1234);
  });

  it('takes the stack of level 0 from the TSS, and IRET comes back', () => {
    const b = modeBench(INT, { mode: 'protected', cpl: 3, flags: 0x202n });
    setGate(b, 0xe, S.code);
    b.machine.memory.write(handlerOf(VECTOR), Uint8Array.of(0xcf));
    expect(untilHandler(b)).toBe(VECTOR);
    expect(b.cpu.cpl()).toBe(0);
    expect(selectors(b).slice(1, 3)).toEqual([S.code, S.data]);
    expect(Number(b.cpu.getReg(4))).toBe(KERNEL_STACK - 20);
    expect(frame(b, 4, 5)).toEqual([CODE + 2, S.userCode, 0x202, STACK, S.userData]);
    b.cpu.run(b.cpu.now() + 1);
    expect(b.cpu.cpl()).toBe(3);
    expect([b.cpu.ripLow, Number(b.cpu.getReg(4))]).toEqual([CODE + 2, STACK]);
    expect(selectors(b)).toEqual([S.userData, S.userCode, ...Array<number>(4).fill(S.userData)]);
    expect(b.cpu.rflags()).toBe(0x202n);
  });

  it('takes data segments of level 0 away on the return to level 3', () => {
    const b = modeBench(INT, { mode: 'protected', cpl: 3 });
    setGate(b, 0xe, S.code);
    // mov eax,0x10; mov ds,eax; mov eax,0x23; mov es,eax; iretd
    const handler = [0xb8, 0x10, 0, 0, 0, 0x8e, 0xd8, 0xb8, 0x23, 0, 0, 0, 0x8e, 0xc0, 0xcf];
    b.machine.memory.write(handlerOf(VECTOR), Uint8Array.from(handler));
    for (let i = 0; i < 6; i++) b.cpu.run(b.cpu.now() + 1);
    expect(b.cpu.cpl()).toBe(3);
    expect([selectors(b)[0], selectors(b)[3]]).toEqual([S.userData, 0]);
  });

  it('pushes the error code of a fault last, RF set in the image of EFLAGS', () => {
    const b = modeBench(HLT, { mode: 'protected', cpl: 3 });
    b.poke(IDT + GP * 8, gate(0xe, S.code, handlerOf(GP), 0));
    expect(untilHandler(b)).toBe(GP);
    expect(frame(b, 4, 6)).toEqual([0, CODE, S.userCode, RF | 2, STACK, S.userData]);
  });

  it('runs a conforming handler at the level of the interrupted code', () => {
    const b = modeBench(INT, { mode: 'protected', cpl: 3 });
    expect(untilHandler(b)).toBe(VECTOR);
    expect(b.cpu.cpl()).toBe(3);
    expect(selectors(b)[1]).toBe(S.conforming | 3);
    expect(Number(b.cpu.getReg(4))).toBe(STACK - 12);
  });

  it('sets the accessed bits of the segments it loads', () => {
    const b = modeBench(INT, { mode: 'protected', cpl: 3 });
    setGate(b, 0xe, S.code);
    untilHandler(b);
    expect([S.code, S.data].map((s) => Number((b.peek(GDT + s) >> 40n) & 1n))).toEqual([1, 1]);
  });

  /** What is broken, the exception, and its error code as INT n gives it: an outside interrupt adds EXT. */
  type Check = [what: string, vector: number, error: number, breakIt: (b: Bench) => void];
  const idt = VECTOR * 8 + 2;
  const kernel = (b: Bench): void => setGate(b, 0xe, S.code);
  const kernelStack = (selector: number, pointer: number) => (b: Bench) => {
    kernel(b);
    b.poke(TSS, BigInt(pointer) << 32n, BigInt(selector));
  };
  const checks: Check[] = [
    [
      'the gate beyond the limit of the IDT',
      GP,
      idt,
      (b) => alter(b, (s) => (s.tables[3] = BigInt(VECTOR * 8 + 6))),
    ],
    ['a gate of no known type', GP, idt, (b) => setGate(b, 0xc, S.code)],
    [
      'a gate that is not present',
      NP,
      idt,
      (b) => b.poke(IDT + VECTOR * 8, gate(0xe, S.code, 0) & ~(1n << 47n)),
    ],
    ['a null selector', GP, 0, (b) => setGate(b, 0xe, 3)],
    ['a selector beyond the GDT', GP, S.beyond, (b) => setGate(b, 0xe, S.beyond)],
    ['a selector of the LDT while there is none', GP, 12, (b) => setGate(b, 0xe, 12)],
    ['a data segment', GP, S.data, (b) => setGate(b, 0xe, S.data)],
    ['a code segment that is not present', NP, S.absentCode, (b) => setGate(b, 0xe, S.absentCode)],
    ['a TSS too short', TS, S.tss, (b) => (kernel(b), alter(b, (s) => (s.segments[7 * 4 + 2] = 8n)))],
    ['a null stack segment', TS, 0, kernelStack(0, KERNEL_STACK)],
    ['a stack segment beyond the GDT', TS, S.beyond, kernelStack(S.beyond, KERNEL_STACK)],
    ['a stack segment of wrong RPL', TS, S.data, kernelStack(S.data | 3, KERNEL_STACK)],
    ['a stack segment of wrong DPL', TS, S.data1, kernelStack(S.data1, KERNEL_STACK)],
    ['a stack in a code segment', TS, S.code, kernelStack(S.code, KERNEL_STACK)],
    ['a stack that cannot be written', TS, S.readOnly, kernelStack(S.readOnly, KERNEL_STACK)],
    ['a stack segment that is not present', SS, S.absentData, kernelStack(S.absentData, KERNEL_STACK)],
    [
      'a stack beyond its limit',
      SS,
      S.free,
      (b) => (kernelStack(S.free, 0x20000)(b), b.poke(GDT + S.free, descriptor(0x92, 4, 0xffff))),
    ],
    ['a stack with too little room', SS, S.expandDown, kernelStack(S.expandDown, 0x10000 + 16)],
    ['a handler beyond its segment', GP, 0, (b) => setGate(b, 0xe, S.smallCode)],
  ];
  for (const [what, vector, error, breakIt] of checks) {
    it(`refuses ${what}`, () => {
      const soft = modeBench(INT, { mode: 'protected', cpl: 3 });
      breakIt(soft);
      expectFault(soft, 4, vector, error);
      expect(frame(soft, 4, 2)[1]).toBe(CODE);
      const outside = modeBench(NOP, { mode: 'protected', cpl: 3 });
      breakIt(outside);
      outside.cpu.deliverInterrupt(VECTOR);
      expectFault(outside, 4, vector, error | 1);
    });
  }

  it('refuses INT n through a gate of lower DPL, not an outside interrupt', () => {
    const soft = modeBench(INT, { mode: 'protected', cpl: 3 });
    setGate(soft, 0xe, S.conforming, 0);
    expectFault(soft, 4, GP, idt);
    const outside = modeBench(NOP, { mode: 'protected', cpl: 3 });
    setGate(outside, 0xe, S.conforming, 0);
    outside.cpu.deliverInterrupt(VECTOR);
    expect(untilHandler(outside)).toBe(VECTOR);
  });

  it('refuses a handler less privileged than the code', () => {
    const b = modeBench(INT, { mode: 'protected' });
    setGate(b, 0xe, S.userCode);
    expectFault(b, 4, GP, S.userCode & ~3);
  });

  it('stops at a task gate, naming it', () => {
    const b = modeBench(INT, { mode: 'protected' });
    setGate(b, 5, S.tss);
    expect(b.cpu.run(1000)).toBe(5);
    expect(b.cpu.ripLow).toBe(CODE);
    expect(b.cpu.faultReport()?.message).toContain('task');
  });

  it('stops when an exception or an interrupt meets a task gate', () => {
    const fault = modeBench([0x0f, 0x0b], { mode: 'protected' });
    fault.poke(IDT + UD * 8, gate(5, S.tss, 0));
    expect(fault.cpu.run(1000)).toBe(5);
    const outside = modeBench(NOP, { mode: 'protected' });
    setGate(outside, 5, S.tss);
    outside.cpu.deliverInterrupt(VECTOR);
    expect(outside.cpu.run(1000)).toBe(5);
    expect(outside.cpu.faultReport()?.message).toContain('task');
  });
});

describe('delivery under IA-32e', () => {
  const setGate = (b: Bench, selector: number, { type = 0xe, dpl = 3, ist = 0, high = 0n } = {}): void =>
    b.poke(IDT + VECTOR * 16, gate(type, selector, handlerOf(VECTOR), dpl, ist), high);
  const modes = ['long', 'compatibility'] as const;

  for (const mode of modes) {
    it(`enters a 64-bit handler from level 3 of ${mode} code, and IRETQ comes back`, () => {
      const b = modeBench(INT, { mode, cpl: 3, flags: 0x202n, stack: STACK + 4 });
      b.machine.memory.write(handlerOf(VECTOR), Uint8Array.of(0x48, 0xcf));
      expect(untilHandler(b)).toBe(VECTOR);
      const cs = mode === 'long' ? S.userCode64 : S.userCode;
      expect(frame(b, 8, 5)).toEqual([CODE + 2, cs, 0x202, STACK + 4, S.userData]);
      expect(Number(b.cpu.getReg(4))).toBe(KERNEL_STACK - 40);
      expect(selectors(b).slice(1, 3)).toEqual([S.code64, 0]);
      expect([b.cpu.cpl(), b.cpu.mode()]).toEqual([0, 'long']);
      b.cpu.run(b.cpu.now() + 1);
      expect([b.cpu.cpl(), b.cpu.mode(), b.cpu.ripLow]).toEqual([3, mode, CODE + 2]);
      expect(Number(b.cpu.getReg(4))).toBe(STACK + 4);
      expect(selectors(b).slice(1, 3)).toEqual([cs, S.userData]);
    });

    it(`pushes SS:RSP at the same level of ${mode} code too, the stack aligned to 16 bytes`, () => {
      const b = modeBench(INT, { mode, stack: STACK + 8 });
      expect(untilHandler(b)).toBe(VECTOR);
      expect(Number(b.cpu.getReg(4))).toBe(STACK - 40);
      expect(frame(b, 8, 5)[3]).toBe(STACK + 8);
      expect(selectors(b)[2]).toBe(S.data);
    });
  }

  it('takes the stack of an IST whatever the level', () => {
    for (const cpl of [0, 3] as const) {
      const b = modeBench(INT, { mode: 'long', cpl });
      setGate(b, S.code64, { ist: 7 });
      b.poke(TSS + 36 + 6 * 8, 0x7800fn);
      untilHandler(b);
      expect(Number(b.cpu.getReg(4))).toBe(0x78000 - 40);
    }
  });

  it('tells apart trap and interrupt gates', () => {
    for (const [type, left] of [
      [0xe, 2],
      [0xf, IF | 2],
    ]) {
      const b = modeBench(INT, { mode: 'long', flags: 0x202n });
      setGate(b, S.code64, { type });
      untilHandler(b);
      expect(Number(b.cpu.rflags())).toBe(left);
    }
  });

  const idt = VECTOR * 8 + 2;
  const checks: [what: string, vector: number, error: number, breakIt: (b: Bench) => void][] = [
    ['the gate beyond the limit', GP, idt, (b) => alter(b, (s) => (s.tables[3] = BigInt(VECTOR * 16 + 14)))],
    ['a gate of 16 bits', GP, idt, (b) => setGate(b, S.code64, { type: 6 })],
    ['a task gate', GP, idt, (b) => setGate(b, S.code64, { type: 5 })],
    ['a gate of DPL 0', GP, idt, (b) => setGate(b, S.code64, { dpl: 0 })],
    [
      'a gate that is not present',
      NP,
      idt,
      (b) => b.poke(IDT + VECTOR * 16, gate(0xe, S.code64, 0) & ~(1n << 47n)),
    ],
    ['32-bit code', GP, S.code, (b) => setGate(b, S.code)],
    ['a null selector', GP, 0, (b) => setGate(b, 0)],
    ['a data segment', GP, S.data, (b) => setGate(b, S.data)],
    ['a handler that is not canonical', GP, 0, (b) => setGate(b, S.code64, { high: 0x8000n })],
    [
      'a stack that is not canonical',
      SS,
      0,
      (b) => (setGate(b, S.code64, { ist: 1 }), b.poke(TSS + 36, 1n << 47n)),
    ],
    [
      'an IST beyond the TSS',
      TS,
      S.tss,
      (b) => (setGate(b, S.code64, { ist: 7 }), alter(b, (s) => (s.segments[7 * 4 + 2] = 90n))),
    ],
  ];
  for (const [what, vector, error, breakIt] of checks) {
    it(`refuses ${what}`, () => {
      const b = modeBench(INT, { mode: 'long', cpl: 3 });
      breakIt(b);
      expectFault(b, 8, vector, error);
    });
  }

  it('raises #GP(0) for IRET with NT set', () => {
    const b = modeBench([0x48, 0xcf], { mode: 'long', flags: 0x4002n });
    expectFault(b, 8, GP, 0);
  });
});

describe('exceptions that meet (SDM vol. 3, table 6-5)', () => {
  /** Instructions that raise an exception at level 0. */
  const first = {
    [UD]: [0x0f, 0x0b],
    [DE]: [0xf7, 0xf1], // div ecx, ECX being 0
    [GP]: [0x0f, 0x22, 0xd8], // mov cr3,rax with a reserved bit
    [PF]: [0xa1, 0, 0, 0, 0x40, 0, 0, 0, 0], // mov eax,[0x40000000]
    [NP]: [0x8e, 0xd9], // mov ds,ecx
    [SS]: [0x8e, 0xd1], // mov ss,ecx
  } as const;
  const spoil = {
    [GP]: (b: Bench, v: number) => b.poke(IDT + v * 16, gate(5, S.code64, 0)),
    [NP]: (b: Bench, v: number) => b.poke(IDT + v * 16, gate(0xe, S.code64, 0) & ~(1n << 47n)),
    [PF]: (b: Bench, v: number) => {
      b.poke(IDT + v * 16, gate(0xe, S.code64, handlerOf(v), 0, 1));
      b.poke(TSS + 36, 0x40001000n); // not mapped
    },
  } as const;

  function meet(one: keyof typeof first, two: keyof typeof spoil): Bench {
    const b = modeBench([...first[one]], { mode: 'long' });
    alter(b, (s) => {
      s.general[0] = (1n << 63n) >> 5n;
      s.general[1] = BigInt(one === NP ? S.absentData : one === SS ? S.absentData : 0);
    });
    spoil[two](b, one);
    return b;
  }

  const benign = [UD] as const;
  const contributory = [DE, GP, NP, SS] as const;
  it('serves the second after a benign first one', () => {
    for (const one of benign) {
      expectFault(meet(one, GP), 8, GP, one * 8 + 3);
      expectFault(meet(one, NP), 8, NP, one * 8 + 3);
      expectFault(meet(one, PF), 8, PF, 2);
    }
  });

  it('makes #DF(0) of two contributory ones, serves a page fault after a contributory one', () => {
    for (const one of contributory) {
      if (one !== GP) expectFault(meet(one, GP), 8, DF, 0);
      if (one !== NP) expectFault(meet(one, NP), 8, DF, 0);
      expectFault(meet(one, PF), 8, PF, 2);
    }
  });

  it('makes #DF of a page fault and whatever follows', () => {
    expectFault(meet(PF, GP), 8, DF, 0);
    expectFault(meet(PF, NP), 8, DF, 0);
    const b = meet(PF, PF);
    expectFault(b, 8, DF, 0);
    expect(b.cpu.save().hardware.control[1]).toBe(0x40000ff8n); // CR2 is the second one's
  });

  it('does not set RF in the image that #DF pushes', () => {
    const b = meet(PF, GP);
    untilHandler(b);
    expect(frame(b, 8, 4)).toEqual([0, CODE, S.code64, 2]);
  });

  it('shuts down when #DF cannot be delivered', () => {
    const b = meet(PF, GP);
    spoil[NP](b, DF);
    expect(b.cpu.run(1000)).toBe(4);
    expect(b.cpu.faultReport()?.message).toMatch(/#PF.*#GP.*#NP/);
    expect(b.cpu.ripLow).toBe(CODE);
  });

  it('changes nothing when the handler cannot be entered: the fault comes from the level it was at', () => {
    const b = modeBench(INT, { mode: 'long', cpl: 3 });
    b.poke(TSS + 4, 0x40001000n); // the stack of level 0 is not mapped
    b.poke(TSS + 36, BigInt(KERNEL_STACK));
    b.poke(IDT + PF * 16, gate(0xe, S.code64, handlerOf(PF), 0, 1));
    expectFault(b, 8, PF, 2);
    expect(frame(b, 8, 6).slice(1)).toEqual([CODE, S.userCode64, RF | 2, STACK, S.userData]);
    expect(b.cpu.save().hardware.control[1]).toBe(0x40000ff8n);
  });

  it('repeats INT n once its page fault has been mended', () => {
    const b = modeBench([...INT, 0xf4], { mode: 'long' });
    b.poke(IDT + VECTOR * 16, gate(0xe, S.code64, handlerOf(VECTOR), 0, 2));
    b.poke(TSS + 36 + 8, 0x40001000n);
    // The handler of #PF names another stack: mov qword [TSS+44], 0x78000; add rsp,8; iretq
    const mend = [0x48, 0xc7, 0x04, 0x25, 0x2c, 0x58, 0, 0, 0, 0x80, 7, 0, 0x48, 0x83, 0xc4, 8, 0x48, 0xcf];
    b.machine.memory.write(0x30000, Uint8Array.from(mend));
    b.poke(IDT + PF * 16, gate(0xe, S.code64, 0x30000));
    b.machine.memory.write(handlerOf(VECTOR), Uint8Array.of(0x48, 0xcf));
    expect(untilHandler(b)).toBe(VECTOR);
    expect(Number(b.cpu.getReg(4))).toBe(0x78000 - 40);
    expect(b.cpu.run(1000)).toBe(1);
    expect(b.cpu.ripLow).toBe(CODE + 3);
  });
});

it('names segments by their tables: a descriptor has its base and limit', () => {
  expect(descriptor(0x9a, 0xc, 0xfffff, 0x12345678)).toBe(0x12cf9a345678ffffn);
});
