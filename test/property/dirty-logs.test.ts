/** However writes of a CPU, writes of devices and readers are mixed, each reader sees just what was written since it last read. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HostMemory } from '../../src/machine/memory/host-memory';
import { coreMemory } from '../unit/machine/memory/core-memory';

const PAGES = 40;
const PAGE = 4096;
const BASE = 0x10_0000;
const READERS = 3;
const bytes = PAGES * PAGE;

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant('store' as const), at: fc.nat(bytes - 1) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('dma' as const),
      at: fc.nat(bytes - 1),
      length: fc.integer({ min: 0, max: 3 * PAGE }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('drain' as const), reader: fc.nat(READERS - 1) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('reopen' as const), reader: fc.nat(READERS - 1) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('reload' as const), reader: fc.nat(READERS - 1) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('snapshot' as const) }) },
);

it('each of three readers, and the snapshot beside them', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { ram, store } = coreMemory(PAGES);
      const memory = new HostMemory();
      memory.map(BASE, ram);
      const logs = Array.from({ length: READERS }, () => ram.openDirtyLog());
      const written = Array.from({ length: READERS }, () => new Set<number>());
      const sinceSnapshot = new Set<number>();
      const note = (first: number, last: number): void => {
        for (let page = first; page <= last; page++) {
          for (const each of [...written, sinceSnapshot]) each.add(page);
        }
      };
      const expected = (pages: Set<number>): number[] => {
        const list = [...pages].sort((x, y) => x - y);
        pages.clear();
        return list;
      };
      for (const each of steps) {
        switch (each.does) {
          case 'store':
            store(each.at, 1);
            note(Math.floor(each.at / PAGE), Math.floor(each.at / PAGE));
            break;
          case 'dma': {
            const length = Math.min(each.length, bytes - each.at);
            expect(memory.write(BASE + each.at, new Uint8Array(length).fill(2))).toBe(true);
            if (length > 0) note(Math.floor(each.at / PAGE), Math.floor((each.at + length - 1) / PAGE));
            break;
          }
          case 'drain':
            expect(logs[each.reader].drain()).toEqual(expected(written[each.reader]));
            break;
          case 'reopen':
            logs[each.reader].close();
            logs[each.reader] = ram.openDirtyLog();
            written[each.reader].clear();
            break;
          case 'reload': {
            const fresh = ram.openDirtyLog();
            fresh.load(structuredClone(logs[each.reader].save()));
            logs[each.reader].close();
            logs[each.reader] = fresh;
            break;
          }
          case 'snapshot':
            expect([...ram.saveChanges().pages]).toEqual(expected(sinceSnapshot));
            break;
        }
      }
      logs.forEach((log, reader) => expect(log.drain()).toEqual(expected(written[reader])));
    }),
    { seed: 20261129, numRuns: 500 },
  );
});
