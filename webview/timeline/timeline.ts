/** The lanes: headings on the left, the chart on the right, one scroll bar for both. */
import type { Explorer } from '../app/explorer';
import { layoutOf, topOf, type LaneRow } from '../lanes/layout';
import { lowerBound } from '../lanes/geometry';
import { laneSentence } from '../lanes/name';
import { h } from '../ui/dom';
import { resolveColour, type Theme } from '../ui/theme';
import type { Signal } from '../host/signal';
import { timeScale } from '../time/fold';
import { AXIS_HEIGHT, lanesChart } from './chart';
import { Feed } from './feed';
import { gapMarks } from './gaps';
import { gutter } from './gutter';
import { hitAt, type Hit } from './hit';
import { listen } from './input';
import { Overlay } from './overlay';
import { LanePainter } from './painter';
import { Tooltip } from './tooltip';

/** Milliseconds that a hint stays. */
const HINT_TIME = 6000;
/** Pixels beyond the lanes in sight for which lanes are asked for too. */
const OVERSCAN = 60;
/** Milliseconds without a change of the zoom after which strips are drawn anew for it. */
const SETTLE = 90;
/** Milliseconds of a frame that may go into drawing strips anew. */
const PREPARE_TIME = 4;
const KEYS =
  'W and S zoom, A and D move, comma and full stop go to the previous and next event of a lane, up and down change the lane, Enter opens the source, question mark shows all keys.';

