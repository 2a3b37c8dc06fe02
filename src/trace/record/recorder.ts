/**
 * The recorder: writes events into columns as fast as the machine makes them, counts all of them, and hands out what is
 * new from time to time. Free of everything but the trace model, for it runs in the simulator's innermost loops.
 */
import {
  BLOCK_MASK,
  BLOCK_ROWS,
  BLOCK_SHIFT,
  DURATION_SATURATED,
  copyRows,
  emptyChunk,
  pasteRows,
} from '../block';
import { Kind, kindRow } from '../vocabulary/events';
import { foldHashes, hashRows, type BlockHash, type IndexedHash } from './hash';
import type { Place, TraceChunk, TraceDelta, TraceMeta, Track } from '../model';
import { PlaceTable, type ResolvePlace } from './places';
import {
  RECORDER_STATE_VERSION,
  TABLE_KINDS,
  TRACK_SHIFT,
  nonZero,
  patchesOf,
  tableOf,
  type RecorderState,
} from './recorder-state';
import { SnapshotError, requireVersion } from '../snapshot-error';
import type { RowRef, Tracer } from './tracer';

export interface RecorderOptions {
  /** Whether events of a kind are recorded (they are always counted). Default: all. Asked once per kind. */
  records?: (kind: number) => boolean;
  /** Rows after which nothing more is recorded. Default 20 million. */
  maxEvents?: number;
  /** Symbol, file and line of a guest address, asked once per place when it is handed out. */
  resolvePlace?: ResolvePlace;
  /**
   * Leaves the hash of blocks that are handed out whole to the receiver of the deltas, which has a thread of its own
   * (`HashCollector`); `traceHash` is then not to be asked here.
   */
  receiverHashes?: boolean;
}

export const DEFAULT_MAX_EVENTS = 20_000_000;

/** Flags of a kind: recorded; has an argument whose total is kept. */
const RECORDED = 1;
const SUM_A = 2;
const SUM_B = 4;
const TWO_32 = 0x1_0000_0000;

/** A block under recording: how many of its spans are open, and whether all its rows have their last values. */
interface Block {
  chunk: TraceChunk;
  open: number;
  final?: boolean;
  /** The chunk itself was handed out, not a copy. */
  given?: boolean;
}

/** The tables and exact figures a recorder knows, for `TraceMeta`. */
export type RecorderTables = Pick<TraceMeta, 'tracks' | 'places' | 'counts' | 'sums' | 'truncatedAt'>;

/**
 * Records a run. Rows are numbered from 0 in the order of recording. A row's `duration` is 0 until its span is closed.
 * A row is final, and no longer writable, when its block and the next are full and no span of its block is open.
 */
export class Recorder implements Tracer {
  cause: RowRef = 0;
  place = 0;
  /** Simulated time of the first event that was not recorded for want of room; undefined while all fit. */
  truncatedAt: number | undefined;

  private readonly tracks: Track[] = [];
  private readonly placeTable: PlaceTable;
  private readonly flags = new Uint8Array(TABLE_KINDS);
  private counted: Float64Array = new Float64Array(0);
  private summed: Float64Array = new Float64Array(0);
  private limit: number;

  /** Undefined once final, hashed and handed out. */
  private readonly blocks: (Block | undefined)[] = [];
  /** Blocks whose rows were handed out as copies: memory that is written again costs a fraction of new memory. */
  private readonly spare: TraceChunk[] = [];
  private readonly hashes: BlockHash[] = [];
  /** Blocks hashed here since the last delta, for a receiver that hashes the others. */
  private newHashes: IndexedHash[] = [];
  private readonly receiverHashes: boolean;
  private current: Block;
  private count = 0;
  private at = BLOCK_ROWS;
  private start: Float64Array;
  private duration: Uint32Array;
  private track: Uint16Array;
  private kind: Uint16Array;
  private rip: Uint32Array;
  private a: Uint32Array;
  private b: Uint32Array;
  private causes: Uint32Array;

  /** Rows of open spans, in no order. */
  private openRows = new Uint32Array(64);
  private openCount = 0;
  private handedRows = 0;
  private handedTracks = 0;
  private handedPlaces = 0;
  private latePatches: number[] = [];
  /** Rows in the last state saved or loaded, and those of them that have changed since. */
  private savedRows = 0;
  private changedRows: number[] = [];
  /** Rows before this one are known elsewhere: a change must be told. */
  private settledRows = 0;
  private finished = false;

