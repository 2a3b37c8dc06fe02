/** The name of a lane of a query in the gutter; the reader can give it another. */
import type { Lane } from '../../src/protocol/viewport';
import type { Explorer } from '../app/explorer';
import { h } from '../ui/dom';

export interface QueryLaneName {
  element: HTMLElement;
  /** Puts a field in the place of the name; the keyboard goes back to where it was. */
  rename(): void;
}

/** Builds the name. */
export function queryLaneName(lane: Lane, explorer: Explorer): QueryLaneName {
  const name = h('span', { class: 'gutter-track', text: lane.label });
  const element = h(
    'span',
    {
      class: 'gutter-query',
      title: lane.label === lane.query ? lane.label : `${lane.label}: ${lane.query ?? ''}`,
    },
    name,
  );
  const rename = (): void => {
    const before = document.activeElement;
    const input = h('input', {
      class: 'gutter-rename',
      attrs: { 'aria-label': `Name of the lane ${lane.label}` },
    });
    input.value = lane.label;
    let done = false;
    const end = (take: boolean, back: boolean): void => {
      if (done) return;
      done = true;
      input.replaceWith(name);
      if (back && before instanceof HTMLElement) before.focus({ preventScroll: true });
      if (take && input.value.trim() !== lane.label) explorer.queries.rename(lane.id, input.value);
    };
    input.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key === 'Enter') end(true, true);
      else if (event.key === 'Escape') end(false, true);
    });
    // A press on it is for its text, not for dragging the lane.
    input.addEventListener('pointerdown', (event) => event.stopPropagation());
    input.addEventListener('blur', () => end(true, false));
    name.replaceWith(input);
    input.focus();
    input.select();
  };
  name.addEventListener('dblclick', rename);
  return { element, rename };
}
