/** The tables of the statistics view: each row leads to the events that it counts. */
import type { DeliveryWay, TraceStatistics } from '../../src/protocol/details';
import { formatBytes, formatCount, formatShare } from '../time/format';

/** A cell: a text, or a text that leads to events. */
export type FigureCell = string | { text: string; query: string };

export interface FigureTable {
  title: string;
  /** Widths of its columns, as of a grid. */
  columns: string;
  heading: readonly string[];
  rows: readonly (readonly FigureCell[])[];
  /** It needs all of the view's width. */
  wide?: boolean;
}

const MOST_ROWS = 12;
/** Steps of an interrupt that have a column, as far as there are any, in the order in which they happen. */
const STEPS = [
  'irq.remap',
  'irq.post',
  'avic.post',
  'irq.apicv',
  'irq.accept',
  'irq.inject',
  'irq.deliver',
  'handler',
  'irq.eoi',
];

const ways: Record<DeliveryWay, string> = {
  injected: 'injected by the VMM',
  posted: 'posted, no exit',
  recognised: 'recognised by the APIC',
  left: 'left to the processor',
  direct: 'direct, past the VMM',
};

const hex = (value: number): string => `0x${value.toString(16)}`;
const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

type Print = (cycles: number) => string;
type TableOf = (figures: TraceStatistics, duration: Print) => FigureTable;

const exits: TableOf = ({ exits: all }, duration) => {
  const count = sumOf(all.map((exit) => exit.count));
  const time = sumOf(all.map(({ total }) => total));
  return {
    title: 'VM exits',
    columns: 'minmax(130px, 2.2fr) repeat(9, minmax(58px, 1fr))',
    heading: ['Reason', 'Count', 'Share', 'Time', 'Share', 'Min', 'Mean', 'Median', '99\u2009%', 'Max'],
    rows: all.map((exit) => [
      { text: exit.reason, query: exit.query },
      formatCount(exit.count),
      formatShare(exit.count, count),
      duration(exit.total),
      formatShare(exit.total, time),
      duration(exit.min),
      duration(exit.total / Math.max(1, exit.count)),
      duration(exit.p50),
      duration(exit.p99),
      duration(exit.max),
    ]),
    wide: true,
  };
};

const lines: TableOf = ({ lines: all, exits: reasons }, duration) => {
  const total = sumOf(reasons.map((exit) => exit.total));
  return {
    title: 'What each source line cost',
    columns: '2fr 1fr 1fr 1fr',
    heading: ['Line', 'Exits', 'Time', 'Share'],
    rows: all
      .slice(0, MOST_ROWS)
      .map(({ file, line, exits: count, cycles, query }) => [
        { text: `${file.slice(file.lastIndexOf('/') + 1)}:${line}`, query },
        formatCount(count),
        duration(cycles),
        formatShare(cycles, total),
      ]),
  };
};

const cpus: TableOf = ({ cpus: all, from, to }, duration) => ({
  title: 'Physical CPUs',
  columns: '1.4fr 1fr 1fr',
  heading: ['CPU', 'Busy', 'Share'],
  rows: all.map(({ cpu, busy, query }) => [
    { text: cpu, query },
    duration(busy),
    formatShare(busy, to - from),
  ]),
});

const deliveries: TableOf = ({ deliveries: all }) => {
  const total = sumOf(all.map(({ count }) => count));
  return {
    title: 'Interrupts by the way they came',
    columns: '2fr 1fr 1fr',
    heading: ['Way', 'Count', 'Share'],
    rows: all.map(({ way, count, query }) => [
      { text: ways[way], query },
      formatCount(count),
      formatShare(count, total),
    ]),
  };
};

const vectors: TableOf = ({ vectors: all }) => {
  const steps = STEPS.filter((name) => all.some((vector) => vector.steps.some((step) => step.name === name)));
  return {
    title: 'Interrupts by vector',
    columns: `70px repeat(${Math.max(1, steps.length)}, minmax(60px, 1fr))`,
    heading: ['Vector', ...steps],
    rows: all
      .filter((vector) => vector.steps.some(({ name }) => steps.includes(name)))
      .map(({ vector, steps: of }) => [
        { text: hex(vector), query: `group:interrupt vector:${hex(vector)}` },
        ...steps.map((name): FigureCell => {
          const step = of.find((each) => each.name === name);
          return step ? { text: formatCount(step.count), query: step.query } : '';
        }),
      ]),
    wide: steps.length > 4,
  };
};

