/** All figures of all runs as one table. */
import type { ComparisonReport, FromComparison } from '../../src/protocol/comparison';
import type { ComparisonRow } from '../../src/trace/query/compare';
import {
  betterOf,
  labelOf,
  NONE,
  ratioText,
  saysSomething,
  valueText,
} from '../../src/trace/query/comparison-text';
import { h } from '../ui/dom';
import { link } from '../ui/toolkit';
import { letterMark } from './runs';

/** Headings by the first word of a figure's name. */
const GROUPS: Readonly<Record<string, string>> = {
  perInterrupt: 'For each interrupt',
  perPacket: 'For each packet',
  latency: 'Latency of packets',
};
const TOTALS = 'In total';

/** Makes the table. */
export function figuresTable(
  { comparison }: ComparisonReport,
  send: (message: FromComparison) => void,
): HTMLElement {
  const { runs, rows } = comparison;
  const head = h('tr', {}, h('th', { text: 'Figure', attrs: { scope: 'col' } }));
  runs.forEach(({ name }, run) =>
    head.append(h('th', { class: 'value', title: name, attrs: { scope: 'col' } }, letterMark(run), ` ${name}`)),
  );
  const body = h('tbody');
  let group = '';
  for (const row of rows.filter(saysSomething)) {
    const own = GROUPS[row.figure.split('.')[0] ?? ''] ?? TOTALS;
    if (own !== group)
      body.append(
        h('tr', { class: 'group' }, h('th', { text: own, attrs: { colspan: String(runs.length + 1), scope: 'colgroup' } })),
      );
    group = own;
    body.append(rowOf(row, send));
  }
  const table = h('table', { class: 'figures' }, h('thead', {}, head), body);
  return h('div', { class: 'scroll', attrs: { tabindex: '0', role: 'region', 'aria-label': 'Figures of all runs' } }, table);
}

function rowOf(row: ComparisonRow, send: (message: FromComparison) => void): HTMLElement {
  const { figure, unit, values, ratios, query, rows } = row;
  const label = shortLabel(figure);
  const line = h('tr', {}, h('th', { class: label.isPart ? 'part' : '', text: label.text, attrs: { scope: 'row' } }));
  const standing = standingOf(row);
  values.forEach((value, run) => {
    const cell = h('td', { class: 'value number' });
    const text = value === null ? NONE : valueText(value, unit);
    const leads = value !== null && value !== 0 && (query !== undefined || rows?.[run] != null);
    const mark = standing[run];
    if (mark) cell.append(h('span', { class: `standing ${mark}`, text: mark === 'best' ? '★' : '▼', title: MARKS[mark] }), h('span', { class: 'visually-hidden', text: MARKS[mark] }), ' ');
    if (leads) {
      const button = link(text, () => send({ type: 'figure', run, figure }));
      button.title = 'Open the trace at the first event of this figure';
      if (rows?.[run] != null) button.title = 'Open the trace at the event that has this value';
      cell.append(button);
    } else cell.append(text);
    const ratio = run === 0 ? null : ratios[run];
    cell.append(h('span', { class: 'ratio', text: ratio == null ? '' : ratioText(ratio) }));
    line.append(cell);
  });
  return line;
}

const MARKS = { best: 'best', worst: 'worst' } as const;

/** The heading above says what the first words of a label would. */
function shortLabel(figure: string): { text: string; isPart: boolean } {
  const label = labelOf(figure);
  return {
    text: label.trim().replace(/^per (packet|interrupt): /, ''),
    isPart: label.startsWith(' ') && !figure.startsWith('perPacket.'),
  };
}

/** Best and worst of a row, where that can be told and they are not the same. */
function standingOf({ figure, values }: ComparisonRow): ('best' | 'worst' | undefined)[] {
  const better = betterOf(figure);
  const there = values.filter((value) => value !== null);
  const [least, most] = [Math.min(...there), Math.max(...there)];
  if (better === undefined || there.length < 2 || least === most) return [];
  const [best, worst] = better === 'less' ? [least, most] : [most, least];
  return values.map((value) => (value === best ? 'best' : value === worst ? 'worst' : undefined));
}
