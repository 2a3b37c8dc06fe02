/** Checks a trace against itself: exact counts and the trace hash are recomputed from its rows. */
import { BLOCK_MASK, BLOCK_ROWS, BLOCK_SHIFT } from '../block';
import { KIND_LIMIT, Kind, kindRow } from '../vocabulary/events';
import { joined } from '../vocabulary/wide';
import { blocksOf, foldHashes, hashRows, type BlockHash, type Blocks } from '../record/hash';
import type { TraceChunk, TraceMeta } from '../model';
import type { TraceStore } from '../query/store';

/** Counts and totals of rows, block by block. */
class RowCounts {
  private readonly counts = new Map<number, number>();
  private readonly sums = new Map<number, number>();
  private readonly addsUp = new Map<number, 'a' | 'b' | undefined>();
  /** Row of the last high halves of an event, by the event. */
  private readonly highs = new Map<number, number>();

  add(block: TraceChunk, length: number): void {
    const { counts, sums } = this;
    for (let i = 0; i < length; i++) {
      const kind = block.kind[i] ?? 0;
      const slot = (block.track[i] ?? 0) * KIND_LIMIT + kind;
      counts.set(slot, (counts.get(slot) ?? 0) + 1);
      const argument = this.sumOf(kind);
      if (argument !== undefined) sums.set(slot, (sums.get(slot) ?? 0) + (block[argument][i] ?? 0));
      if (kind === Kind.ArgsHigh) this.highs.set((block.cause[i] ?? 0) - 1, block.firstRow + i);
    }
  }

  /** @param trace all of whose rows have been added */
  tables(trace: Blocks): Pick<TraceMeta, 'counts' | 'sums'> {
    const sums = new Map(this.sums);
    // The last high halves of an event count.
    for (const [row, high] of this.highs) {
      // One after the other: a source may keep few blocks.
      const other = trace.block(high >>> BLOCK_SHIFT);
      const [a, b] = [other?.a[high & BLOCK_MASK] ?? 0, other?.b[high & BLOCK_MASK] ?? 0];
      const block = trace.block(row >>> BLOCK_SHIFT);
      const kind = block?.kind[row & BLOCK_MASK] ?? 0;
      const argument = this.sumOf(kind);
      if (!block || !other || argument === undefined) continue;
      const low = block[argument][row & BLOCK_MASK] ?? 0;
      const more = joined(low, argument === 'a' ? a : b) - low;
      const slot = (block.track[row & BLOCK_MASK] ?? 0) * KIND_LIMIT + kind;
      sums.set(slot, (sums.get(slot) ?? 0) + more);
    }
    return { counts: tableOf(this.counts), sums: tableOf(sums) };
  }

  private sumOf(kind: number): 'a' | 'b' | undefined {
    if (!this.addsUp.has(kind)) this.addsUp.set(kind, kindRow(kind).sum);
    return this.addsUp.get(kind);
  }
}

function tableOf(values: Map<number, number>): TraceMeta['counts'] {
  return [...values]
    .filter(([, value]) => value !== 0)
    .sort(([x], [y]) => x - y)
    .map(([slot, value]) => [Math.floor(slot / KIND_LIMIT), slot % KIND_LIMIT, value]);
}

const lengthOf = (trace: Blocks, block: TraceChunk): number =>
  Math.min(BLOCK_ROWS, block.start.length, trace.rows - block.firstRow);

/** Counts and totals of the rows that are there, as `TraceMeta` has them. */
export function countRows(trace: Blocks): Pick<TraceMeta, 'counts' | 'sums'> {
  const counts = new RowCounts();
  for (const block of blocksOf(trace)) counts.add(block, lengthOf(trace, block));
  return counts.tables(trace);
}

/** What does not agree; empty when all does. */
export interface Verification {
  ok: boolean;
  /** One sentence each. */
  differences: string[];
  /** Kinds that were counted but not recorded (filtered, or after the limit): no difference. */
  unrecorded: number;
}

/**
 * Recomputes counts and hash of a finished trace. Rows may be fewer than counts (recording can be filtered and has a
 * limit), never more.
 */
export function verify(store: TraceStore): Verification {
  return finished(verifySteps(store));
}

/** The same block by block, for a thread that has other things to do in between. */
function* verifySteps(store: TraceStore): Generator<void, Verification> {
  const counted = new RowCounts();
  const hashes: BlockHash[] = [];
  for (const block of blocksOf(store)) {
    const length = lengthOf(store, block);
    counted.add(block, length);
    hashes.push(hashRows(block, 0, length));
    yield;
  }
  const differences: string[] = [];
  const rows = new Map(
    counted.tables(store).counts.map(([track, kind, count]) => [track * KIND_LIMIT + kind, count]),
  );
  let unrecorded = 0;
  for (const [track, kind, count] of store.meta.counts) {
    const slot = track * KIND_LIMIT + kind;
    const recorded = rows.get(slot) ?? 0;
    rows.delete(slot);
    const complete = recorded === 0 || store.meta.gaps.length > 0;
    if (recorded > count || (recorded < count && !complete)) {
      differences.push(`${name(store, track, kind)}: ${count} counted, ${recorded} recorded.`);
    } else {
      unrecorded += count - recorded;
    }
  }
  for (const [slot, recorded] of rows) {
    differences.push(
      `${name(store, Math.floor(slot / KIND_LIMIT), slot % KIND_LIMIT)}: 0 counted, ${recorded} recorded.`,
    );
  }
  const { traceHash } = store.meta;
  if (traceHash !== undefined) {
    const found = foldHashes(hashes, store.rows);
    if (found !== traceHash) differences.push(`The trace hash is ${found}; the tables say ${traceHash}.`);
  }
  return { ok: differences.length === 0, differences, unrecorded };
}

/** Goes through all steps at once. */
function finished<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { value, done } = steps.next();
    if (done) return value;
  }
}

/**
 * What a reader is to be told of a trace that does not agree with itself; undefined when it does, or when it cannot be known:
 * a trace without a hash did not come to an orderly end, or is not whole.
 */
export function damageOf(store: TraceStore): string | undefined {
  return finished(damageSteps(store));
}

/** The same block by block, for a thread that has other things to do in between. */
export function* damageSteps(store: TraceStore): Generator<void, string | undefined> {
  if (store.meta.traceHash === undefined) return undefined;
  const { ok, differences } = yield* verifySteps(store);
  if (ok) return undefined;
  const more = differences.length > 1 ? ` (and ${differences.length - 1} more)` : '';
  return `The trace was changed or damaged after it was written: ${differences[0]}${more} Do not rely on its figures; run the scenario again.`;
}

function name(store: TraceStore, track: number, kind: number): string {
  return `${kindRow(kind).name} on ${store.meta.tracks[track]?.name ?? `track ${track}`}`;
}
