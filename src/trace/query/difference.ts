/** How two runs differ: by line of source, by reason, by stage of their operations, and where they first part. */
import type {
  CostDifference,
  OperationPair,
  Pair,
  StageDifference,
  TraceDifference,
} from '../../protocol/difference';
import { kindRow } from '../vocabulary/events';
import { operationEnds } from './operations';
import { partingOf } from './parting';
import { pathTo } from './path';
import { Sample } from './sample';
import { perLine, statistics } from './statistics';
import type { TraceStore } from './store';

/** Pairs of operations that are named. */
const WIDEST = 10;

/** Compares two runs. Operations are aligned by their order: the nth of one is compared with the nth of the other. */
export function differenceOf(first: TraceStore, second: TraceStore): TraceDifference {
  const stores = [first, second] as const;
  const parting = partingOf(first, second);
  return {
    lines: joined(
      stores.map((store) => perLine(store)),
      ({ file, line }) => `${line} ${file}`,
      ({ file, line }) => ({ file, line }),
    ),
    reasons: joined(
      stores.map((store) =>
        statistics(store, 0, store.endTime + 1).exits.map(({ reason, count, total }) => ({
          reason,
          exits: count,
          cycles: total,
        })),
      ),
      ({ reason }) => reason,
      ({ reason }) => ({ reason }),
    ),
    operations: operationsOf(first, second),
    ...(parting && { parting }),
  };
}

/** Figures of both runs by what they are of; the greatest difference of cycles first. */
function joined<T extends { exits: number; cycles: number }, Key extends object>(
  lists: readonly T[][],
  nameOf: (item: T) => string,
  keyOf: (item: T) => Key,
): (Key & CostDifference)[] {
  const [first, second] = lists.map((items) => new Map(items.map((item) => [nameOf(item), item])));
  const names = new Set([...(first?.keys() ?? []), ...(second?.keys() ?? [])]);
  return [...names]
    .map((name) => {
      const [x, y] = [first?.get(name), second?.get(name)];
      const key = (x ?? y) as T;
      return {
        ...keyOf(key),
        exits: [x?.exits ?? 0, y?.exits ?? 0] as const,
        cycles: [x?.cycles ?? 0, y?.cycles ?? 0] as const,
      };
    })
    .sort((x, y) => apart(y.cycles) - apart(x.cycles) || apart(y.exits) - apart(x.exits));
}

function apart([first, second]: Pair): number {
  return Math.abs(second - first);
}

function operationsOf(first: TraceStore, second: TraceStore): TraceDifference['operations'] {
  const stores = [first, second] as const;
  const [ends, others] = stores.map((store) => operationEnds(store, -Infinity, Infinity)) as [
    number[],
    number[],
  ];
  const compared = Math.min(ends.length, others.length);
  const totals = [new Sample(), new Sample()] as const;
  const stages = new Map<string, { what: 'in' | 'until'; name: string; cycles: [number, number] }>();
  const pairs: OperationPair[] = [];
  for (let index = 0; index < compared; index++) {
    const rows = [ends[index] ?? 0, others[index] ?? 0] as const;
    const cycles = rows.map((row, side) => {
      const store = stores[side === 0 ? 0 : 1];
      const { legs, from, to } = pathTo(store, row);
      totals[side === 0 ? 0 : 1].add(to - from);
      for (const leg of legs) {
        const { name } = kindRow(store.kindOf(leg.row));
        const key = `${leg.what} ${name}`;
        let stage = stages.get(key);
        if (stage === undefined) stages.set(key, (stage = { what: leg.what, name, cycles: [0, 0] }));
        stage.cycles[side === 0 ? 0 : 1] += leg.cycles;
      }
      return to - from;
    });
    notePair(pairs, { index, rows, cycles: [cycles[0] ?? 0, cycles[1] ?? 0] });
  }
  return {
    counts: [ends.length, others.length],
    total: [totals[0].distribution(), totals[1].distribution()],
    stages: [...stages.values()]
      .map(({ what, name, cycles: [x, y] }): StageDifference => ({
        what,
        name,
        cycles: [x / compared, y / compared],
      }))
      .sort((x, y) => apart(y.cycles) - apart(x.cycles)),
    widest: pairs,
  };
}

/** Keeps the pairs that differ most, in order. */
function notePair(pairs: OperationPair[], pair: OperationPair): void {
  if (pairs.length === WIDEST && apart(pair.cycles) <= apart(pairs[WIDEST - 1]?.cycles ?? [0, 0])) return;
  pairs.push(pair);
  pairs.sort((x, y) => apart(y.cycles) - apart(x.cycles) || x.index - y.index);
  pairs.length = Math.min(pairs.length, WIDEST);
}
