/** A vCPU moves: its hardware goes on in another machine, at another time, as it would have gone on in its own. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cpu, CpuCallouts } from '../../src/machine/x86/types';
import { randomSource } from '../conformance/native-oracle/generate';
import { callouts, CODE } from '../unit/machine/x86/harness';
import { prepare, randomProgram } from '../unit/machine/x86/random-machine';
import { SETUP } from '../unit/machine/x86/system-bench';

/** Interpreted, and with everything compiled that is reached by a branch. */
const MANNERS = [
  { name: 'interpreted', manner: { fastPaths: true, jit: false as const }, numRuns: 30 },
  { name: 'compiled', manner: { fastPaths: true, jit: { threshold: 1, batch: 1 } }, numRuns: 5 },
];
const SLICE = 60;

/** A machine as it was before its first instruction, with a program. */
function beginning(machine: ReturnType<typeof prepare>, program: readonly number[], time: number) {
  const { cpu, memory, ram, registers } = machine;
  memory.load(ram);
  cpu.load(registers);
  cpu.setNow(cpu.now() + time);
  memory.write(CODE + SETUP.length, Uint8Array.from(program));
  return { cpu, memory };
}

/** Call-outs that take time and answer by chance; what they were about, counted from now. */
function devices(cpu: Cpu, seed: number): { log: number[][]; callouts: CpuCallouts } {
  const random = randomSource(seed);
  const log: number[][] = [];
  const [time, instructions] = [cpu.now(), cpu.instructions()];
  const note = (...values: number[]): number => {
    log.push([
      cpu.now() - time,
      cpu.instructions() - instructions,
      cpu.ripLow,
      Number(cpu.rflags()),
      ...values,
    ]);
    cpu.advance(random() % 90);
    cpu.resultHigh = random();
    return random() | 0;
  };
  return {
    log,
    callouts: callouts({
      mmioRead: (a, s) => note(1, a, s),
      mmioWrite: (a, s, l, h) => void note(2, a, s, l, h),
      portIn: (p, s) => note(3, p, s),
      portOut: (p, s, v) => void note(4, p, s, v),
      hlt: () => void note(5),
      cpuid: (l, s) => ({ eax: note(6, l, s) >>> 0, ebx: 1, ecx: 2, edx: 3 }),
    }),
  };
}

/** Runs so many slices; what was seen from outside. */
function runOn(cpu: Cpu, seed: number, slices: number): unknown {
  const { log, callouts: answers } = devices(cpu, seed);
  cpu.callouts = answers;
  const begin = cpu.now();
  const stops = Array.from({ length: slices }, (_, i) => [
    cpu.run(begin + (i + 1) * SLICE),
    cpu.now() - begin,
    cpu.ripLow,
    cpu.interruptible(),
  ]);
  return { log, stops };
}

describe('a vCPU', () => {
  it.each(MANNERS)(
    '$name, goes on from its hardware in another machine at another time',
    ({ manner, numRuns }) => {
      const [here, there] = [prepare(manner), prepare(manner)];
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 0x7fffffff }),
          fc.nat(1e12),
          fc.nat(40),
          (seed, time, slices) => {
            const program = randomProgram(seed);
            const one = beginning(here, program, 0);
            runOn(one.cpu, seed, slices);
            // Its TSC shows something else than the time: software wrote it.
            if (seed % 2 === 0) one.cpu.tscOffset = BigInt(seed);
            const { hardware } = structuredClone(one.cpu.save());

            const moved = beginning(there, program, time);
            runOn(moved.cpu, seed + 1, slices % 3);
            moved.memory.load(structuredClone(one.memory.save()));
            moved.cpu.adopt(hardware);
            expect(moved.cpu.save().hardware).toEqual(hardware);

            const seen = runOn(one.cpu, seed + 2, 50);
            expect(runOn(moved.cpu, seed + 2, 50)).toEqual(seen);
            expect(moved.cpu.save().hardware).toEqual(one.cpu.save().hardware);
            const digest = ({ memory }: typeof one): string =>
              createHash('sha1').update(memory.read(0, memory.size)).digest('hex');
            expect(digest(moved)).toBe(digest(one));
          },
        ),
        { seed: 20261129, numRuns },
      );
    },
  );

  it('leaves to the run what is the run’s', () => {
    const [here, there] = [prepare(MANNERS[0].manner), prepare(MANNERS[0].manner)];
    here.cpu.requestInterruptWindow(true);
    here.cpu.requestAttention();
    const saved = here.cpu.save();
    const time = there.cpu.now();
    there.cpu.adopt(saved.hardware);
    const { run } = there.cpu.save();
    expect([run.windowWanted, run.attention, run.time]).toEqual([false, false, time]);
    // @ts-expect-error A checkpoint does not move.
    expect(() => there.cpu.adopt(saved)).toThrow();
    // @ts-expect-error Nor does what the run has.
    expect(() => there.cpu.adopt(saved.run)).toThrow();
    // @ts-expect-error And hardware alone is no checkpoint.
    expect(() => there.cpu.load(saved.hardware)).toThrow();
  });
});
