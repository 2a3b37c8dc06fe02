/**
 * The recorder: writes events into columns as fast as the machine makes them, counts all of them, and hands out what is
 * new from time to time. Free of everything but the trace model, for it runs in the simulator's innermost loops.
 */
import { BLOCK_ROWS, BLOCK_SHIFT, copyRows, pasteRows } from '../block';
import { requireVersion } from '../snapshot-error';
import { bookkeeping } from '../vocabulary/events';
import type { Place, TraceChunk, TraceDelta, TraceMeta, Track } from '../model';
import { HandOut } from './hand-out';
import { KindCounts } from './kind-counts';
import { PlaceTable, type ResolvePlace } from './places';
import { RECORDER_STATE_VERSION, patchesOf, type RecorderState } from './recorder-state';
import { RowWriter } from './row-writer';
import type { Tracer } from './tracer';

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

const TWO_32 = 0x1_0000_0000;

/** The tables and exact figures a recorder knows, for `TraceMeta`. */
export type RecorderTables = Pick<TraceMeta, 'tracks' | 'places' | 'counts' | 'sums' | 'gaps'>;

/**
 * Records a run. Rows are numbered from 0 in the order of recording. A row's `duration` is 0 until its span is closed.
 * A row is final, and no longer writable, when its block and the next are full and no span of its block is open.
 */
export class Recorder extends RowWriter implements Tracer {
  private readonly tracks: Track[] = [];
  private readonly placeTable: PlaceTable;
  private readonly out: HandOut;
  private readonly receiverHashes: boolean;
  private readonly maxEvents: number;
  private handedTracks = 0;
  private handedPlaces = 0;
  /** First row that its receiver has to discard; undefined: none. */
  private discarded: number | undefined;

  constructor(options: RecorderOptions = {}) {
    const { records } = options;
    const maxEvents = Math.min(options.maxEvents ?? DEFAULT_MAX_EVENTS, TWO_32 - 2);
    super(new KindCounts((kind) => bookkeeping.has(kind) || (records?.(kind) ?? true)), maxEvents);
    this.maxEvents = maxEvents;
    this.receiverHashes = options.receiverHashes ?? false;
    this.placeTable = new PlaceTable(options.resolvePlace);
    this.out = new HandOut(this, this.patterns.all, this.receiverHashes);
  }

  /** Simulated time of the first event that was not recorded for want of room; undefined while all fit. */
  get truncatedAt(): number | undefined {
    return this.refused;
  }

  trackAt(id: number): Track | undefined {
    return this.tracks[id];
  }

  /** A place by its id, from 1, as far as debug information knows it. */
  placeAt(id: number): Place | undefined {
    return this.placeTable.at(id);
  }

  addTrack(track: Omit<Track, 'id'>): number {
    const id = this.tracks.length;
    this.tracks.push({ ...track, id });
    this.kinds.addTrack();
    return id;
  }

  internPlace(vm: number, ripLow: number, ripHigh: number): number {
    return this.placeTable.intern(vm, ripLow, ripHigh);
  }

  /** Closes all open spans at `end`, in row order. Nothing is recorded afterwards. */
  finish(end: number): void {
    if (this.ended) return;
    this.writeForeseen();
    const rows = this.spans.all();
    this.spans.load(new Uint32Array(0));
    for (const row of rows) this.closeRow(row, end);
    this.end();
  }

  /**
   * The hash of the trace; see `hash.ts`.
   * @throws Error before `finish`: rows with an open span have no hash yet. Likewise where the receiver hashes.
   */
  traceHash(): string {
    if (this.receiverHashes) throw new Error('The receiver of the deltas has the trace hash.');
    if (!this.ended) throw new Error('The trace hash exists once the recorder is finished.');
    this.settleBlocks();
    return this.out.traceHash();
  }

  /** Exact counts of all events by track and kind, recorded or not, in order of track and kind. */
  counts(): TraceMeta['counts'] {
    this.writeForeseen();
    this.patterns.count();
    return this.kinds.counts();
  }

  /** Exact totals of the arguments that kinds name in `KindRow.sum`. */
  sums(): TraceMeta['sums'] {
    return this.kinds.totals();
  }

  /** Where events are missing: from the first one on that the limit kept out. */
  gaps(): TraceMeta['gaps'] {
    const { refused: from } = this;
    return from === undefined ? [] : [{ from, why: 'limit', limit: this.maxEvents }];
  }

  /** Tables and figures for the trace's `TraceMeta`. */
  tables(): RecorderTables {
    return {
      tracks: [...this.tracks],
      places: this.placeTable.all(),
      counts: this.counts(),
      sums: this.sums(),
      gaps: this.gaps(),
    };
  }

