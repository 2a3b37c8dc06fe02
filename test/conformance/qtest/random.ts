/** The random numbers of script generators: the same from the same seed. */
import { randomSource } from '../native-oracle/generate';

/** Where generators get their choices from. */
export class Random {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = randomSource(seed);
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return this.next() % count;
  }

  /** A whole number from `first` to `last`. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  /** One of some. */
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }

  /** 32 bits: often a few of them, all or none, as these are where registers go wrong. */
  word(): number {
    switch (this.below(6)) {
      case 0:
        return 0;
      case 1:
        return 0xffffffff;
      case 2:
        return (1 << this.below(32)) >>> 0;
      case 3:
        return this.below(256);
      default:
        return this.next();
    }
  }

  /** Bytes in hexadecimal. */
  hex(length: number): string {
    let text = '';
    for (let i = 0; i < length; i++) text += this.below(256).toString(16).padStart(2, '0');
    return text;
  }
}
