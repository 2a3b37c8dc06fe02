/** Charts of the statistics view, in the colours of the theme. */
import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  LogarithmicScale,
  Tooltip,
  type ActiveElement,
} from 'chart.js';
import type { Theme } from '../ui/theme';
import { h } from '../ui/dom';

Chart.register(BarController, BarElement, CategoryScale, LogarithmicScale, Tooltip);

/** One bar: its name, its ends, what it says on hover, and where a click leads. */
export interface Bar {
  label: string;
  from: number;
  to: number;
  /** Where a thin bar ends that goes on from it, as for a percentile. */
  tail?: number;
  colour: string;
  note: string;
  follow: () => void;
}

export interface BarChart {
  element: HTMLElement;
  show(bars: readonly Bar[], theme: Theme): void;
}

const BAR_ROOM = 24;
const AXIS_ROOM = 24;

/** Whether a value is one of the few that a logarithmic axis names: powers of ten, and three times those where it spans few. */
function isRound(value: number, span: number): boolean {
  const leading = Number(value.toExponential(3).split('e')[0]);
  return leading === 1 || (leading === 3 && span < 300);
}

/**
 * A chart of horizontal bars.
 * @param label for readers who cannot see it
 * @param logarithmic scale of the values
 * @param print a value of the axis
 */
export function barChart(
  label: string,
  logarithmic: boolean,
  print: (value: number) => string,
): BarChart {
  const canvas = h('canvas', { attrs: { role: 'img', 'aria-label': label } });
  const element = h('div', { class: 'chart' }, canvas);
  let bars: readonly Bar[] = [];
  const chart = new Chart<'bar', [number, number][], string>(canvas, {
    type: 'bar',
    data: {
      labels: [],
      datasets: [
        { data: [], borderWidth: 1, maxBarThickness: 14, minBarLength: 2, grouped: false },
        { data: [], borderWidth: 1, maxBarThickness: 4, grouped: false },
      ],
    },
    options: {
      indexAxis: 'y',
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      scales: {
        x: {
          type: logarithmic ? 'logarithmic' : 'linear',
          ticks: {
            callback(value) {
              return !logarithmic || isRound(Number(value), this.max / this.min) ? print(Number(value)) : null;
            },
            maxRotation: 0,
            maxTicksLimit: 5,
            autoSkipPadding: 16,
          },
          border: { display: false },
        },
        y: {
          type: 'category',
          grid: { display: false },
          border: { display: false },
          ticks: { autoSkip: false },
        },
      },
      onClick: (_event, elements: ActiveElement[]) => {
        bars[elements[0]?.index ?? -1]?.follow();
      },
      onHover: (_event, elements) => {
        canvas.style.cursor = elements.length > 0 ? 'pointer' : 'default';
      },
      interaction: { mode: 'nearest', axis: 'y', intersect: false },
      plugins: {
        tooltip: {
          displayColors: false,
          filter: (item) => item.datasetIndex === 0,
          callbacks: { label: (item) => bars[item.dataIndex]?.note ?? '' },
        },
      },
    },
  });
  return {
    element,
    show(next, theme) {
      bars = next;
      element.style.height = `${next.length * BAR_ROOM + AXIS_ROOM}px`;
      chart.data.labels = next.map((bar) => bar.label);
      const [data, tails] = chart.data.datasets;
      if (!data || !tails) return;
      data.data = next.map((bar) => [bar.from, bar.to]);
      tails.data = next.map((bar) => [bar.to, bar.tail ?? bar.to]);
      for (const each of [data, tails]) {
        each.backgroundColor = next.map((bar) => bar.colour);
        each.borderColor = theme.contrastBorder || 'transparent';
      }
      tails.hidden = next.every((bar) => bar.tail === undefined);
      const space = theme.font.indexOf(' ');
      const font = { size: parseFloat(theme.font), family: theme.font.slice(space + 1) };
      for (const axis of ['x', 'y']) {
        const scale = chart.options.scales?.[axis];
        if (!scale) continue;
        Object.assign(scale.ticks ?? {}, { color: axis === 'y' ? theme.foreground : theme.muted, font });
        Object.assign(scale.grid ?? {}, { color: theme.grid });
      }
      const tooltip = chart.options.plugins?.tooltip;
      if (tooltip) {
        Object.assign(tooltip, {
          backgroundColor: theme.background,
          titleColor: theme.foreground,
          bodyColor: theme.foreground,
          borderColor: theme.contrastBorder || theme.muted,
          borderWidth: 1,
          cornerRadius: 2,
          titleFont: font,
          bodyFont: font,
        });
      }
      chart.update('none');
    },
  };
}
