/**
 * Figures of the events that start in a window: those kept of the whole blocks within it, and the rows of the blocks at its edges,
 * of the last one, and of those with a span that is open. A packet's latency is kept for each: it belongs to two rows.
 */
import { BLOCK_ROWS, BLOCK_SHIFT } from '../block';
import type { TraceChunk } from '../model';
import { Kind } from '../vocabulary/events';
import { Figures, figureOf, keep, type FigureRows, type KeptFigures } from './index/figures';
import { Numbers } from './index/numbers';

/** log2 of the blocks, or stretches, that make one stretch of the next size. */
const FAN_SHIFT = 4;
const SIZES = 3;

/** What is asked of the trace. */
export interface FigureSource extends FigureRows {
  readonly rows: number;
  block(index: number): TraceChunk | undefined;
  /** Rows of open spans. */
  openRows(): Iterable<number>;
}

/** A stretch of 1, 16 or 256 whole blocks. */
export interface Stretch {
  least: number;
  most: number;
  figures: KeptFigures;
}

export class WindowFigures {
  /** By size: stretches in order; a hole where a row has changed. */
  private readonly stretches: (Stretch | undefined)[][] = Array.from({ length: SIZES }, () => []);
  /** Rows in whole blocks. */
  private whole = 0;
  /** By packet: when it first left; -1 once it has arrived. */
  private readonly sent = new Map<number, number>();
  /** Packets in the order of arrival: when each left, and when it arrived. */
  private left = new Numbers();
  private arrived = new Numbers();
  private paired = 0;

  constructor(private readonly source: FigureSource) {}

  /** Figures of the events that start in [from, to). */
  between(from: number, to: number): Figures {
    this.update();
    const figures = new Figures();
    const open = new Set(Array.from(this.source.openRows(), (row) => row >>> BLOCK_SHIFT));
    const blocks = Math.ceil(this.source.rows / BLOCK_ROWS);
    for (let block = 0; block < blocks;) block = this.addFrom(figures, block, from, to, open);
    return figures;
  }

  /** Latencies of packets that left and arrived in [from, to), ascending. */
  latencies(from: number, to: number): Float64Array {
    this.update();
    const found = new Float64Array(this.left.length);
    let n = 0;
    for (let i = 0; i < found.length; i++) {
      const [left, arrived] = [this.left.at(i), this.arrived.at(i)];
      if (left >= from && arrived < to) found[n++] = arrived - left;
    }
    return found.subarray(0, n).sort();
  }

  /** A row has changed. */
  touch(row: number): void {
    for (let size = 0; size < SIZES; size++) {
      const at = row >>> (BLOCK_SHIFT + FAN_SHIFT * size);
      if (at < this.stretches[size].length) this.stretches[size][at] = undefined;
    }
  }

  /** What is kept, for storing: as many stretches of each size as are whole. */
  stored(): { stretches: readonly (readonly Stretch[])[]; packets: { left: Numbers; arrived: Numbers } } {
    this.update();
    const stretches = this.stretches.map((_, size) =>
      Array.from({ length: this.whole >>> (FAN_SHIFT * size) }, (_, at) => this.stretchAt(size, at)),
    );
    return { stretches, packets: { left: this.left, arrived: this.arrived } };
  }

  /** Takes what was kept before of all rows. */
  adopt(
    stretches: readonly (readonly Stretch[])[],
    { left, arrived }: { left: Numbers; arrived: Numbers },
  ): void {
    stretches.slice(0, SIZES).forEach((ofSize, size) => (this.stretches[size] = [...ofSize]));
    this.whole = this.stretches[0].length;
    this.left = left;
    this.arrived = arrived;
    this.paired = this.source.rows;
  }

  /** Gives memory back that was kept for rows to come. */
  compact(): void {
    this.left.compact();
    this.arrived.compact();
  }

