/** Differences of two runs: none of a run with itself, and of two that differ exactly what was made to differ. */
import { beforeAll, describe, expect, it } from 'vitest';
import { differenceOf } from '../../../src/trace/query/difference';
import { operationEnds } from '../../../src/trace/query/operations';
import { pathTo } from '../../../src/trace/query/path';
import type { TraceStore } from '../../../src/trace/query/store';
import { isExit } from '../../../src/trace/vocabulary/events';
import { jobOf, runJob, sample } from '../../support/runs';
import { readFile } from 'node:fs/promises';

async function storeOf(name: string, change = (text: string): string => text): Promise<TraceStore> {
  const file = sample(name);
  return runJob(await jobOf(file, change(await readFile(file, 'utf8')))).store;
}

const exitsOf = (store: TraceStore): number[] =>
  Array.from({ length: store.rows }, (_, row) => row).filter((row) => isExit(store.kindOf(row)));

describe('a run beside itself', () => {
  it('differs in nothing', async () => {
    const [first, second] = [await storeOf('b7-e1000-emulated'), await storeOf('b7-e1000-emulated')];
    const difference = differenceOf(first, second);
    expect(difference.parting).toBeUndefined();
    for (const { exits, cycles } of [...difference.lines, ...difference.reasons]) {
      expect(exits[0]).toBe(exits[1]);
      expect(cycles[0]).toBe(cycles[1]);
    }
    const { counts, total, widest } = difference.operations;
    expect(counts[0]).toBeGreaterThan(0);
    expect(counts[0]).toBe(counts[1]);
    expect(total[0]).toEqual(total[1]);
    for (const { cycles } of widest) expect(cycles[0]).toBe(cycles[1]);
  });
});

describe('the same driver under other costs', () => {
  let stores: readonly [TraceStore, TraceStore];
  beforeAll(async () => {
    const dearer = (text: string): string =>
      text.replace(
        '"costs": "kvm-skylake-2017"',
        '"costs": "kvm-skylake-2017", "costsOverride": { "qemu.dispatch": 65000 }',
      );
    stores = [await storeOf('b7-e1000-emulated'), await storeOf('b7-e1000-emulated', dearer)];
  });

  it('has the figures of each run, by reason and line, each counted once', () => {
    const { reasons, lines } = differenceOf(...stores);
    stores.forEach((store, side) => {
      const exits = exitsOf(store);
      const at = side === 0 ? 0 : 1;
      expect(reasons.reduce((sum, { exits: of }) => sum + of[at], 0)).toBe(exits.length);
      expect(reasons.reduce((sum, { cycles }) => sum + cycles[at], 0)).toBe(
        exits.reduce((sum, row) => sum + store.durationOf(row), 0),
      );
      const placed = exits.filter((row) => store.placeAt(store.get(row).place)?.line !== undefined);
      expect(lines.reduce((sum, { exits: of }) => sum + of[at], 0)).toBe(placed.length);
    });
  });

  it('pairs the nth operation with the nth', () => {
    const { operations } = differenceOf(...stores);
    const ends = stores.map((store) => operationEnds(store, 0, Infinity));
    expect(operations.counts).toEqual(ends.map(({ length }) => length));
    expect(operations.widest.length).toBeGreaterThan(0);
    for (const { index, rows, cycles } of operations.widest)
      stores.forEach((store, side) => {
        expect(rows[side]).toBe(ends[side]?.[index]);
        const { from, to } = pathTo(store, rows[side] ?? -1);
        expect(cycles[side]).toBe(to - from);
      });
    const stages = operations.stages.reduce((sum, { cycles }) => sum + cycles[0], 0);
    expect(stages).toBeCloseTo(operations.total[0].total / operations.total[0].count, 3);
  });
});

it('two drivers part at the first exit that they do not have in common', async () => {
  const few = (text: string): string => text.replace(/"PACKETS": \d+/, '"PACKETS": 50');
  const [first, second] = [await storeOf('c7-virtio-plain', few), await storeOf('c7-virtio', few)];
  const { parting } = differenceOf(first, second);
  expect(parting).toBeDefined();
  if (!parting) return;
  const kindsOf = (store: TraceStore): number[] => exitsOf(store).map((row) => store.kindOf(row));
  if (parting.rows[0] >= 0 && isExit(first.kindOf(parting.rows[0])))
    expect(kindsOf(first).slice(0, parting.same)).toEqual(kindsOf(second).slice(0, parting.same));
  expect(parting.what[0]).not.toBe(parting.what[1]);
});
