import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { find } from '../../src/trace/query/find';
import { describe as describeEvent } from '../../src/trace/query/describe';
import { TraceFileError, encodeTrace, readTrace } from '../../src/trace/file/file';
import { hashOf } from '../../src/trace/record/hash';
import { lanesOf } from '../../src/trace/query/lanes';
import { statistics } from '../../src/trace/query/statistics';
import type { TraceStore } from '../../src/trace/query/store';
import { queryViewport } from '../../src/trace/query/viewport';
import { sampleStore } from '../unit/trace/sample';

const { store } = sampleStore(40);
const file = encodeTrace(store);

/** Reads, and when that succeeds uses everything: nothing may fail otherwise than with the reader's own error, also later. */
function attempt(bytes: Uint8Array): TraceStore | undefined {
  try {
    return use(readTrace(bytes));
  } catch (error) {
    expect(error).toBeInstanceOf(TraceFileError);
    expect(error).toHaveProperty('message', expect.stringMatching(/ \(at byte \d+\)\. \w/));
    return undefined;
  }
}

function use(read: TraceStore): TraceStore {
  const to = Math.max(1, read.endTime + 1);
  queryViewport(read, { from: 0, to, width: 100, lanes: lanesOf(read.meta) });
  statistics(read, 0, to);
  find(read, 'dur>1us', -1, 1);
  for (let row = 0; row < read.rows; row += 97) describeEvent(read, row);
  return read;
}

describe('trace file, hostile', () => {
  it('takes any bytes without anything but a TraceFileError', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400, size: 'max' }), (bytes) => void attempt(bytes)));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400, size: 'max' }), (bytes) => {
        attempt(new Uint8Array([...file.subarray(0, 8), ...bytes]));
      }),
    );
  });

  it('recovers whole batches from any truncation, or says that nothing is left', () => {
    fc.assert(
      fc.property(fc.nat(file.length - 1), (length) => {
        const read = attempt(file.slice(0, length));
        if (read === undefined) return;
        expect(read.meta.state).toBe('truncated');
        expect([0, store.rows]).toContain(read.rows);
      }),
      { numRuns: 150 },
    );
  });

  it('withstands flipped bits anywhere', () => {
    const header = 8192;
    const position = fc.oneof(
      fc.nat(file.length - 1),
      fc.nat(header),
      fc.integer({ min: file.length - header, max: file.length - 1 }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(position, fc.nat(7)), { minLength: 1, maxLength: 4 }), (flips) => {
        const bytes = file.slice();
        for (const [at, bit] of flips) bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        attempt(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it('withstands any 32-bit word put anywhere into the structure around the columns', () => {
    // Words that offsets and lengths break at.
    const word = fc.oneof(
      fc.constantFrom(0, 1, -1, 0x7fffffff, -0x80000000, 0x10000, file.length),
      fc.integer(),
    );
    const at = fc.oneof(
      fc.nat(2000),
      fc.integer({ min: file.length - 3000, max: file.length - 4 }),
      fc.nat(file.length - 4),
    );
    fc.assert(
      fc.property(at, word, (position, value) => {
        const bytes = file.slice();
        new DataView(bytes.buffer).setInt32(position & ~3, value, true);
        attempt(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it('gives back what was written', () => {
    fc.assert(
      fc.property(fc.nat(60), (transmits) => {
        const { store: written } = sampleStore(transmits);
        const read = readTrace(encodeTrace(written));
        expect(read.meta).toEqual(written.meta);
        expect(hashOf(read)).toBe(written.meta.traceHash);
      }),
      { numRuns: 20 },
    );
  });
});
