/**
 * Writes a trace as an Apache Arrow IPC file (`*.trapline.arrow`): eight plain columns, one compressed record batch per block, and
 * between the last of them and the footer the index.
 */
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
import { SIDES_VERSION, encodeSides } from '../query/side-tables';
import type { TraceStore } from '../query/store';
import { INDEX_VERSION, encodeIndex } from '../query/index-bytes';
import { WRITTEN, packing, provideCodec } from './codec';
import { INDEX_KEY, KINDS_KEY, META_KEY, ROWS_KEY } from './layout';
import { SECTION_LANES, SECTION_SIDES, indexParts, indexPlace, type IndexSection } from './stored-index';

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
const columnTypes: Columns = {
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

/** Length of a buffer that was left as it is. */
const NOT_COMPRESSED = -1n;
type CompressedBody = ReturnType<RecordBatchFileWriter['_compressBodyBuffers']>;

/** What ends the messages of a stream: a continuation marker and a size of 0. */
const END_OF_STREAM = Int32Array.of(-1, 0);

/** The sections of the stored index. */
function sectionsOf(store: TraceStore): IndexSection[] {
  return [
    { name: SECTION_SIDES, version: SIDES_VERSION, parts: [encodeSides(store.sideTables())] },
    { name: SECTION_LANES, version: INDEX_VERSION, parts: encodeIndex(store.storedIndex(), packing) },
  ];
}

/** Keeps what the Arrow writer writes, part by part and without joining. */
class PartWriter extends RecordBatchFileWriter<Columns> {
  private parts: Uint8Array[] = [];

  /** @param index makes the stored index once all rows are written */
  constructor(private readonly index: () => Uint8Array[]) {
    super({ compressionType: WRITTEN });
  }

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

  /**
   * A compressed buffer begins with the length of its contents (Message.fbs, `BodyCompressionMethod.BUFFER`); the library puts that
   * of the compressed bytes there, with which other readers get nothing.
   */
  protected override _compressBodyBuffers(buffers: ArrayBufferView[]): CompressedBody {
    const body = super._compressBodyBuffers(buffers);
    buffers.forEach(({ byteLength }, i) => {
      const prefix = body.buffers[2 * i];
      if (prefix === undefined || prefix.byteLength === 0) return;
      const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
      if (view.getBigInt64(0, true) !== NOT_COMPRESSED) view.setBigInt64(0, BigInt(byteLength), true);
    });
    return body;
  }

  /**
   * The index follows the marker that ends the messages, and only the footer's schema says where; the library writes the marker
   * again before the footer.
   */
  protected override _writeFooter(schema: Schema<Columns>): this {
    this._write(END_OF_STREAM);
    const offset = this._position;
    for (const part of this.index()) this._write(part);
    const place = indexPlace(offset, this._position - offset);
    const metadata = new Map([...schema.metadata, [INDEX_KEY, place]]);
    return super._writeFooter(new Schema<Columns>(schema.fields, metadata));
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
 * @param indexed with the index, without which the trace is as good but slow to open
 */
export function* traceFileParts(store: TraceStore, indexed = true): Generator<Uint8Array[]> {
  provideCodec();
  const schema = schemaOf(finalMeta(store), store.rows);
  const writer = new PartWriter(() => (indexed ? indexParts(sectionsOf(store)) : []));
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
