/** The call-out that tells when the guest comes to CPL 3 or leaves it. */
import { describe, expect, it } from 'vitest';
import type { CpuHardware } from '../../../../src/machine/x86/types';
import { CODE, COSTS, STACK, callouts, type Bench } from './harness';
import { S, alter, handlerOf, modeBench, type Entry } from './mode-bench';
import { LONG, USER } from './outcome';

const TARGET = 0x40000;
const STAR = (0x0010n << 48n) | (0x0080n << 32n);
const SERIALISING = COSTS.serialising;

interface Told {
  cpl: number;
  time: number;
}

/** A machine that notes what it is told. */
function watched(code: number[], entry: Entry): { b: Bench; told: Told[] } {
  const told: Told[] = [];
  const b: Bench = modeBench(code, entry, {
    privilegeChanged: () => void told.push({ cpl: b.cpu.cpl(), time: b.cpu.now() }),
  });
  return { b, told };
}

const systemCalls = (state: CpuHardware): void => {
  state.msrs[0] |= 1n;
  state.msrs.set([STAR, BigInt(TARGET)], 1);
  state.general[1] = BigInt(TARGET);
  state.general[11] = 0x202n;
};
/** What IRET pops, for a way to CPL 3 or to CPL 0. */
const frame = (b: Bench, cpl: 0 | 3): void =>
  b.poke(
    STACK,
    BigInt(TARGET),
    BigInt(cpl ? S.userCode64 : S.code64),
    0x202n,
    BigInt(STACK),
    BigInt(cpl ? S.userData : S.data),
  );

const NOPS = [0x90, 0x90, 0x90];
const IRETQ = [0x48, 0xcf];

describe.each<[string, number[], Entry, number, (b: Bench) => void]>([
  ['SYSCALL', [0x0f, 0x05], USER, 0, (b) => alter(b, systemCalls)],
  ['SYSRET', [0x48, 0x0f, 0x07], LONG, 3, (b) => alter(b, systemCalls)],
  ['IRET to CPL 3', IRETQ, LONG, 3, (b) => frame(b, 3)],
  ['INT', [0xcd, 0x80], USER, 0, () => undefined],
  ['an exception', [0x0f, 0x0b], USER, 0, () => undefined],
])('%s', (_name, instruction, entry, cpl, prepare) => {
  it('is told once, in the midst of its instruction, with the new level', () => {
    const { b, told } = watched([...NOPS, ...instruction], entry);
    prepare(b);
    expect(told).toEqual([]);
    const begin = b.cpu.now();
    b.cpu.run(begin + NOPS.length);
    expect(b.cpu.now()).toBe(begin + NOPS.length);
    b.cpu.run(b.cpu.now() + 1);
    expect(told.map((each) => each.cpl)).toEqual([cpl]);
    expect(told[0].time).toBeGreaterThanOrEqual(begin + NOPS.length);
    expect(told[0].time).toBeLessThanOrEqual(b.cpu.now());
    expect(b.cpu.now() - begin - NOPS.length).toBeLessThanOrEqual(2 * SERIALISING + COSTS.branch);
  });

  it('is told at the same time when nothing stops the run before it', () => {
    const times = [1, 1000].map((slice) => {
      const { b, told } = watched([...NOPS, ...instruction], entry);
      prepare(b);
      for (const at of [TARGET, handlerOf(6), handlerOf(0x80)])
        b.machine.memory.write(at, Uint8Array.of(0xeb, 0xfe));
      const begin = b.cpu.now();
      while (b.cpu.now() < begin + 100) b.cpu.run(Math.min(begin + 100, b.cpu.now() + slice));
      return told.map(({ time }) => time - begin);
    });
    expect(times[0]).toHaveLength(1);
    expect(times[1]).toEqual(times[0]);
  });

  it('is told to nobody when nobody asks', () => {
    const { b, told } = watched([...NOPS, ...instruction], entry);
    prepare(b);
    b.cpu.callouts = callouts();
    for (let i = 0; i <= NOPS.length; i++) b.cpu.run(b.cpu.now() + 1);
    expect([b.cpu.cpl(), told]).toEqual([cpl, []]);
  });
});

describe('no change between CPL 3 and another', () => {
  it.each<[string, number[], Entry]>([
    ['IRET within CPL 0', IRETQ, LONG],
    ['INT at CPL 0', [0xcd, 0x80], LONG],
    ['a near call at CPL 3', [0xe8, 0, 0, 0, 0], USER],
  ])('%s is not told', (_name, instruction, entry) => {
    const { b, told } = watched(instruction, entry);
    frame(b, 0);
    b.cpu.run(b.cpu.now() + 1);
    expect([b.cpu.ripLow === CODE, told]).toEqual([false, []]);
  });
});

describe('an external interrupt at CPL 3', () => {
  it('is told before the handler is', () => {
    const order: string[] = [];
    const b: Bench = modeBench(
      NOPS,
      { ...USER, flags: 0x202n },
      {
        privilegeChanged: () => void order.push(`CPL ${b.cpu.cpl()}`),
        interruptDelivered: (vector) => void order.push(`vector ${vector}`),
      },
    );
    b.cpu.deliverInterrupt(0x50);
    expect(order).toEqual(['CPL 0', 'vector 80']);
  });
});

describe('what comes from outside', () => {
  it('is told to nobody: snapshots, INIT, a start', () => {
    const { b, told } = watched(NOPS, USER);
    const user = b.cpu.save();
    b.cpu.init();
    b.cpu.load(user);
    b.cpu.startUp(9);
    b.cpu.load(user);
    b.cpu.startLongMode(BigInt(CODE), BigInt(STACK), 0x1000);
    expect([b.cpu.cpl(), told]).toEqual([0, []]);
  });
});
