/**
 * The index of a trace as bytes, to be stored with it, and back. What is read is checked as far as questions rely on it: orders,
 * lengths, and that rows and kinds are there. An index that fits none of that is refused as a whole, and made anew by whoever asks.
 */
import { BLOCK_ROWS } from '../block';
import { KIND_LIMIT } from '../vocabulary/events';
import { modeRoles } from '../vocabulary/modes';
import { ColumnReader, encodeColumns, IndexError } from './index/column-bytes';
import { checkKept, keptTables, type KeptFigures } from './index/figures';
import { bucketColumns, Level, spanColumns, type Outlasting } from './index/level';
import { Numbers, type NumberArray } from './index/numbers';
import { kindColumns, pieceColumns, Pieces } from './index/pieces';
import { TOP_LEVEL } from './index/bucket-builder';

/** More than there are tracks and groups. */
const MOST_KEYS = 0x10_0000;

/** A stream's part of an index. */
export interface IndexedStream {
  /** Of the track and group (`StreamSet`). */
  key: number;
  kinds: readonly number[];
  pieces: Pieces;
  levels: readonly (Level | undefined)[];
}

/** Figures of some whole blocks. */
export interface IndexedStretch {
  least: number;
  most: number;
  figures: KeptFigures;
}

/** What an index consists of. */
export interface TraceIndex {
  /** Rows of the trace. */
  rows: number;
  streams: readonly IndexedStream[];
  /** By size: 1, 16, 256 blocks. */
  stretches: readonly (readonly IndexedStretch[])[];
  /** When packets left and arrived. */
  packets: { left: Numbers; arrived: Numbers };
}

export function encodeIndex({ rows, streams, stretches, packets }: TraceIndex): Uint8Array {
  const columns: NumberArray[] = [];
  const list = (values: readonly number[]): void => void columns.push(Float64Array.from(values));
  list([rows, streams.length, stretches.length]);
  for (const { key, kinds, pieces, levels } of streams) {
    const there = levels.flatMap((level, k) => (level && level.length > 0 ? [k] : []));
    list([key, there.length]);
    list(kinds);
    const stored = pieces.stored();
    for (const name of pieceColumns) columns.push(stored.columns[name].used);
    for (const name of kindColumns) columns.push(stored.kinds[name].used);
    for (const k of there) encodeLevel(k, levels[k] ?? new Level(), columns);
  }
  for (const ofSize of stretches) {
    list(ofSize.flatMap(({ least, most }) => [least, most]));
    for (const { figures } of ofSize)
      for (const [table, names] of keptTables) {
        const kept: Record<string, Numbers> = figures[table];
        for (const name of names) columns.push(kept[name].used);
      }
  }
  columns.push(packets.left.used, packets.arrived.used);
  return encodeColumns(columns);
}

function encodeLevel(k: number, level: Level, columns: NumberArray[]): void {
  const { columns: buckets, spans } = level.stored();
  const modes = level.modes.flatMap((column, mode) => (column ? [mode] : []));
  const { last } = level;
  columns.push(Float64Array.from([k, ...(last ? [last.slot, last.row, last.end] : [])]));
  columns.push(Uint8Array.from(modes));
  for (const name of bucketColumns) columns.push(buckets[name].used);
  for (const name of spanColumns) columns.push(spans[name].used);
  for (const mode of modes) columns.push((level.modes[mode] ?? new Numbers()).used);
}

/** @returns undefined when the bytes are no index of a trace with so many rows. */
export function decodeIndex(bytes: Uint8Array, rows: number): TraceIndex | undefined {
  try {
    return decode(new ColumnReader(bytes), rows);
  } catch (error) {
    if (error instanceof IndexError) return undefined;
    throw error;
  }
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new IndexError(what);
}

function decode(reader: ColumnReader, rows: number): TraceIndex {
  const head = reader.column();
  check(head.length === 3 && head.at(0) === rows, 'the index is of another trace');
  const [, streamCount, sizes] = head.used;
  check(streamCount <= rows && sizes <= 8, 'the index has impossible parts');
  const keys = new Set<number>();
  const inBlocks = new Float64Array(Math.ceil(rows / BLOCK_ROWS));
  const streams = Array.from({ length: streamCount }, () => {
    const stream = decodeStream(reader, rows, inBlocks);
    check(!keys.has(stream.key), 'a stream is there twice');
    keys.add(stream.key);
    return stream;
  });
  check(
    inBlocks.every((count, block) => count === Math.min(BLOCK_ROWS, rows - block * BLOCK_ROWS)),
    'rows are missing from the index',
  );
  const stretches = Array.from({ length: sizes }, (_, size) => decodeStretches(reader, rows, size));
  const { left, arrived } = reader.tableOf(['left', 'arrived']);
  return { rows, streams, stretches, packets: { left, arrived } };
}

