/** Percentiles of durations that lead back to the events which had them. */
import type { PlacedDistribution } from '../../protocol/difference';
import { distributionOf } from './sample';

/** Durations as they come, each with its row. */
export class RowSample {
  private readonly values: number[] = [];
  private readonly rows: number[] = [];

  add(value: number, row: number): void {
    this.values.push(value);
    this.rows.push(row);
  }

  /** The distribution, and of each percentile the first row that has that very value. */
  placed(): PlacedDistribution {
    const distribution = distributionOf(Float64Array.from(this.values).sort());
    const rowOf = (value: number): number => this.rows[this.values.indexOf(value)] ?? -1;
    const { p50, p90, p99, max } = distribution;
    return { ...distribution, rows: { p50: rowOf(p50), p90: rowOf(p90), p99: rowOf(p99), max: rowOf(max) } };
  }
}
