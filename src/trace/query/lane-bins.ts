/** The bins of a lane while they are filled, stream by stream. */
import { modeRoles, type LaneBins } from '../../protocol/viewport';
import { isFault, modeOf } from './index/kind-traits';
import type { Level } from './index/level';

export class BinsInProgress {
  private readonly count: Uint32Array;
  private readonly kind: Uint16Array;
  private readonly row: Float64Array;
  private readonly fault: Uint8Array;
  private readonly shares: Float64Array | undefined;
  private readonly covered: Float64Array;
  /** What the shown kind of each pixel is chosen by: 0 none yet, 1 a fault, 2 no fault; then its cycles, then its events. */
  private readonly calm: Uint8Array;
  private readonly cycles: Float64Array;
  private readonly events: Float64Array;

  constructor(
    private readonly width: number,
    modes: boolean,
  ) {
    this.count = new Uint32Array(width);
    this.kind = new Uint16Array(width);
    this.row = new Float64Array(width).fill(-1);
    this.fault = new Uint8Array(width);
    this.shares = modes ? new Float64Array(width * modeRoles.length) : undefined;
    this.covered = new Float64Array(width);
    this.calm = new Uint8Array(width);
    this.cycles = new Float64Array(width);
    this.events = new Float64Array(width);
  }

  /** More events are in a pixel. */
  addCount(x: number, events: number): void {
    this.count[x] += events;
  }

  /** Cycles of a kind are in a pixel. */
  addCycles(x: number, kind: number, cycles: number): void {
    this.covered[x] += cycles;
    const mode = modeOf[kind];
    if (this.shares && mode >= 0) this.shares[x * modeRoles.length + mode] += cycles;
  }

  /** A fault starts in a pixel. */
  addFault(x: number, row: number): void {
    if (this.fault[x] === 1) return;
    this.fault[x] = 1;
    this.row[x] = row;
  }

  /** A row for a pixel that has none otherwise. */
  addRow(x: number, row: number): void {
    if (this.row[x] === -1) this.row[x] = row;
  }

  /** A kind for a pixel: what is no fault comes before what is, then what covers more, then what is more frequent. */
  offer(x: number, kind: number, cycles: number, events: number, row: number): void {
    const calm = isFault[kind] === 1 ? 1 : 2;
    const known = this.calm[x];
    if (
      known > calm ||
      (known === calm && (cycles < this.cycles[x] || (cycles === this.cycles[x] && events <= this.events[x])))
    )
      return;
    this.calm[x] = calm;
    this.cycles[x] = cycles;
    this.events[x] = events;
    this.kind[x] = kind;
    if (this.fault[x] === 0) this.row[x] = row;
  }

  /** Pixels from one on are buckets of a level, from one on. */
  addBuckets(level: Level, kinds: readonly number[], first: number, end: number, shift: number): void {
    const { counts, busy, top, index } = level;
    for (let i = first; i < end; i++) {
      const x = index.values[i] - shift;
      this.count[x] += counts.values[i];
      this.covered[x] += busy.values[i];
      const row = level.rowAt(i);
      if (level.faultAt(i)) this.addFault(x, row);
      const slot = level.slotAt(i);
      if (slot < 0) this.addRow(x, row);
      else if (level.topIsCount(i)) this.offer(x, kinds[slot], 0, top.values[i], row);
      else this.offer(x, kinds[slot], top.values[i], 0, row);
    }
    const { shares } = this;
    if (!shares) return;
    for (let mode = 0; mode < modeRoles.length; mode++) {
      const column = level.modes[mode]?.values;
      if (!column) continue;
      for (let i = first; i < end; i++)
        shares[(index.values[i] - shift) * modeRoles.length + mode] += column[i];
    }
  }

  /** Whether a pixel has a kind. */
  hasKind(x: number): boolean {
    return this.calm[x] > 0;
  }

  /** The bins. @param pixel cycles */
  finish(pixel: number): LaneBins {
    const { width, count, kind, row, fault, covered, shares } = this;
    const cover = new Float32Array(width);
    for (let x = 0; x < width; x++) cover[x] = Math.min(1, covered[x] / pixel);
    const fractions = shares && new Float32Array(shares.length);
    if (fractions) for (let i = 0; i < shares.length; i++) fractions[i] = shares[i] / pixel;
    return {
      type: 'bins',
      count,
      kind,
      cover,
      row,
      fault,
      ...(fractions && { shares: fractions }),
    };
  }
}
