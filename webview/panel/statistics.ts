/** Figures of the visible window: where the time went, what it cost by reason, line and register. */
import type { TraceStatistics } from '../../src/protocol/details';
import { modeColour } from '../../src/trace/vocabulary/modes';
import type { Explorer } from '../app/explorer';
import { Latest } from '../host/latest';
import type { Signal } from '../host/signal';
import { formatBytes, formatCount, formatDuration, formatRange, formatShare } from '../time/format';
import { wholeRun } from '../time/window';
import { h } from '../ui/dom';
import { dataGrid, dropdown, link } from '../ui/toolkit';
import type { Theme } from '../ui/theme';
import { barChart, type Bar } from './charts';

/** Milliseconds of rest before the figures follow the window. */
const REST = 200;
const MOST_ROWS = 12;

type Scope = 'window' | 'range' | 'run';
/** Builds the statistics view; every figure runs its query in the find box. */
export function statisticsView(
  explorer: Explorer,
  theme: Signal<Theme>,
  find: (query: string) => void,
): HTMLElement {
  const { model, host } = explorer;
  let scope: Scope = 'window';
  let figures: TraceStatistics | undefined;
  const duration = (cycles: number): string => formatDuration(Math.max(0, cycles), model.frequencyHz);
  const choice = dropdown(
    'Figures of',
    [
      ['window', 'Visible window'],
      ['range', 'Marked range'],
      ['run', 'Whole run'],
    ],
    (value) => {
      scope = value as Scope;
      ask();
    },
  );
  const about = h('span', { class: 'muted number' });
  // Charts count in seconds, so that the steps of their axes are round.
  const seconds = (cycles: number): number => cycles / model.frequencyHz;
  const printed = (value: number): string => duration(value * model.frequencyHz);
  const modes = barChart('Time by mode', false, printed, find);
  const exits = barChart('Time in exits by reason', false, printed, find);
  const spread = barChart('Exit duration, median to 99th percentile', true, printed, find);
  const tables = h('div', { class: 'statistics-tables' });
  const card = (title: string, note: string, content: HTMLElement): HTMLElement =>
    h(
      'section',
      { class: 'card' },
      h('h3', { text: title }),
      h('p', { class: 'muted', text: note }),
      content,
    );
  const charts = h(
    'div',
    { class: 'cards' },
    card('Time by mode', 'all vCPUs together', modes.element),
    card('Exits by reason', 'time from exit to entry', exits.element),
    card('Exit durations', 'bar from median to 99th percentile', spread.element),
  );
  const element = h(
    'div',
    { class: 'view statistics' },
    h('div', { class: 'statistics-bar' }, choice, about),
    charts,
    tables,
  );

  const latest = new Latest<{ from: number; to: number }, TraceStatistics>(
    ({ from, to }) => host.call('statistics', from, to),
    (answer) => {
      figures = answer;
      draw();
    },
    (error) => {
      about.textContent = error instanceof Error ? error.message : String(error);
    },
  );
  const ask = (): void => {
    if (model.tab.value !== 'statistics' || !model.meta.value || model.extent.value.rows === 0) return;
    const whole = wholeRun(model.endTime);
    const of =
      scope === 'run' ? whole : ((scope === 'range' ? model.range.value : undefined) ?? model.window.value);
    latest.request({
      from: Math.max(0, Math.floor(of.from)),
      to: Math.min(Math.ceil(of.to), Math.max(1, Math.ceil(model.endTime))),
    });
  };
  let timer = 0;
  const later = (): void => {
    clearTimeout(timer);
    timer = window.setTimeout(ask, REST);
  };
  const draw = (): void => {
    if (!figures) return;
    const colours = theme.value;
    about.textContent = formatRange(figures.from, figures.to, model.frequencyHz);
    const all = figures.modes.reduce((sum, { cycles }) => sum + cycles, 0);
    modes.show(
      figures.modes
        .filter(({ cycles }) => cycles > 0)
        .map(({ mode, name, cycles, query }): Bar => ({
          label: `${name}  ${formatShare(cycles, all)}`,
          from: 0,
          to: seconds(cycles),
          colour: colours.roles[modeColour(mode)],
          note: `${duration(cycles)}, ${formatShare(cycles, all)}`,
          query,
        })),
      colours,
    );
    const top = [...figures.exits].sort((a, b) => b.total - a.total).slice(0, MOST_ROWS);
    exits.show(
      top.map((exit): Bar => ({
        label: `${exit.reason}  ${formatCount(exit.count)}×`,
        from: 0,
        to: seconds(exit.total),
        colour: colours.roles.exit,
        note: `${formatCount(exit.count)} exits, ${duration(exit.total)} in all, ${duration(exit.total / Math.max(1, exit.count))} each`,
        query: exit.query,
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
        query: exit.query,
      })),
      colours,
    );
    tables.replaceChildren(...tablesOf(figures));
  };
  const tablesOf = (of: TraceStatistics): HTMLElement[] => {
    const total = of.exits.reduce((sum, exit) => sum + exit.total, 0);
    const made: HTMLElement[] = [];
    const add = (title: string, template: string, heading: string[], rows: (string | Node)[][]): void => {
      if (rows.length === 0) return;
      made.push(
        h(
          'section',
          { class: 'card' },
          h('h3', { text: title }),
          dataGrid(title, template, [heading, ...rows]),
        ),
      );
    };
    add(
      'What each source line cost',
      '2fr 1fr 1fr 1fr',
      ['Line', 'Exits', 'Time', 'Share'],
      of.lines
        .slice(0, MOST_ROWS)
        .map(({ file, line, exits: count, cycles, query }) => [
          link(`${file.slice(file.lastIndexOf('/') + 1)}:${line}`, () => find(query)),
          formatCount(count),
          duration(cycles),
          formatShare(cycles, total),
        ]),
    );
    add(
      'Registers',
      '1.2fr 1fr 1fr 1fr',
      ['Register', 'Device', 'Reads', 'Writes'],
      of.registers
        .slice(0, MOST_ROWS)
        .map(({ track, register, reads, writes, query }) => [
          link(register, () => find(query)),
          track,
          formatCount(reads),
          formatCount(writes),
        ]),
    );
    add(
      'Interrupts',
      '2fr 1fr',
      ['Step', 'Count'],
      of.interrupts.map(({ name, count, query }) => [link(name, () => find(query)), formatCount(count)]),
    );
    const { packets } = of;
    const packetRows: (string | Node)[][] = [
      [link('sent', () => find('kind:packet.tx')), formatCount(packets.tx), formatBytes(packets.bytesTx)],
      [link('received', () => find('kind:packet.rx')), formatCount(packets.rx), formatBytes(packets.bytesRx)],
      [link('dropped', () => find('kind:packet.drop')), formatCount(packets.dropped), ''],
    ];
    if (packets.latency)
      packetRows.push([
        'latency, median',
        duration(packets.latency.p50),
        `99 %: ${duration(packets.latency.p99)}`,
      ]);
    if (packets.tx + packets.rx + packets.dropped > 0)
      add('Packets', '1.4fr 1fr 1.2fr', ['Packets', 'Count', 'Bytes'], packetRows);
    return made;
  };
  model.window.subscribe(() => scope !== 'run' && later());
  model.range.subscribe(() => scope === 'range' && later());
  model.extent.subscribe(later);
  model.meta.subscribe(later);
  model.tab.subscribe((tab) => tab === 'statistics' && requestAnimationFrame(ask));
  theme.subscribe(draw);
  return element;
}