  /**
   * Rows recorded since the last call, with arrays of their own, and the present values of rows handed out before that
   * were closed or got arguments since. Blocks that are final and handed out are given back.
   */
  takeDelta(): TraceDelta {
    this.writeForeseen();
    this.settleBlocks();
    const { changes, discarded } = this;
    this.discarded = undefined;
    const patches = patchesOf(changes.takeHanded(), this.chunkOf);
    const { chunks, hashes, folds } = this.out.take(changes.handed, this.ended);
    changes.handOut(chunks.reduce((row, { start }) => row + start.length, changes.handed));
    const places = this.placeTable.all().slice(this.handedPlaces);
    this.handedPlaces += places.length;
    const tracks = this.tracks.slice(this.handedTracks);
    this.handedTracks += tracks.length;
    return {
      ...(discarded !== undefined && { truncated: discarded }),
      chunks,
      patches,
      open: this.spans.all(),
      tracks,
      places,
      ...(hashes && { hashes }),
      ...(folds && { folds }),
    };
  }

  /**
   * The state as plain data. From here on the changes are counted for the next one.
   *
   * @param since only what came since the last state saved or loaded, to be merged with that one
   */
  save(since = false): RecorderState {
    const { changes, rows } = this;
    for (const block of this.blocks) if (block) this.fillIn(block);
    const first = since ? changes.saved : 0;
    const chunks: TraceChunk[] = [];
    const needed: number[] = [];
    for (const [index, block] of this.blocks.entries()) {
      if (block === undefined) continue;
      needed.push(index);
      const from = Math.max(0, first - index * BLOCK_ROWS);
      const to = Math.min(BLOCK_ROWS, rows - index * BLOCK_ROWS);
      if (from < to) chunks.push(copyRows(block.chunk, from, to));
    }
    const patches = patchesOf(since ? changes.unsaved : [], this.chunkOf);
    changes.save(rows);
    return {
      version: RECORDER_STATE_VERSION,
      rows,
      since: first,
      blocks: needed,
      chunks,
      patches,
      open: this.spans.all(),
      wide: this.wide.save(),
      ...this.out.save(),
      cause: this.cause,
      place: this.place,
      ...(this.truncatedAt !== undefined && { truncatedAt: this.truncatedAt }),
      limit: this.limit,
      finished: this.ended,
      tracks: [...this.tracks],
      places: this.placeTable.addresses(),
      counts: this.counts(),
      sums: this.sums(),
      handed: { rows: changes.handed, tracks: this.handedTracks, places: this.handedPlaces },
      latePatches: [...changes.pending],
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
    this.patterns.forgetUncounted();
    const blocks = new Array<TraceChunk | undefined>(Math.ceil(state.rows / BLOCK_ROWS)).fill(undefined);
    for (const { firstRow, ...columns } of state.chunks) {
      const chunk = this.newChunk(firstRow);
      pasteRows(chunk, 0, { firstRow, ...columns }, 0, columns.start.length);
      blocks[firstRow >>> BLOCK_SHIFT] = chunk;
    }
    this.loadRows(blocks, state.rows, state.limit, state.finished);
    this.spans.load(state.open);
    this.wide.load(state.wide);
    this.out.load(state.hashes, state.newHashes, this.changes.handed);
    this.tracks.length = 0;
    this.tracks.push(...state.tracks);
    this.kinds.load(state.tracks.length, state.counts, state.sums);
    this.placeTable.load(state.places);
    this.changes.load(state.handed.rows, state.latePatches, state.rows);
    this.handedTracks = Math.max(this.handedTracks, state.handed.tracks);
    this.handedPlaces = Math.max(this.handedPlaces, state.handed.places);
    this.cause = state.cause;
    this.place = state.place;
    this.refused = state.truncatedAt;
  }

  /**
   * From here on another future is recorded than the one whose rows may have been handed out: the next delta tells its receiver to
   * discard them. Rows that could still change are handed out anew, too.
   */
  discardFuture(): void {
    const { changes, rows } = this;
    this.settleBlocks();
    if (changes.handed <= rows) return;
    // All blocks from here on are in memory; of those before, only rows with an open span can have changed.
    let index = this.blocks.length;
    while (index > 0 && this.blocks[index - 1] !== undefined) index -= 1;
    const first = Math.min(index * BLOCK_ROWS, rows, this.discarded ?? Infinity);
    for (const row of this.spans.all()) if (row < first) changes.note(row);
    changes.takeBack(first);
    this.out.discardFrom(first >>> BLOCK_SHIFT);
    this.handedTracks = Math.min(this.handedTracks, this.tracks.length);
    this.handedPlaces = Math.min(this.handedPlaces, this.placeTable.count);
    this.discarded = first;
  }

  private settleBlocks(): void {
    this.out.settle(this.spans.all(), this.changes.handed, this.ended);
    this.wide.forgetFinal();
  }

  private readonly chunkOf = (row: number): TraceChunk | undefined => {
    const block = this.blocks[row >>> BLOCK_SHIFT];
    if (block) this.fillIn(block);
    return block?.chunk;
  };
}
