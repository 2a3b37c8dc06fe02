/** Differences of two runs: none of a run with itself, and of two that differ exactly what was made to differ. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { emptyChunk } from '../../../src/trace/block';
import type { TraceMeta } from '../../../src/trace/model';
import { courseOf, differenceOf } from '../../../src/trace/query/difference';
import { operationsBySort } from '../../../src/trace/query/operation-sorts';
import { pathTo } from '../../../src/trace/query/path';
import { TraceStore, emptyMeta } from '../../../src/trace/query/store';
import { exitKind, isExit, Kind } from '../../../src/trace/vocabulary/events';
import { jobOf, runJob, sample } from '../../support/runs';
import { sampleStore } from './sample';

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
    expect(difference.operations.length).toBeGreaterThan(0);
    for (const { counts, paired, total, widest } of difference.operations) {
      expect(counts[0]).toBeGreaterThan(0);
      expect(counts).toEqual([paired, paired]);
      expect(total[0]).toEqual(total[1]);
      for (const { cycles } of widest) expect(cycles[0]).toBe(cycles[1]);
    }
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

  it('pairs the nth operation of a sort with the nth', () => {
    const { operations } = differenceOf(...stores);
    expect(operations.map(({ sort }) => sort)).toEqual(expect.arrayContaining(['received', 'sent']));
    for (const { sort, counts, paired, stages, total, widest } of operations) {
      const ends = stores.map((store) => operationsBySort(store)[sort]);
      expect(counts).toEqual(ends.map(({ length }) => length));
      expect(paired).toBe(Math.min(...counts));
      expect(widest.length).toBeGreaterThan(0);
      for (const { index, rows, cycles } of widest)
        stores.forEach((store, side) => {
          expect(rows[side]).toBe(ends[side]?.[index]);
          const { from, to } = pathTo(store, rows[side] ?? -1);
          expect(cycles[side]).toBe(to - from);
          expect(courseOf(store, sort, index)).toMatchObject({ row: rows[side], from, cycles: to - from });
        });
      ([0, 1] as const).forEach((side) => {
        const sum = stages.reduce((all, { cycles }) => all + cycles[side], 0);
        expect(sum).toBeCloseTo(total[side].total / paired, 3);
        // A percentile leads to an operation that took so long.
        for (const rank of ['p50', 'p90', 'p99', 'max'] as const) {
          const { from, to } = pathTo(stores[side], total[side].rows[rank]);
          expect(to - from).toBe(total[side][rank]);
        }
      });
    }
  });

  it('counts each packet once, by the rows that there are of its kind', () => {
    for (const store of stores) {
      const ofKind = (kind: number): number =>
        Array.from({ length: store.rows }, (_, row) => row).filter((row) => store.kindOf(row) === kind).length;
      const { received, sent, requests } = operationsBySort(store);
      expect([received.length, sent.length, requests.length]).toEqual([
        ofKind(Kind.PacketRx),
        ofKind(Kind.PacketTx),
        ofKind(Kind.IoComplete),
      ]);
    }
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

describe('runs that are no twins', () => {
  /** A transmit every 40 000 cycles, as in the sample, with other tables. */
  const storeWith = (transmits: number, change: (meta: TraceMeta) => Partial<TraceMeta> = () => ({})): TraceStore => {
    const { store } = sampleStore(transmits);
    store.setMeta({ ...store.meta, ...change(store.meta) });
    return store;
  };

  it('of different lengths are paired as far as the shorter one goes, and part where it ends', () => {
    const [short, long] = [storeWith(20), storeWith(30)];
    const { operations, parting } = differenceOf(short, long);
    const sent = operations.find(({ sort }) => sort === 'sent');
    expect([sent?.counts, sent?.paired]).toEqual([[20, 30], 20]);
    expect(sent?.total[0]).toEqual(sent?.total[1]);
    expect(parting?.same).toBe(20);
    expect(parting?.rows[0]).toBe(-1);
    expect(parting?.what[0]).toBe('nothing more');
    expect(parting?.events[0]).toBeNull();
    // The first event of the longer run that has no counterpart is its 21st exit or register write.
    expect(long.startOf(parting?.rows[1] ?? -1)).toBeGreaterThanOrEqual(20 * 40_000);
  });

  it('are not paired behind a gap, and do not part there', () => {
    const gap = { from: 10 * 40_000, to: 12 * 40_000, why: 'dropped' } as const;
    const [whole, gapped] = [storeWith(20), storeWith(15, () => ({ gaps: [gap] }))];
    const { operations, parting, wholeUntil } = differenceOf(whole, gapped);
    expect(wholeUntil).toEqual([null, gap.from]);
    expect(parting).toBeUndefined();
    expect(operations.find(({ sort }) => sort === 'sent')?.paired).toBe(10);
  });

  it('on other clocks are compared by time, not by cycles', () => {
    const slow = storeWith(5, ({ frequencyHz }) => ({ frequencyHz: frequencyHz / 2 }));
    const { frequencyHz, lines } = differenceOf(storeWith(5), slow);
    expect(frequencyHz[0]).toBe(2 * frequencyHz[1]);
    const [line] = lines;
    expect(line?.cycles[0]).toBe(line?.cycles[1]);
  });

  it('with vCPUs and files by other names are the same all the same', () => {
    const renamed = storeWith(5, ({ tracks, places }) => ({
      tracks: tracks.map((track) => (track.type === 'vcpu' ? { ...track, name: 'CPU 0/KVM', group: 'guest' } : track)),
      places: places.map((place) => ({ ...place, file: place.file?.replace('/src', '/elsewhere') ?? '' })),
    }));
    const { lines, parting } = differenceOf(storeWith(5), renamed);
    expect(parting).toBeUndefined();
    for (const { exits } of lines) expect(exits[0]).toBe(exits[1]);
  });
});

