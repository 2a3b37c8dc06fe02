import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modeRoles, type Lane, type LaneBins } from '../../src/protocol/viewport';
import { BLOCK_ROWS, emptyChunk } from '../../src/trace/block';
import { packing } from '../../src/trace/file/codec';
import { bytesAccess } from '../../src/trace/file/random-access';
import { encodeIndex, openIndex } from '../../src/trace/query/index-bytes';
import type { Packing } from '../../src/trace/query/index/packed-parts';
import type { TraceIndex } from '../../src/trace/query/index/stored';
import { lanesOf } from '../../src/trace/query/lanes';
import { perLine, statistics } from '../../src/trace/query/statistics';
import { TraceStore } from '../../src/trace/query/store';
import { queryViewport } from '../../src/trace/query/viewport';
import { Kind, kindRow } from '../../src/trace/vocabulary/events';
import { syntheticBlocks, syntheticMeta } from '../perf/explorer/synthetic';
import type { TraceChunk } from '../../src/trace/model';

const ROWS = 2 * BLOCK_ROWS + 20_000;

/** Rows of a trace in which some are recorded late: each begins up to `late` cycles earlier than it would. */
function disordered(late: number, seed: number): TraceChunk[] {
  let state = seed;
  return [...syntheticBlocks(ROWS)].map((block) => {
    const copy = emptyChunk(block.firstRow, block.start.length);
    for (const name of ['start', 'duration', 'track', 'kind', 'rip', 'a', 'b', 'cause'] as const)
      copy[name].set(block[name]);
    for (let i = 0; i < copy.start.length; i++) {
      state = (state * 48271) % 0x7fffffff;
      if (state % 7 === 0) copy.start[i] = Math.max(0, copy.start[i] - (state % (late + 1)));
    }
    return copy;
  });
}

function storeOf(blocks: readonly TraceChunk[]): TraceStore {
  const store = new TraceStore(syntheticMeta(ROWS));
  for (const block of blocks) store.appendChunk(block);
  return store;
}

const lanesIn = (store: TraceStore): Lane[] =>
  lanesOf({ ...store.meta, state: 'running' }, (track, group) => store.countOf(track, group)).filter(
    ({ empty }) => !empty,
  );

const keyOf = (track: number, group: string): string => `${track} ${group}`;

/** Rows by track and group. */
function rowsByLane(store: TraceStore): ReadonlyMap<string, readonly number[]> {
  const found = new Map<string, number[]>();
  for (let row = 0; row < store.rows; row++) {
    const key = keyOf(store.trackOf(row), kindRow(store.kindOf(row)).group);
    const rows = found.get(key);
    if (rows) rows.push(row);
    else found.set(key, [row]);
  }
  return found;
}

/** What the bins of a lane have to be, from all its rows. */
function truth(store: TraceStore, rows: readonly number[], from: number, pixel: number, width: number) {
  const count = new Float64Array(width);
  const busy = new Float64Array(width);
  const modes = new Float64Array(width * modeRoles.length);
  const faults = new Uint8Array(width);
  for (const row of rows) {
    const { mode, role } = kindRow(store.kindOf(row));
    const start = store.startOf(row) - from;
    const end = start + store.durationOf(row);
    const first = Math.floor(start / pixel);
    if (first >= width || (start < 0 && end <= 0)) continue;
    count[Math.max(0, first)]++;
    if (first >= 0 && role === 'fault') faults[first] = 1;
    for (let x = Math.max(0, first); x < Math.min(width, Math.ceil(end / pixel)); x++) {
      const spent = Math.min(end, (x + 1) * pixel) - Math.max(start, x * pixel);
      busy[x] += spent;
      if (mode) modes[x * modeRoles.length + modeRoles.indexOf(mode)] += spent;
    }
  }
  return { count, busy, modes, faults };
}

