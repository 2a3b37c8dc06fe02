/** The panel under the timeline: its tabs, and the bar that gives it its size. */
import type { Explorer } from '../app/explorer';
import type { Finder } from '../app/finder';
import { tabIds, type TabId } from '../app/model';
import type { Signal } from '../host/signal';
import { h } from '../ui/dom';
import { panels } from '../ui/toolkit';
import type { Theme } from '../ui/theme';
import { chainView } from './chain';
import { detailsView } from './details';
import { eventsView } from './events';
import { operationsView } from './operations';
import { pathView } from './path';
import { statisticsView } from './statistics';
import { translationsView } from './translations';

const LEAST_HEIGHT = 90;
/** Pixels that always stay for the timeline. */
const TIMELINE_ROOM = 190;
const KEY_STEP = 24;

const titles: Record<TabId, string> = {
  details: 'Details',
  chain: 'Chain',
  path: 'Path',
  operations: 'Operations',
  statistics: 'Statistics',
  translations: 'Translations',
  events: 'Events',
};

/** Builds splitter and panel. `find` runs a query in the find box. */
export function panel(
  explorer: Explorer,
  finder: Finder,
  theme: Signal<Theme>,
  find: (query: string) => void,
): { splitter: HTMLElement; element: HTMLElement } {
  const { model } = explorer;
  const views: Record<TabId, HTMLElement> = {
    details: detailsView(explorer),
    chain: chainView(explorer),
    path: pathView(explorer, theme),
    operations: operationsView(explorer, theme),
    statistics: statisticsView(explorer, theme, find),
    translations: translationsView(explorer),
    events: eventsView(explorer, finder),
  };
  const tabs = panels(
    'Panel',
    tabIds.map((id) => ({ id, title: titles[id], view: views[id] })),
    (id) => explorer.showTab(id as TabId),
  );
  const element = h('section', { class: 'panel', attrs: { 'aria-label': 'Panel' } }, tabs.element);
  const show = (id: TabId): void => {
    tabs.show(id);
    for (const each of tabIds) views[each].classList.toggle('shown', each === id);
  };
  model.tab.subscribe(show);
  requestAnimationFrame(() => show(model.tab.value));
  return { splitter: splitter(explorer, element), element };
}

function splitter(explorer: Explorer, panelElement: HTMLElement): HTMLElement {
  const { panelHeight } = explorer.model;
  const bar = h('div', {
    class: 'splitter',
    attrs: {
      role: 'separator',
      tabindex: '0',
      'aria-orientation': 'horizontal',
      'aria-label': 'Height of the panel',
    },
  });
  const set = (height: number): void => {
    const most = Math.max(LEAST_HEIGHT, innerHeight - TIMELINE_ROOM);
    panelHeight.value = Math.round(Math.min(Math.max(height, LEAST_HEIGHT), most));
  };
  const apply = (): void => {
    const most = Math.max(LEAST_HEIGHT, innerHeight - TIMELINE_ROOM);
    const height = Math.min(panelHeight.value, most);
    panelElement.style.height = `${height}px`;
    bar.setAttribute('aria-valuenow', String(height));
    bar.setAttribute('aria-valuemin', String(LEAST_HEIGHT));
    bar.setAttribute('aria-valuemax', String(most));
  };
  let grip: number | undefined;
  bar.addEventListener('pointerdown', (event) => {
    bar.setPointerCapture(event.pointerId);
    grip = event.clientY + panelElement.offsetHeight;
  });
  bar.addEventListener('pointermove', (event) => {
    if (grip !== undefined) set(grip - event.clientY);
  });
  const end = (): void => {
    grip = undefined;
  };
  bar.addEventListener('pointerup', end);
  bar.addEventListener('pointercancel', end);
  bar.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowUp') set(panelHeight.value + KEY_STEP);
    else if (event.key === 'ArrowDown') set(panelHeight.value - KEY_STEP);
    else return;
    event.preventDefault();
  });
  panelHeight.subscribe(apply);
  addEventListener('resize', apply);
  apply();
  return bar;
}
