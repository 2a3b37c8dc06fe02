/** The whole run at a glance, with the window as a frame to move and stretch. */
import type { Lane, ViewportResult } from '../../src/protocol/viewport';
import type { Explorer } from '../app/explorer';
import { Latest } from '../host/latest';
import type { Signal } from '../host/signal';
import type { Layout, LaneRow } from '../lanes/layout';
import { lanesChart } from '../timeline/chart';
import { wheelFactor } from '../timeline/input';
import { LanePainter } from '../timeline/painter';
import { spanOf, wholeRun, type TimeWindow } from '../time/window';
import { h } from '../ui/dom';
import { resolveColour, type Theme } from '../ui/theme';

const HEIGHT = 40;
/** Height of the modes, as a multiple of the other strip's. */
const MODE_WEIGHT = 2;
/** Milliseconds between two questions while the trace grows. */
const PATIENCE = 300;
const LEAST_FRAME = 8;

/** One strip for the modes of all vCPUs and one for all exits; other tracks where a trace has no vCPU. */
function overviewOf(lanes: readonly Lane[]): Lane[] {
  const merge = (part: string, kind: Lane['kind']): Lane[] => {
    const of = lanes.filter((lane) => lane.part === part && !lane.empty);
    const [first] = of;
    return first
      ? [{ ...first, id: `overview/${part}`, kind, trackIds: of.flatMap((lane) => lane.trackIds) }]
      : [];
  };
  const found = [...merge('mode', 'mode'), ...merge('exits', 'spans')];
  return found.length > 0 ? found : lanes.slice(0, 2);
}

function layoutOf(lanes: readonly Lane[]): Layout {
  const weight = (lane: Lane): number => (lane.kind === 'mode' ? MODE_WEIGHT : 1);
  const total = lanes.reduce((sum, lane) => sum + weight(lane), 0);
  let top = 0;
  const rows: LaneRow[] = lanes.map((lane) => {
    const height = Math.round((HEIGHT * weight(lane)) / Math.max(1, total));
    const row: LaneRow = { type: 'lane', lane, top, height, firstOfTrack: true, pinned: false };
    top += height;
    return row;
  });
  return { rows, lanes: rows, height: HEIGHT, pinnedHeight: 0 };
}