const interrupts: TableOf = ({ interrupts: all }) => ({
  title: 'Steps of interrupts',
  columns: '2fr 1fr',
  heading: ['Step', 'Count'],
  rows: all.map(({ name, count, query }) => [{ text: name, query }, formatCount(count)]),
});

const translations: TableOf = ({ translations: all }, duration) => ({
  title: 'IOMMU translations',
  columns: 'minmax(90px, 1.4fr) minmax(70px, 1.2fr) repeat(6, minmax(58px, 1fr))',
  heading: ['For', 'Unit', 'In all', 'Hits', 'Hit rate', 'Walks', 'Reads a walk', 'Time a walk'],
  rows: all.map(({ unit, device, hits, walks, references, cycles, query }) => [
    { text: device === '' ? 'unknown device' : device, query },
    unit,
    formatCount(hits + walks),
    formatCount(hits),
    formatShare(hits, hits + walks),
    formatCount(walks),
    walks === 0 ? '' : (references / walks).toFixed(1),
    walks === 0 ? '' : duration(cycles / walks),
  ]),
  wide: true,
});

const walks: TableOf = ({ walks: all }, duration) => ({
  title: 'IOMMU walks',
  columns: '1.4fr 1fr',
  heading: ['Walk', 'Takes'],
  rows: all
    ? [
        [{ text: 'median', query: 'kind:iommu.walk' }, duration(all.p50)],
        ['mean', duration(all.total / Math.max(1, all.count))],
        ['99\u2009%', duration(all.p99)],
        ['longest', duration(all.max)],
      ]
    : [],
});

const faults: TableOf = ({ faults: all }) => ({
  title: 'IOMMU faults',
  columns: '1.2fr 2fr 0.8fr',
  heading: ['Device', 'Reason', 'Count'],
  rows: all
    .slice(0, MOST_ROWS)
    .map(({ device, reason, count, query }) => [
      { text: device === '' ? 'unknown device' : device, query },
      reason,
      formatCount(count),
    ]),
});

const registers: TableOf = ({ registers: all }) => ({
  title: 'Registers',
  columns: '1.2fr 1fr 1fr 1fr',
  heading: ['Register', 'Device', 'Reads', 'Writes'],
  rows: all
    .slice(0, MOST_ROWS)
    .map(({ track, register, reads, writes, query }) => [
      { text: register, query },
      track,
      formatCount(reads),
      formatCount(writes),
    ]),
});

const packets: TableOf = ({ packets: of }, duration) => ({
  title: 'Packets',
  columns: '1.4fr 1fr 1.2fr',
  heading: ['Packets', 'Count', 'Bytes'],
  rows:
    of.tx + of.rx + of.dropped === 0
      ? []
      : [
          [{ text: 'sent', query: 'kind:packet.tx' }, formatCount(of.tx), formatBytes(of.bytesTx)],
          [{ text: 'received', query: 'kind:packet.rx' }, formatCount(of.rx), formatBytes(of.bytesRx)],
          [{ text: 'dropped', query: 'kind:packet.drop' }, formatCount(of.dropped), ''],
          ...(of.latency
            ? [['latency, median', duration(of.latency.p50), `99\u2009%: ${duration(of.latency.p99)}`]]
            : []),
        ],
});

const io: TableOf = ({ io: of }) => ({
  title: 'Block requests',
  columns: '1.4fr 1fr',
  heading: ['Requests', 'Count'],
  rows:
    of.submitted + of.completed === 0
      ? []
      : [
          [{ text: 'submitted', query: 'kind:io.submit' }, formatCount(of.submitted)],
          [{ text: 'completed', query: 'kind:io.complete' }, formatCount(of.completed)],
        ],
});

const tables: readonly TableOf[] = [
  exits,
  lines,
  cpus,
  deliveries,
  vectors,
  interrupts,
  translations,
  walks,
  faults,
  registers,
  packets,
  io,
];

/** The tables that have something to say. */
export function figureTables(figures: TraceStatistics, duration: Print): FigureTable[] {
  return tables.map((of) => of(figures, duration)).filter(({ rows }) => rows.length > 0);
}
