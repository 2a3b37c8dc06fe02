/** Mouse, wheel and keys of the lanes. */
import type { Explorer } from '../app/explorer';
import type { CursorName } from '../app/marks';
import { AXIS_HEIGHT } from './chart';
import { rowOfHit, type Hit } from './hit';

/** What the gestures need of the timeline. */
export interface Surface {
  element: HTMLElement;
  hitAt(x: number, y: number): Hit | undefined;
  /** The cursor at whose handle a point is, which can be dragged. */
  handleAt(x: number, y: number): CursorName | 'debugger' | undefined;
  /** Cycles at a point across. */
  timeAt(x: number): number;
  /** The same, at the edge of an event when one is near. */
  snap(x: number): number;
  /** Where the pointer rests; undefined: elsewhere. */
  pointer(): { x: number; y: number } | undefined;
  hover(x: number | undefined, y: number, hit: Hit | undefined): void;
  scrollBy(pixels: number): void;
  /** Whether there are more lanes than fit. */
  overflows(): boolean;
  /** Says, once, how to zoom. */
  hint(): void;
  /** Selects the neighbour of the selected event in the lane of the keyboard. */
  step(direction: 1 | -1): void;
  /** Makes the next lane the keyboard's. */
  moveLane(direction: 1 | -1): void;
  /** Lets the reader give a lane of a query another name. */
  renameLane(lane: string): void;
  /** Lets the reader name a time. */
  editBookmark(time: number): void;
}

/** Pixels that a press may wander and still be a click. */
const CLICK_SLACK = 4;
/** Pixels of a bookmark's mark. */
const MARK_REACH = 9;
const KEY_ZOOM = 1.6;
const KEY_PAN = 0.15;

/** Pixels of a wheel event, whatever unit it came in. */
function pixels(delta: number, event: WheelEvent, page: number): number {
  if (event.deltaMode === WheelEvent.DOM_DELTA_LINE) return delta * 16;
  return event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? delta * page : delta;
}

/** Zoom by one notch of a wheel, 100 pixels. */
const NOTCH = 1.2;
/** Pinching on a touch pad comes as small steps with Ctrl held. */
const PINCH_STEP = 40;
const PINCH = 0.01;

/** New window length over the old one for pixels of a wheel. */
export function wheelFactor(dy: number, modifier = false): number {
  const strength = Math.max(-240, Math.min(240, dy));
  return Math.exp(strength * (modifier && Math.abs(dy) < PINCH_STEP ? PINCH : Math.log(NOTCH) / 100));
}