/** A row as a hostile file may have it: causes that are no rows, tracks and places that are in no table, any order of times. */
const anyRow = fc.record({
  start: fc.nat(5000),
  duration: fc.nat(2000),
  track: fc.nat(5),
  kind: fc.constantFrom(
    exitKind(12),
    exitKind(49),
    Kind.PacketRx,
    Kind.PacketTx,
    Kind.IoComplete,
    Kind.Handler,
    Kind.IrqRaise,
    Kind.MmioWrite,
    60_000,
  ),
  rip: fc.nat(4),
  a: fc.nat(3),
  cause: fc.nat(70),
});

function storeOfRows(rows: readonly Record<'start' | 'duration' | 'track' | 'kind' | 'rip' | 'a' | 'cause', number>[]): TraceStore {
  const chunk = emptyChunk(0, rows.length);
  rows.forEach((row, i) => {
    for (const column of ['start', 'duration', 'track', 'kind', 'rip', 'a', 'cause'] as const)
      chunk[column][i] = row[column] ?? 0;
  });
  const store = new TraceStore({
    ...emptyMeta('any', 1e9),
    state: 'finished',
    tracks: (['vcpu', 'device', 'interrupts', 'link', 'vcpu'] as const).map((type, id) => ({
      ...{ id, type, name: `${type} ${id}`, group: 'vm0', vm: 0 },
    })),
    places: [
      { id: 1, vm: 0, rip: '0x1', file: '/a/x.c', line: 3 },
      { id: 2, vm: 0, rip: '0x2', file: '/b/x.c', line: 3 },
      { id: 3, vm: 0, rip: '0x3' },
    ],
  });
  store.appendChunk(chunk);
  return store;
}

it('whatever a file holds, comparing ends, and pairs what there is', () => {
  fc.assert(
    fc.property(fc.array(anyRow, { maxLength: 60 }), fc.array(anyRow, { maxLength: 60 }), (one, other) => {
      const [first, second] = [storeOfRows(one), storeOfRows(other)];
      const { operations, lines, reasons, parting } = differenceOf(first, second);
      for (const { counts, paired, stages, total } of operations) {
        expect(paired).toBeLessThanOrEqual(Math.min(...counts));
        expect(total.map(({ count }) => count)).toEqual([paired, paired]);
        for (const { cycles } of stages) expect(cycles.every(Number.isFinite)).toBe(true);
      }
      for (const { exits } of [...lines, ...reasons]) expect(Math.max(...exits)).toBeGreaterThan(0);
      expect(differenceOf(second, first).parting === undefined).toBe(parting === undefined);
      expect(differenceOf(first, storeOfRows(one)).parting).toBeUndefined();
    }),
    { seed: 11, numRuns: 150 },
  );
});