  constructor(options: RecorderOptions = {}) {
    this.limit = Math.min(options.maxEvents ?? DEFAULT_MAX_EVENTS, TWO_32 - 2);
    this.receiverHashes = options.receiverHashes ?? false;
    this.placeTable = new PlaceTable(options.resolvePlace);
    for (let kind = 0; kind < TABLE_KINDS; kind++) {
      const sum = kindRow(kind).sum;
      const recorded = kind === Kind.SpanOverflow || options.records === undefined || options.records(kind);
      this.flags[kind] = (recorded ? RECORDED : 0) | (sum === 'a' ? SUM_A : sum === 'b' ? SUM_B : 0);
    }
    const chunk = emptyChunk(0, 0);
    this.current = { chunk, open: 0 };
    this.start = chunk.start;
    this.duration = chunk.duration;
    this.track = chunk.track;
    this.kind = chunk.kind;
    this.rip = chunk.rip;
    this.a = chunk.a;
    this.b = chunk.b;
    this.causes = chunk.cause;
  }

  /** Rows recorded so far. */
  get rows(): number {
    return this.count;
  }

  addTrack(track: Omit<Track, 'id'>): number {
    const id = this.tracks.length;
    this.tracks.push({ ...track, id });
    if ((id + 1) * TABLE_KINDS > this.counted.length) {
      this.counted = enlarged(this.counted, Math.max(8, (id + 1) * 2) * TABLE_KINDS);
      this.summed = enlarged(this.summed, this.counted.length);
    }
    return id;
  }

  internPlace(vm: number, ripLow: number, ripHigh: number): number {
    return this.placeTable.intern(vm, ripLow, ripHigh);
  }

  instant(time: number, track: number, kind: number, a: number, b: number): RowRef {
    return this.write(time, 0, track, kind, a, b, this.cause);
  }

  /** @throws nothing; a duration of 2^32 - 1 cycles or more is saturated and gets a `span.overflow` row. */
  span(start: number, duration: number, track: number, kind: number, a: number, b: number): RowRef {
    if (duration < DURATION_SATURATED) return this.write(start, duration, track, kind, a, b, this.cause);
    const row = this.write(start, DURATION_SATURATED, track, kind, a, b, this.cause);
    if (row !== 0) this.overflow(row, start, duration, track);
    return row;
  }

  open(start: number, track: number, kind: number, a: number, b: number): RowRef {
    const row = this.write(start, 0, track, kind, a, b, this.cause);
    if (row !== 0) {
      if (this.openCount === this.openRows.length) {
        const more = new Uint32Array(this.openCount * 2);
        more.set(this.openRows);
        this.openRows = more;
      }
      this.openRows[this.openCount++] = row - 1;
      this.current.open++;
    }
    return row;
  }

  /**
   * Ends an open span at `end`. Reference 0 (a row that was not recorded) is ignored.
   * @throws RangeError when the row is not an open span: a mistake of the caller.
   */
  close(ref: RowRef, end: number): void {
    if (ref === 0) return;
    const row = ref - 1;
    let i = this.openCount - 1;
    while (i >= 0 && this.openRows[i] !== row) i--;
    if (i < 0) throw new RangeError(`Row ${row} is not an open span; it can be closed once only.`);
    this.openRows[i] = this.openRows[--this.openCount] ?? 0;
    // Most spans end soon: in the block under recording, before they were handed out.
    const at = row - this.count + this.at;
    const duration = end - (this.start[at] ?? -1);
    if (at >= 0 && row >= this.settledRows && duration >= 0 && duration < DURATION_SATURATED) {
      this.duration[at] = duration;
      this.current.open--;
    } else {
      this.closeRow(row, end);
    }
  }

  /** @throws RangeError when the row is so old that it is already part of the trace hash. */
  setArgs(ref: RowRef, a: number, b: number): void {
    if (ref === 0) return;
    const row = ref - 1;
    const block = this.blockOf(row);
    const i = row & BLOCK_MASK;
    const { chunk } = block;
    const kind = chunk.kind[i] ?? 0;
    const flags = this.flags[kind] ?? 0;
    if (flags > RECORDED) {
      const old = flags & SUM_A ? chunk.a[i] : chunk.b[i];
      const slot = ((chunk.track[i] ?? 0) << TRACK_SHIFT) | kind;
      this.summed[slot] = (this.summed[slot] ?? 0) + ((flags & SUM_A ? a : b) >>> 0) - (old ?? 0);
    }
    chunk.a[i] = a;
    chunk.b[i] = b;
    if (row < this.settledRows) this.noteChange(row);
  }

