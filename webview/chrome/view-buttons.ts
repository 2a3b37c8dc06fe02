/** Buttons of the toolbar that choose how the timeline looks: its lanes, bookmarks, the clock, folded idle time. */
import type { ClockChoice } from '../../src/protocol/choices';
import type { Explorer } from '../app/explorer';
import { h, icons } from '../ui/dom';
import { iconButton } from '../ui/toolkit';
import { bookmarkForm, bookmarkMenu } from './bookmark-menu';
import { laneMenu } from './lane-menu';

const clockNames: Record<ClockChoice, string> = {
  time: 'seconds',
  cycles: 'cycles',
  selected: 'time since the selected event',
};

export interface ViewButtons {
  element: HTMLElement;
  /** To be put somewhere in the page. */
  popovers: readonly HTMLElement[];
  /** Opens the form that names a time in cycles. */
  editBookmark(time: number): void;
}

export function viewButtons(explorer: Explorer): ViewButtons {
  const { model, choosing } = explorer;
  const lanes = iconButton(icons.lanes, 'Lanes (L)', () => laneList.open());
  const bookmarks = iconButton(icons.bookmark, 'Bookmarks', () => bookmarkList.open());
  const clock = iconButton(icons.clock, 'Clock', () => choosing.nextClock());
  const fold = iconButton(icons.fold, 'Fold idle time (I)', () => choosing.toggleFolding());
  const laneList = laneMenu(explorer, () => lanes);
  const form = bookmarkForm(explorer, () => bookmarks);
  const bookmarkList = bookmarkMenu(explorer, () => bookmarks, form.edit);
  const show = (): void => {
    const { clock: reads, foldIdle, hidden } = model.choices.value;
    const label = `Times in ${clockNames[reads]} (T)`;
    clock.title = label;
    clock.setAttribute('aria-label', label);
    clock.classList.toggle('pressed', reads !== 'time');
    fold.setAttribute('aria-pressed', String(foldIdle));
    fold.classList.toggle('pressed', foldIdle);
    lanes.classList.toggle('pressed', hidden.length > 0);
  };
  model.choices.subscribe(show);
  show();
  document.addEventListener('keydown', (event) => {
    const target = event.composedPath()[0];
    const typing = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement;
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.key.toLowerCase() !== 'l') return;
    event.preventDefault();
    laneList.open();
  });
  return {
    element: h('div', { class: 'toolbar-group' }, lanes, bookmarks, clock, fold),
    popovers: [laneList.element, bookmarkList.element, form.element],
    editBookmark: (time) => form.edit(time),
  };
}
