/** Choices by chance, all from one seed. */
import { randomSource } from '../../support/random-source';

/** Where chance comes from. Its state is one number, so that the same choices can be made again. */
export class Dice {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = randomSource(seed);
  }

  /** 32 bits. */
  word(): number {
    return this.random();
  }

  /** A whole number from 0, below a limit of at most 2^32. */
  below(limit: number): number {
    return this.random() % limit;
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.random() % times === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.random() % from.length];
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.random() & 0xff);
  }
}
