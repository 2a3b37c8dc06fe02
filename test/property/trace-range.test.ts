/** A trace that is read by range is the trace that was written: whole, cut short, changed, from any writer, with any part of it kept. */
import { RecordBatchFileWriter, tableFromArrays, type Table } from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { find, eventTable } from '../../src/trace/query/find';
import { describe as describeEvent } from '../../src/trace/query/describe';
import { TraceFileError, encodeTrace, readTrace } from '../../src/trace/file/file';
import { bytesAccess, type RandomAccess } from '../../src/trace/file/random-access';
import { openTrace } from '../../src/trace/file/read';
import {
  SECTION_SIDES,
  contentOf,
  indexParts,
  indexPlace,
  sectionsOf,
} from '../../src/trace/file/stored-index';
import { BLOCK_ROWS } from '../../src/trace/block';
import { Kind } from '../../src/trace/vocabulary/events';
import { hashOf } from '../../src/trace/record/hash';
import { Recorder } from '../../src/trace/record/recorder';
import { lanesOf } from '../../src/trace/query/lanes';
import { decodeSides, encodeSides } from '../../src/trace/query/side-tables';
import { statistics } from '../../src/trace/query/statistics';
import { TraceStore } from '../../src/trace/query/store';
import { queryViewport } from '../../src/trace/query/viewport';
import { metaOf, sampleStore, tracks } from '../unit/trace/sample';

/** A trace of several blocks with long spans and wide arguments, from a seed. */
function randomStore(seed: number, rows: number): TraceStore {
  const recorder = new Recorder();
  const { cpu, nic } = tracks(recorder);
  let state = seed >>> 0 || 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
  let time = 0;
  const open: number[] = [];
  for (let i = 0; i < rows; i++) {
    time += next(5000);
    if (i % 20_000 === 77) open.push(recorder.open(time, cpu, Kind.Halted, 0, 0));
    else if (i % 20_000 === 19_000) recorder.close(open.pop() ?? 0, (time += 2 ** 33));
    else if (i % 3000 === 5) recorder.span(time, next(900), nic, Kind.DmaRead, 2 ** 40 + next(1000), 64);
    else recorder.span(time, next(4000), i % 2 === 0 ? cpu : nic, Kind.MmioWrite, next(64), next(1 << 30));
  }
  recorder.finish(time);
  const store = new TraceStore(metaOf(recorder));
  store.append(recorder.takeDelta());
  store.setMeta(metaOf(recorder, { traceHash: recorder.traceHash(), facts: { cycles: time, vms: [] } }));
  return store;
}

/** Everything that somebody may ask, as far as it is cheap. */
function answers(store: TraceStore): unknown {
  const to = store.endTime + 1;
  const lanes = lanesOf(store.meta);
  const rows = [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, store.rows - 1].filter((row) => row < store.rows);
  return {
    to,
    hash: hashOf(store),
    whole: queryViewport(store, { from: 0, to, width: 300, lanes }),
    part: queryViewport(store, { from: to / 3, to: to / 2.9, width: 200, lanes }),
    statistics: statistics(store, to / 5, to / 2),
    found: find(store, 'dur>1ms', -1, 1),
    table: eventTable(store, { from: to / 4, to: to / 2, filter: '', offset: 10, limit: 20 }),
    events: rows.map((row) => [store.get(row), describeEvent(store, row)]),
  };
}

