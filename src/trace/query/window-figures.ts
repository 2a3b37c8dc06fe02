/**
 * Figures of the events that start in a window: those kept of the whole blocks within it, and the rows of the blocks at its edges,
 * of the last one, and of those with a span that is open. A packet's latency is kept for each: it belongs to two rows.
 */
import { BLOCK_ROWS, BLOCK_SHIFT } from '../block';
import type { TraceChunk } from '../model';
import { Kind } from '../vocabulary/events';
import { Figures, figureOf, keep, type FigureRows, type KeptFigures } from './index/figures';
import { Numbers } from './index/numbers';
import type { PacketTimes, Stretch, TraceIndex } from './index/stored';

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

export class WindowFigures {
  /** By size: stretches in order; a hole where a row has changed. */
  private readonly stretches: (Stretch | undefined)[][] = Array.from({ length: SIZES }, () => []);
  /** Rows in whole blocks. */
  private whole = 0;
  /** By packet: when it first left; -1 once it has arrived. */
  private readonly sent = new Map<number, number>();
  /** Packets in the order of arrival: when each left, and when it arrived. */
  private packets: PacketTimes = { left: new Numbers(), arrived: new Numbers() };
  /** Their times as they were stored, until somebody asks for them. */
  private storedPackets: (() => PacketTimes | undefined) | undefined;
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
    const times = this.packetTimes();
    const found = new Float64Array(times.left.length);
    let n = 0;
    for (let i = 0; i < found.length; i++) {
      const [left, arrived] = [times.left.at(i), times.arrived.at(i)];
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
  stored(): Pick<TraceIndex, 'stretches' | 'packets'> {
    this.update();
    const stretches = this.stretches.map((_, size) =>
      Array.from({ length: this.whole >>> (FAN_SHIFT * size) }, (_, at) => ({
        ...this.stretchAt(size, at),
        figures: () => this.figuresAt(size, at),
      })),
    );
    return { stretches, packets: () => this.packetTimes() };
  }

  /** Takes what was kept before of all rows. */
  adopt({ stretches, packets }: Pick<TraceIndex, 'stretches' | 'packets'>): void {
    stretches.slice(0, SIZES).forEach((ofSize, size) => (this.stretches[size] = [...ofSize]));
    this.whole = this.stretches[0].length;
    this.storedPackets = packets;
    this.paired = this.source.rows;
  }

  /** Gives memory back that was kept for rows to come. */
  compact(): void {
    this.packets.left.compact();
    this.packets.arrived.compact();
  }

  /** Forgets rows from one on. */
  truncate(rows: number): void {
    this.whole = Math.min(this.whole, rows >>> BLOCK_SHIFT);
    this.stretches.forEach((stretches, size) => {
      stretches.length = Math.min(stretches.length, this.whole >>> (FAN_SHIFT * size));
    });
    if (rows < this.paired) this.pairAnew();
  }

  private pairAnew(): void {
    this.storedPackets = undefined;
    this.paired = 0;
    this.sent.clear();
    this.packets = { left: new Numbers(), arrived: new Numbers() };
  }

  private packetTimes(): PacketTimes {
    const { storedPackets } = this;
    if (storedPackets === undefined) return this.packets;
    const times = storedPackets();
    this.pairAnew();
    if (times === undefined) this.update();
    else {
      this.packets = times;
      this.paired = this.source.rows;
    }
    return this.packets;
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
      const { least, most } = this.stretchAt(size, block >>> shift);
      if (most < from || least >= to) return end;
      if (least < from || most >= to) continue;
      figures.addKept(this.figuresAt(size, block >>> shift));
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
    return (this.stretches[size][at] ??= (size === 0 ? this.ofBlock(at) : this.ofParts(size, at))[0]);
  }

  /** The figures of a stretch, made anew where what was stored of them cannot be read. */
  private figuresAt(size: number, at: number): KeptFigures {
    const found = this.stretchAt(size, at).figures();
    if (found !== undefined) return found;
    const { least, most } = this.stretchAt(size, at);
    const [made, kept] = size === 0 ? this.ofBlock(at) : this.ofParts(size, at);
    this.stretches[size][at] = { ...made, least, most };
    return kept;
  }

  private ofBlock(index: number): [Stretch, KeptFigures] {
    const figures = new Figures();
    this.addRows(figures, index, -Infinity, Infinity);
    let [least, most] = [Infinity, -Infinity];
    for (const start of this.source.block(index)?.start ?? []) {
      if (start < least) least = start;
      if (start > most) most = start;
    }
    const kept = keep(figures);
    return [{ least, most, figures: () => kept }, kept];
  }

  private ofParts(size: number, at: number): [Stretch, KeptFigures] {
    const figures = new Figures();
    let [least, most] = [Infinity, -Infinity];
    for (let i = at << FAN_SHIFT; i < (at + 1) << FAN_SHIFT; i++) {
      const part = this.stretchAt(size - 1, i);
      figures.addKept(this.figuresAt(size - 1, i));
      least = Math.min(least, part.least);
      most = Math.max(most, part.most);
    }
    const kept = keep(figures);
    return [{ least, most, figures: () => kept }, kept];
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
        this.packets.left.push(left);
        this.packets.arrived.push(block.start[i]);
        this.sent.set(packet, -1);
      }
    }
    this.paired = end;
  }
}
