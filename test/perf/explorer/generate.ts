/** Large traces for measuring, the same ones every time, and never whole in memory. */
import { rmSync } from 'node:fs';
import { BLOCK_ROWS, type BlockSource } from '../../../src/trace/block';
import { openTrace } from '../../../src/trace/file/file';
import { fileAccess } from '../../../src/trace/file/file-access';
import { saveParts, saveTrace } from '../../../src/trace/file/save';
import { countRows } from '../../../src/trace/file/verify';
import { traceFileParts } from '../../../src/trace/file/write';
import type { TraceChunk } from '../../../src/trace/model';
import { SideTables } from '../../../src/trace/query/side-tables';
import { TraceStore } from '../../../src/trace/query/store';
import { syntheticBlocks, syntheticMeta } from './synthetic';

/** Blocks that are made as they are asked for, each once and in order. */
class MadeBlocks implements BlockSource {
  readonly count: number;
  private readonly source: Generator<TraceChunk>;
  private next = 0;
  private last: TraceChunk | undefined;

  constructor(rows: number) {
    this.count = Math.ceil(rows / BLOCK_ROWS);
    this.source = syntheticBlocks(rows);
  }

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

/** Writes the rows of a trace without an index; what they say of each other is gathered when they are read. */
function writeRows(path: string, rows: number): void {
  const sides = new SideTables();
  sides.rows = rows;
  const store = new TraceStore(syntheticMeta(rows), { blocks: new MadeBlocks(rows), rows, sides });
  saveParts(
    path,
    (function* () {
      for (const parts of traceFileParts(store, false)) yield* parts;
    })(),
  );
}

/** Writes a trace of so many events, at first without its index and counts, and then whole. */
export function writeSyntheticTrace(path: string, rows: number): void {
  const unindexed = `${path}.rows`;
  writeRows(unindexed, rows);
  const store = openTrace(fileAccess(unindexed));
  store.setMeta({ ...store.meta, ...countRows(store) });
  saveTrace(path, store);
  store.close();
  rmSync(unindexed);
}