/** Builds the timeline; it draws itself whenever the model changes. `editBookmark` lets the reader name a time. */
export function timeline(
  explorer: Explorer,
  theme: Signal<Theme>,
  editBookmark: (time: number) => void,
): { element: HTMLElement; focus(): void } {
  const { model } = explorer;
  const side = gutter(explorer);
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
  const scroller = h('div', { class: 'scroller' }, side.element, surface);
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
  const chart = lanesChart(lanesCanvas, painter, () => model.clock, theme.value);
  const overlay = new Overlay(overlayCanvas, model, painter, theme.value);
  const feed = new Feed(
    explorer.host,
    (supplies) => {
      painter.accept(supplies);
      model.arrived.value = true;
      redraw();
    },
    (error) => explorer.report(error),
  );

  let size = { width: 0, height: 0 };
  let pending = 0;
  let lanesDirty = true;
  let noted = false;
  /** Where the pointer rests on the lanes. */
  let pointer: { x: number; y: number } | undefined;
  /** Shown cycles of a pixel at the last drawing, and when that changed. */
  let zoom = { pixel: 0, at: -Infinity };
  let settle = 0;
  /** The next frame has to go on with what this one had no time for. */
  let again = false;
  /** Lanes in sight, and a little beyond. */
  const visible = (): LaneRow[] => {
    const bottom = size.height - AXIS_HEIGHT + OVERSCAN;
    return painter.layout.lanes.filter((row) => {
      const top = topOf(row, scroller.scrollTop);
      return top + row.height > -OVERSCAN && top < bottom;
    });
  };
  /** Draws strips anew where that is needed: while a zoom goes on only what is new, the rest is stretched. */
  const prepare = (rows: readonly LaneRow[]): void => {
    const { pixel } = timeScale(model.window.value, 0, size.width, painter.folding);
    const now = performance.now();
    if (Math.abs(zoom.pixel / pixel - 1) > 1e-6) zoom = { pixel, at: now };
    const left = zoom.at + SETTLE - now;
    clearTimeout(settle);
    if (left > 0) settle = window.setTimeout(() => redraw(), left + 1);
    const due = left > 0 ? rows.filter((row) => painter.hasNew([row])) : rows;
    // What this frame has no time for comes in the next.
    if (!painter.prepare(due, zoom.pixel, size.width, now + PREPARE_TIME)) again = true;
  };
  /** Notes in the browser's own timings when lanes are on screen for the first time. */
  const note = (rows: readonly LaneRow[]): void => {
    if (noted || !rows.some(({ lane }) => painter.prepared(lane.id))) return;
    noted = true;
    performance.mark('trapline:lanes');
  };
  const frame = (): void => {
    pending = 0;
    if (size.width === 0) return;
    painter.activeLane = model.lane.value;
    painter.folding = model.folding.value;
    if (lanesDirty) {
      lanesDirty = false;
      const rows = visible();
      prepare(rows);
      chart.draw(model.window.value, painter.folding);
      note(rows);
      side.base(chart.ticks.base);
      feed.want(
        model.window.value,
        size.width,
        rows.map(({ lane }) => lane),
        model.endTime,
        painter.folding,
        model.live ? model.extent.value.rows : model.endTime,
      );
      // What lies under a resting pointer changes when the lanes move.
      if (pointer) point(pointer.x, pointer.y, hitAt(model, painter, pointer.x, pointer.y, size.width));
    }
    gaps.draw(size.width);
    overlay.draw();
    if (!again) return;
    again = false;
    redraw();
  };
  const redraw = (lanes = true): void => {
    lanesDirty ||= lanes;
    pending ||= requestAnimationFrame(frame);
  };

  const widen = (): void =>
    scroller.style.setProperty('--gutter-width', `${side.width(element.clientWidth)}px`);
  const relayout = (): void => {
    const { lanes, pinned } = model.arranged.value;
    feed.keepOnly(model.lanes.value);
    painter.layout = layoutOf(lanes, new Set(model.choices.value.collapsed), pinned);
    side.relayout(painter.layout);
    side.activate(model.lane.value);
    widen();
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
    if (!row || row.pinned) return;
    const { pinnedHeight } = painter.layout;
    const room = size.height - AXIS_HEIGHT;
    if (row.top - pinnedHeight < scroller.scrollTop) scroller.scrollTop = row.top - pinnedHeight;
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
    const prepared = painter.prepared(model.lane.value);
    if (!prepared) return moveLane(1);
    if (prepared.type === 'columns') return void explorer.stepInLane(direction);
    const { row, start } = prepared.data;
    const { from, to } = model.window.value;
    let at = row.indexOf(model.selection.value);
    if (at < 0) {
      const time = model.details.value?.start ?? (direction > 0 ? from : to);
      at = lowerBound(start, time) - (direction > 0 ? 1 : 0);
    }
    const next = row[at + direction];
    const time = start[at + direction] ?? -1;
    if (next !== undefined && time >= from && time <= to) void explorer.reveal(next, { inLane: true });
    else void explorer.stepInLane(direction);
  };
  const moveLane = (direction: 1 | -1): void => {
    const { lanes } = painter.layout;
    const at = lanes.findIndex(({ lane }) => lane.id === model.lane.value);
    const next = lanes[Math.min(Math.max(at + direction, 0), lanes.length - 1)];
    if (!next) return;
    model.lane.value = next.lane.id;
    explorer.say(laneSentence(next.lane, lanes.indexOf(next), lanes.length));
    scrollToLane();
  };
  listen(
    {
      element: surface,
      hitAt: (x, y) => hitAt(model, painter, x, y, size.width),
      handleAt: (x, y) => overlay.handleAt(x, y),
      timeAt: (x) => timeScale(model.window.value, 0, size.width, painter.folding).toTime(x),
      snap: (x) => overlay.snap(x),
      pointer: () => pointer,
      hover,
      scrollBy: (pixels) => (scroller.scrollTop += pixels),
      overflows: () => scroller.scrollHeight > scroller.clientHeight + 1,
      hint: zoomHint(element),
      step,
      moveLane,
      renameLane: side.rename,
      editBookmark,
    },
    explorer,
  );

  model.arranged.subscribe(relayout);
  model.choices.subscribe(() => redraw());
  model.lane.subscribe((lane) => {
    side.activate(lane);
    scrollToLane();
    redraw();
  });
  for (const signal of [model.window, model.extent, model.folding]) signal.subscribe(() => redraw());
  // The axis may count from the selected event.
  for (const signal of [model.selection, model.details])
    signal.subscribe(() => redraw(model.choices.value.clock === 'selected'));
  for (const signal of [
    model.chain,
    model.range,
    model.measured,
    model.cursors,
    model.bookmarks,
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
