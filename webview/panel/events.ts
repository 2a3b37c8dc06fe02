/** The events as a list, the readable mirror of the lanes: it follows the timeline, and the timeline follows it. */
import type { EventRow, EventTableResult } from '../../src/protocol/details';
import { kindRow } from '../../src/trace/vocabulary/events';
import type { Explorer } from '../app/explorer';
import type { Finder } from '../app/finder';
import { formatCount, formatDuration, formatTime } from '../time/format';
import { h } from '../ui/dom';

const ROW_HEIGHT = 22;
const PAGE = 100;
/** Browsers stop short of taller elements; beyond it one pixel of the bar is more than one pixel of rows. */
const MOST_HEIGHT = 8_000_000;
/** Seconds that the times of neighbours are told apart by. */
const RESOLUTION = 1e-8;
/** Milliseconds of rest before the table follows the window. */
const REST = 180;

const columns = ['Time', 'Duration', 'Track', 'Event', 'Arguments', 'Source'] as const;

/** Builds the events view: what the find box matches, or all events while it is empty, in step with the timeline. */
export function eventsView(explorer: Explorer, finder: Finder): HTMLElement {
  const { model, host } = explorer;
  const box = h('input', { attrs: { type: 'checkbox', id: 'events-window' } });
  const total = h('span', { class: 'muted number', attrs: { 'aria-live': 'polite' } });
  const shownQuery = h('code', { class: 'events-query' });
  const head = h(
    'div',
    { class: 'events-bar' },
    total,
    shownQuery,
    h('span', { class: 'spring' }),
    h('label', { attrs: { for: 'events-window' } }, box, ' only the visible time'),
  );
  const header = h('div', { class: 'events-row header', attrs: { role: 'row', 'aria-rowindex': '1' } });
  for (const name of columns) header.append(h('span', { text: name, attrs: { role: 'columnheader' } }));
  const body = h('div', { class: 'events-body', attrs: { role: 'rowgroup' } });
  const scroller = h(
    'div',
    {
      class: 'events-grid',
      attrs: {
        role: 'grid',
        tabindex: '0',
        'aria-label': 'Events',
        'aria-colcount': String(columns.length),
      },
    },
    h('div', { attrs: { role: 'rowgroup' }, class: 'events-header' }, header),
    body,
  );
  const element = h('div', { class: 'view events' }, head, scroller);

  let pages = new Map<number, EventRow[]>();
  let generation = 0;
  let count = 0;
  /** Place of the row that the keyboard is at. */
  let cursor = 0;
  /** Place of the event that is nearest to where the reader is, and whether it is that event itself; -1: nowhere. */
  let near = { index: -1, exact: false };
  let timer = 0;
  let pending = 0;
  const asked = new Set<number>();
  const visible = (): boolean => model.tab.value === 'events';

  const stretch = (): { from: number; to: number } =>
    box.checked ? model.window.value : { from: 0, to: Number.MAX_SAFE_INTEGER };
  /** Where the reader is: at the selected event, else at the debugger's time, else in the middle of the window. */
  const place = (): { row: number } | { time: number } => {
    if (model.selection.value >= 0) return { row: model.selection.value };
    const { from, to } = model.window.value;
    return { time: model.debugger.value?.cycles ?? Math.round((from + to) / 2) };
  };
  const say = (result: EventTableResult): void => {
    const what = finder.filter.value === '' ? '' : count === 1 ? ' matches' : ' match';
    const searching = result.complete ? '' : `, ${Math.floor(result.share * 100)}\u2009% searched`;
    const where = box.checked ? ' in the visible time' : '';
    total.textContent = `${formatCount(count)} ${count === 1 ? 'event' : 'events'}${what}${where}${searching}`;
    shownQuery.textContent = finder.filter.value;
  };
  const fail = (error: unknown): void => {
    count = 0;
    pages = new Map();
    near = { index: -1, exact: false };
    total.textContent = error instanceof Error ? error.message : String(error);
    shownQuery.textContent = '';
    paint();
  };
  /** Asks how many there are and where the reader is among them, until all has been searched. @param follow scrolls there */
  const locate = async (follow: boolean): Promise<void> => {
    const mine = generation;
    const question = { ...stretch(), filter: finder.filter.value, offset: 0, limit: 0 };
    try {
      for (let complete = false; !complete;) {
        const result = await host.call('events', { ...question, near: place() });
        if (mine !== generation) return;
        ({ complete } = result);
        count = result.total;
        near = result.near ?? { index: -1, exact: false };
        say(result);
        if (follow && near.index >= 0) {
          cursor = near.index;
          scrollTo(near.index);
        }
        // What has been found since may belong between what is here.
        if (!complete) forget();
        paint();
      }
    } catch (error) {
      if (mine === generation) fail(error);
    }
  };
  const forget = (): void => {
    pages = new Map();
    asked.clear();
  };
  const reset = (): void => {
    timer = 0;
    if (!visible() || !model.meta.value) return;
    generation++;
    forget();
    void locate(true);
  };
  const later = (): void => {
    if (!visible()) return;
    clearTimeout(timer);
    timer = window.setTimeout(reset, REST);
  };
  /** More events have come: the reader stays where they are. */
  const grow = (): void => {
    if (!visible() || timer !== 0) return;
    timer = window.setTimeout(() => {
      timer = 0;
      generation++;
      asked.clear();
      void locate(model.follow.value);
    }, REST);
  };
  const load = async (page: number): Promise<void> => {
    if (asked.has(page)) return;
    asked.add(page);
    const mine = generation;
    try {
      const result = await host.call('events', {
        ...stretch(),
        filter: finder.filter.value,
        offset: page * PAGE,
        limit: PAGE,
      });
      if (mine !== generation) return;
      pages.set(page, result.rows);
      paint();
    } catch (error) {
      if (mine === generation) fail(error);
    }
  };
  const at = (index: number): EventRow | undefined => pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  /** First row on screen, and where it stands; rows keep their height, the bar is compressed when the table is too tall. */
  const geometry = (): { first: number; shown: number; height: number } => {
    const shown = Math.ceil(scroller.clientHeight / ROW_HEIGHT) + 1;
    const natural = count * ROW_HEIGHT;
    const height = Math.min(natural, MOST_HEIGHT);
    const range = Math.max(1, height - scroller.clientHeight + ROW_HEIGHT);
    const share =
      height < natural
        ? Math.min(1, scroller.scrollTop / range) * Math.max(0, natural - scroller.clientHeight + ROW_HEIGHT)
        : scroller.scrollTop;
    return { first: Math.max(0, Math.floor(share / ROW_HEIGHT)), shown, height };
  };
  const paint = (): void => {
    pending ||= requestAnimationFrame(() => {
      pending = 0;
      const { first, shown, height } = geometry();
      body.style.height = `${height}px`;
      scroller.setAttribute('aria-rowcount', String(count + 1));
      const lines: HTMLElement[] = [];
      const top = count * ROW_HEIGHT > MOST_HEIGHT ? scroller.scrollTop : first * ROW_HEIGHT;
      for (let i = first; i < Math.min(count, first + shown); i++) {
        const event = at(i);
        if (!event) void load(Math.floor(i / PAGE));
        const line = lineOf(event, i);
        line.style.transform = `translateY(${top + (i - first) * ROW_HEIGHT}px)`;
        lines.push(line);
      }
      body.replaceChildren(...lines);
      const active = lines.find((line) => line.classList.contains('cursor'));
      if (active) scroller.setAttribute('aria-activedescendant', active.id);
      else scroller.removeAttribute('aria-activedescendant');
    });
  };
  const lineOf = (event: EventRow | undefined, index: number): HTMLElement => {
    const selected = event !== undefined && event.row === model.selection.value;
    const isNear = !near.exact && index === near.index;
    const line = h('div', {
      class: `events-row${selected ? ' selected' : ''}${isNear ? ' near' : ''}${index === cursor ? ' cursor' : ''}`,
      attrs: {
        role: 'row',
        id: `event-line-${index}`,
        'aria-rowindex': String(index + 2),
        'aria-selected': String(selected),
      },
      on: { click: () => choose(index), dblclick: () => event && void explorer.zoomTo(event.row) },
    });
    const cells: [string, string][] = event
      ? [
          [formatTime(event.start, model.frequencyHz, Math.max(1, model.frequencyHz * RESOLUTION)), 'number'],
          [event.duration > 0 ? formatDuration(event.duration, model.frequencyHz) : '', 'number'],
          [event.track, ''],
          [event.name, ''],
          [event.text, 'number'],
          [event.place, 'place'],
        ]
      : columns.map((_, i) => [i === 0 ? '…' : '', 'muted']);
    cells.forEach(([text, kind], i) => {
      const swatch =
        event && i === 3
          ? h('span', { class: `swatch role-${kindRow(event.kind).role}`, attrs: { 'aria-hidden': 'true' } })
          : null;
      line.append(h('span', { class: kind, attrs: { role: 'gridcell' } }, swatch, text));
    });
    return line;
  };
  /** The row that was chosen here: the list need not be moved to it. */
  let chosen = -1;
  const choose = (index: number): void => {
    cursor = index;
    const event = at(index);
    if (event) {
      chosen = event.row;
      near = { index, exact: true };
      void explorer.reveal(event.row);
    }
    paint();
  };
  const scrollTo = (index: number): void => {
    // The body must be as tall as it will be, or it cannot be scrolled so far.
    body.style.height = `${geometry().height}px`;
    const { first, height } = geometry();
    const rows = Math.max(1, Math.floor((scroller.clientHeight - 2 * ROW_HEIGHT) / ROW_HEIGHT));
    const natural = count * ROW_HEIGHT;
    const range = Math.max(1, height - scroller.clientHeight + ROW_HEIGHT);
    const whole = Math.max(1, natural - scroller.clientHeight + ROW_HEIGHT);
    const scale = height < natural ? range / whole : 1;
    if (index < first) scroller.scrollTop = index * ROW_HEIGHT * scale;
    else if (index > first + rows) scroller.scrollTop = (index - rows) * ROW_HEIGHT * scale;
  };
  const move = (to: number): void => {
    cursor = Math.min(Math.max(to, 0), Math.max(0, count - 1));
    scrollTo(cursor);
    if (at(cursor)) choose(cursor);
    else void load(Math.floor(cursor / PAGE)).then(() => choose(cursor));
  };
  const keys: Record<string, () => void> = {
    ArrowDown: () => move(cursor + 1),
    ArrowUp: () => move(cursor - 1),
    PageDown: () => move(cursor + 10),
    PageUp: () => move(cursor - 10),
    Home: () => move(0),
    End: () => move(count - 1),
    Enter: () => {
      const event = at(cursor);
      if (event) void explorer.openSource(event.row, true);
    },
    z: () => {
      const event = at(cursor);
      if (event) void explorer.zoomTo(event.row);
    },
  };
  scroller.addEventListener('keydown', (event) => {
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  scroller.addEventListener('scroll', paint);
  new ResizeObserver(paint).observe(scroller);
  box.addEventListener('change', reset);
  model.window.subscribe(() => {
    // With an event selected, the list shows that one wherever the timeline is.
    if (box.checked || model.selection.value < 0) later();
  });
  model.extent.subscribe(grow);
  finder.filter.subscribe(later);
  model.selection.subscribe((row) => {
    if (row === chosen) paint();
    else if (visible()) void locate(true);
    chosen = -1;
  });
  model.debugger.subscribe(() => model.selection.value < 0 && later());
  model.tab.subscribe((tab) => tab === 'events' && reset());
  model.meta.subscribe(later);
  return element;
}