  /** Forgets rows from one on. */
  truncate(rows: number): void {
    this.whole = Math.min(this.whole, rows >>> BLOCK_SHIFT);
    this.stretches.forEach((stretches, size) => {
      stretches.length = Math.min(stretches.length, this.whole >>> (FAN_SHIFT * size));
    });
    if (rows >= this.paired) return;
    this.paired = 0;
    this.sent.clear();
    this.left = new Numbers();
    this.arrived = new Numbers();
  }

  /** Takes up the blocks that are whole now. */
  update(): void {
    const { rows } = this.source;
    for (; (this.whole + 1) * BLOCK_ROWS <= rows; this.whole++) this.stretchAt(0, this.whole);
    while (this.paired < rows) this.pair(this.source.block(this.paired >>> BLOCK_SHIFT), rows);
  }

  /** Adds the largest stretch that begins with a block, or its rows; returns the next block. */
  private addFrom(
    figures: Figures,
    block: number,
    from: number,
    to: number,
    open: ReadonlySet<number>,
  ): number {
    for (let size = SIZES - 1; size >= 0; size--) {
      const shift = FAN_SHIFT * size;
      const end = block + (1 << shift);
      if (block & ((1 << shift) - 1) || end > this.whole) continue;
      if ([...open].some((index) => index >= block && index < end)) continue;
      const { least, most, figures: kept } = this.stretchAt(size, block >>> shift);
      if (most < from || least >= to) return end;
      if (least < from || most >= to) continue;
      figures.addKept(kept);
      return end;
    }
    this.addRows(figures, block, from, to);
    return block + 1;
  }

  private addRows(figures: Figures, index: number, from: number, to: number): void {
    const { source } = this;
    const block = source.block(index);
    if (block === undefined) return;
    const rows = Math.min(block.start.length, source.rows - block.firstRow);
    for (let i = 0; i < rows; i++)
      if (figureOf[block.kind[i]] > 0 && block.start[i] >= from && block.start[i] < to)
        figures.add(source, block.firstRow + i);
  }

  private stretchAt(size: number, at: number): Stretch {
    return (this.stretches[size][at] ??= size === 0 ? this.ofBlock(at) : this.ofParts(size, at));
  }

  private ofBlock(index: number): Stretch {
    const figures = new Figures();
    this.addRows(figures, index, -Infinity, Infinity);
    let [least, most] = [Infinity, -Infinity];
    for (const start of this.source.block(index)?.start ?? []) {
      if (start < least) least = start;
      if (start > most) most = start;
    }
    return { least, most, figures: keep(figures) };
  }

  private ofParts(size: number, at: number): Stretch {
    const figures = new Figures();
    let [least, most] = [Infinity, -Infinity];
    for (let i = at << FAN_SHIFT; i < (at + 1) << FAN_SHIFT; i++) {
      const part = this.stretchAt(size - 1, i);
      figures.addKept(part.figures);
      least = Math.min(least, part.least);
      most = Math.max(most, part.most);
    }
    return { least, most, figures: keep(figures) };
  }

  /** Finds for packets that arrive when they left. */
  private pair(block: TraceChunk | undefined, rows: number): void {
    if (block === undefined) {
      this.paired = rows;
      return;
    }
    const end = Math.min(rows, block.firstRow + block.start.length);
    for (let row = this.paired; row < end; row++) {
      const i = row - block.firstRow;
      const kind = block.kind[i];
      if (kind !== Kind.PacketTx && kind !== Kind.PacketRx) continue;
      const packet = this.source.bOf(row);
      const left = this.sent.get(packet);
      if (kind === Kind.PacketTx) {
        if (left === undefined || left > block.start[i]) this.sent.set(packet, block.start[i]);
      } else if (left !== undefined && left >= 0 && left <= block.start[i]) {
        this.left.push(left);
        this.arrived.push(block.start[i]);
        this.sent.set(packet, -1);
      }
    }
    this.paired = end;
  }
}
