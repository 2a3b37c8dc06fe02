/**
 * The index of a trace as bytes, to be stored with it, and back. What is needed at once is read at once: which streams there are
 * and their share of each block. Buckets and figures are read when somebody asks for them. What is read is checked as far as
 * questions rely on it: orders, lengths, and that rows and kinds are there. What does not fit is left out, and answered from the
 * rows.
 */
import { BLOCK_ROWS } from '../block';
import { KIND_LIMIT } from '../vocabulary/events';
import { modeRoles } from '../vocabulary/modes';
import { IndexError, type ColumnReader } from './index/column-bytes';
import { CopiedEvents, copiedColumns } from './index/copied-events';
import { checkKept, keptTables, type KeptFigures } from './index/figures';
import { stepsOf, sumsOf } from './index/deltas';
import { bucketColumns, Level, spanColumns, type Outlasting } from './index/level';
import { Numbers, type NumberArray } from './index/numbers';
import { PartsReader, PartsWriter, type ByteRanges, type Packing } from './index/packed-parts';
import { kindColumns, pieceColumns, Pieces } from './index/pieces';
import type { IndexedStream, PacketTimes, Stretch, TraceIndex } from './index/stored';
import { TOP_LEVEL } from './index/bucket-builder';

/** Of what `encodeIndex` writes. */
export const INDEX_VERSION = 1;
/** More than there are tracks and groups. */
const MOST_KEYS = 0x10_0000;
/** Bytes of buckets that were read and are kept. */
const KEPT_BYTES = 64 * 1024 * 1024;

/** The bytes, in parts that are to be joined; each but the last of a length that is a multiple of 8. */
export function encodeIndex(
  { rows, streams, stretches, packets }: TraceIndex,
  packing: Packing,
): Uint8Array[] {
  const parts = new PartsWriter(packing);
  const directory: NumberArray[] = [];
  const list = (values: readonly number[]): void => void directory.push(Float64Array.from(values));
  list([rows, streams.length, stretches.length]);
  for (const { key, kinds, pieces, levels, events } of streams) {
    const there: number[] = [];
    for (let k = 0; k < levels.length; k++) {
      const level = levels.at(k);
      if (level === undefined || level.length === 0) continue;
      there.push(k);
      parts.add(columnsOfLevel(level));
    }
    const copy = events();
    if (copy !== undefined) parts.add(copiedColumns.map((name) => asStored(name, copy.stored()[name])));
    list([key, copy === undefined ? 0 : 1]);
    list(there);
    list(kinds);
    const stored = pieces.stored();
    for (const name of pieceColumns) directory.push(stored.columns[name].used);
    for (const name of kindColumns) directory.push(stored.kinds[name].used);
  }
  for (const ofSize of stretches) {
    list(ofSize.flatMap(({ least, most }) => [least, most]));
    for (const { figures } of ofSize) parts.add(columnsOfFigures(figures()));
  }
  const times = packets();
  parts.add(times === undefined ? [] : [times.left.used, times.arrived.used]);
  return parts.finish(directory);
}

function columnsOfLevel(level: Level): NumberArray[] {
  const { columns, spans } = level.stored();
  const modes = level.modes.flatMap((column, mode) => (column ? [mode] : []));
  const { last } = level;
  return [
    Float64Array.from(last ? [last.slot, last.row, last.end] : []),
    Uint8Array.from(modes),
    ...bucketColumns.map((name) => asStored(name, columns[name].used)),
    ...spanColumns.map((name) => asStored(name, spans[name].used)),
    ...modes.map((mode) => (level.modes[mode] ?? new Numbers()).used),
  ];
}

/** Columns of which steps are stored: they ascend, or nearly. */
const inSteps: ReadonlySet<string> = new Set(['index', 'first', 'rowAfter', 'at', 'row', 'end', 'start']);

function asStored(name: string, numbers: NumberArray): NumberArray {
  return inSteps.has(name) ? stepsOf(numbers) : numbers;
}

/** The next columns of a table, of which some are stored as steps. */
function tableIn<Name extends string>(reader: ColumnReader, names: readonly Name[]): Record<Name, Numbers> {
  const table = reader.tableOf(names);
  for (const name of names) {
    if (!inSteps.has(name)) continue;
    table[name] = sumsOf(table[name].used);
    check(
      table[name].used.every((value) => value >= 0),
      'a number is negative',
    );
  }
  return table;
}

function columnsOfFigures(figures: KeptFigures | undefined): NumberArray[] {
  if (figures === undefined) return [];
  return keptTables.flatMap(([table, names]) => {
    const kept: Record<string, Numbers> = figures[table];
    return names.map((name) => kept[name].used);
  });
}

/**
 * What was stored of a trace with so many rows; undefined where the bytes are no index of it.
 * @param source is read from as long as the index is used
 */
export function openIndex(source: ByteRanges, rows: number, packing: Packing): TraceIndex | undefined {
  return soundOr(undefined, () => decode(new PartsReader(source, packing), rows));
}

/** What a reader gives, or another value where what it reads is damaged. */
function soundOr<T>(other: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof IndexError) return other;
    throw error;
  }
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new IndexError(what);
}

