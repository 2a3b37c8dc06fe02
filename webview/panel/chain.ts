/** The causal chain of the selected event as a list, in time order. */
import type { EventRow } from '../../src/protocol/details';
import { kindRow } from '../../src/trace/events';
import type { Explorer } from '../app/explorer';
import { formatDuration } from '../time/format';
import { h } from '../ui/dom';

/** Builds the chain view. */
export function chainView(explorer: Explorer): HTMLElement {
  const { model } = explorer;
  const element = h('div', { class: 'view chain' });
  const draw = (): void => {
    const chain = model.chain.value;
    if (!chain) {
      const text =
        'Select an event: its causes and consequences are listed here and drawn as arrows over the lanes.';
      element.replaceChildren(h('p', { class: 'empty-note', text }));
      return;
    }
    const first = chain.rows[0]?.start ?? 0;
    const list = h('ol', { class: 'chain-list', attrs: { 'aria-label': 'Causal chain' } });
    chain.rows.forEach((event, index) => {
      const previous = chain.rows[index - 1]?.start ?? first;
      list.append(
        item(explorer, event, event.start - first, event.start - previous, event.row === chain.row),
      );
    });
    const note = chain.truncated ? 'Only the nearest part of a longer chain is shown.' : '';
    element.replaceChildren(list, h('p', { class: 'muted chain-note', text: note }));
    list.querySelector('.current')?.scrollIntoView({ block: 'nearest' });
  };
  model.chain.subscribe(draw);
  draw();
  return element;
}

function item(
  explorer: Explorer,
  event: EventRow,
  sinceFirst: number,
  sincePrevious: number,
  current: boolean,
): HTMLElement {
  const hz = explorer.model.frequencyHz;
  const button = h(
    'button',
    {
      class: `chain-item${current ? ' current' : ''}`,
      attrs: { type: 'button', ...(current && { 'aria-current': 'true' }) },
      on: {
        click: () => void explorer.reveal(event.row),
        dblclick: () => void explorer.zoomTo(event.row),
        keydown: (key) => {
          const to = key.key === 'ArrowDown' ? 'next' : key.key === 'ArrowUp' ? 'previous' : undefined;
          if (!to) return;
          key.preventDefault();
          const line =
            to === 'next'
              ? button.parentElement?.nextElementSibling
              : button.parentElement?.previousElementSibling;
          line?.querySelector('button')?.focus();
        },
      },
    },
    h('span', { class: 'number delta', text: `+${formatDuration(sincePrevious, hz)}` }),
    h('span', { class: `swatch role-${kindRow(event.kind).role}`, attrs: { 'aria-hidden': 'true' } }),
    h('span', { class: 'chain-name', text: event.name }),
    h('span', { class: 'muted chain-track', text: event.track }),
    h('code', { class: 'chain-text', text: event.text }),
    h('span', { class: 'chain-place', text: event.place }),
    h('span', { class: 'number muted', text: formatDuration(sinceFirst, hz) }),
  );
  return h('li', {}, button);
}
