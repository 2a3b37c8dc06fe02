/** The lanes: headings on the left, the chart on the right, one scroll bar for both. */
import type { Explorer } from '../app/explorer';
import { layoutOf, type Row } from '../lanes/layout';
import { queryLaneName } from '../lanes/query-lane-name';
import { lowerBound } from '../lanes/geometry';
import { kindRow } from '../../src/trace/vocabulary/events';
import { h } from '../ui/dom';
import { resolveColour, type Theme } from '../ui/theme';
import type { Signal } from '../host/signal';
import { AXIS_HEIGHT, lanesChart } from './chart';
import { Feed } from './feed';
import { gapMarks } from './gaps';
import { hitAt, type Hit } from './hit';
import { listen } from './input';
import { Overlay } from './overlay';
import { LanePainter } from './painter';
import { Tooltip } from './tooltip';

/** Pixels of the gutter beside the two halves of a lane's name. */
const GUTTER_AIR = 34;
/** Milliseconds that a hint stays. */
const HINT_TIME = 6000;
const LEAST_GUTTER = 110;
/** Of the page's width. */
const MOST_GUTTER = 0.34;
const KEYS =
  'W and S zoom, A and D move, comma and full stop go to the previous and next event of a lane, up and down change the lane, Enter opens the source, question mark shows all keys.';