  /** Closes all open spans at `end`, in row order. Nothing is recorded afterwards. */
  finish(end: number): void {
    if (this.finished) return;
    const rows = this.openRows.slice(0, this.openCount).sort();
    this.openCount = 0;
    for (const row of rows) this.closeRow(row, end);
    this.finished = true;
    this.limit = this.count;
  }

  /**
   * The hash of the trace; see `hash.ts`.
   * @throws Error before `finish`: rows with an open span have no hash yet. Likewise where the receiver hashes.
   */
  traceHash(): string {
    if (this.receiverHashes) throw new Error('The receiver of the deltas has the trace hash.');
    if (!this.finished) throw new Error('The trace hash exists once the recorder is finished.');
    this.settleBlocks();
    return foldHashes(this.hashes, this.count);
  }

  /** Exact counts of all events by track and kind, recorded or not, in order of track and kind. */
  counts(): TraceMeta['counts'] {
    return nonZero(this.counted, this.tracks.length);
  }

  /** Exact totals of the arguments that kinds name in `KindRow.sum`. */
  sums(): TraceMeta['sums'] {
    return nonZero(this.summed, this.tracks.length);
  }

  /** Tables and figures for the trace's `TraceMeta`. */
  tables(): RecorderTables {
    return {
      tracks: [...this.tracks],
      places: this.placeTable.all(),
      counts: this.counts(),
      sums: this.sums(),
      ...(this.truncatedAt !== undefined && { truncatedAt: this.truncatedAt }),
    };
  }

  /**
   * Rows recorded since the last call, with arrays of their own, and the present values of rows handed out before that
   * were closed or got arguments since. Blocks that are final and handed out are given back.
   *
   * A fast recording is handed out in whole blocks, without copying; only where no block is complete are its rows copied, so
   * that a slow one can be watched too.
   */
  takeDelta(): TraceDelta {
    this.settleBlocks();
    const patches = patchesOf(this.latePatches, this.chunkOf);
    this.latePatches = [];
    const chunks: TraceChunk[] = [];
    const unhashed: number[] = [];
    while (this.handedRows < this.count) {
      const index = this.handedRows >>> BLOCK_SHIFT;
      const block = this.blocks[index];
      if (block === undefined) break;
      const from = this.handedRows & BLOCK_MASK;
      const to = Math.min(BLOCK_ROWS, this.count - index * BLOCK_ROWS);
      block.given = from === 0 && to === BLOCK_ROWS && block.final === true;
      if (!block.given && chunks.length > 0 && !this.finished) break;
      if (block.given && this.receiverHashes) unhashed.push(index);
      chunks.push(block.given ? block.chunk : copyRows(block.chunk, from, to));
      this.handedRows += to - from;
    }
    this.settledRows = Math.max(this.handedRows, this.savedRows);
    for (let index = 0; index < this.handedRows >>> BLOCK_SHIFT; index++) {
      const block = this.blocks[index];
      if (!block?.final) continue;
      if (!block.given) this.spare.push(block.chunk);
      this.blocks[index] = undefined;
    }
    const hashes = this.receiverHashes ? { hashes: { known: this.newHashes, unhashed } } : undefined;
    this.newHashes = [];
    const places: Place[] = this.placeTable.all().slice(this.handedPlaces);
    this.handedPlaces += places.length;
    const tracks = this.tracks.slice(this.handedTracks);
    this.handedTracks += tracks.length;
    const open = this.openRows.slice(0, this.openCount).sort();
    return { chunks, patches, open, tracks, places, ...hashes };
  }