function checkLane(
  store: TraceStore,
  rows: readonly number[],
  bins: LaneBins,
  from: number,
  pixel: number,
): void {
  const width = bins.count.length;
  const { count, busy, modes, faults } = truth(store, rows, from, pixel, width);
  expect(Array.from(bins.count)).toEqual(Array.from(count));
  expect(Array.from(bins.fault)).toEqual(Array.from(faults));
  expect(Array.from(bins.cover)).toEqual(
    Array.from(busy, (cycles) => Math.fround(Math.min(1, cycles / pixel))),
  );
  if (bins.shares)
    expect(Array.from(bins.shares)).toEqual(Array.from(modes, (cycles) => Math.fround(cycles / pixel)));
}

/** The answers that two stores of the same rows must have in common. */
function answers(store: TraceStore): unknown {
  const end = store.endTime;
  const lanes = lanesIn(store);
  const windows = [18, 14, 9].flatMap((k) =>
    [0, 0.3, 0.97].map((share) => {
      const from = Math.floor((end * share) / 2 ** k) * 2 ** k;
      return queryViewport(store, { from, to: from + 300 * 2 ** k, width: 300, lanes });
    }),
  );
  return {
    windows,
    statistics: statistics(store, end / 5, end / 2),
    all: statistics(store, 0, end),
    lines: perLine(store),
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const stored = (store: TraceStore): Uint8Array => joined(encodeIndex(store.storedIndex(), packing));
const read = (bytes: Uint8Array): TraceIndex | undefined => openIndex(bytesAccess(bytes), ROWS, packing);

function refused(): never {
  throw new Error('the index was refused');
}

describe('index of a trace', () => {
  it('has the sums of all rows in any window on the grid of its buckets, also of rows out of order', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 40, 30_000),
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 4, max: 24 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: 20, max: 400 }),
        (late, seed, k, share, width) => {
          const store = storeOf(disordered(late, seed));
          const pixel = 2 ** k;
          const from = Math.floor((store.endTime * share) / pixel) * pixel;
          const lanes = lanesIn(store).filter((_, i) => i % 9 === seed % 9);
          const { lanes: found } = queryViewport(store, { from, to: from + width * pixel, width, lanes });
          const byLane = rowsByLane(store);
          found.forEach((bins, i) => {
            const { trackIds, groups } = lanes[i];
            const rows = trackIds.flatMap((track) =>
              groups.flatMap((group) => byLane.get(keyOf(track, group)) ?? []),
            );
            if (bins.type === 'bins') checkLane(store, rows, bins, from, pixel);
            else
              expect(bins.row.length).toBe(
                truth(store, rows, from, pixel, width).count.reduce((sum, n) => sum + n, 0),
              );
          });
        },
      ),
      { numRuns: 8, endOnFailure: true },
    );
  }, 240_000);

  it('is the same however it grew: at once, in pieces with questions between, with late ends, and after a cut', () => {
    const blocks = disordered(3000, 77);
    const whole = storeOf(blocks);
    const grown = new TraceStore(syntheticMeta(ROWS));
    const noDelta = {
      patches: {
        row: new Uint32Array(),
        duration: new Uint32Array(),
        a: new Uint32Array(),
        b: new Uint32Array(),
      },
    };
    const rest = { ...noDelta, tracks: [], places: [] };
    const late = new Set([500, 70_000, 131_000]);
    const piece = (from: number, to: number): TraceChunk => {
      const chunk = emptyChunk(from, to - from);
      for (let row = from; row < to; row++) {
        const block = blocks[Math.floor(row / BLOCK_ROWS)];
        for (const name of ['start', 'duration', 'track', 'kind', 'rip', 'a', 'b', 'cause'] as const)
          chunk[name][row - from] = block[name][row % BLOCK_ROWS];
        if (late.has(row)) chunk.duration[row - from] = 0;
      }
      return chunk;
    };
    const open = Uint32Array.from(late);
    const append = (from: number, to: number): void => {
      for (let at = from; at < to; at += 23_000) {
        const chunks = [piece(at, Math.min(to, at + 23_000))];
        grown.append({ ...rest, chunks, open: open.filter((row) => row < at + 23_000 && row < to) });
        queryViewport(grown, { from: 0, to: 2 ** 28, width: 16, lanes: lanesIn(grown) });
      }
    };
    append(0, 120_000);
    grown.append({ ...rest, truncated: 69_000, chunks: [], open: Uint32Array.of(500) });
    append(69_000, ROWS);
    const row = Uint32Array.from(late);
    const at = (name: 'duration' | 'a' | 'b'): Uint32Array =>
      row.map((r) => blocks[Math.floor(r / BLOCK_ROWS)][name][r % BLOCK_ROWS]);
    grown.append({
      ...rest,
      chunks: [],
      open: new Uint32Array(),
      patches: { row, duration: at('duration'), a: at('a'), b: at('b') },
    });
    expect(answers(grown)).toEqual(answers(whole));
  }, 120_000);

  it('is read back as it was stored, and answers so too where the trace goes on', () => {
    const blocks = disordered(200, 5);
    const store = storeOf(blocks);
    const bytes = stored(store);
    const again = storeOf(blocks);
    again.useIndex(read(bytes) ?? refused());
    expect(answers(again)).toEqual(answers(store));
    expect(stored(again)).toEqual(bytes);
    const more = emptyChunk(ROWS, 100);
    more.start.fill(store.endTime + 7);
    more.kind.fill(Kind.MmioWrite);
    again.appendChunk(more);
    store.appendChunk(more);
    expect(answers(again)).toEqual(answers(store));
  }, 120_000);

  it('is refused or answers something when its bytes are damaged', () => {
    const blocks = disordered(200, 5);
    const store = storeOf(blocks);
    const bytes = stored(store);
    expect(openIndex(bytesAccess(bytes), ROWS - 1, packing)).toBeUndefined();
    const lanes = lanesIn(store).filter((_, i) => i % 8 === 0);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.option(fc.nat(bytes.length - 1), { nil: undefined }),
        (changes, length) => {
          const damaged = bytes.slice(0, length);
          for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
          const index = read(damaged);
          if (index === undefined) return;
          const again = storeOf(blocks);
          again.useIndex(index);
          const window = { from: 0, to: 2 ** 28, width: 256, lanes };
          // What is damaged has a check value that says so, and is answered from the rows.
          expect(queryViewport(again, window)).toEqual(queryViewport(store, window));
          expect(statistics(again, 0, 2 ** 27)).toEqual(statistics(store, 0, 2 ** 27));
        },
      ),
      { numRuns: 20, endOnFailure: true },
    );
  }, 120_000);

  it('is refused or answers something when it is forged', () => {
    const blocks = disordered(200, 5);
    const plain: Packing = { pack: (bytes) => bytes.slice(), unpack: (bytes) => bytes.slice() };
    const index = storeOf(blocks).storedIndex();
    const lanes = lanesIn(storeOf(blocks)).filter((_, i) => i % 8 === 0);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 40 }), (changes) => {
        // Each part is changed before its check value is made.
        const forging: Packing = {
          pack(bytes) {
            const forged = bytes.slice();
            for (const [at, value] of changes) if (at % 7 === bytes.length % 7) forged[at % forged.length] = value;
            return forged;
          },
          unpack: plain.unpack,
        };
        const found = openIndex(bytesAccess(joined(encodeIndex(index, forging))), ROWS, plain);
        if (found === undefined) return;
        const again = storeOf(blocks);
        again.useIndex(found);
        const answer = queryViewport(again, { from: 0, to: 2 ** 28, width: 256, lanes });
        expect(answer.lanes).toHaveLength(lanes.length);
        expect(statistics(again, 0, 2 ** 27).to).toBe(2 ** 27);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  }, 120_000);

  it('keeps what is left of a stream of one cycle', () => {
    const chunk = emptyChunk(0, 5000);
    chunk.kind.fill(Kind.MmioWrite);
    chunk.start.fill(2 ** 40);
    const store = new TraceStore(syntheticMeta(5000));
    store.appendChunk(chunk);
    const lane = { ...lanesIn(store)[0], trackIds: [0], groups: ['register' as const] };
    const [bins] = queryViewport(store, {
      from: 2 ** 40 - 64,
      to: 2 ** 40 + 64,
      width: 128,
      lanes: [lane],
    }).lanes;
    expect(bins.type === 'bins' && bins.count[64]).toBe(5000);
  });
});