describe('a trace read by range', () => {
  it('answers as the trace in memory does, however little of it is kept', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.integer({ min: 1, max: 150_000 }),
        (seed, rows) => {
          const store = randomStore(seed, rows);
          const read = readTrace(encodeTrace(store), { keptBytes: 0 });
          expect(read.sideTables()).toEqual(store.sideTables());
          expect(answers(read)).toEqual(answers(store));
        },
      ),
      { numRuns: 6 },
    );
  });

  it('reads neither rows nor more than a little to be opened, and only blocks that are asked for after that', () => {
    const bytes = encodeTrace(randomStore(5, 400_000));
    let read = 0;
    const inner = bytesAccess(bytes);
    const counting: RandomAccess = {
      ...inner,
      read: (offset, length) => {
        read += length;
        return inner.read(offset, length);
      },
    };
    const store = openTrace(counting);
    expect(store.endTime).toBeGreaterThan(0);
    const opened = read;
    expect(opened).toBeLessThan(bytes.length / 20);
    store.get(BLOCK_ROWS * 3 + 5);
    expect(read - opened).toBeLessThan((bytes.length / 6) * 1.3);
  });

  it('opens at any cut up to the last whole batch, and says that it is cut', () => {
    const store = randomStore(11, 150_000);
    const bytes = encodeTrace(store);
    const hashes = [0, 1, 2].map((blocks) => {
      const part = new TraceStore(store.meta);
      for (let i = 0; i < blocks; i++) part.appendChunk(store.block(i) ?? expect.unreachable());
      return [part.rows, hashOf(part)];
    });
    const near = fc.integer({ min: bytes.length - 60_000, max: bytes.length - 1 });
    fc.assert(
      fc.property(fc.oneof(fc.nat(bytes.length - 1), near), (length) => {
        let cut: TraceStore;
        try {
          cut = readTrace(bytes.slice(0, length));
        } catch (error) {
          // Nothing is left where the tables themselves are cut.
          expect(error).toBeInstanceOf(TraceFileError);
          expect(length).toBeLessThan(100_000);
          return;
        }
        expect(cut.meta.state).toBe('truncated');
        expect(cut.meta.gaps).toMatchObject([{ why: 'cut' }]);
        if (cut.rows < store.rows) expect(hashes).toContainEqual([cut.rows, hashOf(cut)]);
        else expect(hashOf(cut)).toBe(store.meta.traceHash);
      }),
      { numRuns: 60 },
    );
  });

  it('withstands any change of compressed columns and of the stored index', () => {
    const { store } = sampleStore(400);
    const bytes = encodeTrace(store);
    const lanes = lanesOf(store.meta);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const changed = bytes.slice();
          for (const [at, value] of changes) changed[at] = value;
          try {
            const read = readTrace(changed);
            queryViewport(read, { from: 0, to: read.endTime + 1, width: 50, lanes });
            for (let row = 0; row < read.rows; row += 501) read.get(row);
          } catch (error) {
            expect(error).toBeInstanceOf(TraceFileError);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('takes record batches of any size, as other tools write them', () => {
    const { store } = sampleStore(6000);
    const whole = new Map<string, number[]>();
    const names = ['start', 'duration', 'track', 'kind', 'rip', 'a', 'b', 'cause'] as const;
    for (const name of names)
      whole.set(
        name,
        Array.from({ length: store.rows }, (_, row) => store.block(row >>> 16)?.[name][row & 0xffff] ?? 0),
      );
    const types = {
      start: Float64Array,
      duration: Uint32Array,
      track: Uint16Array,
      kind: Uint16Array,
    } as const;
    const part = (from: number, to: number): Table =>
      tableFromArrays(
        Object.fromEntries(
          names.map((name) => {
            const make = name in types ? types[name as keyof typeof types] : Uint32Array;
            return [name, new make(whole.get(name)?.slice(from, to) ?? [])];
          }),
        ),
      );
    for (const size of [10_000, 65_536, 70_000]) {
      const writer = new RecordBatchFileWriter();
      for (let from = 0; from < store.rows; from += size) {
        const { schema, batches } = part(from, Math.min(store.rows, from + size));
        schema.metadata.set('trapline', JSON.stringify(store.meta));
        for (const batch of batches) {
          batch.schema.metadata.set('trapline', JSON.stringify(store.meta));
          writer.write(batch);
        }
      }
      writer.finish();
      const read = readTrace(writer.toUint8Array(true), { keptBytes: 0 });
      expect(read.rows).toBe(store.rows);
      expect(hashOf(read)).toBe(store.meta.traceHash);
      expect(read.get(70_001)).toEqual(store.get(70_001));
    }
  });
});

describe('the stored index', () => {
  it('gives back its sections, and nothing where it does not fit', () => {
    const parts = indexParts([
      { name: 'one', version: 3, parts: [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5)] },
      { name: SECTION_SIDES, version: 1, parts: [] },
    ]);
    const bytes = new Uint8Array(Buffer.concat([Buffer.alloc(24), ...parts]));
    const sections = sectionsOf(bytesAccess(bytes), indexPlace(24, bytes.length - 24));
    expect([...(sections?.keys() ?? [])]).toEqual(['one', SECTION_SIDES]);
    expect(contentOf(sections?.get('one'), 3)).toEqual(Uint8Array.of(1, 2, 3, 4, 5));
    expect(contentOf(sections?.get('one'), 2)).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(bytes.length - 25), fc.nat(255), fc.string(), (at, value, place) => {
        const changed = bytes.slice();
        changed[24 + at] = value;
        for (const section of sectionsOf(bytesAccess(changed), indexPlace(24, bytes.length - 24))?.values() ??
          [])
          contentOf(section, section.version);
        expect(sectionsOf(bytesAccess(bytes), place)).toBeUndefined();
      }),
    );
  });

  it('of side tables is refused unless it is one of that many rows', () => {
    const sides = randomStore(3, 70_000).sideTables();
    const bytes = encodeSides(sides);
    expect(decodeSides(bytes, sides.rows)).toEqual(sides);
    expect(decodeSides(bytes, sides.rows - 1)).toBeUndefined();
    expect(decodeSides(bytes.subarray(0, bytes.length - 4), sides.rows)).toBeUndefined();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (any) => void decodeSides(any, 3)));
  });
});
