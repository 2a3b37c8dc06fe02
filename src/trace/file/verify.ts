/** Checks a trace against itself: exact counts and the trace hash are recomputed from its rows. */
import { BLOCK_MASK, BLOCK_ROWS, BLOCK_SHIFT } from '../block';
import { KIND_LIMIT, Kind, kindRow } from '../vocabulary/events';
import { joined } from '../vocabulary/wide';
import { blocksOf, hashOf, type Blocks } from '../record/hash';
import type { TraceMeta } from '../model';
import type { TraceStore } from '../query/store';

/** Counts and totals of the rows that are there, as `TraceMeta` has them. */
export function countRows(trace: Blocks): Pick<TraceMeta, 'counts' | 'sums'> {
  const counts = new Map<number, number>();
  const sums = new Map<number, number>();
  const addsUp = new Map<number, 'a' | 'b' | undefined>();
  const sumOf = (kind: number): 'a' | 'b' | undefined => {
    if (!addsUp.has(kind)) addsUp.set(kind, kindRow(kind).sum);
    return addsUp.get(kind);
  };
  const highs = new Map<number, number>();
  for (const block of blocksOf(trace)) {
    const length = Math.min(BLOCK_ROWS, block.start.length, trace.rows - block.firstRow);
    for (let i = 0; i < length; i++) {
      const kind = block.kind[i] ?? 0;
      const slot = (block.track[i] ?? 0) * KIND_LIMIT + kind;
      counts.set(slot, (counts.get(slot) ?? 0) + 1);
      const argument = sumOf(kind);
      if (argument !== undefined) sums.set(slot, (sums.get(slot) ?? 0) + (block[argument][i] ?? 0));
      if (kind === Kind.ArgsHigh) highs.set((block.cause[i] ?? 0) - 1, block.firstRow + i);
    }
  }
  // The last high halves of an event count.
  for (const [row, high] of highs) {
    const [block, other] = [trace.block(row >>> BLOCK_SHIFT), trace.block(high >>> BLOCK_SHIFT)];
    const kind = block?.kind[row & BLOCK_MASK] ?? 0;
    const argument = sumOf(kind);
    if (!block || !other || argument === undefined) continue;
    const low = block[argument][row & BLOCK_MASK] ?? 0;
    const more = joined(low, other[argument][high & BLOCK_MASK] ?? 0) - low;
    const slot = (block.track[row & BLOCK_MASK] ?? 0) * KIND_LIMIT + kind;
    sums.set(slot, (sums.get(slot) ?? 0) + more);
  }
  const table = (values: Map<number, number>): TraceMeta['counts'] =>
    [...values]
      .filter(([, value]) => value !== 0)
      .sort(([x], [y]) => x - y)
      .map(([slot, value]) => [Math.floor(slot / KIND_LIMIT), slot % KIND_LIMIT, value]);
  return { counts: table(counts), sums: table(sums) };
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
  const differences: string[] = [];
  const rows = new Map(
    countRows(store).counts.map(([track, kind, count]) => [track * KIND_LIMIT + kind, count]),
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
    const found = hashOf(store);
    if (found !== traceHash) differences.push(`The trace hash is ${found}; the tables say ${traceHash}.`);
  }
  return { ok: differences.length === 0, differences, unrecorded };
}

/**
 * What a reader is to be told of a trace that does not agree with itself; undefined when it does, or when it cannot be known:
 * a trace without a hash did not come to an orderly end, or is not whole.
 */
export function damageOf(store: TraceStore): string | undefined {
  if (store.meta.traceHash === undefined) return undefined;
  const { ok, differences } = verify(store);
  if (ok) return undefined;
  const more = differences.length > 1 ? ` (and ${differences.length - 1} more)` : '';
  return `The trace was changed or damaged after it was written: ${differences[0]}${more} Do not rely on its figures; run the scenario again.`;
}

function name(store: TraceStore, track: number, kind: number): string {
  return `${kindRow(kind).name} on ${store.meta.tracks[track]?.name ?? `track ${track}`}`;
}
