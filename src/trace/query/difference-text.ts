/** Differences of two runs as text: the same words for a terminal and for a page. */
import type {
  CostDifference,
  OperationDifference,
  OperationSort,
  Pair,
  StageDifference,
  TraceDifference,
} from '../../protocol/difference';
import { baseName, formatCount, formatTime } from '../vocabulary/format';
import { ratioText, type ComparisonTable } from './comparison-text';

/** What differences can be asked for. */
export const differenceParts = ['parting', 'lines', 'reasons', 'stages', 'operations'] as const;
export type DifferencePart = (typeof differenceParts)[number];

/** What operations of a sort are called. */
export const sortNames: Record<OperationSort, string> = {
  requests: 'requests, from the driver’s access to the handler',
  received: 'received packets, to the handler that learns of them',
  sent: 'sent packets, from the driver’s access to the NIC',
  interrupts: 'other interrupts, to the end of their handler',
};

/** A table with a heading. */
export interface TitledTable extends ComparisonTable {
  title: string;
}

/** Lines or reasons that a terminal gets to see. */
const MOST_ROWS = 20;

/** The tables of some parts. @param names of both runs */
export function differenceTables(
  difference: TraceDifference,
  names: Pair<string>,
  parts: ReadonlySet<DifferencePart>,
): TitledTable[] {
  const { frequencyHz, lines, reasons, operations } = difference;
  const costs = (title: string, rows: readonly CostDifference[], labels: readonly string[]): TitledTable => ({
    title: rows.length > MOST_ROWS ? `${title} (${MOST_ROWS} of ${rows.length})` : title,
    head: ['', ...names.map((name) => `exits ${name}`), ...names.map((name) => `time ${name}`), ''],
    body: rows
      .slice(0, MOST_ROWS)
      .map(({ exits, cycles }, i) => [
        `  ${labels[i] ?? ''}`,
        ...exits.map(formatCount),
        ...timesOf(cycles, frequencyHz),
      ]),
  });
  const tables: TitledTable[] = [];
  if (parts.has('reasons') && reasons.length > 0)
    tables.push(costs('VM exits by reason, the greatest difference of time first', reasons, reasons.map(({ reason }) => reason)));
  if (parts.has('lines') && lines.length > 0)
    tables.push(
      costs('VM exits by line of source', lines, lines.map(({ file, line }) => `${baseName(file)}:${line}`)),
    );
  for (const each of operations) {
    if (parts.has('stages') && each.stages.length > 0) tables.push(stageTable(each, names, frequencyHz));
    if (parts.has('operations') && each.widest.length > 0) tables.push(pairTable(each, names, frequencyHz));
  }
  return tables;
}

/** `in` and `until` of a stage for a reader. */
export function stageName({ what, name }: Pick<StageDifference, 'what' | 'name'>): string {
  return what === 'in' ? name : `until ${name}`;
}

function stageTable(
  { sort, counts, paired, stages, total }: OperationDifference,
  names: Pair<string>,
  frequencyHz: Pair,
): TitledTable {
  const ofAll = (value: (side: 0 | 1) => number): Pair => [value(0), value(1)];
  return {
    title: `Time by stage: ${sortNames[sort]} (${formatCount(paired)} paired of ${counts.map(formatCount).join(' and ')})`,
    head: ['', ...names, ''],
    body: [
      ...stages.map((stage) => [`  ${stageName(stage)}`, ...timesOf(stage.cycles, frequencyHz)]),
      ['  mean', ...timesOf(ofAll((side) => total[side].total / Math.max(1, paired)), frequencyHz)],
      ...(['p50', 'p90', 'p99', 'max'] as const).map((rank) => [
        `  ${rank}`,
        ...timesOf(ofAll((side) => total[side][rank]), frequencyHz),
      ]),
    ],
  };
}

function pairTable(
  { sort, widest }: OperationDifference,
  names: Pair<string>,
  frequencyHz: Pair,
): TitledTable {
  return {
    title: `Pairs that differ most: ${sortNames[sort]}`,
    head: ['', ...names, '', ...names.map((name) => `event ${name}`)],
    body: widest.map(({ index, cycles, rows }) => [
      `  ${formatCount(index + 1)}.`,
      ...timesOf(cycles, frequencyHz),
      ...rows.map(String),
    ]),
  };
}

/** Both times, and the second in terms of the first. */
function timesOf([first, second]: Pair, [hz, otherHz]: Pair): string[] {
  const ratio = first === 0 ? '' : ratioText(second / otherHz / (first / hz));
  return [formatTime(first, hz), formatTime(second, otherHz), ratio];
}

/** Where both part, as lines. */
export function partingText({ parting, wholeUntil, frequencyHz }: TraceDifference, names: Pair<string>): string[] {
  const gaps = wholeUntil.flatMap((until, side) =>
    until === null
      ? []
      : [`${names[side] ?? ''} was recorded without a gap up to ${formatTime(until, frequencyHz[side] ?? 1)}; what is behind it is not compared.`],
  );
  if (!parting) return ['They do not part: both did the same, whatever time each took.', ...gaps];
  const { track, same, events, rows } = parting;
  return [
    `They part at event ${formatCount(same + 1)} of ${track}; ${formatCount(same)} before it are the same.`,
    ...events.map((event, side) => {
      const name = names[side] ?? '';
      return event === null
        ? `  ${name}: nothing more.`
        : `  ${name}: ${event.sentence} (event ${rows[side] ?? 0}${event.place === '' ? '' : `, ${event.place}`})`;
    }),
    ...gaps,
  ];
}
