/**
 * Seeded random numbers for everything in a run that is drawn by lot: xoshiro128** (Blackman and Vigna, "Scrambled linear
 * pseudorandom number generators"), its state filled by SplitMix32 steps from the seed.
 */
import { requireVersion } from '../snapshot';

/** Snapshot of a `Random`. */
export interface RandomState {
  version: 1;
  words: [number, number, number, number];
}

/**
 * The seed of a stream of its own for somebody in a run: of the run's seed and a name. Who else draws has no influence on it.
 * By FNV-1a over both, with two different beginnings; 53 bits.
 */
export function streamSeed(seed: number, name: string): number {
  let [low, high] = [0x811c9dc5, 0x2f0b4c47];
  for (const character of `${seed}/${name}`) {
    const code = character.charCodeAt(0);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x01000193);
  }
  return (high >>> 11) * 2 ** 32 + (low >>> 0);
}

const rotateLeft = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** One stream of random numbers. Equal seeds give equal streams on every machine. */
export class Random {
  private readonly words = new Uint32Array(4);

  /** @param seed a safe integer ≥ 0; both halves count. */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new RangeError(`random seed ${seed}: give a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
    }
    let counter = (seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32) + 1, 0x85ebca6b);
    for (let i = 0; i < 4; i++) {
      counter = (counter + 0x9e3779b9) | 0;
      let z = counter;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.words[i] = z ^ (z >>> 15);
    }
  }

  /** Unsigned 32-bit number, uniform. */
  next(): number {
    const w = this.words;
    const result = Math.imul(rotateLeft(Math.imul(w[1], 5), 7), 9) >>> 0;
    const shifted = w[1] << 9;
    w[2] ^= w[0];
    w[3] ^= w[1];
    w[1] ^= w[2];
    w[0] ^= w[3];
    w[2] ^= shifted;
    w[3] = rotateLeft(w[3], 11);
    return result;
  }

  /** Whole number from 0 to `limit` - 1, uniform (no modulo bias); 1 ≤ limit ≤ 2^32. */
  below(limit: number): number {
    const usable = 2 ** 32 - (2 ** 32 % limit);
    for (;;) {
      const drawn = this.next();
      if (drawn < usable) return drawn % limit;
    }
  }

  /** `length` random bytes. */
  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      let word = this.next();
      for (let i = at; i < Math.min(at + 4, length); i++) {
        out[i] = word & 0xff;
        word >>>= 8;
      }
    }
    return out;
  }

  save(): RandomState {
    const [a, b, c, d] = this.words;
    return { version: 1, words: [a, b, c, d] };
  }

  load(state: RandomState): void {
    requireVersion('a random stream', state.version, 1);
    this.words.set(state.words);
  }
}