/** Builds the timeline; it draws itself whenever the model changes. */
export function timeline(explorer: Explorer, theme: Signal<Theme>): { element: HTMLElement; focus(): void } {
  const { model } = explorer;
  const base = h('span', { class: 'axis-base' });
  const corner = h('div', { class: 'gutter-corner' }, base);
  const headings = h('div', { class: 'gutter-rows' });
  const gutter = h('div', { class: 'gutter' }, corner, headings);
  const lanesCanvas = h('canvas', { attrs: { 'aria-hidden': 'true' } });
  const overlayCanvas = h('canvas', { class: 'overlay', attrs: { 'aria-hidden': 'true' } });
  const gaps = gapMarks(model);
  const surface = h(
    'div',
    {
      class: 'surface',
      attrs: {
        tabindex: '0',
        role: 'application',
        'aria-label': 'Timeline lanes',
        'aria-describedby': 'timeline-keys',
      },
    },
    lanesCanvas,
    gaps.element,
    overlayCanvas,
  );
  const scroller = h('div', { class: 'scroller' }, gutter, surface);
  const tooltip = new Tooltip(model, explorer.host);
  const keys = h('div', { class: 'visually-hidden', text: KEYS, attrs: { id: 'timeline-keys' } });
  const element = h(
    'section',
    { class: 'timeline', attrs: { 'aria-label': 'Timeline' } },
    scroller,
    tooltip.element,
    keys,
  );

  const painter = new LanePainter(theme.value, (id) => model.track(id), resolveColour);
  const chart = lanesChart(lanesCanvas, painter, () => model.frequencyHz, theme.value);
  const overlay = new Overlay(overlayCanvas, model, painter, theme.value);
  const feed = new Feed(
    explorer.host,
    (result, rows) => {
      painter.accept(result, rows);
      redraw();
    },
    (error) => explorer.report(error),
  );

  let size = { width: 0, height: 0 };
  let pending = 0;
  let lanesDirty = true;
  /** Where the pointer rests on the lanes. */
  let pointer: { x: number; y: number } | undefined;
  const frame = (): void => {
    pending = 0;
    if (size.width === 0) return;
    painter.activeLane = model.lane.value;
    if (lanesDirty) {
      lanesDirty = false;
      chart.draw(model.window.value);
      base.textContent = chart.ticks.base;
      const { rows, endTime } = model.extent.value;
      feed.want(model.window.value, size.width, painter.layout.lanes, model.live ? rows : endTime);
      // What lies under a resting pointer changes when the lanes move.
      if (pointer) point(pointer.x, pointer.y, hitAt(model, painter, pointer.x, pointer.y, size.width));
    }
    gaps.draw(size.width);
    overlay.draw();
  };
  const redraw = (lanes = true): void => {
    lanesDirty ||= lanes;
    pending ||= requestAnimationFrame(frame);
  };

  /** Makes the gutter as wide as its longest name, if that leaves the lanes enough room. */
  const widen = (): void => {
    const pen = overlayCanvas.getContext('2d');
    let widest = LEAST_GUTTER;
    for (const name of headings.querySelectorAll('.gutter-lane')) {
      if (pen) pen.font = getComputedStyle(name).font;
      let width = GUTTER_AIR;
      for (const part of name.children) width += pen?.measureText(part.textContent).width ?? 0;
      widest = Math.max(widest, width);
    }
    const most = Math.max(LEAST_GUTTER, element.clientWidth * MOST_GUTTER);
    scroller.style.setProperty('--gutter-width', `${Math.ceil(Math.min(widest, most))}px`);
  };
  const relayout = (): void => {
    painter.layout = layoutOf(model.lanes.value, model.collapsed.value);
    headings.replaceChildren(...painter.layout.rows.map((row) => headingOf(row, explorer)));
    headings.style.height = `${painter.layout.height}px`;
    widen();
    redraw();
  };
  const markLane = (): void => {
    for (const child of headings.children) {
      child.classList.toggle(
        'active',
        child instanceof HTMLElement && child.dataset['lane'] === model.lane.value,
      );
    }
    redraw();
  };

  const resize = (): void => {
    widen();
    const width = surface.clientWidth;
    const height = scroller.clientHeight;
    if (width === size.width && height === size.height) return;
    size = { width, height };
    surface.style.height = `${height}px`;
    chart.resize(width, height);
    overlay.resize(width, height);
    cancelAnimationFrame(pending);
    lanesDirty = true;
    frame();
  };
  const observer = new ResizeObserver(resize);
  observer.observe(scroller);
  observer.observe(surface);

  scroller.addEventListener('scroll', () => {
    painter.scrollTop = scroller.scrollTop;
    model.scroll.value = scroller.scrollTop;
    redraw();
  });
  const scrollToLane = (): void => {
    const row = painter.layout.lanes.find(({ lane }) => lane.id === model.lane.value);
    if (!row) return;
    const room = size.height - AXIS_HEIGHT;
    if (row.top < scroller.scrollTop) scroller.scrollTop = row.top;
    else if (row.top + row.height > scroller.scrollTop + room)
      scroller.scrollTop = row.top + row.height - room;
  };

  const point = (x: number | undefined, y: number, hit: Hit | undefined): void => {
    overlay.pointer = x;
    overlay.hover = hit;
    if (x !== undefined && hit) {
      tooltip.show(hit, x + surface.offsetLeft, y, element.clientWidth, element.clientHeight);
    } else tooltip.hide();
  };
  const hover = (x: number | undefined, y: number, hit: Hit | undefined): void => {
    pointer = x === undefined ? undefined : { x, y };
    point(x, y, hit);
    redraw(false);
  };
  const step = (direction: 1 | -1): void => {
    const prepared = painter.prepared.get(model.lane.value);
    if (!prepared) return moveLane(1);
    const rows = prepared.data.row;
    const selected = model.selection.value;
    const { from, to } = model.window.value;
    let at = rows.indexOf(selected);
    if (at < 0 && prepared.type === 'events') {
      const time = model.details.value?.start ?? (direction > 0 ? from : to);
      at = lowerBound(prepared.data.start, time) - (direction > 0 ? 1 : 0);
    } else if (at < 0 && painter.answer) {
      const share = (from - painter.answer.from) / (painter.answer.to - painter.answer.from);
      at = Math.floor(share * rows.length) - 1;
    }
    do at += direction;
    while (at >= 0 && at < rows.length && ((rows[at] ?? -1) < 0 || rows[at] === selected));
    const row = rows[at];
    const start = prepared.type === 'events' && row !== undefined ? (prepared.data.start[at] ?? 0) : from;
    if (row !== undefined && row >= 0 && start >= from && start <= to) void explorer.reveal(row);
    else void explorer.stepInLane(direction);
  };
  const moveLane = (direction: 1 | -1): void => {
    const { lanes } = painter.layout;
    const at = lanes.findIndex(({ lane }) => lane.id === model.lane.value);
    const next = lanes[Math.min(Math.max(at + direction, 0), lanes.length - 1)];
    if (!next) return;
    model.lane.value = next.lane.id;
    explorer.announcement.value = `Lane ${next.lane.label} of ${next.lane.group}`;
    scrollToLane();
  };
  listen(
    {
      element: surface,
      hitAt: (x, y) => hitAt(model, painter, x, y, size.width),
      onHandle: (x, y) => overlay.onHandle(x, y),
      hover,
      scrollBy: (pixels) => (scroller.scrollTop += pixels),
      overflows: () => scroller.scrollHeight > scroller.clientHeight + 1,
      hint: zoomHint(element),
      step,
      moveLane,
    },
    explorer,
  );

  model.lanes.subscribe(relayout);
  model.collapsed.subscribe(relayout);
  model.lane.subscribe(() => {
    markLane();
    scrollToLane();
  });
  for (const signal of [model.window, model.extent]) signal.subscribe(() => redraw());
  for (const signal of [
    model.selection,
    model.details,
    model.chain,
    model.range,
    model.debugger,
    model.dragged,
  ])
    signal.subscribe(() => redraw(false));
  theme.subscribe((next) => {
    painter.restyle(next);
    chart.restyle(next);
    overlay.theme = next;
    redraw();
  });
  relayout();
  requestAnimationFrame(() => {
    scroller.scrollTop = model.scroll.value;
  });
  return { element, focus: () => surface.focus() };
}

