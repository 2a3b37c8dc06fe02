/** Figures of a stretch of the trace: where the time went, what it cost by reason, interrupts, translations, registers. */
import type { TraceStatistics } from '../../src/protocol/details';
import { modeColour } from '../../src/trace/vocabulary/modes';
import type { Explorer } from '../app/explorer';
import { Latest } from '../host/latest';
import type { Signal } from '../host/signal';
import { formatCount, formatDuration, formatRange, formatShare } from '../time/format';
import type { TimeWindow } from '../time/window';
import { h } from '../ui/dom';
import { dataGrid, link } from '../ui/toolkit';
import type { Theme } from '../ui/theme';
import { barChart, type Bar, type BarChart } from './charts';
import { scopeChoice } from './scope';
import { figureTables, type FigureCell, type FigureTable } from './statistics-tables';

const MOST_BARS = 12;

/** Builds the statistics view; every figure runs its query in the find box. */
export function statisticsView(
  explorer: Explorer,
  theme: Signal<Theme>,
  find: (query: string) => void,
): HTMLElement {
  const { model, host } = explorer;
  let figures: TraceStatistics | undefined;
  const duration = (cycles: number): string => formatDuration(Math.max(0, cycles), model.frequencyHz);
  const about = h('span', { class: 'muted number' });
  // Charts count in seconds, so that the steps of their axes are round.
  const seconds = (cycles: number): number => cycles / model.frequencyHz;
  const printed = (value: number): string => duration(value * model.frequencyHz);
  const share = (value: number): string => `${Math.round(100 * value)}\u2009%`;
  const modes = chartCard('Time by mode', 'all vCPUs together', barChart('Time by mode', false, printed));
  const cpus = chartCard('Time by physical CPU', 'share of the time', barChart('Busy CPUs', false, share));
  const exits = chartCard(
    'Exits by reason',
    'time from exit to entry',
    barChart('Time in exits by reason', false, printed),
  );
  const spread = chartCard(
    'Exit durations',
    'bar from median to 99th percentile',
    barChart('Exit duration, median to 99th percentile', true, printed),
  );
  const hits = chartCard(
    'IOTLB hit rate',
    'by device',
    barChart('IOTLB hit rate by device', false, share),
  );
  const tables = h('div', { class: 'statistics-tables' });
  const charts = h(
    'div',
    { class: 'cards' },
    ...[modes, cpus, exits, spread, hits].map(({ element }) => element),
  );

  const latest = new Latest<TimeWindow, TraceStatistics>(
    ({ from, to }) => host.call('statistics', from, to),
    (answer) => {
      figures = answer;
      draw();
    },
    (error) => {
      about.textContent = error instanceof Error ? error.message : String(error);
    },
  );
  const choice = scopeChoice(explorer, 'statistics', 'Figures of', (stretch) => latest.request(stretch));
  const draw = (): void => {
    if (!figures) return;
    const colours = theme.value;
    const { from, to } = figures;
    about.textContent = formatRange(from, to, model.frequencyHz);
    const all = figures.modes.reduce((sum, { cycles }) => sum + cycles, 0);
    const leading = (query: string) => () => find(query);
    modes.show(
      figures.modes
        .filter(({ cycles }) => cycles > 0)
        .map(({ mode, name, cycles, query }): Bar => ({
          label: `${name}  ${formatShare(cycles, all)}`,
          from: 0,
          to: seconds(cycles),
          colour: colours.roles[modeColour(mode)],
          note: `${duration(cycles)}, ${formatShare(cycles, all)}`,
          follow: leading(query),
        })),
      colours,
    );
    cpus.show(
      figures.cpus.slice(0, MOST_BARS).map(({ cpu, busy, query }): Bar => ({
        label: cpu,
        from: 0,
        to: busy / Math.max(1, to - from),
        colour: colours.roles.thread,
        note: `${duration(busy)} busy, ${formatShare(busy, to - from)}`,
        follow: leading(query),
      })),
      colours,
    );
    const top = figures.exits.slice(0, MOST_BARS);
    exits.show(
      top.map((exit): Bar => ({
        label: `${exit.reason}  ${formatCount(exit.count)}×`,
        from: 0,
        to: seconds(exit.total),
        colour: colours.roles.exit,
        note: `${formatCount(exit.count)} exits, ${duration(exit.total)} in all, ${duration(exit.total / Math.max(1, exit.count))} each`,
        follow: leading(exit.query),
      })),
      colours,
    );
    spread.show(
      top.map((exit): Bar => ({
        label: exit.reason,
        from: seconds(Math.max(1, exit.p50)),
        to: seconds(Math.max(exit.p99, exit.p50 * 1.06, 1)),
        colour: colours.roles.exit,
        note: `min ${duration(exit.min)}, median ${duration(exit.p50)}, 90 % ${duration(exit.p90)}, 99 % ${duration(exit.p99)}, max ${duration(exit.max)}`,
        follow: leading(exit.query),
      })),
      colours,
    );
    hits.show(
      figures.translations.slice(0, MOST_BARS).map((of): Bar => ({
        label: of.device === '' ? of.unit : of.device,
        from: 0,
        to: of.hits / Math.max(1, of.hits + of.walks),
        colour: colours.roles.iommu,
        note: `${formatCount(of.hits)} hits, ${formatCount(of.walks)} walks`,
        follow: leading(of.query),
      })),
      colours,
    );
    tables.replaceChildren(...figureTables(figures, duration).map((table) => tableCard(table, find)));
  };
  theme.subscribe(draw);
  return h(
    'div',
    { class: 'view statistics' },
    h('div', { class: 'statistics-bar' }, choice, about),
    charts,
    tables,
  );
}

/** A chart with its title; it is there while it has bars. */
function chartCard(
  title: string,
  note: string,
  chart: BarChart,
): { element: HTMLElement; show: BarChart['show'] } {
  const element = h(
    'section',
    { class: 'card' },
    h('h3', { text: title }),
    h('p', { class: 'muted', text: note }),
    chart.element,
  );
  return {
    element,
    show(bars, theme) {
      element.hidden = bars.length === 0;
      if (bars.length > 0) chart.show(bars, theme);
    },
  };
}

function tableCard(
  { title, columns, heading, rows, wide = false }: FigureTable,
  find: (query: string) => void,
): HTMLElement {
  const shown = (cell: FigureCell): string | Node =>
    typeof cell === 'string' ? cell : link(cell.text, () => find(cell.query));
  const lead = (row: number): void => {
    const first = rows[row]?.find((cell) => typeof cell !== 'string');
    if (first !== undefined && typeof first !== 'string') find(first.query);
  };
  return h(
    'section',
    { class: `card${wide ? ' wide' : ''}` },
    h('h3', { text: title }),
    dataGrid(title, columns, [heading, ...rows.map((cells) => cells.map(shown))], lead),
  );
}
