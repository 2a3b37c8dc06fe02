/** The bar above the timeline: the run, the window, and finding events. */
import type { Explorer } from '../app/explorer';
import type { Finder } from '../app/finder';
import { formatDuration, formatRange } from '../time/format';
import { h, icons } from '../ui/dom';
import { button, iconButton } from '../ui/toolkit';
import { findBox } from './find-box';

const ZOOM = 1.8;

/** Builds the toolbar. `help` opens the overview of keys; `view` holds what chooses how the timeline looks. */
export function toolbar(
  explorer: Explorer,
  finder: Finder,
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
  const box = findBox(explorer, finder);
  const separator = h('span', { class: 'separator' });
  const element = h(
    'div',
    { class: 'toolbar', attrs: { role: 'toolbar', 'aria-label': 'Trace' } },
    h('div', { class: 'toolbar-group' }, run, stop, follow),
    separator,
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
    box.element,
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
    separator.hidden = run.hidden && stop.hidden;
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
  return { element, focusFind: box.focus, find: box.find };
}
