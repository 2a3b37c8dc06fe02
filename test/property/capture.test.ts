/** Captures from anywhere: whatever the bytes, the reader ends soon, with frames or with a sentence about what is wrong. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCapture } from '../../src/trace/exchange/capture';
import { CaptureError, type Capture } from '../../src/trace/exchange/capture-model';
import {
  block,
  concat,
  enhancedPacket,
  interfaceBlock,
  pcap,
  sectionHeader,
} from '../unit/trace/exchange/build-capture';

function attempt(bytes: Uint8Array): Capture | undefined {
  try {
    const capture = readCapture(bytes);
    const size = capture.frames.reduce((sum, { frame }) => sum + frame.length, 0);
    expect(size).toBeLessThanOrEqual(bytes.length);
    for (const { atNs, frame } of capture.frames) {
      expect(atNs).toBeGreaterThanOrEqual(0);
      expect(Number.isFinite(atNs)).toBe(true);
      expect(frame.length).toBeGreaterThanOrEqual(14);
      expect(frame.length).toBeLessThanOrEqual(1518);
    }
    return capture;
  } catch (error) {
    expect(error).toBeInstanceOf(CaptureError);
    expect(error).toHaveProperty('message', expect.stringMatching(/^it /));
    return undefined;
  }
}

const frame = (length: number): Uint8Array => new Uint8Array(length).fill(length);
const written = (little: boolean): Uint8Array[] => {
  const packets = [60, 1514, 14].map((length, part) => ({ seconds: 7, part, bytes: frame(length) }));
  return [
    pcap(little, 0xa1b2c3d4, packets),
    pcap(little, 0xa1b23c4d, packets, 0x2400_0001),
    concat(
      sectionHeader(little),
      interfaceBlock(little, [
        [2, Uint8Array.of(65)],
        [9, Uint8Array.of(9)],
        [14, new Uint8Array(8)],
      ]),
      enhancedPacket(little, 0, 123n, frame(60)),
      block(little, 3, concat(new Uint8Array([0, 60, 60, 0]), frame(60))),
      sectionHeader(little),
      interfaceBlock(little),
      enhancedPacket(little, 0, 5n << 40n, frame(70)),
    ),
  ];
};
const good = [true, false].flatMap(written);

describe('a capture from anywhere', () => {
  it('any bytes, also behind what captures begin with', () => {
    const beginnings = good.flatMap((bytes) =>
      [0, 4, 8, 24, 28].map((length) => [...bytes.subarray(0, length)]),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...beginnings),
        fc.uint8Array({ maxLength: 300, size: 'max' }),
        (begin, rest) => {
          attempt(Uint8Array.from([...begin, ...rest]));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('a good one, cut off anywhere', () => {
    for (const bytes of good)
      for (let length = 0; length < bytes.length; length++) attempt(bytes.subarray(0, length));
  });

  it('a good one with some bytes changed: mostly still read, or refused', () => {
    const change = fc.tuple(fc.nat(), fc.constantFrom(0, 1, 4, 0x7f, 0x80, 0xff));
    let read = 0;
    let refused = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...good),
        fc.array(change, { minLength: 1, maxLength: 6 }),
        (bytes, changes) => {
          const damaged = bytes.slice();
          // Frames are of no account: most of the changes hit what is around them.
          for (const [at, value] of changes) damaged[at % Math.min(bytes.length, at % 2 ? 200 : 1e9)] = value;
          if (attempt(damaged)) read += 1;
          else refused += 1;
        },
      ),
      { numRuns: 2000 },
    );
    expect(Math.min(read, refused)).toBeGreaterThan(100);
  });

  it('one that lies in the middle of a larger buffer', () => {
    for (const bytes of good) {
      const within = new Uint8Array(bytes.length + 7);
      within.set(bytes, 3);
      expect(attempt(within.subarray(3, 3 + bytes.length))).toEqual(attempt(bytes));
    }
  });
});
