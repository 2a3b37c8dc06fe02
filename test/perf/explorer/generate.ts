/** Large traces for measuring, the same ones every time, and never whole in memory. */
import { BLOCK_ROWS, type BlockSource } from '../../../src/trace/block';
import { saveTrace } from '../../../src/trace/file/save';
import type { TraceChunk, TraceMeta } from '../../../src/trace/model';
import { SideTables } from '../../../src/trace/query/side-tables';
import { TraceStore } from '../../../src/trace/query/store';
import { Synthetic } from '../../webview/page/synthetic';

/** Recorded blocks before some are taken: those before the last two are complete by then. */
const BLOCKS_AHEAD = 8;

/** The blocks of a made-up trace of at least so many rows, in order; returns its tables. */
function* blocksOf(rows: number): Generator<TraceChunk, TraceMeta> {
  const synthetic = new Synthetic(2 * rows);
  let taken = 0;
  while (synthetic.recorder.rows < rows) {
    synthetic.send();
    if (synthetic.recorder.rows - taken < BLOCKS_AHEAD * BLOCK_ROWS) continue;
    for (const chunk of synthetic.delta().chunks) {
      yield chunk;
      taken += chunk.start.length;
    }
  }
  synthetic.recorder.finish(synthetic.time);
  const { chunks } = synthetic.delta();
  yield* chunks;
  return synthetic.meta('finished');
}

/** Blocks that are made as they are asked for, each once and in order. */
class MadeBlocks implements BlockSource {
  private next = 0;
  private last: TraceChunk | undefined;

  constructor(
    readonly count: number,
    private readonly source: Generator<TraceChunk, TraceMeta>,
  ) {}

  block(index: number): TraceChunk | undefined {
    while (this.next <= index) {
      const { value, done } = this.source.next();
      if (done) return undefined;
      this.last = value;
      this.next += 1;
    }
    return index === this.next - 1 ? this.last : undefined;
  }

  close(): void {
    this.last = undefined;
  }
}

/**
 * Writes a trace of at least so many events. The first pass finds its tables, which stand at the beginning of the file; the second
 * writes it.
 * @returns its events
 */
export function writeSyntheticTrace(path: string, rows: number): number {
  const sides = new SideTables();
  const first = blocksOf(rows);
  let count = 0;
  let blocks = 0;
  for (;;) {
    const { value, done } = first.next();
    if (done) {
      const store = new TraceStore(value, {
        blocks: new MadeBlocks(blocks, blocksOf(rows)),
        rows: count,
        sides,
      });
      saveTrace(path, store);
      return count;
    }
    if (count % BLOCK_ROWS !== 0) throw new Error('a block is not whole');
    count += value.start.length;
    blocks += 1;
    sides.add(value, value.start.length, () => 0);
  }
}
