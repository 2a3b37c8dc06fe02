/**
 * Durations by value: the count, total, least and greatest are exact. So are percentiles while no block of the trace has more
 * than `MOST_VALUES` different durations of a kind; of a block that has, durations are taken as the next smaller number of eight
 * significant bits, less than 1/128 away.
 */
import type { Distribution } from '../../../protocol/details';

const MOST_VALUES = 128;
const SIGNIFICANT = 7;

export class Durations {
  count = 0;
  total = 0;
  min = Infinity;
  max = -Infinity;
  /** Times each value came. */
  private values = new Map<number, number>();

  add(value: number): void {
    this.count++;
    this.total += value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    this.values.set(value, (this.values.get(value) ?? 0) + 1);
  }

  /** Adds those of a stretch of the trace, whose values follow by `addValue`. */
  addTotals(count: number, total: number, min: number, max: number): void {
    this.count += count;
    this.total += total;
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
  }

  addValue(value: number, times: number): void {
    this.values.set(value, (this.values.get(value) ?? 0) + times);
  }

  /** Values and how often each came, few of them. */
  few(): ReadonlyMap<number, number> {
    if (this.values.size <= MOST_VALUES) return this.values;
    const rounded = new Map<number, number>();
    for (const [value, times] of this.values) {
      const step = 2 ** (Math.floor(Math.log2(Math.max(1, value))) - SIGNIFICANT);
      const less = step <= 1 ? value : Math.floor(value / step) * step;
      rounded.set(less, (rounded.get(less) ?? 0) + times);
    }
    return rounded;
  }

  /** Percentiles by nearest rank: the least value that at least the given share of values does not exceed. */
  distribution(): Distribution {
    const { count, total, min, max } = this;
    const sorted = [...this.values].sort(([x], [y]) => x - y);
    const rank = (share: number): number => {
      const wanted = Math.max(1, Math.ceil(share * count));
      let passed = 0;
      const found = sorted.find(([, times]) => (passed += times) >= wanted);
      return Math.min(max, Math.max(min, found?.[0] ?? min));
    };
    return { count, total, min, p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), max };
  }
}
