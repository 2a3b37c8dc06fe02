import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopReason } from '../../../../src/machine/x86/types';
import { CODE, COSTS, bench, type Bench } from './harness';

const AREA = 0x50000;
const BYTES = 0x4000;
const SIZES = [1, 2, 4, 8] as const;
const OPCODES: Record<(typeof SIZES)[number], [movs: number[], stos: number[]]> = {
  1: [[0xa4], [0xaa]],
  2: [
    [0x66, 0xa5],
    [0x66, 0xab],
  ],
  4: [[0xa5], [0xab]],
  8: [
    [0x48, 0xa5],
    [0x48, 0xab],
  ],
};
const VALUE = 0x1122334455667788n;

interface Move {
  store: boolean;
  size: (typeof SIZES)[number];
  from: number;
  to: number;
  count: number;
}

const moves: fc.Arbitrary<Move> = fc.record({
  store: fc.boolean(),
  size: fc.constantFrom(...SIZES),
  from: fc.integer({ min: 0x800, max: 0x1800 }),
  to: fc.integer({ min: 0x800, max: 0x1800 }),
  count: fc.integer({ min: 1, max: 1000 }),
});

/** What the manual says (SDM vol. 2, "MOVS", "STOS"), element by element. */
function model(memory: Uint8Array, move: Move, iterations: number): Uint8Array {
  const after = memory.slice();
  for (let i = 0; i < iterations; i++) {
    const to = move.to + i * move.size;
    if (move.store) {
      for (let k = 0; k < move.size; k++) after[to + k] = Number((VALUE >> BigInt(8 * k)) & 0xffn);
    } else after.copyWithin(to, move.from + i * move.size, move.from + (i + 1) * move.size);
  }
  return after;
}

const pattern = Uint8Array.from({ length: BYTES }, (_, i) => (i * 7 + (i >> 8)) & 255);

function prepare(move: Move): Bench {
  const b = bench([0xf3, ...OPCODES[move.size][move.store ? 1 : 0], 0xf4]);
  b.machine.memory.write(AREA, pattern);
  b.machine.memory.takeDirtyPages();
  b.cpu.setReg(0, VALUE);
  b.cpu.setReg(1, BigInt(move.count));
  b.cpu.setReg(6, BigInt(AREA + move.from));
  b.cpu.setReg(7, BigInt(AREA + move.to));
  return b;
}

describe('repeated moves and stores', () => {
  it('end as element by element, within pages, over their edges and onto themselves', () => {
    fc.assert(
      fc.property(moves, (move) => {
        const { cpu, machine } = prepare(move);
        expect(cpu.run(1_000_000)).toBe(StopReason.Halted);
        expect(cpu.now()).toBe(move.count * COSTS.memory + COSTS.serialising);
        expect(cpu.instructions()).toBe(2);
        expect(cpu.getReg(1)).toBe(0n);
        expect(cpu.getReg(7)).toBe(BigInt(AREA + move.to + move.count * move.size));
        const after = Buffer.from(machine.memory.read(AREA, BYTES));
        expect(after.equals(model(pattern, move, move.count))).toBe(true);
        const first = (AREA + move.to) >> 12;
        const last = (AREA + move.to + move.count * move.size - 1) >> 12;
        const dirty = machine.memory.takeDirtyPages().filter((page) => page >= 0x50);
        expect(dirty).toEqual(Array.from({ length: last - first + 1 }, (_, i) => first + i));
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it('stop between the iterations at which stepping would', () => {
    fc.assert(
      fc.property(moves, fc.integer({ min: 1, max: 2500 }), (move, cycles) => {
        const { cpu, machine } = prepare(move);
        const done = Math.ceil(cycles / COSTS.memory);
        fc.pre(done < move.count);
        expect(cpu.run(cycles)).toBe(StopReason.Deadline);
        expect(cpu.now()).toBe(done * COSTS.memory);
        expect(cpu.instructions()).toBe(0);
        expect(cpu.getReg(1)).toBe(BigInt(move.count - done));
        const after = Buffer.from(machine.memory.read(AREA, BYTES));
        expect(after.equals(model(pattern, move, done))).toBe(true);
      }),
      { seed: 2, numRuns: 60 },
    );
  });

  it('go on with what stands there when an iteration overwrites the instruction itself', () => {
    const b = bench([0xf3, 0xaa, 0x90]); // rep stosb
    b.cpu.setReg(0, 0xf4n); // hlt
    b.cpu.setReg(1, 10n);
    b.cpu.setReg(7, BigInt(CODE));
    expect(b.cpu.run(1000)).toBe(StopReason.Halted);
    expect([b.cpu.getReg(1), b.cpu.ripLow, b.cpu.instructions()]).toEqual([9n, CODE + 1, 1]);
  });
});
