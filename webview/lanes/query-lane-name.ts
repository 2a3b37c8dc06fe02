/** The name of a lane of a query in the gutter, with what can be done with it: rename, remove, find. */
import type { Lane } from '../../src/protocol/viewport';
import type { Explorer } from '../app/explorer';
import { h, icon, icons } from '../ui/dom';

/** A small button of the gutter. */
function action(path: string, label: string, act: () => void): HTMLElement {
  return h(
    'button',
    {
      class: 'gutter-action',
      title: label,
      attrs: { type: 'button', 'aria-label': label },
      on: {
        click: (event) => {
          event.stopPropagation();
          act();
        },
      },
    },
    icon(path),
  );
}

/** Builds the name and its buttons. */
export function queryLaneName(lane: Lane, explorer: Explorer): HTMLElement {
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
    const input = h('input', {
      class: 'gutter-rename',
      attrs: { 'aria-label': `Name of the lane ${lane.label}` },
    });
    input.value = lane.label;
    let done = false;
    const end = (take: boolean): void => {
      if (done) return;
      done = true;
      input.replaceWith(name);
      if (take && input.value.trim() !== lane.label) explorer.renameQueryLane(lane.id, input.value);
    };
    input.addEventListener('keydown', (event) => {
      event.stopPropagation();
      if (event.key === 'Enter') end(true);
      else if (event.key === 'Escape') end(false);
    });
    input.addEventListener('blur', () => end(true));
    name.replaceWith(input);
    input.focus();
    input.select();
  };
  name.addEventListener('dblclick', rename);
  element.append(
    action(icons.rename, `Rename the lane ${lane.label}`, rename),
    action(icons.close, `Remove the lane ${lane.label}`, () => explorer.removeQueryLane(lane.id)),
  );
  return element;
}
