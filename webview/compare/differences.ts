/** How a run differs from the first: where they part, by line of source, by reason and by stage. */
import type { CostList, FromComparison, ShownDifference } from '../../src/protocol/comparison';
import type { CostDifference, OperationDifference, Pair } from '../../src/protocol/difference';
import { sortNames, stageName } from '../../src/trace/query/difference-text';
import { baseName, formatCount, formatTime } from '../../src/trace/vocabulary/format';
import { h, type Child } from '../ui/dom';
import { link } from '../ui/toolkit';
import { letterMark } from './runs';

/** Rows of a table before the reader asks for all. */
const FEW = 10;

/** Which run stands beside the first, and what its rows lead to. */
export interface Beside {
  /** Place among the differences; the run's own place is one more. */
  difference: number;
  send(message: FromComparison): void;
}

const runsOf = ({ difference }: Beside): Pair => [0, difference + 1];

/** The first place where both part. */
export function partingCard({ parting, wholeUntil, frequencyHz }: ShownDifference, beside: Beside): HTMLElement {
  const runs = runsOf(beside);
  const gaps = wholeUntil.flatMap((until, side) =>
    until === null
      ? []
      : [h('p', { class: 'muted' }, letterMark(runs[side] ?? 0), ` was recorded without a gap up to ${formatTime(until, frequencyHz[side] ?? 1)}. What is behind it is not compared.`)],
  );
  if (!parting)
    return card('Where they part', h('p', { text: 'Nowhere: both did the same, whatever time each took.' }), ...gaps);
  const before =
    parting.same === 0
      ? `At the first event of ${parting.track}.`
      : `After ${formatCount(parting.same)} events of ${parting.track} that are the same in both.`;
  return card(
    'Where they part',
    h('p', { text: before }),
    ...parting.events.map((event, side) => {
      const run = runs[side] ?? 0;
      const line = h('p', { class: 'parting-event' }, letterMark(run));
      if (event === null) {
        line.append(' has nothing more.');
        return line;
      }
      line.append(link(event.sentence, () => beside.send({ type: 'event', run, row: event.row })));
      if (event.file !== undefined && event.place !== '')
        line.append(' ', link(event.place, () => beside.send({ type: 'place', difference: beside.difference, side: side === 0 ? 0 : 1 })));
      return line;
    }),
    ...gaps,
  );
}

/** VM exits by line of source. */
export function linesCard({ lines, allLines, frequencyHz }: ShownDifference, beside: Beside): HTMLElement {
  return card(
    'By line of source',
    costTable('Exits by line of source', 'lines', lines, frequencyHz, beside, ({ file, line }, index) => {
      const button = link(`${baseName(file)}:${line}`, () =>
        beside.send({ type: 'line', difference: beside.difference, index }),
      );
      button.title = `Open ${file} at line ${line}`;
      return button;
    }),
    allLines > lines.length ? h('p', { class: 'muted', text: `${formatCount(lines.length)} of ${formatCount(allLines)} lines.` }) : null,
  );
}

/** VM exits by reason. */
export function reasonsCard({ reasons, frequencyHz }: ShownDifference, beside: Beside): HTMLElement {
  return card(
    'By reason',
    costTable('Exits by reason', 'reasons', reasons, frequencyHz, beside, ({ reason }) => reason),
  );
}

/** Where the time of operations goes. */
export function stagesCard(operations: OperationDifference, frequencyHz: Pair, beside: Beside): HTMLElement {
  const { sort, counts, paired, stages, total } = operations;
  const runs = runsOf(beside);
  const seconds = stages.map(({ cycles }) => secondsOf(cycles, frequencyHz));
  const widest = Math.max(...seconds.map(([x, y]) => Math.abs(y - x)), 0);
  const cell = (side: 0 | 1, cycles: number, row: number): HTMLElement => {
    const text = formatTime(cycles, frequencyHz[side]);
    const run = runs[side];
    if (row < 0) return h('td', { class: 'value number', text: cycles === 0 ? '–' : text });
    return h('td', { class: 'value number' }, link(text, () => beside.send({ type: 'event', run, row })));
  };
  const rows = [
    ...stages.map((stage, i) =>
      h(
        'tr',
        {},
        h('th', { text: stageName(stage), attrs: { scope: 'row' } }),
        cell(0, stage.cycles[0], stage.longest[0]),
        cell(1, stage.cycles[1], stage.longest[1]),
        ...deltaCells(seconds[i] ?? [0, 0], widest),
      ),
    ),
    ...(['p50', 'p90', 'p99', 'max'] as const).map((rank) =>
      h(
        'tr',
        { class: 'total' },
        h('th', { text: `whole: ${rank}`, attrs: { scope: 'row' } }),
        cell(0, total[0][rank], total[0].rows[rank]),
        cell(1, total[1][rank], total[1].rows[rank]),
        ...deltaCells(secondsOf([total[0][rank], total[1][rank]], frequencyHz), 0),
      ),
    ),
  ];
  const uneven = counts[0] === counts[1] && paired === counts[0] ? '' : `, of ${formatCount(counts[0])} and ${formatCount(counts[1])}`;
  return card(
    'By stage',
    h('p', {
      class: 'muted',
      text: `The nth beside the nth: ${formatCount(paired)} ${sortNames[sort]}${uneven}. Mean time; a figure opens the operation that took longest.`,
    }),
    tableOf('Time by stage', ['Stage', letterMark(runs[0]), letterMark(runs[1]), 'Difference', ''], rows, rows.length),
  );
}

