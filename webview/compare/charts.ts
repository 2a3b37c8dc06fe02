/** Charts with one set of bars, or one line, for each run. */
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  Tooltip,
  type ActiveElement,
  type ChartConfiguration,
  type ChartOptions,
} from 'chart.js';
import { h } from '../ui/dom';
import type { Theme } from '../ui/theme';
import { colourOf, dashOf, fillOf } from './runs';

Chart.register(
  BarController,
  BarElement,
  CategoryScale,
  LinearScale,
  LineController,
  LineElement,
  LogarithmicScale,
  PointElement,
  Tooltip,
);

/** What a chart shows. */
export interface ChartData {
  labels: readonly string[];
  /** By run, by label; null: the run has none. */
  values: readonly (readonly (number | null)[])[];
}

/** What a chart is. */
export interface ChartKind {
  /** For readers who cannot see it. */
  label: string;
  shape: 'bars' | 'lines';
  logarithmic?: boolean;
  /** A value for a reader. */
  print(value: number): string;
  /** Hears of a bar or point that is clicked. */
  follow(run: number, index: number): void;
}

export interface RunsChart {
  element: HTMLElement;
  /** @param runs names of the runs, and their places, by which they look */
  show(data: ChartData, runs: readonly { name: string; run: number }[], theme: Theme): void;
}

const BAR = 11;
const GROUP_GAP = 9;
const AXIS = 26;
const LINES_HEIGHT = 180;

/** Makes a chart. */
export function runsChart(kind: ChartKind): RunsChart {
  const canvas = h('canvas', { attrs: { role: 'img', 'aria-label': kind.label } });
  const element = h('div', { class: 'chart' }, canvas);
  let chart: Chart | undefined;
  return {
    element,
    show(data, runs, theme) {
      chart?.destroy();
      const height =
        kind.shape === 'lines'
          ? LINES_HEIGHT
          : data.labels.length * (runs.length * BAR + GROUP_GAP) + AXIS;
      element.style.height = `${height}px`;
      chart = new Chart(canvas, configurationOf(kind, data, runs, theme, canvas));
    },
  };
}

function configurationOf(
  kind: ChartKind,
  { labels, values }: ChartData,
  runs: readonly { name: string; run: number }[],
  theme: Theme,
  canvas: HTMLCanvasElement,
): ChartConfiguration {
  const shared = optionsOf(kind, theme, canvas);
  const named = (i: number): { name: string; run: number } => runs[i] ?? { name: '', run: i };
  if (kind.shape === 'lines')
    return {
      type: 'line',
      data: {
        labels: [...labels],
        datasets: values.map((data, i) => ({
          label: named(i).name,
          data: [...data],
          borderColor: colourOf(named(i).run),
          borderDash: dashOf(named(i).run),
          borderWidth: theme.highContrast ? 2 : 1.5,
          pointRadius: 0,
          pointHitRadius: 6,
          stepped: 'middle' as const,
        })),
      },
      options: shared,
    };
  return {
    type: 'bar',
    data: {
      labels: [...labels],
      datasets: values.map((data, i) => ({
        label: named(i).name,
        data: [...data],
        backgroundColor: fillOf(named(i).run, theme),
        borderColor: theme.contrastBorder || colourOf(named(i).run),
        borderWidth: 1,
        barThickness: BAR - 2,
        minBarLength: 2,
      })),
    },
    options: shared,
  };
}

function optionsOf(kind: ChartKind, theme: Theme, canvas: HTMLCanvasElement): ChartOptions {
  const space = theme.font.indexOf(' ');
  const font = { size: parseFloat(theme.font), family: theme.font.slice(space + 1) };
  const isLines = kind.shape === 'lines';
  const values = {
    type: kind.logarithmic === true ? ('logarithmic' as const) : ('linear' as const),
    ...(kind.logarithmic !== true && { beginAtZero: true }),
    ticks: {
      callback: (value: string | number) => kind.print(Number(value)),
      maxTicksLimit: 5,
      maxRotation: 0,
      autoSkipPadding: 14,
      color: theme.muted,
      font,
    },
    grid: { color: theme.grid },
    border: { display: false },
  };
  const names = {
    type: 'category' as const,
    ticks: {
      autoSkip: isLines,
      maxTicksLimit: isLines ? 6 : 100,
      maxRotation: 0,
      color: isLines ? theme.muted : theme.foreground,
      font,
    },
    grid: { display: false },
    border: { display: false },
  };
  return {
    indexAxis: isLines ? 'x' : 'y',
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    scales: isLines ? { x: names, y: values } : { x: values, y: names },
    onClick: (_event: unknown, elements: ActiveElement[]) => {
      const [found] = elements;
      if (found) kind.follow(found.datasetIndex, found.index);
    },
    onHover: (_event: unknown, elements: ActiveElement[]) => {
      canvas.style.cursor = elements.length > 0 ? 'pointer' : 'default';
    },
    interaction: { mode: 'nearest', axis: isLines ? 'x' : 'xy', intersect: !isLines },
    plugins: {
      tooltip: {
        callbacks: {
          label: ({ dataset, dataIndex }) =>
            `${dataset.label ?? ''}: ${kind.print(Number(dataset.data[dataIndex]))}`,
        },
        backgroundColor: theme.background,
        titleColor: theme.foreground,
        bodyColor: theme.foreground,
        borderColor: theme.contrastBorder || theme.muted,
        borderWidth: 1,
        cornerRadius: 2,
        titleFont: font,
        bodyFont: font,
        displayColors: false,
      },
    },
  };
}
