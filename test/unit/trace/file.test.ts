import { tableFromIPC } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { TraceFileError, damageOf, readTrace, verify, writeTrace } from '../../../src/trace/file/file';
import { hashOf } from '../../../src/trace/record/hash';
import { sampleStore } from './sample';

function join(parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

describe('trace file', () => {
  it('gives back the same rows and tables', () => {
    const { store } = sampleStore(7000);
    expect(store.rows).toBeGreaterThan(65_536);
    const again = readTrace(join(writeTrace(store)));
    expect(again.meta).toEqual(store.meta);
    expect(again.rows).toBe(store.rows);
    expect(hashOf(again)).toBe(store.meta.traceHash);
    for (const row of [0, 1, 65_535, 65_536, store.rows - 1]) expect(again.get(row)).toEqual(store.get(row));
    expect(verify(again)).toEqual({ ok: true, differences: [], unrecorded: 0 });
  });

  it("opens with Arrow's own reader: eight plain columns, tables in the metadata", () => {
    const { store, rows } = sampleStore(3);
    const table = tableFromIPC(join(writeTrace(store)));
    expect(
      table.schema.fields.map((field) => `${field.name}: ${String(field.type)}${field.nullable ? '?' : ''}`),
    ).toEqual([
      'start: Float64',
      'duration: Uint32',
      'track: Uint16',
      'kind: Uint16',
      'rip: Uint32',
      'a: Uint32',
      'b: Uint32',
      'cause: Uint32',
    ]);
    expect(table.numRows).toBe(store.rows);
    const exit = table.get(rows['exit'] ?? 0)?.toJSON();
    expect(exit).toMatchObject({ start: 10_000, duration: 12_400, a: 0xfebc_3818, b: 3 });
    const metadata = table.schema.metadata;
    expect(JSON.parse(metadata.get('trapline') ?? '')).toMatchObject({ title: 'sample', frequencyHz: 1e9 });
    expect(JSON.parse(metadata.get('trapline.kinds') ?? '')).toContainEqual(
      expect.objectContaining({ id: 49, name: 'mmio.write' }),
    );
  });

  it('reads from memory at any alignment', () => {
    const { store } = sampleStore(2);
    const bytes = join(writeTrace(store));
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(hashOf(readTrace(shifted.subarray(3)))).toBe(store.meta.traceHash);
  });

  it("reads from Node's Buffer, whose slices are views, at any alignment", () => {
    const { store } = sampleStore(2);
    const bytes = join(writeTrace(store));
    for (let shift = 0; shift < 8; shift++) {
      const pool = Buffer.alloc(bytes.length + shift);
      pool.set(bytes, shift);
      expect(hashOf(readTrace(pool.subarray(shift))), `shifted by ${shift}`).toBe(store.meta.traceHash);
    }
  });

  it('tells of a trace whose figures are not those of its events, and only of a whole one', () => {
    const { store } = sampleStore(2);
    const tampered = (changes: object): string | undefined => {
      const again = readTrace(join(writeTrace(store)));
      again.setMeta({ ...again.meta, ...changes });
      return damageOf(again);
    };
    expect(tampered({})).toBeUndefined();
    const [[track, kind, count]] = store.meta.counts as [[number, number, number]];
    const wrong = [[track, kind, count + 1], ...store.meta.counts.slice(1)];
    expect(tampered({ counts: wrong })).toContain(`${count + 1} counted, ${count} recorded`);
    expect(tampered({ traceHash: '0'.repeat(16) })).toContain('The trace hash is');
    // A run that did not come to its end has no hash, and figures as old as its last report.
    expect(tampered({ counts: wrong, traceHash: undefined })).toBeUndefined();
  });

  it('writes and reads an empty trace', () => {
    const { store } = sampleStore(0);
    const again = readTrace(join(writeTrace(store)));
    expect(again.rows).toBe(0);
    expect(again.meta.state).toBe('finished');
  });

  it('recovers the whole batches of a file cut short and says so', () => {
    const { store } = sampleStore(16_000);
    const bytes = join(writeTrace(store));
    const cut = readTrace(bytes.slice(0, Math.floor(bytes.length * 0.7)));
    expect(cut.rows).toBe(65_536 * Math.floor(cut.rows / 65_536));
    expect(cut.rows).toBeGreaterThan(65_536);
    expect(cut.meta.state).toBe('truncated');
    expect(cut.meta.message).toContain(`${cut.rows} of ${store.rows} events could be recovered`);
    const { cycles } = store.meta.facts;
    expect(cut.meta.gaps).toEqual([{ from: cut.endWithoutFacts, to: cycles, why: 'cut' }]);
    // The timeline goes on to the run's end, and the lost stretch is marked on it.
    expect(cut.endTime).toBe(cycles);
    expect(readTrace(join(writeTrace(cut))).meta).toMatchObject({
      gaps: cut.meta.gaps,
      facts: cut.meta.facts,
    });
    expect(cut.meta.traceHash).toBeUndefined();
    expect(cut.meta.counts.reduce((sum, [, , n]) => sum + n, 0)).toBe(cut.rows);
    expect(cut.meta.facts.cycles).toBeLessThan(store.meta.facts.cycles);
    expect(verify(cut).ok).toBe(true);
  });

  it.each([
    ['empty', new Uint8Array(0), /empty.*Open a file that Trapline wrote/],
    [
      'text',
      new TextEncoder().encode('hello, this is a text file'),
      /not an Apache Arrow file \(at byte 0\)/,
    ],
    ['cut in the magic word', new TextEncoder().encode('ARR'), /ends within its first bytes/],
  ])('explains what is wrong: %s', (_, bytes, message) => {
    expect(() => readTrace(bytes)).toThrow(TraceFileError);
    expect(() => readTrace(bytes)).toThrow(message);
  });

  it('finds a changed value by the hash and a missing row by the counts', () => {
    const { store } = sampleStore(2);
    const bytes = join(writeTrace(store));
    const again = readTrace(bytes);
    const block = again.block(0);
    if (block === undefined) throw new Error('no block');
    block.a[3] = (block.a[3] ?? 0) + 1;
    expect(verify(again).differences).toEqual([
      expect.stringMatching(/^The trace hash is [0-9a-f]{16}; the tables say/),
    ]);
    const { store: other } = sampleStore(3);
    again.setMeta({ ...store.meta, counts: other.meta.counts, traceHash: hashOf(again) });
    expect(verify(again).differences).toContain('exit.EPT_MISCONFIG on vCPU 0: 3 counted, 2 recorded.');
  });
});
