/** What is kept while the page is hidden: the reader's place. */
import type { Model, TabId } from '../app/model';
import { tabIds } from '../app/model';
import type { TimeWindow } from '../time/window';
import type { VsCodeApi } from './client';

interface ViewState {
  window?: TimeWindow;
  selection: number;
  tab: TabId;
  panelHeight: number;
  follow: boolean;
  query: string;
  lane: string;
  scroll: number;
}

function isWindow(value: unknown): value is TimeWindow {
  if (typeof value !== 'object' || value === null) return false;
  const { from, to } = value as Record<string, unknown>;
  return typeof from === 'number' && typeof to === 'number' && Number.isFinite(from) && to > from;
}

/** Puts a kept state into the model, field by field; returns the kept window and whether follow was ever chosen. */
export function restore(model: Model, api: VsCodeApi): { window?: TimeWindow; known: boolean } {
  const kept = api.getState();
  if (typeof kept !== 'object' || kept === null) return { known: false };
  const state = kept as Record<string, unknown>;
  const { selection, tab, panelHeight, follow, query, lane, scroll, window } = state;
  if (typeof selection === 'number') model.selection.value = selection;
  const known = tabIds.find((id) => id === tab);
  if (known) model.tab.value = known;
  if (typeof panelHeight === 'number' && panelHeight > 0) model.panelHeight.value = panelHeight;
  if (typeof follow === 'boolean') model.follow.value = follow;
  if (typeof query === 'string') model.query.value = query;
  if (typeof lane === 'string') model.lane.value = lane;
  if (typeof scroll === 'number') model.scroll.value = scroll;
  return { known: true, ...(isWindow(window) && { window }) };
}

/** Keeps the state whenever it changes, a moment later and at the latest when the page is hidden. */
export function keep(model: Model, api: VsCodeApi): void {
  let timer = 0;
  const save = (): void => {
    clearTimeout(timer);
    timer = 0;
    const state: ViewState = {
      ...(model.meta.value && model.endTime > 0 && { window: model.window.value }),
      selection: model.selection.value,
      tab: model.tab.value,
      panelHeight: model.panelHeight.value,
      follow: model.follow.value,
      query: model.query.value,
      lane: model.lane.value,
      scroll: model.scroll.value,
    };
    api.setState(state);
  };
  const later = (): void => {
    timer ||= window.setTimeout(save, 150);
  };
  for (const signal of [
    model.window,
    model.selection,
    model.tab,
    model.panelHeight,
    model.follow,
    model.query,
    model.lane,
    model.scroll,
  ]) {
    signal.subscribe(later);
  }
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden' && timer !== 0) save();
  });
}
