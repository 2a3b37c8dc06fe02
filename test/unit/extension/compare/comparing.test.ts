/** A comparison in its own thread is that of this thread; it answers for as long as it is open, and says what it cannot read. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Comparing } from '../../../../src/extension/compare/comparing';
import { coursesOf, reportOf } from '../../../../src/extension/compare/comparing-thread';
import type { TraceSource } from '../../../../src/extension/trace-service/messages';
import { fromComparison } from '../../../../src/protocol/comparison';
import { encodeTrace } from '../../../../src/trace/file/file';
import { saveTrace } from '../../../../src/trace/file/save';
import { find } from '../../../../src/trace/query/find';
import { isExit } from '../../../../src/trace/vocabulary/events';
import { environment } from '../../../support/runs';
import { sampleStore } from '../../trace/sample';

const { distDir } = environment;
const folder = mkdtempSync(join(tmpdir(), 'trapline-comparing-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const stores = [sampleStore(200).store, sampleStore(300).store, sampleStore(10).store] as const;
const runs = stores.map((store, i) => ({ name: `run ${i}`, store }));
const file = join(folder, 'a.trapline.arrow');
saveTrace(file, stores[0]);
const sources: { name: string; source: TraceSource }[] = stores.map((store, i) => ({
  name: `run ${i}`,
  source: i === 0 ? { from: 'file', path: file } : { from: 'bytes', bytes: encodeTrace(store) },
}));

describe('a comparison in a thread', () => {
  it('reports and answers as one in this thread, and tells how far it is', async () => {
    const shares: number[] = [];
    const comparing = new Comparing(distDir, sources, (share) => shares.push(share));
    try {
      expect(await comparing.report).toEqual(reportOf(runs, () => undefined));
      expect(shares.at(-1)).toBeCloseTo(1);
      expect([...shares].sort((x, y) => x - y)).toEqual(shares);
      const query = { difference: 1, sort: 'sent', index: 7 } as const;
      expect(await comparing.courses(query)).toEqual(coursesOf(runs, query));
      // The third run has ten operations only.
      const [there, gone] = await comparing.courses({ ...query, index: 10 });
      expect([there === null, gone]).toEqual([false, null]);
      expect(await comparing.find(1, 'kind:packet.tx')).toBe(find(stores[1], 'kind:packet.tx', -1, 1).row);
      const row = await comparing.exitAt(0, 40_000 / stores[0].meta.frequencyHz);
      expect(isExit(stores[0].kindOf(row))).toBe(true);
      expect(stores[0].startOf(row)).toBeGreaterThanOrEqual(40_000);
      expect(await comparing.exitAt(0, 1e6)).toBe(-1);
      await expect(comparing.find(0, 'nonsense:')).rejects.toThrow();
      await expect(comparing.find(9, 'kind:packet.tx')).rejects.toThrow('no such run');
    } finally {
      comparing.dispose();
    }
    await expect(comparing.find(0, 'kind:packet.tx')).rejects.toThrow('closed');
  });

  it('says which trace it cannot read, and why', async () => {
    const text = join(folder, 'text.arrow');
    writeFileSync(text, 'no trace at all');
    const bad = new Comparing(distDir, [sources[0] as (typeof sources)[0], { name: 'bad', source: { from: 'file', path: text } }]);
    await expect(bad.report).rejects.toThrow(/^bad: .*not an Apache Arrow file/);
    await expect(new Comparing(distDir, [{ name: 'z', source: { from: 'run' } }]).report).rejects.toThrow('kept');
  });

  it('that is closed leaves nobody waiting', async () => {
    const comparing = new Comparing(distDir, sources);
    comparing.dispose();
    await expect(comparing.report).rejects.toThrow('closed');
  });
});

it('the exits of all stretches of time are all exits', () => {
  const { overTime, comparison } = reportOf(runs, () => undefined);
  const exits = comparison.rows.find(({ figure }) => figure === 'exits')?.values;
  const counted = stores.map(({ rows, kindOf }, i) => Array.from({ length: rows }, (_, row) => row).filter((row) => isExit(kindOf.call(stores[i], row))).length);
  expect(overTime.exits.map((each) => each.reduce((sum, n) => sum + n, 0))).toEqual(counted);
  expect(exits).toEqual(counted);
});

describe('a message of the page', () => {
  it('is taken when it is one', () => {
    for (const message of [
      { type: 'ready' },
      { type: 'event', run: 1, row: 5 },
      { type: 'figure', run: 0, figure: 'exits' },
      { type: 'cost', run: 0, difference: 0, of: 'lines', index: 3 },
      { type: 'time', run: 0, seconds: 0.5 },
      { type: 'place', difference: 0, side: 1 },
      { type: 'courses', difference: 0, sort: 'sent', index: 3 },
    ])
      expect(fromComparison(message)).toEqual(message);
  });

  it('is refused whatever else it is', () => {
    for (const message of [
      null,
      'ready',
      { type: 'event', run: -1, row: 5 },
      { type: 'event', run: 0, row: 1.5 },
      { type: 'cost', run: 0, difference: 0, of: 'constructor', index: 3 },
      { type: 'courses', difference: 0, sort: '__proto__', index: 0 },
      { type: 'time', run: 0, seconds: NaN },
    ])
      expect(fromComparison(message)).toBeUndefined();
    fc.assert(
      fc.property(fc.anything(), (message) => {
        const taken = fromComparison(message);
        expect(taken === undefined || typeof taken.type === 'string').toBe(true);
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});
