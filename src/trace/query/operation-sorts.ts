/** The operations of a run by what they are of, so that those of another run can be put beside them whatever device served them. */
import type { OperationSort } from '../../protocol/difference';
import { Kind, type KindGroup } from '../vocabulary/events';
import { operationEnds } from './operations';
import type { TraceStore } from './store';

/** Last rows of the operations of each sort, in the order of what they are counted by. */
export type SortedOperations = Record<OperationSort, number[]>;

/** What a sort is counted by: the nth packet in memory, the nth request done. */
const COUNTED_BY: ReadonlyMap<number, 'requests' | 'received'> = new Map([
  [Kind.IoComplete, 'requests'],
  [Kind.PacketRx, 'received'],
]);

const sorted = new WeakMap<TraceStore, { rows: number; operations: SortedOperations }>();

/** All operations of a trace by sort. They are worked out once. */
export function operationsBySort(store: TraceStore): SortedOperations {
  const known = sorted.get(store);
  if (known?.rows === store.rows) return known.operations;
  const operations = sortOperations(store);
  sorted.set(store, { rows: store.rows, operations });
  return operations;
}

function sortOperations(store: TraceStore): SortedOperations {
  /** By the packet or request: the end of the first handler that it led to. */
  const learnt = new Map<number, number>();
  const interrupts: number[] = [];
  // What has been looked at from one handler is not looked at again from the next: chains may be as long as the trace.
  const seen = new Uint8Array(store.rows);
  for (const end of operationEnds(store, -Infinity, Infinity)) {
    if (store.kindOf(end) !== Kind.Handler) continue;
    let ledByIo = false;
    for (let at = store.causeOf(end); at >= 0 && seen[at] === 0; at = store.causeOf(at)) {
      const kind = store.kindOf(at);
      if (kind === Kind.Handler) break;
      seen[at] = 1;
      if (!COUNTED_BY.has(kind)) continue;
      ledByIo = true;
      learnt.set(at, end);
    }
    if (!ledByIo) interrupts.push(end);
  }
  const ends = (kind: number, group: KindGroup): number[] =>
    rowsOf(store, kind, group).map((row) => learnt.get(row) ?? row);
  return {
    requests: ends(Kind.IoComplete, 'dma'),
    received: ends(Kind.PacketRx, 'packet'),
    sent: rowsOf(store, Kind.PacketTx, 'packet').filter((row) => store.causeOf(row) >= 0),
    interrupts,
  };
}

/** Rows of a kind over all tracks, in the order in which they were recorded. */
function rowsOf(store: TraceStore, kind: number, group: KindGroup): number[] {
  const rows: number[] = [];
  for (const { id } of store.meta.tracks) {
    const stream = store.stream(id, group);
    for (let i = 0; stream !== undefined && i < stream.length; i++) {
      const row = stream.rowAt(i);
      if (store.kindOf(row) === kind) rows.push(row);
    }
  }
  return rows.sort((x, y) => store.startOf(x) - store.startOf(y) || x - y);
}