function decode(parts: PartsReader, rows: number): TraceIndex {
  const reader = parts.directory;
  const head = reader.column();
  check(head.length === 3 && head.at(0) === rows, 'the index is of another trace');
  const [, streamCount, sizes] = head.used;
  check(streamCount <= rows && sizes <= 8, 'the index has impossible parts');
  const keys = new Set<number>();
  const inBlocks = new Float64Array(Math.ceil(rows / BLOCK_ROWS));
  const kept = new KeptLevels();
  let part = 0;
  const streams = Array.from({ length: streamCount }, () => {
    const stream = decodeStream(reader, rows, inBlocks);
    check(!keys.has(stream.key), 'a stream is there twice');
    keys.add(stream.key);
    const first = part;
    part += stream.levels.length + Number(stream.copied);
    return storedStream(parts, first, stream, rows, kept);
  });
  check(
    inBlocks.every((count, block) => count === Math.min(BLOCK_ROWS, rows - block * BLOCK_ROWS)),
    'rows are missing from the index',
  );
  const stretches = Array.from({ length: sizes }, (_, size) => {
    const ofSize = decodeStretches(parts, part, rows, size);
    part += ofSize.length;
    return ofSize;
  });
  check(parts.length === part + 1, 'parts are missing');
  const packets = (): PacketTimes | undefined =>
    soundOr<PacketTimes | undefined>(undefined, () => parts.part(part).tableOf(['left', 'arrived']));
  return { rows, streams, stretches, packets };
}

/** What the directory says of a stream. */
interface StreamEntry {
  key: number;
  kinds: readonly number[];
  pieces: Pieces;
  /** Which levels there are, in the order of their parts. */
  levels: readonly number[];
  /** The part after these has its events. */
  copied: boolean;
}

/** A stream whose buckets and events are read when somebody asks. @param first number of its first part */
function storedStream(
  parts: PartsReader,
  first: number,
  { key, kinds, pieces, levels, copied }: StreamEntry,
  rows: number,
  kept: KeptLevels,
): IndexedStream {
  const limits = { rows, events: pieces.rows, kinds: kinds.length };
  let copy: CopiedEvents | undefined;
  let copyRead = !copied;
  return {
    key,
    kinds,
    pieces,
    levels: {
      length: TOP_LEVEL,
      at(k) {
        const i = levels.indexOf(k);
        if (i < 0) return undefined;
        const part = first + i;
        return kept.get(part, () =>
          soundOr<Level | undefined>(undefined, () => decodeLevel(parts.part(part), limits)),
        );
      },
    },
    events() {
      if (!copyRead)
        copy = soundOr<CopiedEvents | undefined>(undefined, () =>
          decodeCopy(parts.part(first + levels.length), limits, kinds),
        );
      copyRead = true;
      return copy;
    },
  };
}

/** Levels that were read, those that were asked for last. */
class KeptLevels {
  private readonly levels = new Map<number, Level | undefined>();
  private bytes = 0;

  get(part: number, read: () => Level | undefined): Level | undefined {
    const known = this.levels.has(part);
    const level = known ? this.levels.get(part) : read();
    // To the end: a Map is in order of insertion.
    if (known) this.levels.delete(part);
    else this.bytes += level?.bytes ?? 0;
    this.levels.set(part, level);
    for (const [old, { bytes } = { bytes: 0 }] of this.levels) {
      if (this.bytes <= KEPT_BYTES || old === part) break;
      this.levels.delete(old);
      this.bytes -= bytes;
    }
    return level;
  }
}

/** @param inBlocks rows of each block so far; those of the stream are added */
function decodeStream(reader: ColumnReader, rows: number, inBlocks: Float64Array): StreamEntry {
  const head = reader.column();
  check(
    head.length === 2 && Number.isInteger(head.at(0)) && head.at(0) < MOST_KEYS,
    'a stream is impossible',
  );
  const levels = reader.column();
  ascending(levels, TOP_LEVEL - 1, 1);
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
  return {
    key: head.at(0),
    kinds,
    pieces: new Pieces(columns, figures),
    levels: [...levels.used],
    copied: head.at(1) === 1,
  };
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

/** What there is at most. */
interface Limits {
  rows: number;
  events: number;
  kinds: number;
}

function decodeLevel(reader: ColumnReader, { rows, events, kinds }: Limits): Level {
  const head = reader.column();
  check(head.length === 0 || head.length === 3, 'a level is impossible');
  const [slot, row, end] = head.used;
  const last: Outlasting | undefined = head.length === 0 ? undefined : { slot, row, end };
  check(last === undefined || (slot < kinds && row < rows), 'a span is not there');
  const modes = reader.column().used;
  check(
    modes.every((mode) => mode < modeRoles.length),
    'a mode is not there',
  );
  const columns = tableIn(reader, bucketColumns);
  const spans = tableIn(reader, spanColumns);
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
  return level;
}

function decodeCopy(reader: ColumnReader, { rows, events }: Limits, kinds: readonly number[]): CopiedEvents {
  const columns = tableIn(reader, copiedColumns);
  check(columns.row.length === events, 'events are missing');
  let least = 0;
  for (const start of columns.start.used) {
    check(start >= least, 'events are not in order');
    least = start;
  }
  const known = new Set(kinds);
  check(
    columns.row.used.every((row) => row < rows) && columns.kind.used.every((kind) => known.has(kind)),
    'an event is not there',
  );
  return new CopiedEvents(columns);
}

/** @param first number of the part of the first */
function decodeStretches(parts: PartsReader, first: number, rows: number, size: number): Stretch[] {
  const times = parts.directory.column().used;
  check(
    times.length % 2 === 0 && times.length / 2 <= Math.floor(rows / BLOCK_ROWS / 16 ** size),
    'there are too many figures',
  );
  return Array.from({ length: times.length / 2 }, (_, i) => ({
    least: times[2 * i],
    most: times[2 * i + 1],
    figures: () =>
      soundOr<KeptFigures | undefined>(undefined, () => decodeFigures(parts.part(first + i), rows)),
  }));
}

function decodeFigures(reader: ColumnReader, rows: number): KeptFigures {
  const figures = Object.fromEntries(keptTables.map(([table, names]) => [table, reader.tableOf(names)]));
  const kept = figures as unknown as KeptFigures;
  check(checkKept(kept, rows), 'figures do not fit together');
  return kept;
}
