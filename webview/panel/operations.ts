/** The operations of a stretch of the trace by the way they took: how long they and their stages lasted, and the slowest. */
import type { OperationShape, OperationStage, OperationStatistics } from '../../src/protocol/details';
import { kindRow } from '../../src/trace/vocabulary/events';
import type { Explorer } from '../app/explorer';
import { Latest } from '../host/latest';
import type { Signal } from '../host/signal';
import { formatCount, formatDuration, formatRange, formatShare } from '../time/format';
import type { TimeWindow } from '../time/window';
import { h } from '../ui/dom';
import { dataGrid, link } from '../ui/toolkit';
import type { Theme } from '../ui/theme';
import { barChart, type Bar } from './charts';
import { scopeChoice } from './scope';

const SHAPE_COLUMNS = 'minmax(160px, 3fr) minmax(52px, 0.8fr) 64px repeat(4, minmax(60px, 1fr))';
const STAGE_COLUMNS = 'minmax(160px, 3fr) repeat(5, minmax(60px, 1fr))';

/** Builds the view of operations. */
export function operationsView(explorer: Explorer, theme: Signal<Theme>): HTMLElement {
  const { model, host } = explorer;
  let figures: OperationStatistics | undefined;
  /** Place of the shape whose stages are shown. */
  let chosen = 0;
  /** The stretch that is wanted now: an older one is not asked on. */
  let wanted: TimeWindow | undefined;
  const duration = (cycles: number): string => formatDuration(Math.max(0, cycles), model.frequencyHz);
  const about = h('span', { class: 'muted number', attrs: { 'aria-live': 'polite' } });
  const shapes = h('div', { class: 'operations-shapes' });
  const stages = h('div', { class: 'operations-stages' });
  const chart = barChart(
    'Time by stage, median with a tail to the 99th percentile',
    false,
    (value) => duration(value * model.frequencyHz),
  );
  const body = h('div', { class: 'operations-body' }, h('div', {}, shapes, stages), chart.element);

  const measure = async (stretch: TimeWindow): Promise<OperationStatistics> => {
    wanted = stretch;
    for (;;) {
      const answer = await host.call('operations', stretch.from, stretch.to);
      if (answer.complete || wanted !== stretch) return answer;
      about.textContent = `Measuring ${answer.count > 0 ? `${formatCount(answer.count)} operations` : 'operations'}: ${Math.floor(100 * answer.share)} %`;
    }
  };
  const latest = new Latest<TimeWindow, OperationStatistics>(
    measure,
    (answer) => {
      if (!answer.complete) return;
      figures = answer;
      draw();
    },
    (error) => {
      about.textContent = error instanceof Error ? error.message : String(error);
    },
  );
  const choice = scopeChoice(explorer, 'operations', 'Operations of', (stretch) => {
    wanted = stretch;
    latest.request(stretch);
  });
  const element = h(
    'div',
    { class: 'view operations' },
    h('div', { class: 'statistics-bar' }, choice, about),
    body,
  );

  const showPath = (row: number): void => {
    void explorer.reveal(row).then(() => explorer.showTab('path'));
  };
  const draw = (): void => {
    if (!figures) return;
    const { count, others } = figures;
    const rest = others > 0 ? `, ${formatCount(others)} rarer ways are not listed` : '';
    about.textContent = `${formatCount(count)} ${count === 1 ? 'operation' : 'operations'} in ${formatRange(figures.from, figures.to, model.frequencyHz)}${rest}`;
    const shape = figures.shapes[chosen] ?? figures.shapes[0];
    body.classList.toggle('nothing', shape === undefined);
    if (shape === undefined) {
      shapes.replaceChildren(
        h('p', {
          class: 'empty-note',
          text: 'No operation ends in this stretch: none of its interrupts or packets goes back to an access of a driver.',
        }),
      );
      return;
    }
    drawShapes(figures.shapes, shape);
    drawStages(shape);
  };
  const choose = (at: number): void => {
    chosen = at;
    draw();
    shapes.querySelector<HTMLElement>('button[aria-pressed="true"]')?.focus();
  };
  const drawShapes = (all: readonly OperationShape[], shown: OperationShape): void => {
    const rows = all.map((shape, at) => {
      const name = link(`${shortName(shape.begin)} → ${shortName(shape.end)}`, () => choose(at));
      name.setAttribute('aria-pressed', String(shape === shown));
      name.title = wayOf(shape);
      const [slowest] = shape.slowest;
      const { total } = shape;
      return [
        name,
        formatCount(total.count),
        String(shape.stages.length),
        duration(total.p50),
        duration(total.p90),
        duration(total.p99),
        slowest ? link(duration(slowest.cycles), () => showPath(slowest.row)) : duration(total.max),
      ];
    });
    const heading = ['Operation', 'Count', 'Stages', 'Median', '90 %', '99 %', 'Slowest'];
    const grid = dataGrid('Operations by the way they took', SHAPE_COLUMNS, [heading, ...rows], choose);
    shapes.replaceChildren(grid);
  };
  const drawStages = ({ stages: of, total, slowest }: OperationShape): void => {
    const colours = theme.value;
    const seconds = (cycles: number): number => cycles / model.frequencyHz;
    const reveal = (stage: OperationStage): void => void explorer.reveal(stage.slowest);
    chart.show(
      of.map((stage): Bar => ({
        label: nameOf(stage),
        from: 0,
        to: seconds(stage.p50),
        tail: seconds(stage.p99),
        colour: colours.roles[kindRow(stage.kind).role],
        note: `median ${duration(stage.p50)}, 90 % ${duration(stage.p90)}, 99 % ${duration(stage.p99)}, at most ${duration(stage.max)}`,
        follow: () => reveal(stage),
      })),
      colours,
    );
    const heading = ['Stage', 'Share', 'Median', '90 %', '99 %', 'Longest'];
    const rows = of.map((stage) => [
      nameOf(stage),
      formatShare(stage.total, total.total),
      duration(stage.p50),
      duration(stage.p90),
      duration(stage.p99),
      link(duration(stage.max), () => reveal(stage)),
    ]);
    const others = slowest.map(({ row, cycles }) => link(duration(cycles), () => showPath(row)));
    stages.replaceChildren(
      dataGrid('Stages of the operation', STAGE_COLUMNS, [heading, ...rows], (at) => {
        const stage = of[at];
        if (stage) reveal(stage);
      }),
      h('p', { class: 'operations-slowest' }, h('span', { class: 'muted', text: 'The slowest: ' }), ...others),
    );
  };
  theme.subscribe(draw);
  return element;
}

/** An exit goes by its reason. */
const shortName = (name: string): string => name.replace(/^exit\./, '');

function nameOf({ what, name }: OperationStage): string {
  return what === 'in' ? shortName(name) : `until ${shortName(name)}`;
}

/** The way of an operation, for a tooltip. */
function wayOf({ stages }: OperationShape): string {
  return stages.map(nameOf).join(' → ');
}
