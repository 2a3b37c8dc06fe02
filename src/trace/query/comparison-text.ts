/** A comparison as text: the words and numbers of its table, the same in a terminal and in the editor. */
import type { Comparison, ComparisonRow, ComparisonUnit } from './compare';
import { THIN_SPACE } from '../vocabulary/format';

/** What the figures are called. Exits by reason are not here: they bear the reason's own name. */
const LABELS: Record<string, string> = {
  simulatedSeconds: 'simulated time',
  packets: 'packets',
  'packets.tx': '  sent',
  'packets.rx': '  received',
  'packets.dropped': '  dropped',
  'packets.rate': '  a second, first to last',
  exits: 'VM exits',
  userExits: 'user exits',
  'interrupts.raised': 'interrupts raised',
  'interrupts.injected': '  injected',
  'interrupts.posted': '  posted',
  'interrupts.handled': '  handled',
  notifications: 'notifications',
  'notifications.suppressed': '  suppressed',
  hostCycles: 'host cycles',
  'perInterrupt.exits': 'per interrupt: VM exits',
  'perInterrupt.arrival': '  of its arrival',
  'perInterrupt.window': '  of the interrupt window',
  'perInterrupt.end': '  of its end',
  'perPacket.exits': 'per packet: VM exits',
  'perPacket.userExits': '  user exits',
  'perPacket.interrupts': '  interrupts handled',
  'perPacket.notifications': '  notifications',
  'perPacket.hostCycles': '  host cycles',
  'latency.send.p50': 'driver to wire: p50',
  'latency.send.p90': '  p90',
  'latency.send.p99': '  p99',
  'latency.receive.p50': 'wire to handler: p50',
  'latency.receive.p90': '  p90',
  'latency.receive.p99': '  p99',
  'latency.roundTrip.p50': 'driver to handler: p50',
  'latency.roundTrip.p90': '  p90',
  'latency.roundTrip.p99': '  p99',
  'latency.unreported': 'packets without a handler',
};

const REASON = 'exits.';
/** What stands for a figure that a run has not. */
export const NONE = '–';

const TIMES: readonly (readonly [unit: string, perSecond: number])[] = [
  ['s', 1],
  ['ms', 1e3],
  ['µs', 1e6],
  ['ns', 1e9],
];

/** The table as rows of cells. */
export interface ComparisonTable {
  /** An empty cell, then the names of the runs. */
  head: string[];
  /** A name, indented where it belongs to the one above, then the values. */
  body: string[][];
}

/** Rows that are 0 or not there in every run say nothing. */
export function saysSomething({ values }: ComparisonRow): boolean {
  return values.some((value) => value !== null && value !== 0);
}

/** Which values of a figure are good, where that can be said whatever the runs did: what each packet or interrupt cost, and what got lost. */
export function betterOf(figure: string): 'less' | 'more' | undefined {
  if (figure === 'packets.rate') return 'more';
  return /^(perPacket|perInterrupt|latency)\.|^packets\.dropped$/.test(figure) ? 'less' : undefined;
}

/** Rows that are 0 or not there in every run are left out. */
export function comparisonTable({ runs, rows }: Comparison): ComparisonTable {
  return {
    head: ['', ...runs.map(({ name }) => name)],
    body: rows
      .filter(saysSomething)
      .map(({ figure, unit, values, ratios }) => [
        labelOf(figure),
        ...values.map((value, i) => {
          const ratio = i === 0 ? null : (ratios[i] ?? null);
          return value === null
            ? NONE
            : valueText(value, unit) + (ratio === null ? '' : ` (${ratioText(ratio)})`);
        }),
      ]),
  };
}

/** What a figure is called, indented where it belongs to the one above. */
export function labelOf(figure: string): string {
  return figure.startsWith(REASON) ? `  ${figure.slice(REASON.length)}` : (LABELS[figure] ?? figure);
}

/** A value of a figure for a reader. */
export function valueText(value: number, unit: ComparisonUnit): string {
  switch (unit) {
    case 'count':
    case 'cycles':
      return grouped(value.toFixed(0));
    case 'perSecond':
    case 'cyclesPerPacket':
      return grouped(value.toFixed(0));
    case 'perPacket':
    case 'perInterrupt':
      return value.toFixed(2);
    case 'seconds': {
      const [name, perSecond] = TIMES.find(([, each]) => Math.abs(value) * each >= 0.9995) ?? ['ns', 1e9];
      return `${short(value * perSecond)}${THIN_SPACE}${name}`;
    }
  }
}

/** How many times another value: `×1.5`. */
export function ratioText(ratio: number): string {
  return `×${short(ratio)}`;
}

/** Three digits that count, or all digits before the point. */
function short(value: number): string {
  return Math.abs(value) >= 100 ? grouped(value.toFixed(0)) : String(Number(value.toPrecision(3)));
}

function grouped(digits: string): string {
  return digits.replace(/\B(?=(\d{3})+$)/g, THIN_SPACE);
}
