/** Percentiles of any number of durations. */
import type { Distribution } from '../../protocol/details';

/** Durations as they come, in a typed array that grows. */
export class Sample {
  private values = new Float64Array(64);
  private count = 0;

  /** How many durations came. */
  get length(): number {
    return this.count;
  }

  add(value: number): void {
    if (this.count === this.values.length) {
      const larger = new Float64Array(this.count * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.count++] = value;
  }

  distribution(): Distribution {
    const sorted = this.values.subarray(0, this.count).sort();
    // Nearest rank: the least value that at least the given share of values does not exceed.
    const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * this.count) - 1)] ?? 0;
    const total = sorted.reduce((sum, value) => sum + value, 0);
    return {
      count: this.count,
      total,
      min: rank(0),
      p50: rank(0.5),
      p90: rank(0.9),
      p99: rank(0.99),
      max: rank(1),
    };
  }
}
