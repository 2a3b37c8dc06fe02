/** What a disk holds, against a plain array. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockImage } from '../../../../../src/machine/devices/storage/block-image';
import { SnapshotError } from '../../../../../src/machine/snapshot';

const SIZE = 64 * 1024;
/** Compares at once: `toEqual` takes its time over tens of thousands of bytes. */
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

describe('a disk', () => {
  it('is a file, and zeros behind it', () => {
    const file = Uint8Array.from({ length: 5000 }, (_, i) => i * 7 + 1);
    const image = new BlockImage(SIZE, file);
    const expected = new Uint8Array(SIZE);
    expected.set(file);
    expect(image.read(0, SIZE)).toEqual(expected);
  });

  it('never changes the file', () => {
    const file = new Uint8Array(8192).fill(0x11);
    const image = new BlockImage(SIZE, file);
    image.write(100, new Uint8Array(5000).fill(0x22));
    image.clear(0, 8192);
    expect(file).toEqual(new Uint8Array(8192).fill(0x11));
    expect(image.read(0, 8192)).toEqual(new Uint8Array(8192));
  });

  it('may be far larger than memory', () => {
    const image = new BlockImage(2 ** 45);
    image.write(2 ** 45 - 3, Uint8Array.of(1, 2, 3));
    image.clear(0, 2 ** 45 - 2);
    expect([...image.read(2 ** 45 - 4, 4)]).toEqual([0, 0, 2, 3]);
  });

  it('keeps nothing of what reads as zeros again', () => {
    const image = new BlockImage(SIZE);
    image.write(4096, new Uint8Array(8192).fill(1));
    expect(image.save().hardware.chunks).toEqual([1, 2]);
    image.clear(4096, 4096);
    expect(image.save().hardware.chunks).toEqual([2]);
  });

  it('refuses what is not on it', () => {
    const image = new BlockImage(SIZE);
    expect(() => image.read(SIZE - 1, 2)).toThrow(RangeError);
    expect(() => image.write(-1, Uint8Array.of(0))).toThrow(RangeError);
    expect(() => new BlockImage(1, new Uint8Array(2))).toThrow(RangeError);
  });

  it('is as an array of bytes, also after it has moved to another host', () => {
    const action = fc.record({
      what: fc.constantFrom('write', 'clear', 'read', 'move'),
      at: fc.integer({ min: 0, max: SIZE - 1 }),
      length: fc.integer({ min: 0, max: 12_000 }),
      byte: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 40 }),
        fc.integer({ min: 0, max: 20_000 }),
        (actions, fileLength) => {
          const file = Uint8Array.from({ length: fileLength }, (_, i) => i);
          let image = new BlockImage(SIZE, file);
          const model = new Uint8Array(SIZE);
          model.set(file);
          for (const { what, at, length, byte } of actions) {
            const end = Math.min(SIZE, at + length);
            if (what === 'write') {
              image.write(at, new Uint8Array(end - at).fill(byte));
              model.fill(byte, at, end);
            } else if (what === 'clear') {
              image.clear(at, end - at);
              model.fill(0, at, end);
            } else if (what === 'move') {
              const next = new BlockImage(SIZE, file);
              const saved = structuredClone(image.save());
              // What is done to the one that was left changes nothing of what was saved.
              image.write(at, new Uint8Array(end - at).fill(0xee));
              next.adopt(saved.hardware);
              image = next;
            }
            expect(same(image.read(at, end - at), model.subarray(at, end))).toBe(true);
          }
          expect(same(image.read(0, SIZE), model)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is not another disk', () => {
    const { hardware } = new BlockImage(SIZE).save();
    expect(() => new BlockImage(SIZE * 2).adopt(hardware)).toThrow(SnapshotError);
  });

  it('stays as it was saved while it is written on', () => {
    const image = new BlockImage(SIZE);
    image.write(0, Uint8Array.of(1, 2, 3));
    const saved = image.save();
    image.write(0, Uint8Array.of(9, 9, 9));
    image.load(saved);
    expect([...image.read(0, 3)]).toEqual([1, 2, 3]);
  });
});
