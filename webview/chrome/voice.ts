/** What screen readers say of what happens on the page. */
import type { ReadonlySignal } from '../host/signal';
import { h } from '../ui/dom';

/** Sentences that are kept: one may come while the last is still read. */
const KEPT = 4;

/** Builds the place where sentences are put to be read, one after the other. Those who see the page do not see it. */
export function voice(sentences: ReadonlySignal<string>): HTMLElement {
  const element = h('div', { class: 'visually-hidden voice', attrs: { role: 'log', 'aria-live': 'polite' } });
  sentences.subscribe((text) => {
    if (text === '') return;
    element.append(h('p', { text }));
    while (element.childElementCount > KEPT) element.firstElementChild?.remove();
  });
  return element;
}
