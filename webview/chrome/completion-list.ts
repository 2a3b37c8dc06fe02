/** What may stand next in a query, as a list under the field that it is written in. */
import type { Completion, Completions } from '../../src/protocol/completions';
import { h } from '../ui/dom';

export interface CompletionList {
  element: HTMLElement;
  /** Whether it is open. */
  readonly open: boolean;
  show(completions: Completions): void;
  close(): void;
  /** The text is another now: what is shown until the next answer is of the old one, and cannot be taken. */
  outdate(): void;
  /** Moves the choice down or up, round the ends; the label of what is chosen then. */
  move(by: 1 | -1): string;
  /** Takes what is chosen; with `first`, the first one where nothing is. False: there is nothing to take. */
  take(first?: boolean): boolean;
}

/** Builds the list, closed. @param taken gets what the reader took, and the piece of text whose place it takes */
export function completionList(taken: (item: Completion, from: number, to: number) => void): CompletionList {
  const element = h('ul', {
    class: 'completions',
    attrs: { role: 'listbox', 'aria-label': 'Completions', tabindex: '0' },
    // The field keeps the keyboard while the list is scrolled by its bar.
    on: { pointerdown: (event) => event.preventDefault() },
  });
  element.hidden = true;
  let shown: Completions = { from: 0, to: 0, items: [] };
  let chosen = -1;

  const mark = (): void => {
    [...element.children].forEach((child, i) => {
      child.classList.toggle('chosen', i === chosen);
      child.setAttribute('aria-selected', String(i === chosen));
      if (i === chosen) child.scrollIntoView({ block: 'nearest' });
    });
  };
  const take = (at: number): boolean => {
    const item = shown.items[at];
    if (element.hidden || !item) return false;
    list.close();
    taken(item, shown.from, shown.to);
    return true;
  };
  const list: CompletionList = {
    element,
    get open() {
      return !element.hidden;
    },
    show(completions) {
      shown = completions;
      chosen = -1;
      element.replaceChildren(
        ...completions.items.map(({ label, detail, is }, i) =>
          h(
            'li',
            {
              class: `completion ${is}`,
              attrs: { role: 'option', 'aria-selected': 'false' },
              on: {
                // Before the field loses the keyboard.
                pointerdown: (event) => {
                  event.preventDefault();
                  take(i);
                },
              },
            },
            h('span', { class: 'completion-label', text: label }),
            h('span', { class: 'completion-detail', text: detail }),
          ),
        ),
      );
      element.hidden = completions.items.length === 0;
      element.scrollTop = 0;
    },
    close() {
      element.hidden = true;
      chosen = -1;
    },
    outdate() {
      shown = { from: 0, to: 0, items: [] };
      chosen = -1;
      mark();
    },
    move(by) {
      const { length } = shown.items;
      if (length === 0) return '';
      chosen = chosen < 0 ? (by > 0 ? 0 : length - 1) : (chosen + by + length) % length;
      mark();
      const item = shown.items[chosen];
      return item ? `${item.label}, ${item.detail}, ${chosen + 1} of ${length}` : '';
    },
    take: (first = false) => take(chosen < 0 && first ? 0 : chosen),
  };
  return list;
}
