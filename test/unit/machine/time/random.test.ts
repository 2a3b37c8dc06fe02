import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/machine/time/random';

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.next());

describe('Random', () => {
  it('steps as xoshiro128** is published: state 1, 2, 3, 4 by hand', () => {
    const random = new Random(0);
    random.load({ version: 1, words: [1, 2, 3, 4] });
    // result = rotl(s1 * 5, 7) * 9; with s1 = 2: 10 << 7 = 1280; * 9 = 11520.
    // Then t = s1 << 9 = 1024; s2 ^= s0 → 2; s3 ^= s1 → 6; s1 ^= s2 → 0; s0 ^= s3 → 7; s2 ^= t → 1026; s3 = rotl(6, 11) = 12288.
    // So the second result is 0, and the third comes of s1 = 0 ^ (1026 ^ 7) = 1029: rotl(5145, 7) = 658560; * 9 = 5927040.
    expect(draw(random, 3)).toEqual([11520, 0, 5927040]);
  });

  it('gives equal streams for equal seeds, other streams for others, the high half of the seed included', () => {
    expect(draw(new Random(5), 8)).toEqual(draw(new Random(5), 8));
    const firsts = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 40, Number.MAX_SAFE_INTEGER].map((seed) =>
      draw(new Random(seed), 2).join(),
    );
    expect(new Set(firsts).size).toBe(firsts.length);
    expect(() => new Random(-1)).toThrow(RangeError);
  });

  it('draws below a limit evenly', () => {
    const random = new Random(1);
    const counts = new Array<number>(6).fill(0);
    for (let i = 0; i < 60_000; i++) counts[random.below(6)] += 1;
    // Standard deviation of each count is 91.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  it('goes on after save and load', () => {
    const one = new Random(3);
    one.bytes(13);
    const two = new Random(4);
    two.load(one.save());
    expect(two.bytes(21)).toEqual(one.bytes(21));
  });
});
