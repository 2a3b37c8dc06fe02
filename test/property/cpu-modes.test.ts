/** 32- and 16-bit code: what a guest sees does not depend on how it is executed. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopReason, type CpuHardware } from '../../src/machine/x86/types';
import { randomSource } from '../conformance/native-oracle/generate';
import { FLAT32, FLAT_DATA, REAL16, benchMode, type Start } from '../unit/machine/x86/modes-bench';

const seeds = fc.integer({ min: 1, max: 0x7fffffff });
const runs: fc.Parameters<[number]> = {
  seed: 20240612,
  numRuns: Number(process.env.TRAPLINE_CPU_RUNS ?? 20),
};
const END = 3000;

/** IDT, GDT and handlers of the protected-mode machine; the interrupt table of real mode lies at 0. */
const IDT = 0x6000;
const GDT = 0x5000;
const HANDLERS = 0x20000;
const WITH_ERROR: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);
/** inc dword [esp]; iretd: goes on one byte further. */
const SKIP32 = [0xff, 0x04, 0x24, 0xcf];
const DROP32 = [0x83, 0xc4, 0x04]; // add esp,4
/** push bp; mov bp,sp; inc word [bp+2]; pop bp; iret */
const SKIP16 = [0x55, 0x89, 0xe5, 0xff, 0x46, 0x02, 0x5d, 0xcf];

/** Segments with a base and small limits, so that many accesses fault. */
const NARROW: Start = {
  ...FLAT32,
  segments: {
    ...FLAT32.segments,
    ds: { ...FLAT_DATA, base: 0x40000, limit: 0x7ffff },
    es: { ...FLAT_DATA, base: 0x50000, limit: 0xffff, attributes: 0xc091 },
    fs: { ...FLAT_DATA, base: 0xffff0000, limit: 0x3ffff },
  },
};
const STARTS: readonly Start[] = [FLAT32, NARROW, REAL16];

/** Registers that mostly point into RAM, and tables that are in place from the start. */
function prepare(state: CpuHardware, start: Start, random: () => number): void {
  for (let r = 0; r < 8; r++) {
    if (r === 4) continue;
    const wide = random() % 4 === 0;
    state.general[r] = BigInt(wide ? random() >>> 0 : random() % 0x80000);
  }
  state.tables.set(start.protectedMode ? [BigInt(GDT), 0x1fn, BigInt(IDT), 0x1ffn] : [0n, 0n, 0n, 0x3ffn]);
}

function outcome(seed: number, fastPaths: boolean, slice: () => number): unknown {
  const random = randomSource(seed);
  const start = { ...STARTS[random() % STARTS.length], fastPaths };
  const likely = [0x66, 0x67, 0x8b, 0x89, 0xf3, 0x0f, 0x83, 0x26, 0x50, 0x58, 0xe2, 0x75];
  const code = Array.from({ length: 500 }, () =>
    random() % 5 === 0 ? likely[random() % likely.length] : random() & 255,
  );
  const seen: number[][] = [];
  const note = (...what: number[]): number => {
    seen.push([b.cpu.now(), b.cpu.ripLow, ...what]);
    return what[1];
  };
  const b = benchMode(code, start, {
    mmioRead: (a, s) => note(1, a, s),
    mmioWrite: (a, s, l) => void note(2, a, s, l),
    portIn: (p, s) => note(3, p, s),
    portOut: (p, s, v) => void note(4, p, s, v),
  });
  for (let vector = 0; vector < 256; vector++) {
    const at = HANDLERS + vector * 16;
    const skip = start.protectedMode ? [...(WITH_ERROR.has(vector) ? DROP32 : []), ...SKIP32] : SKIP16;
    b.machine.memory.write(at, Uint8Array.from(skip));
    const gate = BigInt(at & 0xffff) | (8n << 16n) | (0x8en << 40n) | (BigInt(at >> 16) << 48n);
    if (start.protectedMode && vector < 64) b.poke(IDT + vector * 8, gate);
    else if (!start.protectedMode)
      b.machine.memory.write(vector * 4, Uint8Array.from([0, 0, (at >> 4) & 255, at >> 12]));
  }
  b.poke(GDT, 0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn, 0x00cf93060000ffffn);
  const saved = b.cpu.save();
  const state = saved.hardware;
  prepare(state, start, random);
  b.cpu.load(saved);
  for (let turn = 0; b.cpu.now() < END; turn++) {
    if (turn > 20_000) throw new Error('the vCPU does not come to an end');
    const stop = b.cpu.run(Math.min(END, b.cpu.now() + slice()));
    if (stop === StopReason.Deadline) continue;
    seen.push([b.cpu.now(), stop]);
    if (stop !== StopReason.Halted) break;
  }
  return {
    seen,
    state: b.cpu.save(),
    memory: createHash('sha1').update(b.machine.memory.read(0, 0x200000)).digest('hex'),
  };
}

describe('random 32- and 16-bit guests', () => {
  it('show the same whole, in random slices, one instruction at a time, and by the general paths', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = randomSource(seed);
        const reference = outcome(seed, true, () => Infinity);
        expect(outcome(seed, true, () => 1 + (random() % 120))).toEqual(reference);
        expect(outcome(seed, true, () => 1)).toEqual(reference);
        expect(outcome(seed, false, () => 1 + (random() % 40))).toEqual(reference);
      }),
      runs,
    );
  });
});