/** A part of the page with its heading. */
export function card(title: string, ...content: readonly Child[]): HTMLElement {
  return h('section', { class: 'card' }, h('h2', { text: title }), ...content);
}

function costTable<T extends CostDifference>(
  label: string,
  of: CostList,
  rows: readonly T[],
  frequencyHz: Pair,
  beside: Beside,
  nameOf: (row: T, index: number) => HTMLElement | string,
): HTMLElement {
  if (rows.length === 0) return h('p', { class: 'muted', text: 'Neither has any.' });
  const runs = runsOf(beside);
  const widest = Math.max(...rows.slice(0, 1).map(({ cycles }) => Math.abs(differenceIn(cycles, frequencyHz))), 0);
  return tableOf(
    label,
    [of === 'lines' ? 'Line' : 'Reason', letterMark(runs[0]), letterMark(runs[1]), 'Difference', ''],
    rows.map((row, index) =>
      h(
        'tr',
        {},
        h('th', { attrs: { scope: 'row' } }, nameOf(row, index)),
        ...([0, 1] as const).map((side) =>
          h(
            'td',
            { class: 'value number' },
            row.exits[side] === 0
              ? '–'
              : link(formatTime(row.cycles[side], frequencyHz[side]), () =>
                  beside.send({ type: 'cost', run: runs[side], difference: beside.difference, of, index }),
                ),
            h('span', { class: 'times', text: row.exits[side] === 0 ? '' : `${formatCount(row.exits[side])}×` }),
          ),
        ),
        ...deltaCells(secondsOf(row.cycles, frequencyHz), widest),
      ),
    ),
    FEW,
  );
}

/** A table that shows some rows, and the others when asked to. */
function tableOf(
  label: string,
  head: readonly (string | Node)[],
  rows: readonly HTMLElement[],
  few: number,
): HTMLElement {
  const body = h('tbody', {}, ...rows.slice(0, few));
  const element = h(
    'div',
    {},
    h(
      'table',
      { class: 'differences', attrs: { 'aria-label': label } },
      h('thead', {}, h('tr', {}, ...head.map((each, i) => (each === '' ? h('td') : h('th', { class: i === 0 ? '' : 'value', attrs: { scope: 'col' } }, each))))),
      body,
    ),
  );
  if (rows.length > few) {
    const more = link(`Show all ${formatCount(rows.length)}`, () => {
      body.append(...rows.slice(few));
      more.remove();
    });
    element.append(more);
  }
  return element;
}

const secondsOf = (cycles: Pair, hz: Pair): Pair => [cycles[0] / hz[0], cycles[1] / hz[1]];
const differenceIn = (cycles: Pair, hz: Pair): number => cycles[1] / hz[1] - cycles[0] / hz[0];

/** `+12.4 µs`, and a bar to the right of the middle where it is more, to the left where it is less. */
function deltaCells([first, second]: Pair, widest: number): HTMLElement[] {
  const seconds = second - first;
  const text = seconds === 0 ? '0' : `${seconds > 0 ? '+' : '−'}${formatTime(Math.abs(seconds), 1)}`;
  const bar = h('span', { class: seconds > 0 ? 'delta more' : 'delta less' });
  bar.style.width = `${widest > 0 ? Math.min(50, (50 * Math.abs(seconds)) / widest) : 0}%`;
  return [
    h('td', { class: 'value number', text }),
    h('td', { class: 'bar', attrs: { 'aria-hidden': 'true' } }, widest > 0 ? h('div', {}, bar) : null),
  ];
}
