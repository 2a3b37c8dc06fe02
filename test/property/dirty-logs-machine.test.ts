/**
 * A snapshot and a migration keep their dirty logs of one machine side by side, each reset at its own times: what its CPU
 * stores, by both tiers, and what its devices write, each sees exactly once.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DmaMemory } from '../../src/machine/memory/dma-memory';
import { linearTranslation } from '../../src/machine/memory/dma-translation';
import { HostMemory } from '../../src/machine/memory/host-memory';
import { bench, type Bench } from '../unit/machine/x86/harness';

const PAGE = 4096;
/** Addresses that the guest stores to one after the other, and the pages where these lie. */
const LIST = 0x100000;
const STORES = 20_000;
const DATA = 0x200000;
const PAGES = 64;
const BASE = 0x4000_0000;
const REQUESTER = 0x18;

/** mov rsi,LIST; next: mov rdi,[rsi]; add rsi,8; mov [rdi],rax; jmp next */
const PROGRAM = [
  ...[0x48, 0xc7, 0xc6, 0, 0, 0x10, 0],
  ...[0x48, 0x8b, 0x3e, 0x48, 0x83, 0xc6, 0x08, 0x48, 0x89, 0x07, 0xeb, 0xf4],
];
const RSI = 6;
/** Of the store, from the beginning. */
const STORE_AT = 14;

/** How many of its stores the guest has done. */
function storesDone({ cpu }: Bench): number {
  const fetched = (Number(cpu.getReg(RSI)) - LIST) / 8;
  return Math.max(0, (cpu.ripLow & 0xfff) === STORE_AT ? fetched - 1 : fetched);
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ run: fc.integer({ min: 1, max: 400 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ write: fc.nat(PAGES * PAGE - 1), length: fc.integer({ min: 1, max: 2 * PAGE }) }),
  },
  { weight: 1, arbitrary: fc.constant('migration' as const) },
  { weight: 1, arbitrary: fc.constant('reader' as const) },
  { weight: 1, arbitrary: fc.constant('snapshot' as const) },
);

describe.each([
  { tier: 'interpreter', jit: false as const },
  { tier: 'second tier', jit: { threshold: 1, batch: 1 } },
])('$tier', ({ jit }) => {
  it('and DMA are seen by each reader exactly once', () => {
    let seen = 0;
    let compiled = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 10, maxLength: 60 }),
        fc.array(fc.nat(PAGES * (PAGE / 8) - 1), { minLength: 20, maxLength: 20 }),
        (steps, places) => {
          const b = bench(PROGRAM, {}, true, jit);
          const ram = b.machine.memory;
          // The same few pages again and again, so that a CPU that may still store unasked is found out.
          const targets = Array.from(
            { length: STORES },
            (_, i) => DATA + places[(i >> 2) % places.length] * 8,
          );
          const bytes = new Uint8Array(BigUint64Array.from(targets, BigInt).buffer);
          ram.write(LIST, bytes);
          const memory = new HostMemory();
          memory.map(BASE, ram);
          const dma = new DmaMemory(memory, linearTranslation(BASE, ram.size));
          const logs = { migration: ram.openDirtyLog(), reader: ram.openDirtyLog() };
          ram.saveChanges();
          const expected = {
            migration: new Set<number>(),
            reader: new Set<number>(),
            snapshot: new Set<number>(),
          };
          const note = (page: number): void => {
            for (const each of Object.values(expected)) each.add(page);
          };
          /** Beside its data only the tables of its own translation are written by the guest, by the walks. */
          const inData = (pages: Iterable<number>): number[] =>
            [...pages].filter((page) => page >= DATA / PAGE && page < DATA / PAGE + PAGES);
          const check = (reader: keyof typeof expected, pages: Iterable<number>): void => {
            const wanted = [...expected[reader]].sort((x, y) => x - y);
            expect(inData(pages)).toEqual(wanted);
            seen += wanted.length;
            expected[reader].clear();
          };
          for (const each of steps) {
            if (each === 'snapshot') check('snapshot', ram.saveChanges().pages);
            else if (typeof each === 'string') check(each, logs[each].drain());
            else if ('run' in each) {
              const before = storesDone(b);
              b.cpu.run(b.cpu.now() + each.run);
              for (let store = before; store < storesDone(b); store++)
                note(Math.floor(targets[store] / PAGE));
            } else {
              const length = Math.min(each.length, PAGES * PAGE - each.write);
              const result = dma.write(REQUESTER, DATA + each.write, new Uint8Array(length).fill(7));
              expect(result).toEqual(new Uint8Array(0));
              const last = Math.floor((DATA + each.write + length - 1) / PAGE);
              for (let page = Math.floor((DATA + each.write) / PAGE); page <= last; page++) note(page);
            }
          }
          check('migration', logs.migration.drain());
          check('reader', logs.reader.drain());
          check('snapshot', ram.saveChanges().pages);
          compiled += b.machine.jit?.compiled ?? 0;
        },
      ),
      { seed: 20261129, numRuns: jit ? 25 : 60 },
    );
    expect(seen).toBeGreaterThan(1000);
    expect(compiled > 0).toBe(jit !== false);
  });
});