  /**
   * The state as plain data. From here on the changes are counted for the next one.
   *
   * @param changes only what came since the last state saved or loaded, to be merged with that one
   */
  save(changes = false): RecorderState {
    const since = changes ? this.savedRows : 0;
    const chunks: TraceChunk[] = [];
    const needed: number[] = [];
    for (const [index, block] of this.blocks.entries()) {
      if (block === undefined) continue;
      needed.push(index);
      const from = Math.max(0, since - index * BLOCK_ROWS);
      const to = Math.min(BLOCK_ROWS, this.count - index * BLOCK_ROWS);
      if (from < to) chunks.push(copyRows(block.chunk, from, to));
    }
    const patches = patchesOf(changes ? this.changedRows : [], this.chunkOf);
    this.noteSaved();
    return {
      version: RECORDER_STATE_VERSION,
      rows: this.count,
      since,
      blocks: needed,
      chunks,
      patches,
      open: this.openRows.slice(0, this.openCount),
      hashes: this.hashes.flatMap(([h1, h2], index): IndexedHash[] => [[index, h1, h2]]),
      cause: this.cause,
      place: this.place,
      ...(this.truncatedAt !== undefined && { truncatedAt: this.truncatedAt }),
      limit: this.limit,
      finished: this.finished,
      tracks: [...this.tracks],
      places: this.placeTable.addresses(),
      counts: this.counts(),
      sums: this.sums(),
      handed: { rows: this.handedRows, tracks: this.handedTracks, places: this.handedPlaces },
      latePatches: [...this.latePatches],
      newHashes: [...this.newHashes],
    };
  }

  /**
   * Puts a state that stands alone in place. What this recorder has handed out before is not handed out again: rows that
   * are recorded anew are the same rows.
   *
   * @throws SnapshotError for a state of another version
   */
  load(state: RecorderState): void {
    requireVersion('the recorder', state.version, RECORDER_STATE_VERSION);
    this.blocks.fill(undefined).length = Math.ceil(state.rows / BLOCK_ROWS);
    for (const { firstRow, ...columns } of state.chunks) {
      const chunk = this.spare.pop() ?? emptyChunk(0, BLOCK_ROWS);
      chunk.firstRow = firstRow;
      pasteRows(chunk, 0, { firstRow, ...columns }, 0, columns.start.length);
      this.blocks[firstRow >>> BLOCK_SHIFT] = { chunk, open: 0 };
    }
    const last = this.blocks.at(-1) ?? { chunk: emptyChunk(0, 0), open: 0 };
    this.count = state.rows;
    this.writeInto(last, ((state.rows + BLOCK_MASK) & BLOCK_MASK) + 1);
    this.openRows = new Uint32Array(Math.max(64, state.open.length * 2));
    this.openRows.set(state.open);
    this.openCount = state.open.length;
    for (const row of state.open) this.blockOf(row).open++;
    this.loadHashes(state);
    this.loadTables(state);
    this.cause = state.cause;
    this.place = state.place;
    this.truncatedAt = state.truncatedAt;
    this.limit = state.limit;
    this.finished = state.finished;
    this.noteSaved();
  }

  private loadHashes({ hashes, newHashes }: RecorderState): void {
    this.hashes.length = 0;
    for (const [index, h1, h2] of hashes) this.hashes[index] = [h1, h2];
    const unknown = this.blocks.findIndex((block, index) => block === undefined && !this.hashes[index]);
    if (unknown >= 0 && !this.receiverHashes) {
      throw new SnapshotError(
        `the snapshot has no hash of rows from ${unknown * BLOCK_ROWS} on: its receiver kept them; ` +
          'go on with a session whose receiver hashes as well',
      );
    }
    // A receiver of its own has seen none of them.
    this.newHashes = this.handedRows === 0 ? [...hashes] : [...this.newHashes, ...newHashes];
  }

  private loadTables(state: RecorderState): void {
    this.tracks.length = 0;
    this.tracks.push(...state.tracks);
    const length = Math.max(8, state.tracks.length * 2) * TABLE_KINDS;
    this.counted = tableOf(state.counts, length);
    this.summed = tableOf(state.sums, length);
    this.placeTable.load(state.places);
    this.latePatches = [...state.latePatches];
    this.handedRows = Math.max(this.handedRows, state.handed.rows);
    this.handedTracks = Math.max(this.handedTracks, state.handed.tracks);
    this.handedPlaces = Math.max(this.handedPlaces, state.handed.places);
  }

  private noteSaved(): void {
    this.savedRows = this.count;
    this.changedRows = [];
    this.settledRows = Math.max(this.handedRows, this.savedRows);
  }

