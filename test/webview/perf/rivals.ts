/** The same spans in stock Chart.js as floating bars, and in vis-timeline: how other ways to draw a timeline fare. */
import { BarController, BarElement, CategoryScale, Chart, LinearScale } from 'chart.js';
import { frames, nextFrame, percentile } from './frames';

const LANES = 8;

interface Span {
  lane: number;
  from: number;
  to: number;
}

/** Spans one after the other, lane by lane, of uneven lengths. */
function spansOf(count: number): { spans: Span[]; end: number } {
  let state = 7;
  const next = (): number => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
  const spans: Span[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const length = 1 + Math.floor(next() * 40);
    spans.push({ lane: i % LANES, from: at, to: at + length });
    at += 1 + Math.floor(next() * 12);
  }
  return { spans, end: at };
}

interface Rival {
  show(from: number, to: number): void;
}
/** What vis-timeline's stand-alone build gives, as far as it is used here. */
interface VisTimeline {
  Timeline: new (
    container: HTMLElement,
    items: object[],
    groups: object[],
    options: object,
  ) => { setWindow(from: number, to: number, options: object): void };
}

const draw: Record<string, (spans: readonly Span[], end: number, room: HTMLElement) => Rival> = {
  chartjs(spans, end, room) {
    Chart.register(BarController, BarElement, CategoryScale, LinearScale);
    const canvas = room.appendChild(document.createElement('canvas'));
    const labels = Array.from({ length: LANES }, (_, lane) => `lane ${lane}`);
    const scale = { min: 0, max: end };
    const chart = new Chart(canvas, {
      type: 'bar',
      data: {
        labels,
        datasets: [
          {
            data: spans.map(({ lane, from, to }) => ({ x: [from, to], y: `lane ${lane}` })) as never[],
            backgroundColor: '#89d185',
            grouped: false,
          },
        ],
      },
      options: {
        indexAxis: 'y',
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        scales: { x: scale },
      },
    });
    return {
      show(from, to) {
        Object.assign(chart.options.scales?.['x'] ?? {}, { min: from, max: to });
        chart.update('none');
      },
    };
  },
  vis(spans, end, room) {
    const { vis } = globalThis as unknown as { vis: VisTimeline };
    const items = spans.map(({ lane, from, to }, id) => ({
      id,
      group: lane,
      start: from,
      end: to,
      content: '',
    }));
    const groups = Array.from({ length: LANES }, (_, id) => ({ id, content: `lane ${id}` }));
    const options = { start: 0, end, height: 600, stack: false };
    const timeline = new vis.Timeline(room, items, groups, options);
    return { show: (from, to) => timeline.setWindow(from, to, { animation: false }) };
  },
};

declare global {
  interface Window {
    rivals: typeof rivals;
  }
}
const rivals = {
  /** Milliseconds to the first frame with all spans, and between frames of pans and zooms. */
  async measure(name: string, count: number, steps: number): Promise<{ firstPaint: number; p95: number }> {
    const room = document.body.appendChild(document.createElement('div'));
    room.style.cssText = 'position:relative;width:1400px;height:600px';
    const { spans, end } = spansOf(count);
    await nextFrame();
    const begun = performance.now();
    const rival = draw[name]?.(spans, end, room);
    await nextFrame();
    const firstPaint = (await nextFrame()) - begun;
    const times = await frames(steps, (index) => {
      const span = end * 0.98 ** Math.min(index, steps / 2);
      const from = (end - span) * (index / steps);
      rival?.show(from, from + span);
    });
    return { firstPaint, p95: percentile(times, 0.95) };
  },
};
window.rivals = rivals;