/** Says once and for all how to zoom, for a reader whose wheel has just scrolled. */
function zoomHint(parent: HTMLElement): () => void {
  const key = 'trapline.zoomHint';
  const mac = navigator.userAgent.includes('Mac');
  const text = `${mac ? '⌘' : 'Ctrl'} + wheel zooms in time, here; on the time axis the wheel alone does.`;
  let told = localStorage.getItem(key) !== null;
  return () => {
    if (told) return;
    told = true;
    localStorage.setItem(key, 'told');
    const note = h('div', { class: 'hint', text, attrs: { role: 'status' } });
    parent.append(note);
    setTimeout(() => note.remove(), HINT_TIME);
  };
}

/** A heading with its twistie, or the name of a lane. */
function headingOf(row: Row, explorer: Explorer): HTMLElement {
  if (row.type === 'heading') {
    const button = h(
      'button',
      {
        class: 'gutter-heading',
        attrs: { type: 'button', 'aria-expanded': String(!row.collapsed) },
        on: { click: () => explorer.toggleGroup(row.group) },
      },
      h('span', { class: 'twistie', attrs: { 'aria-hidden': 'true' } }),
      h('span', { text: row.group }),
      row.collapsed ? h('span', { class: 'gutter-note', text: `${row.lanes} lanes` }) : null,
    );
    button.style.height = `${row.height}px`;
    return button;
  }
  const { lane } = row;
  const role = kindRoleOf(lane.groups);
  const element = h(
    'div',
    {
      class: `gutter-lane${lane.empty ? ' empty' : ''}${row.firstOfTrack ? ' first' : ''}`,
      title: lane.empty ? `${lane.label}: nothing recorded` : lane.label,
      on: { click: () => (explorer.model.lane.value = lane.id) },
    },
    lane.query === undefined
      ? h('span', { class: 'gutter-track', text: row.firstOfTrack ? lane.track : '' })
      : queryLaneName(lane, explorer),
    h('span', {
      class: `gutter-part role-${role}`,
      text: row.firstOfTrack && lane.track.endsWith(lane.part) ? '' : lane.part,
    }),
  );
  element.dataset['lane'] = lane.id;
  element.style.height = `${row.height}px`;
  return element;
}

const roleOfGroup: Partial<Record<string, string>> = {
  mode: kindRow(1).role,
  exit: 'exit',
  interrupt: 'interrupt',
  register: 'device',
  virtio: 'device',
  dma: 'dma',
  iommu: 'iommu',
  packet: 'network',
  thread: 'thread',
  guest: 'mark',
};

function kindRoleOf(groups: readonly string[]): string {
  return roleOfGroup[groups[0] ?? ''] ?? 'mark';
}