/** @param inBlocks rows of each block so far; those of the stream are added */
function decodeStream(reader: ColumnReader, rows: number, inBlocks: Float64Array): IndexedStream {
  const head = reader.column();
  check(head.length === 2 && head.at(0) < MOST_KEYS && head.at(1) <= TOP_LEVEL, 'a stream is impossible');
  const kinds = [...reader.column().used];
  check(
    new Set(kinds).size === kinds.length && kinds.every((kind) => kind < KIND_LIMIT),
    'a kind is impossible',
  );
  const columns = reader.tableOf(pieceColumns);
  const figures = reader.tableOf(kindColumns);
  let [base, block] = [0, -1];
  for (let i = 0; i < columns.block.length; i++) {
    const at = columns.block.at(i);
    const count = columns.count.at(i);
    check(Number.isInteger(at) && at > block && at < inBlocks.length, 'blocks are not in order');
    check(columns.offset.at(i) === inBlocks[at], 'the rows of a block are not in order');
    check(
      columns.base.at(i) === base && count > 0 && Number.isInteger(count),
      'rows of a stream are not in order',
    );
    check(columns.least.at(i) <= columns.most.at(i), 'a piece ends before it begins');
    inBlocks[at] += count;
    base += count;
    block = at;
  }
  check(base <= rows, 'a stream has more rows than the trace');
  ascending(columns.kinds, figures.slot.length, 0);
  check(
    figures.slot.used.every((slot) => slot < kinds.length),
    'a kind is not there',
  );
  const levels: (Level | undefined)[] = [];
  for (let i = 0; i < head.at(1); i++)
    decodeLevel(reader, levels, { rows, events: base, kinds: kinds.length });
  return { key: head.at(0), kinds, pieces: new Pieces(columns, figures), levels };
}

function ascending(numbers: Numbers, limit: number, step: number): void {
  const { used } = numbers;
  let least = 0;
  for (const value of used) {
    check(value >= least && Number.isInteger(value), 'numbers are not in order');
    least = value + step;
  }
  check(used.length === 0 || used[used.length - 1] <= limit, 'a number is too great');
}

function decodeLevel(
  reader: ColumnReader,
  levels: (Level | undefined)[],
  { rows, events, kinds }: { rows: number; events: number; kinds: number },
): void {
  const head = reader.column();
  const k = head.at(0);
  check(Number.isInteger(k) && k < TOP_LEVEL && levels[k] === undefined, 'a level is impossible');
  check(head.length === 1 || head.length === 4, 'a level is impossible');
  const [, slot, row, end] = head.used;
  const last: Outlasting | undefined = head.length === 1 ? undefined : { slot, row, end };
  check(last === undefined || (slot < kinds && row < rows), 'a span is not there');
  const modes = reader.column().used;
  check(
    modes.every((mode) => mode < modeRoles.length),
    'a mode is not there',
  );
  const columns = reader.tableOf(bucketColumns);
  const spans = reader.tableOf(spanColumns);
  const { length } = columns.index;
  ascending(columns.index, Number.MAX_SAFE_INTEGER, 1);
  ascending(spans.at, Math.max(0, length - 1), 1);
  let before = 0;
  for (let i = 0; i < length; i++) {
    check(columns.first.at(i) >= before && columns.count.at(i) > 0, 'buckets are not in order');
    before = columns.first.at(i) + columns.count.at(i);
  }
  check(before <= events, 'buckets have more events than there are');
  const level = new Level(columns, spans);
  for (const mode of modes) {
    const column = (level.modes[mode] = reader.column());
    check(column.length === length, 'the columns of a table differ in length');
  }
  for (let i = 0; i < length; i++)
    check(level.slotAt(i) < kinds && level.rowAt(i) < rows, 'a row is not there');
  check(
    spans.slot.used.every((each) => each < kinds) && spans.row.used.every((each) => each < rows),
    'a span is not there',
  );
  level.last = last;
  levels[k] = level;
}

function decodeStretches(reader: ColumnReader, rows: number, size: number): IndexedStretch[] {
  const times = reader.column().used;
  check(
    times.length % 2 === 0 && times.length / 2 <= Math.floor(rows / BLOCK_ROWS / 16 ** size),
    'there are too many figures',
  );
  return Array.from({ length: times.length / 2 }, (_, i) => {
    const figures = Object.fromEntries(keptTables.map(([table, names]) => [table, reader.tableOf(names)]));
    const kept = figures as unknown as KeptFigures;
    check(checkKept(kept, rows), 'figures do not fit together');
    return { least: times[2 * i], most: times[2 * i + 1], figures: kept };
  });
}