  private write(
    start: number,
    duration: number,
    track: number,
    kind: number,
    a: number,
    b: number,
    cause: RowRef,
  ): RowRef {
    const slot = (track << TRACK_SHIFT) | kind;
    this.counted[slot] = (this.counted[slot] ?? 0) + 1;
    const flags = this.flags[kind] ?? 0;
    if (flags !== RECORDED) {
      if (flags > RECORDED) this.summed[slot] = (this.summed[slot] ?? 0) + ((flags & SUM_A ? a : b) >>> 0);
      if ((flags & RECORDED) === 0) return 0;
    }
    let i = this.at;
    if (i === BLOCK_ROWS || this.count === this.limit) {
      if (!this.room(start)) return 0;
      i = this.at;
    }
    this.start[i] = start;
    this.duration[i] = duration;
    this.track[i] = track;
    this.kind[i] = kind;
    this.rip[i] = this.place;
    this.a[i] = a;
    this.b[i] = b;
    this.causes[i] = cause;
    this.at = i + 1;
    return ++this.count;
  }

  /** Makes room for a row; false when the limit is reached. */
  private room(time: number): boolean {
    if (this.count >= this.limit) {
      if (!this.finished) this.truncatedAt ??= time;
      return false;
    }
    const chunk = this.spare.pop() ?? emptyChunk(0, BLOCK_ROWS);
    chunk.firstRow = this.blocks.length * BLOCK_ROWS;
    const block = { chunk, open: 0 };
    this.blocks.push(block);
    this.writeInto(block, 0);
    return true;
  }

  /** The next row goes to position `at` of a block. */
  private writeInto(block: Block, at: number): void {
    const { chunk } = block;
    this.current = block;
    this.at = at;
    this.start = chunk.start;
    this.duration = chunk.duration;
    this.track = chunk.track;
    this.kind = chunk.kind;
    this.rip = chunk.rip;
    this.a = chunk.a;
    this.b = chunk.b;
    this.causes = chunk.cause;
  }

  private blockOf(row: number): Block {
    const block = row >= this.count - this.at ? this.current : this.blocks[row >>> BLOCK_SHIFT];
    if (block === undefined || block.final) {
      throw new RangeError(
        `Row ${row} is final: its arguments must be set within ${BLOCK_ROWS} rows after it ended.`,
      );
    }
    return block;
  }

  private closeRow(row: number, end: number): void {
    const block = this.blockOf(row);
    const i = row & BLOCK_MASK;
    block.open--;
    const start = block.chunk.start[i] ?? 0;
    const duration = Math.max(0, end - start);
    const saturated = duration >= DURATION_SATURATED;
    block.chunk.duration[i] = saturated ? DURATION_SATURATED : duration;
    if (row < this.settledRows) this.noteChange(row);
    if (saturated) this.overflow(row + 1, start, duration, block.chunk.track[i] ?? 0);
  }

  private noteChange(row: number): void {
    if (row < this.handedRows) this.latePatches.push(row);
    if (row < this.savedRows) this.changedRows.push(row);
  }

  private overflow(ref: RowRef, start: number, duration: number, track: number): void {
    const place = this.place;
    this.place = 0;
    this.write(start, 0, track, Kind.SpanOverflow, Math.floor(duration / TWO_32), duration % TWO_32, ref);
    this.place = place;
  }

  /** Finds blocks whose rows have their last values, and hashes them but for those that a receiver will get whole. */
  private settleBlocks(): void {
    const end = this.finished ? this.blocks.length : this.blocks.length - 2;
    for (let index = 0; index < end; index++) {
      const block = this.blocks[index];
      if (block === undefined || block.open > 0 || block.final) continue;
      block.final = true;
      const firstRow = index * BLOCK_ROWS;
      const rows = Math.min(BLOCK_ROWS, this.count - firstRow);
      if (this.receiverHashes && rows === BLOCK_ROWS && this.handedRows <= firstRow) continue;
      const hash = hashRows(block.chunk, 0, rows);
      this.hashes[index] = hash;
      this.newHashes.push([index, ...hash]);
    }
  }

  private readonly chunkOf = (row: number): TraceChunk | undefined => this.blocks[row >>> BLOCK_SHIFT]?.chunk;
}

function enlarged(table: Float64Array, length: number): Float64Array {
  const larger = new Float64Array(length);
  larger.set(table);
  return larger;
}
