/** Writes a trace as an Apache Arrow IPC file (`*.trapline.arrow`): eight plain columns, one record batch per block. */
import {
  Field,
  Float64,
  Message,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  Uint16,
  Uint32,
  makeData,
} from 'apache-arrow';
import { BLOCK_ROWS, viewRows } from '../block';
import { kinds } from '../vocabulary/events';
import { blocksOf } from '../record/hash';
import type { TraceChunk, TraceMeta } from '../model';
import type { TraceStore } from '../query/store';

/** Keys of the schema metadata. */
export const META_KEY = 'trapline';
export const KINDS_KEY = 'trapline.kinds';
/** Number of rows of the whole trace, so that a truncated file knows what is missing. */
export const ROWS_KEY = 'trapline.rows';

type Columns = {
  start: Float64;
  duration: Uint32;
  track: Uint16;
  kind: Uint16;
  rip: Uint32;
  a: Uint32;
  b: Uint32;
  cause: Uint32;
};
export const columnTypes: Columns = {
  start: new Float64(),
  duration: new Uint32(),
  track: new Uint16(),
  kind: new Uint16(),
  rip: new Uint32(),
  a: new Uint32(),
  b: new Uint32(),
  cause: new Uint32(),
};

function schemaOf(meta: TraceMeta, rows: number): Schema<Columns> {
  const fields = Object.entries(columnTypes).map(([name, type]) => new Field(name, type, false));
  return new Schema<Columns>(
    fields,
    new Map([
      [META_KEY, JSON.stringify(meta)],
      [KINDS_KEY, JSON.stringify([...kinds.values()])],
      [ROWS_KEY, String(rows)],
    ]),
  );
}

function batchOf(schema: Schema<Columns>, rows: TraceChunk): RecordBatch<Columns> {
  const length = rows.start.length;
  const children = [
    makeData({ type: columnTypes.start, length, data: rows.start }),
    makeData({ type: columnTypes.duration, length, data: rows.duration }),
    makeData({ type: columnTypes.track, length, data: rows.track }),
    makeData({ type: columnTypes.kind, length, data: rows.kind }),
    makeData({ type: columnTypes.rip, length, data: rows.rip }),
    makeData({ type: columnTypes.a, length, data: rows.a }),
    makeData({ type: columnTypes.b, length, data: rows.b }),
    makeData({ type: columnTypes.cause, length, data: rows.cause }),
  ];
  return new RecordBatch(
    schema,
    makeData({ type: new Struct<Columns>(schema.fields), length, nullCount: 0, children }),
  );
}

/** Keeps what the Arrow writer writes, part by part and without joining. */
class PartWriter extends RecordBatchFileWriter<Columns> {
  private parts: Uint8Array[] = [];

  /** Parts written since the last call. */
  take(): Uint8Array[] {
    const { parts } = this;
    this.parts = [];
    return parts;
  }

  /**
   * The format begins with the schema message, after the magic word; the library leaves it to the footer alone. With it
   * readers of the streaming format, and we in a file cut short, know the tables.
   */
  protected override _writeSchema(schema: Schema<Columns>): this {
    super._writeSchema(schema);
    return this._writeMessage(Message.from(schema));
  }

  protected override _write(chunk: ArrayBufferView): this {
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (bytes.length > 0) this.parts.push(bytes);
    this._position += bytes.length;
    return this;
  }
}

/**
 * The file's bytes, part after part, one record batch at a time: for writing a large trace without holding it twice.
 * Column parts are views on the store's memory; write each before the store changes.
 */
export function* traceFileParts(store: TraceStore): Generator<Uint8Array[]> {
  const schema = schemaOf(finalMeta(store), store.rows);
  const writer = new PartWriter();
  writer.reset(undefined, schema);
  yield writer.take();
  for (const block of blocksOf(store)) {
    const length = Math.min(BLOCK_ROWS, store.rows - block.firstRow);
    writer.write(batchOf(schema, length === block.start.length ? block : viewRows(block, 0, length)));
    yield writer.take();
  }
  writer.finish();
  yield writer.take();
}

/** The whole file as parts; their concatenation is the file. */
export function writeTrace(store: TraceStore): Uint8Array[] {
  return [...traceFileParts(store)].flat();
}

/** The whole file in one array. */
export function encodeTrace(store: TraceStore): Uint8Array {
  const parts = writeTrace(store);
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/** A trace whose run is not over is written as what it is. */
function finalMeta(store: TraceStore): TraceMeta {
  const { meta } = store;
  const cycles = store.endWithoutFacts;
  return meta.facts.cycles >= cycles ? meta : { ...meta, facts: { ...meta.facts, cycles } };
}
