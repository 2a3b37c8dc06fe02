/**
 * Chart.js as the base of the lanes: its linear scale is the time axis, and one controller of ours draws all lanes
 * straight from packed columns, without an element per event.
 */
import {
  Chart,
  DatasetController,
  Element,
  LinearScale,
  type ChartArea,
  type CoreChartOptions,
  type Scale,
} from 'chart.js';
import type { Theme } from '../ui/theme';
import type { Clock } from '../time/clock';
import { Folding } from '../time/fold';
import { timeTicks, type Ticks } from '../time/ticks';
import type { TimeWindow } from '../time/window';

/** Pixels of the time axis above the lanes. */
export const AXIS_HEIGHT = 28;

/** Draws the lanes' content. */
export interface Painter {
  paint(context: CanvasRenderingContext2D, area: ChartArea, window: TimeWindow): void;
}

interface LanesDataset {
  painter: Painter;
  timeWindow: () => TimeWindow;
}

declare module 'chart.js' {
  interface ChartTypeRegistry {
    lanes: {
      chartOptions: CoreChartOptions<'lanes'>;
      datasetOptions: LanesDataset;
      defaultDataPoint: number;
      metaExtensions: object;
      parsedDataType: object;
      scales: 'linear';
    };
  }
}

/** Stands for an element where Chart.js wants the name of one; none is ever made. */
class LaneElement extends Element {
  static id = 'laneElement';
}

class LaneController extends DatasetController<'lanes'> {
  static id = 'lanes';
  static defaults = { dataElementType: 'laneElement', datasetElementType: false };

  override linkScales(): void {}
  override addElements(): void {}
  override buildOrUpdateElements(): void {}
  override parse(): void {}
  override update(): void {}

  override draw(): void {
    const dataset = this.chart.data.datasets[this.index];
    if (!dataset || !('painter' in dataset)) return;
    const window = dataset.timeWindow?.();
    if (window) dataset.painter?.paint?.(this.chart.ctx, this.chart.chartArea, window);
  }
}

Chart.register(LinearScale, LaneElement, LaneController);

export interface LanesChart {
  /** Draws with a window; cheap enough for every frame. */
  draw(window: TimeWindow, folding?: Folding): void;
  resize(width: number, height: number): void;
  restyle(theme: Theme): void;
  /** Ticks of the last drawing. */
  readonly ticks: Ticks;
}

/**
 * Puts lanes on a canvas.
 * @param axis false for a chart without a time axis
 */
export function lanesChart(
  canvas: HTMLCanvasElement,
  painter: Painter,
  clock: () => Clock,
  theme: Theme,
  axis = true,
): LanesChart {
  let window: TimeWindow = { from: 0, to: 1 };
  let folding = Folding.none;
  let { numberFont } = theme;
  let ticks: Ticks = { ticks: [], step: 1, base: '' };
  // Labels that reach over an end must not make the axis narrower: a pixel is the same time here and in the overlay.
  const edgeToEdge = {
    id: 'edgeToEdge',
    afterLayout: ({ chartArea, scales, width }: Chart<'lanes'>) => {
      Object.assign(chartArea, { left: 0, right: width, width });
      const scale = scales['x'];
      if (!scale) return;
      Object.assign(scale, { left: 0, right: width, width });
      scale.configure();
    },
  };
  const chart = new Chart<'lanes'>(canvas, {
    type: 'lanes',
    plugins: [edgeToEdge],
    data: { datasets: [{ data: [], painter, timeWindow: () => window }] },
    options: {
      responsive: false,
      maintainAspectRatio: false,
      animation: false,
      normalized: true,
      parsing: false,
      events: [],
      layout: { padding: 0, autoPadding: false },
      scales: {
        x: {
          type: 'linear',
          position: 'top',
          display: axis,
          min: 0,
          max: 1,
          afterBuildTicks: (scale: Scale) => {
            ticks = timeTicks(window, scale.width || chart.width, clock(), folding);
            scale.ticks = ticks.ticks.map(({ value, label }) => ({ value: folding.toShown(value), label }));
            dropCut(scale, ticks, folding.windowToShown(window), numberFont);
          },
          afterFit: (scale: Scale) => {
            scale.height = axis ? AXIS_HEIGHT : 0;
            scale.paddingLeft = 0;
            scale.paddingRight = 0;
          },
          border: { display: false },
          grid: { tickLength: 6 },
          ticks: {
            autoSkip: false,
            minRotation: 0,
            maxRotation: 0,
            align: 'start',
            padding: 3,
            callback: (_value: unknown, index: number, all: readonly { label?: string | string[] }[]) =>
              all[index]?.label ?? '',
          },
        },
      },
    },
  });
  const restyle = (next: Theme): void => {
    const scale = chart.options.scales?.['x'];
    if (!scale) return;
    ({ numberFont } = next);
    const [size = '11px', family = 'monospace'] = splitFont(next.numberFont);
    Object.assign(scale.ticks ?? {}, { color: next.muted, font: { size: parseFloat(size), family } });
    Object.assign(scale.grid ?? {}, { color: next.grid });
  };
  restyle(theme);
  return {
    draw(next, folded = Folding.none) {
      window = next;
      folding = folded;
      const shown = folding.windowToShown(next);
      const scale = chart.options.scales?.['x'];
      if (scale) Object.assign(scale, { min: shown.from, max: shown.to });
      chart.update('none');
    },
    resize: (width, height) => chart.resize(width, height),
    restyle,
    get ticks() {
      return ticks;
    },
  };
}

/** Takes away the last label where the edge would cut it; its line stays. */
function dropCut(scale: Scale, { ticks }: Ticks, shown: TimeWindow, font: string): void {
  const last = scale.ticks.at(-1);
  const label = ticks.at(-1)?.label;
  if (!last || label === undefined || !scale.width) return;
  const x = ((last.value - shown.from) / (shown.to - shown.from)) * scale.width;
  scale.ctx.save();
  scale.ctx.font = font;
  if (x + scale.ctx.measureText(label).width > scale.width) last.label = '';
  scale.ctx.restore();
}

/** Size and family of a short CSS font. */
function splitFont(font: string): [string, string] {
  const space = font.indexOf(' ');
  return [font.slice(0, space), font.slice(space + 1)];
}