/** Builds the minimap. @param marks what lies upon it, as wide as it is */
export function minimap(explorer: Explorer, theme: Signal<Theme>, marks: HTMLElement): HTMLElement {
  const { model } = explorer;
  const canvas = h('canvas', { attrs: { 'aria-hidden': 'true' } });
  const frame = h(
    'div',
    { class: 'frame', attrs: { 'aria-hidden': 'true' } },
    h('div', { class: 'frame-edge left' }),
    h('div', { class: 'frame-edge right' }),
  );
  const shadeLeft = h('div', { class: 'frame-shade' });
  const shadeRight = h('div', { class: 'frame-shade' });
  const bookmarks = h('div', { class: 'minimap-marks', attrs: { 'aria-hidden': 'true' } });
  const area = h('div', { class: 'minimap-area' }, canvas, shadeLeft, shadeRight, marks, frame, bookmarks);
  const element = h(
    'section',
    { class: 'minimap', attrs: { 'aria-label': 'Overview of the whole run' } },
    area,
  );
  const painter = new LanePainter(theme.value, (id) => model.track(id), resolveColour, { compact: true });
  const chart = lanesChart(canvas, painter, () => model.clock, theme.value, false);

  let width = 0;
  let asked = 0;
  let timer = 0;
  const bounds = (): TimeWindow => wholeRun(model.endTime);
  const latest = new Latest<LaneRow[], ViewportResult>(
    (rows) => explorer.host.call('viewport', { ...bounds(), width, lanes: rows.map((row) => row.lane) }),
    (result, rows) => {
      const { from, to, lanes } = result;
      const bin = (to - from) / result.width;
      painter.accept(
        new Map(
          rows.flatMap((row, index) => {
            const data = lanes[index];
            return data ? [[row.lane.id, { bin, pieces: [{ from, to, data }] }] as const] : [];
          }),
        ),
      );
      draw();
    },
    () => undefined,
  );
  const ask = (): void => {
    timer = 0;
    if (width === 0 || model.extent.value.rows === 0) return;
    asked = performance.now();
    latest.request(painter.layout.lanes);
  };
  const later = (): void => {
    timer ||= window.setTimeout(ask, Math.max(0, asked + PATIENCE - performance.now()));
  };
  const toX = (cycles: number): number => (cycles / spanOf(bounds())) * width;
  const toTime = (x: number): number => (x / Math.max(1, width)) * spanOf(bounds());
  let frameWidth = 0;
  const place = (): void => {
    if (width === 0) return;
    const { from, to } = model.window.value;
    const left = Math.max(0, toX(from));
    const right = Math.min(width, toX(to));
    frameWidth = Math.max(LEAST_FRAME, right - left);
    const x = Math.min(left, width - frameWidth);
    frame.style.transform = `translateX(${x}px)`;
    frame.style.width = `${frameWidth}px`;
    shadeLeft.style.width = `${x}px`;
    shadeRight.style.left = `${x + frameWidth}px`;
    shadeRight.style.width = `${Math.max(0, width - x - frameWidth)}px`;
  };
  const markBookmarks = (): void => {
    bookmarks.replaceChildren(
      ...model.bookmarks.value.map(({ time, name }) => {
        const mark = h('div', { class: 'minimap-mark', title: name });
        mark.style.left = `${toX(time)}px`;
        return mark;
      }),
    );
  };
  const draw = (): void => {
    if (width === 0) return;
    markBookmarks();
    painter.prepare(painter.layout.lanes, spanOf(bounds()) / width, width);
    chart.draw(bounds());
  };
  const grown = (): void => {
    draw();
    place();
    later();
  };
  new ResizeObserver(() => {
    width = area.clientWidth;
    chart.resize(width, HEIGHT);
    draw();
    place();
    later();
  }).observe(area);

  model.lanes.subscribe((lanes) => {
    painter.layout = layoutOf(overviewOf(lanes));
    later();
  });
  model.extent.subscribe(grown);
  model.window.subscribe(place);
  model.bookmarks.subscribe(markBookmarks);
  theme.subscribe((next) => {
    painter.restyle(next);
    draw();
  });

  type Grip = { part: 'move' | 'left' | 'right' | 'new'; at: number; window: TimeWindow; moved: boolean };
  let grip: Grip | undefined;
  const timeOf = (event: PointerEvent): number => toTime(event.clientX - area.getBoundingClientRect().left);
  area.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    area.setPointerCapture(event.pointerId);
    const target = event.target instanceof Element ? event.target : area;
    const part = target.matches('.left')
      ? 'left'
      : target.matches('.right')
        ? 'right'
        : target === frame
          ? 'move'
          : 'new';
    grip = { part, at: timeOf(event), window: model.window.value, moved: false };
  });
  area.addEventListener('pointermove', (event) => {
    if (!grip) return;
    const time = timeOf(event);
    if (Math.abs(toX(time) - toX(grip.at)) > 3) grip.moved = true;
    if (!grip.moved) return;
    const { from, to } = grip.window;
    if (grip.part === 'move') explorer.show({ from: from + time - grip.at, to: to + time - grip.at });
    else if (grip.part === 'left') explorer.show({ from: Math.min(time, to - 1), to });
    else if (grip.part === 'right') explorer.show({ from, to: Math.max(time, from + 1) });
    else explorer.show({ from: Math.min(time, grip.at), to: Math.max(time, grip.at) });
  });
  const release = (event: PointerEvent): void => {
    const done = grip;
    grip = undefined;
    if (!done || done.moved || done.part !== 'new' || event.type === 'pointercancel') return;
    const half = spanOf(model.window.value) / 2;
    explorer.show({ from: done.at - half, to: done.at + half }, true);
  };
  area.addEventListener('pointerup', release);
  area.addEventListener('pointercancel', release);
  area.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const { from, to } = model.window.value;
      const at = toTime(event.clientX - area.getBoundingClientRect().left);
      explorer.zoom(wheelFactor(event.deltaY), at >= from && at <= to ? at : (from + to) / 2);
    },
    { passive: false },
  );
  return element;
}