/** Connects mouse, wheel and keys with the explorer; returns the way to disconnect. */
export function listen(surface: Surface, explorer: Explorer): void {
  const { element } = surface;
  const { model } = explorer;
  const widthOf = (): number => Math.max(1, element.clientWidth);
  const pointOf = (event: MouseEvent): { x: number; y: number } => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const { timeAt } = surface;

  element.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const dx = pixels(event.deltaX, event, widthOf());
      const dy = pixels(event.deltaY, event, element.clientHeight);
      const point = pointOf(event);
      const modifier = event.ctrlKey || event.metaKey;
      const across = event.shiftKey && dx === 0 ? dy : dx;
      const zooms = modifier || (!event.shiftKey && (point.y < AXIS_HEIGHT || !surface.overflows()));
      if (zooms && dy !== 0 && Math.abs(dy) >= Math.abs(dx)) {
        explorer.zoom(wheelFactor(dy, modifier), timeAt(point.x));
        return;
      }
      if (across !== 0) explorer.pan(across / widthOf());
      if (event.shiftKey || dy === 0) return;
      surface.scrollBy(dy);
      surface.hint();
    },
    { passive: false },
  );

  let press:
    { x: number; y: number; lastX: number; lastY: number; mark: boolean; moved: boolean } | undefined;
  /** The cursor that is dragged. */
  let held: CursorName | undefined;
  /** What a bookmark whose mark is under the pointer is called. */
  const bookmarkTitle = (x: number, y: number): string => {
    if (y > AXIS_HEIGHT || model.bookmarks.value.length === 0) return '';
    const reach = Math.abs(timeAt(x) - timeAt(x - MARK_REACH));
    const found = explorer.marks.bookmarkAt(timeAt(x - MARK_REACH / 2), reach);
    return found ? [found.name, found.note].filter((text) => text !== '').join('\n') : '';
  };
  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    element.focus({ preventScroll: true });
    element.setPointerCapture(event.pointerId);
    const { x, y } = pointOf(event);
    const handle = surface.handleAt(x, y);
    if (handle === 'debugger') {
      model.dragged.value = model.debugger.value?.cycles;
      return;
    }
    held = handle;
    press = { x, y, lastX: x, lastY: y, mark: event.shiftKey || y < AXIS_HEIGHT, moved: false };
  });
  element.addEventListener('pointermove', (event) => {
    const { x, y } = pointOf(event);
    if (model.dragged.value !== undefined) {
      model.dragged.value = Math.round(Math.min(Math.max(0, timeAt(x)), model.endTime));
      return;
    }
    if (!press) {
      const hit = surface.hitAt(x, y);
      element.classList.toggle('on-handle', surface.handleAt(x, y) !== undefined);
      element.title = bookmarkTitle(x, y);
      element.classList.toggle('on-event', hit !== undefined);
      surface.hover(x, y, hit);
      return;
    }
    if (!press.moved && Math.hypot(x - press.x, y - press.y) < CLICK_SLACK) return;
    press.moved = true;
    if (held) {
      explorer.marks.setCursor(held, surface.snap(x));
      surface.hover(undefined, y, undefined);
      return;
    }
    if (press.mark) {
      const [a, b] = [surface.snap(press.x), surface.snap(x)].sort((p, q) => p - q);
      model.range.value = { from: Math.max(0, a ?? 0), to: Math.max(1, b ?? 0) };
      surface.hover(undefined, y, undefined);
      return;
    }
    element.classList.add('dragging');
    explorer.pan((press.lastX - x) / widthOf());
    surface.scrollBy(press.lastY - y);
    press.lastX = x;
    press.lastY = y;
    surface.hover(undefined, y, undefined);
  });
  const release = (event: PointerEvent): void => {
    const { value: dragged } = model.dragged;
    if (dragged !== undefined) {
      model.dragged.value = undefined;
      if (event.type !== 'pointercancel') void explorer.travel({ cycles: dragged });
      return;
    }
    const done = press;
    const wasHeld = held !== undefined;
    press = held = undefined;
    element.classList.remove('dragging');
    if (wasHeld || !done || done.moved || event.type === 'pointercancel') return;
    const { x, y } = pointOf(event);
    const hit = surface.hitAt(x, y);
    if (!hit) {
      if (!done.mark) model.range.value = undefined;
      explorer.select(-1);
      return;
    }
    const row = rowOfHit(hit);
    model.lane.value = hit.line.lane.id;
    explorer.select(row);
    if (event.detail >= 2) return;
    // The debugger shows its line by itself.
    if (explorer.canTravel) void explorer.travel({ row });
    else void explorer.openSource(row, true, false);
  };
  element.addEventListener('pointerup', release);
  element.addEventListener('pointercancel', release);
  element.addEventListener('pointerleave', () => surface.hover(undefined, 0, undefined));
  element.addEventListener('dblclick', (event) => {
    const { x, y } = pointOf(event);
    const hit = surface.hitAt(x, y);
    if (!hit) explorer.zoom(0.5, timeAt(x), true);
    else if (hit.type === 'event') void explorer.zoomTo(hit.event.row);
    else
      explorer.show({ from: hit.from - (hit.to - hit.from) * 4, to: hit.to + (hit.to - hit.from) * 4 }, true);
  });

  const selected = (act: (row: number) => void) => (): void => {
    if (model.selection.value >= 0) act(model.selection.value);
  };
  /** The time that keys mean: under the pointer, else of the selected event. */
  const meant = (end: boolean): number | undefined => {
    const rests = surface.pointer();
    if (rests) return surface.snap(rests.x);
    const event = model.selection.value >= 0 ? model.details.value : undefined;
    return event && event.start + (end ? event.duration : 0);
  };
  const cursor = (name: CursorName, end: boolean) => (): void => {
    const time = meant(end);
    if (time === undefined) {
      explorer.say('Select an event, or rest the pointer on a time, for a cursor');
      return;
    }
    explorer.marks.setCursor(name, time);
    explorer.marks.sayCursor(name);
  };
  const onLane = (act: (lane: string) => void) => (): void => {
    if (model.lane.value !== '') act(model.lane.value);
  };
  const toBookmark = (direction: 1 | -1) => (): void => {
    const { from, to } = model.window.value;
    const found = explorer.marks.next((from + to) / 2, direction);
    if (!found) {
      explorer.say('No further bookmark');
      return;
    }
    explorer.centre(found.time);
    explorer.say(`Bookmark ${found.name}`);
  };
  const zoomIn = (): void => explorer.zoom(1 / KEY_ZOOM, undefined, true);
  const zoomOut = (): void => explorer.zoom(KEY_ZOOM, undefined, true);
  const keys: Record<string, () => void> = {
    w: zoomIn,
    '+': zoomIn,
    '=': zoomIn,
    s: zoomOut,
    '-': zoomOut,
    a: () => explorer.pan(-KEY_PAN, true),
    ArrowLeft: () => explorer.pan(-KEY_PAN, true),
    d: () => explorer.pan(KEY_PAN, true),
    ArrowRight: () => explorer.pan(KEY_PAN, true),
    f: () => explorer.fit(),
    Home: () => explorer.toStart(),
    End: () => explorer.toEnd(),
    ',': () => surface.step(-1),
    '.': () => surface.step(1),
    ArrowUp: () => surface.moveLane(-1),
    ArrowDown: () => surface.moveLane(1),
    Enter: selected((row) => void explorer.openSource(row, true)),
    'Ctrl+Enter': selected((row) => void explorer.openSource(row, false)),
    x: selected((row) => void explorer.openDisassembly(row, true)),
    z: () => (model.range.value ? explorer.zoomToRange() : selected((row) => void explorer.zoomTo(row))()),
    c: () => explorer.showChain(),
    g: selected((row) => void (explorer.canTravel ? explorer.travel({ row }) : explorer.debugFrom(row))),
    b: selected((row) => void explorer.stopAtLike(row)),
    1: cursor('a', false),
    2: cursor('b', true),
    p: onLane((lane) => explorer.choosing.togglePinned(lane)),
    h: onLane((lane) => explorer.choosing.toggleHidden(lane)),
    F2: onLane((lane) => surface.renameLane(lane)),
    Delete: onLane((lane) => explorer.queries.remove(lane)),
    'Alt+ArrowUp': onLane((lane) => explorer.choosing.moveBy(lane, -1)),
    'Alt+ArrowDown': onLane((lane) => explorer.choosing.moveBy(lane, 1)),
    m: () => surface.editBookmark(meant(false) ?? (model.window.value.from + model.window.value.to) / 2),
    '[': toBookmark(-1),
    ']': toBookmark(1),
    t: () => explorer.choosing.nextClock(),
    i: () => explorer.choosing.toggleFolding(),
    q: () => surface.step(-1),
    e: () => surface.step(1),
    Escape: () => explorer.back(),
  };
  element.addEventListener('keydown', (event) => {
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const prefix = `${event.altKey ? 'Alt+' : ''}${event.ctrlKey || event.metaKey ? 'Ctrl+' : ''}`;
    const act = keys[`${prefix}${name}`];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
