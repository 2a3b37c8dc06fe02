/** The bar above the timeline: the run, the window, and finding events. */
import type { Explorer } from '../app/explorer';
import { formatCount, formatDuration, formatRange } from '../time/format';
import { h, icons } from '../ui/dom';
import { badge, button, iconButton, textField } from '../ui/toolkit';

const ZOOM = 1.8;

/** Builds the toolbar. `help` opens the overview of keys; `view` holds what chooses how the timeline looks. */
export function toolbar(
  explorer: Explorer,
  help: () => void,
  view: HTMLElement,
): { element: HTMLElement; focusFind(): void; find(query: string): void } {
  const { model } = explorer;
  const run = iconButton(
    icons.run,
    'Run the scenario again',
    () => void explorer.host.call('runAgain').catch((e: unknown) => explorer.report(e)),
  );
  const stop = iconButton(
    icons.stop,
    'Stop the run',
    () => void explorer.host.call('stop').catch((e: unknown) => explorer.report(e)),
  );
  const follow = iconButton(icons.follow, 'Follow the end of the trace', () =>
    explorer.setFollow(!model.follow.value),
  );
  const range = h('span', { class: 'range', attrs: { 'aria-label': 'Visible time' } });
  const marked = h('span', { class: 'marked' });
  const finder = findBox(explorer);
  const element = h(
    'div',
    { class: 'toolbar', attrs: { role: 'toolbar', 'aria-label': 'Trace' } },
    h('div', { class: 'toolbar-group' }, run, stop, follow),
    h('span', { class: 'separator' }),
    h(
      'div',
      { class: 'toolbar-group' },
      iconButton(icons.zoomOut, 'Zoom out (S)', () => explorer.zoom(ZOOM, undefined, true)),
      iconButton(icons.zoomIn, 'Zoom in (W)', () => explorer.zoom(1 / ZOOM, undefined, true)),
      iconButton(icons.fit, 'Show the whole run (F)', () => explorer.fit()),
    ),
    view,
    range,
    marked,
    h('span', { class: 'spring' }),
    finder.element,
    h('div', { class: 'toolbar-group' }, iconButton(icons.help, 'Keys and help (?)', help)),
  );

  const showRange = (): void => {
    const { from, to } = model.window.value;
    const has = model.meta.value !== undefined && model.endTime > 0;
    range.textContent = has
      ? formatRange(from, Math.min(to, Math.max(model.endTime, from + 1)), model.frequencyHz)
      : '';
  };
  const showMarked = (): void => {
    const value = model.range.value;
    marked.replaceChildren();
    if (!value) return;
    const length = formatDuration(value.to - value.from, model.frequencyHz);
    marked.append(button(`Zoom to ${length} (Z)`, () => explorer.zoomToRange()));
  };
  const showRun = (): void => {
    // A trace of another tool has no scenario to run.
    run.hidden = model.live || model.meta.value?.source !== undefined;
    stop.hidden = !model.live;
    follow.hidden = !model.live;
  };
  const showFollow = (): void => {
    follow.setAttribute('aria-pressed', String(model.follow.value));
    follow.classList.toggle('pressed', model.follow.value);
  };
  model.window.subscribe(showRange);
  model.extent.subscribe(() => {
    showRange();
    showRun();
  });
  model.range.subscribe(showMarked);
  model.follow.subscribe(showFollow);
  showRun();
  showFollow();
  return { element, focusFind: finder.focus, find: finder.find };
}

/** The find box: a query, the next and previous event that matches, how many there are, and what is wrong. */
function findBox(explorer: Explorer): { element: HTMLElement; focus(): void; find(query: string): void } {
  const { model } = explorer;
  const field = textField('Find events', 'Find: reason:EPT_MISCONFIG dur>5us', (text) => {
    model.query.value = text;
    forget();
  });
  const count = h('span', { class: 'find-count', attrs: { 'aria-live': 'polite' } });
  const error = h('div', { class: 'find-error', attrs: { role: 'alert' } });
  error.hidden = true;
  const element = h(
    'div',
    { class: 'find', attrs: { role: 'search' } },
    field.element,
    count,
    iconButton(icons.previous, 'Previous match (Shift+Enter)', () => void go(-1)),
    iconButton(icons.next, 'Next match (Enter)', () => void go(1)),
    error,
  );
  field.value = model.query.value;
  let asked = 0;

  const forget = (): void => {
    asked++;
    error.hidden = true;
    field.element.classList.remove('wrong');
    count.replaceChildren();
  };
  const go = async (direction: 1 | -1): Promise<void> => {
    const query = model.query.value.trim();
    forget();
    if (query === '') return;
    const mine = ++asked;
    try {
      const from =
        model.selection.value >= 0 ? model.selection.value : direction > 0 ? -1 : model.extent.value.rows;
      const { row, matches } = await explorer.host.call('find', query, from, direction);
      if (mine !== asked) return;
      count.replaceChildren(badge(matches === 0 ? 'none' : formatCount(matches)));
      explorer.announcement.value = matches === 0 ? 'No event matches' : `${matches} events match`;
      if (row >= 0) await explorer.reveal(row);
      else if (matches > 0) await wrap(query, direction);
    } catch (reason) {
      if (mine !== asked) return;
      error.textContent = reason instanceof Error ? reason.message : String(reason);
      error.hidden = false;
      field.element.classList.add('wrong');
    }
  };
  const wrap = async (query: string, direction: 1 | -1): Promise<void> => {
    const edge = direction > 0 ? -1 : model.extent.value.rows;
    const { row } = await explorer.host.call('find', query, edge, direction);
    if (row >= 0) await explorer.reveal(row);
  };
  field.element.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') void go(event.shiftKey ? -1 : 1);
    else if (event.key === 'Escape') {
      field.value = '';
      model.query.value = '';
      forget();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return {
    element,
    focus: () => field.focus(),
    find: (query) => {
      field.value = query;
      model.query.value = query;
      void go(1);
    },
  };
}
