import { describe, expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { CODE, STACK } from './harness';
import { IDT, S, frame, gate, handlerOf, modeBench, untilHandler, type Entry } from './mode-bench';

/** RCX, RSI and RDI of `rep movsb`. */
const REPEAT: [number, bigint][] = [
  [1, 5n],
  [6, 0x30000n],
  [7, 0x31000n],
];
const HLT = 0xf4;
const NOPS = [0x90, 0x90, 0x90, 0x90];

describe('the interrupt shadow lasts for one instruction', () => {
  /** What runs, at which level of RFLAGS.IF it begins, and how many instructions until an interrupt can be taken. */
  const programs: [what: string, code: number[], entry: Entry, until: number][] = [
    ['STI in 64-bit code', [0xfb, ...NOPS], { mode: 'long' }, 2],
    ['STI in 32-bit code', [0xfb, ...NOPS], { mode: 'protected' }, 2],
    ['STI in compatibility code', [0xfb, ...NOPS], { mode: 'compatibility' }, 2],
    ['two STIs', [0xfb, 0xfb, ...NOPS], { mode: 'protected' }, 2],
    ['STI and MOV SS', [0xfb, 0x8e, 0xd0, ...NOPS], { mode: 'protected' }, 3],
    ['STI and POP SS', [0xfb, 0x17, ...NOPS], { mode: 'protected' }, 3],
    // One iteration is what the shadow covers: the instruction itself has not retired.
    ['STI and a repeated instruction', [0xfb, 0xf3, 0xa4, ...NOPS], { mode: 'long' }, 1],
  ];
  for (const [what, code, entry, until] of programs) {
    it(what, () => {
      const start = () => {
        const b = modeBench(code, entry);
        b.cpu.setReg(0, BigInt(S.data));
        for (const [register, value] of REPEAT) b.cpu.setReg(register, value);
        b.poke(STACK, BigInt(S.data));
        return b;
      };
      const stepped = start();
      while (!stepped.cpu.interruptible()) stepped.cpu.run(stepped.cpu.now() + 1);
      expect(stepped.cpu.instructions()).toBe(until);
      const free = start();
      free.cpu.requestInterruptWindow(true);
      expect(free.cpu.run(1000)).toBe(StopReason.InterruptWindow);
      expect(free.cpu.instructions()).toBe(until);
      expect(free.cpu.now()).toBe(stepped.cpu.now());
    });
  }

  it('lets an interrupt in after the first iteration, with RF set in the image', () => {
    const b = modeBench([0xfb, 0xf3, 0xa4, HLT], { mode: 'long' });
    for (const [register, value] of REPEAT) b.cpu.setReg(register, value);
    b.cpu.requestInterruptWindow(true);
    expect(b.cpu.run(1000)).toBe(StopReason.InterruptWindow);
    expect(b.cpu.getReg(1)).toBe(4n);
    b.cpu.deliverInterrupt(0x30);
    expect(frame(b, 8, 3)).toEqual([CODE + 1, S.code64, 0x10202]);
  });

  it('survives save and load', () => {
    const b = modeBench([0xfb, ...NOPS], { mode: 'protected' });
    b.cpu.run(1);
    const saved = b.cpu.save();
    b.cpu.run(b.cpu.now() + 1);
    expect(b.cpu.interruptible()).toBe(true);
    b.cpu.load(saved);
    expect(b.cpu.interruptible()).toBe(false);
  });
});

describe('exceptions that software asks for', () => {
  it('INT3 needs a gate that admits the level, INT1 does not', () => {
    const raise = (code: number, vector: number): number => {
      const b = modeBench([code], { mode: 'protected', cpl: 3 });
      b.poke(IDT + vector * 8, gate(0xe, S.conforming, handlerOf(vector), 0));
      return untilHandler(b);
    };
    expect(raise(0xcc, 3)).toBe(13);
    expect(raise(0xf1, 1)).toBe(1);
  });

  it('return to the next instruction, RF clear in the image', () => {
    for (const code of [0xcc, 0xf1]) {
      const b = modeBench([code], { mode: 'protected' });
      untilHandler(b);
      expect(frame(b, 4, 3).map((word, i) => (i === 1 ? word & ~3 : word))).toEqual([CODE + 1, S.code, 2]);
    }
  });

  it('INTO goes to vector 4 when OF is set only', () => {
    const overflow = modeBench([0xce, ...NOPS], { mode: 'protected', flags: 0x802n });
    expect(untilHandler(overflow)).toBe(4);
    expect(frame(overflow, 4, 1)).toEqual([CODE + 1]);
    const none = modeBench([0xce, ...NOPS], { mode: 'protected' });
    none.cpu.run(1);
    expect(none.cpu.ripLow).toBe(CODE + 1);
  });
});

describe('handlers entered from outside are followed in every mode', () => {
  for (const mode of ['protected', 'compatibility', 'long'] as const) {
    it(`${mode}, an NMI within an interrupt`, () => {
      const log: string[] = [];
      const b = modeBench(
        NOPS,
        { mode, cpl: 3, flags: 0x202n },
        { interruptDelivered: (v) => log.push(`in ${v}`), interruptReturned: () => log.push('out') },
      );
      const iret = mode === 'protected' ? [0xcf] : [0x48, 0xcf];
      b.machine.memory.write(handlerOf(0x30), Uint8Array.from([0x90, ...iret]));
      b.machine.memory.write(handlerOf(2), Uint8Array.from(iret));
      if (mode === 'protected')
        for (const v of [2, 0x30]) b.poke(IDT + v * 8, gate(0xe, S.code, handlerOf(v)));
      b.cpu.deliverInterrupt(0x30);
      b.cpu.run(b.cpu.now() + 1);
      b.cpu.deliverNmi();
      for (let i = 0; i < 2; i++) b.cpu.run(b.cpu.now() + 1);
      expect(log).toEqual(['in 48', 'in 2', 'out', 'out']);
      expect([b.cpu.cpl(), b.cpu.ripLow, Number(b.cpu.getReg(4))]).toEqual([3, CODE, STACK]);
    });
  }
});
