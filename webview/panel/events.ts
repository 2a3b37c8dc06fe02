/** The events of the window as a table: the readable mirror of the lanes, row by row. */
import type { EventRow, EventTableResult } from '../../src/protocol/details';
import { kindRow } from '../../src/trace/vocabulary/events';
import type { Explorer } from '../app/explorer';
import { formatCount, formatDuration, formatTime } from '../time/format';
import { h } from '../ui/dom';

const ROW_HEIGHT = 22;
const PAGE = 100;
/** Browsers stop short of taller elements; beyond it one pixel of the bar is more than one pixel of rows. */
const MOST_HEIGHT = 8_000_000;
/** Milliseconds of rest before the table follows the window. */
const REST = 180;

const columns = ['Time', 'Duration', 'Track', 'Event', 'Arguments', 'Source'] as const;

/** Builds the events view. */
export function eventsView(explorer: Explorer): HTMLElement {
  const { model, host } = explorer;
  const box = h('input', { attrs: { type: 'checkbox', id: 'events-filter' } });
  const total = h('span', { class: 'muted number', attrs: { 'aria-live': 'polite' } });
  const head = h(
    'div',
    { class: 'events-bar' },
    total,
    h('span', { class: 'spring' }),
    h('label', { attrs: { for: 'events-filter' } }, box, ' only what the find box matches'),
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
        'aria-label': 'Events of the visible window',
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
  let cursor = 0;
  let timer = 0;
  let pending = 0;
  const asked = new Set<number>();
  const visible = (): boolean => model.tab.value === 'events';

  const reset = (): void => {
    timer = 0;
    if (!visible() || !model.meta.value) return;
    generation++;
    pages = new Map();
    asked.clear();
    void load(0).then(() => {
      const at = positionOfSelection();
      if (at >= 0) cursor = at;
      paint();
    });
  };
  const later = (): void => {
    if (!visible()) return;
    clearTimeout(timer);
    timer = window.setTimeout(reset, REST);
  };
  const load = async (page: number): Promise<void> => {
    if (asked.has(page)) return;
    asked.add(page);
    const mine = generation;
    const { from, to } = model.window.value;
    const filter = box.checked ? model.query.value.trim() : '';
    try {
      const result: EventTableResult = await host.call('events', {
        from,
        to,
        filter,
        offset: page * PAGE,
        limit: PAGE,
      });
      if (mine !== generation) return;
      pages.set(page, result.rows);
      count = result.total;
      total.textContent = `${formatCount(count)} ${count === 1 ? 'event' : 'events'} in the window`;
      paint();
    } catch (error) {
      if (mine !== generation) return;
      count = 0;
      pages = new Map();
      total.textContent = error instanceof Error ? error.message : String(error);
      paint();
    }
  };
  const at = (index: number): EventRow | undefined => pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  const positionOfSelection = (): number => {
    for (const [page, rows] of pages) {
      const index = rows.findIndex(({ row }) => row === model.selection.value);
      if (index >= 0) return page * PAGE + index;
    }
    return -1;
  };
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
    const line = h('div', {
      class: `events-row${selected ? ' selected' : ''}${index === cursor ? ' cursor' : ''}`,
      attrs: {
        role: 'row',
        id: `event-line-${index}`,
        'aria-rowindex': String(index + 2),
        'aria-selected': String(selected),
      },
      on: { click: () => choose(index), dblclick: () => event && void explorer.zoomTo(event.row) },
    });
    const { from, to } = model.window.value;
    const cells: [string, string][] = event
      ? [
          [formatTime(event.start, model.frequencyHz, Math.max(1, (to - from) / 1e4)), 'number'],
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
  const choose = (index: number): void => {
    cursor = index;
    const event = at(index);
    if (event) {
      explorer.select(event.row);
      explorer.unfold(event);
    }
    paint();
  };
  const move = (to: number): void => {
    cursor = Math.min(Math.max(to, 0), Math.max(0, count - 1));
    const { first, height } = geometry();
    const rows = Math.max(1, Math.floor((scroller.clientHeight - 2 * ROW_HEIGHT) / ROW_HEIGHT));
    const natural = count * ROW_HEIGHT;
    const scale = height < natural ? height / natural : 1;
    if (cursor < first) scroller.scrollTop = cursor * ROW_HEIGHT * scale;
    else if (cursor > first + rows) scroller.scrollTop = (cursor - rows) * ROW_HEIGHT * scale;
    const page = Math.floor(cursor / PAGE);
    void load(page).then(() => choose(cursor));
    if (at(cursor)) choose(cursor);
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
  model.window.subscribe(later);
  model.extent.subscribe(later);
  model.query.subscribe(() => box.checked && later());
  model.selection.subscribe(paint);
  model.tab.subscribe((tab) => tab === 'events' && reset());
  model.meta.subscribe(later);
  return element;
}
