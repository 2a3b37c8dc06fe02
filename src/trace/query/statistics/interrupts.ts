/** Figures of interrupts: by vector, and by the way in which they came to their handlers. */
import type { DeliveryWay, TraceStatistics } from '../../../protocol/details';
import { formatHex } from '../../vocabulary/format';
import { ForeignKind, Kind, kindRow } from '../../vocabulary/events';
import { Delivery } from '../index/deliveries';
import type { Figures } from '../index/figures';

const posted = 'kind:irq.post,irq.notify,avic.post,avic.doorbell';

/** What each way is called, and the query that finds the vectors that came so. */
const ways: Readonly<Record<number, { way: DeliveryWay; query: string }>> = {
  [Delivery.Injected]: { way: 'injected', query: 'kind:irq.deliver cause:(kind:irq.inject,nmi.inject)' },
  [Delivery.Posted]: {
    way: 'posted',
    query: `kind:irq.deliver (cause:(${posted}) or cause:(kind:irq.accept cause:(${posted})))`,
  },
  [Delivery.Recognised]: {
    way: 'recognised',
    query: `kind:irq.deliver cause:(kind:irq.accept -cause:(${posted}))`,
  },
  [Delivery.Direct]: {
    way: 'direct',
    query: `kind:irq.deliver -cause:(kind:irq.inject,nmi.inject,irq.accept or ${posted})`,
  },
};

/** What traces without deliveries, as those of tracepoints, have instead. */
const withoutDeliveries: readonly { kind: number; way: DeliveryWay }[] = [
  { kind: Kind.IrqInject, way: 'injected' },
  { kind: ForeignKind.ApicvPost, way: 'left' },
];

/** Vectors in ascending order with their steps, and ways of delivery, the most frequent first. */
export function interruptFigures(figures: Figures): Pick<TraceStatistics, 'vectors' | 'deliveries'> {
  return { vectors: vectors(figures), deliveries: deliveries(figures) };
}

function vectors({ vectors: found }: Figures): TraceStatistics['vectors'] {
  const byVector = new Map<number, { kind: number; count: number }[]>();
  for (const { kind, vector, count } of found.values())
    byVector.set(vector, [...(byVector.get(vector) ?? []), { kind, count }]);
  return [...byVector]
    .sort(([x], [y]) => x - y)
    .map(([vector, steps]) => ({
      vector,
      steps: steps
        .sort((x, y) => x.kind - y.kind)
        .map(({ kind, count }) => {
          const { name } = kindRow(kind);
          return { name, count, query: `kind:${name} vector:${formatHex(vector)}` };
        }),
    }));
}

function deliveries({ deliveries: found, vectors: steps }: Figures): TraceStatistics['deliveries'] {
  const counts = new Map<number, number>();
  for (const { way, count } of found.values()) counts.set(way, (counts.get(way) ?? 0) + count);
  const told = [...counts].map(([way, count]) => ({ ...ways[way], count }));
  if (told.length === 0)
    for (const { kind, way } of withoutDeliveries) {
      const of = [...steps.values()].filter((step) => step.kind === kind);
      const count = of.reduce((sum, step) => sum + step.count, 0);
      if (count > 0) told.push({ way, count, query: `kind:${kindRow(kind).name}` });
    }
  return told.sort((x, y) => y.count - x.count || x.way.localeCompare(y.way));
}
