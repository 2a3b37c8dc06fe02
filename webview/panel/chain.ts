/** The causal chain of the selected event as a tree: the trunk flush left, side branches indented. */
import { kindRow } from '../../src/trace/vocabulary/events';
import type { Explorer } from '../app/explorer';
import { chainLines, extentOf, type ChainLine } from '../lanes/chain-tree';
import { formatCount, formatDuration } from '../time/format';
import { h } from '../ui/dom';
import { link } from '../ui/toolkit';

/** Pixels of one step of indentation. */
const INDENT = 18;

/** Builds the chain view. */
export function chainView(explorer: Explorer): HTMLElement {
  const { model } = explorer;
  const element = h('div', { class: 'view chain' });
  /** Rows whose legs the reader opened. */
  const unfolded = new Set<number>();
  const toggle = (row: number): void => {
    if (!unfolded.delete(row)) unfolded.add(row);
    draw();
  };
  const draw = (): void => {
    const chain = model.chain.value;
    if (!chain) {
      const text =
        'Select an event: its causes and consequences are listed here and drawn as arrows over the lanes.';
      element.replaceChildren(h('p', { class: 'empty-note', text }));
      return;
    }
    const extent = extentOf(chain.rows);
    const length = extent ? formatDuration(extent.to - extent.from, model.frequencyHz) : '';
    const bar = h(
      'div',
      { class: 'chain-bar' },
      h('span', {
        text: `${formatCount(chain.rows.length)} ${chain.rows.length === 1 ? 'event' : 'events'}, ${length}`,
      }),
      link('Show the whole chain (C)', () => explorer.showChain()),
      chain.truncated ? h('span', { class: 'muted', text: 'The nearest part of a longer chain.' }) : null,
    );
    const first = extent?.from ?? 0;
    const list = h('ol', { class: 'chain-list', attrs: { 'aria-label': 'Causal chain' } });
    for (const line of chainLines(chain.rows, chain.row, (row) => unfolded.has(row)))
      list.append(item(explorer, line, first, line.event.row === chain.row, toggle));
    element.replaceChildren(bar, heading(), list);
    showCurrent();
  };
  const showCurrent = (): void => element.querySelector('.current')?.scrollIntoView({ block: 'nearest' });
  model.chain.subscribe(() => {
    unfolded.clear();
    draw();
  });
  // While another tab is shown nothing can be scrolled.
  model.tab.subscribe((tab) => tab === 'chain' && requestAnimationFrame(showCurrent));
  draw();
  return element;
}

function heading(): HTMLElement {
  const titles = ['Since start', 'After cause', 'Event', 'Track', 'Line'];
  const cells = titles.map((text, i) => h('span', { class: i < 2 ? 'number-head' : '', text }));
  return h('div', { class: 'chain-row chain-head', attrs: { 'aria-hidden': 'true' } }, ...cells);
}

function item(
  explorer: Explorer,
  line: ChainLine,
  first: number,
  current: boolean,
  toggle: (row: number) => void,
): HTMLElement {
  const hz = explorer.model.frequencyHz;
  const { event, depth, cause, folded } = line;
  const what = h(
    'span',
    { class: `chain-what${line.trunk ? '' : ' branch'}` },
    h('span', { class: `swatch role-${kindRow(event.kind).role}`, attrs: { 'aria-hidden': 'true' } }),
    h('span', { class: 'chain-name', text: event.name }),
    event.text === '' ? null : h('code', { text: event.text }),
    event.duration > 0
      ? h('span', { class: 'number muted', text: formatDuration(event.duration, hz) })
      : null,
  );
  what.style.paddingLeft = `${depth * INDENT}px`;
  const button = h(
    'button',
    {
      class: `chain-row chain-item${current ? ' current' : ''}`,
      attrs: { type: 'button', ...(current && { 'aria-current': 'true' }) },
      on: {
        click: () => void explorer.reveal(event.row),
        dblclick: () => void explorer.zoomTo(event.row),
        keydown: (key) => {
          const to = key.key === 'ArrowDown' ? 'next' : key.key === 'ArrowUp' ? 'previous' : undefined;
          if (!to) return;
          key.preventDefault();
          const beside =
            to === 'next'
              ? button.parentElement?.nextElementSibling
              : button.parentElement?.previousElementSibling;
          beside?.querySelector('button')?.focus();
        },
      },
    },
    h('span', { class: 'number muted', text: formatDuration(event.start - first, hz) }),
    h('span', { class: 'number', text: cause ? `+${formatDuration(event.start - cause.start, hz)}` : '' }),
    what,
    h('span', { class: 'muted chain-track', text: event.track }),
    h('span', { class: 'chain-place', text: event.place }),
  );
  if (folded === 0) return h('li', {}, button);
  const legs = link(`▸ ${folded} legs`, () => toggle(event.row));
  legs.classList.add('chain-legs');
  legs.setAttribute('aria-label', `Show the ${folded} legs of ${event.name}`);
  return h('li', { class: 'has-legs' }, button, legs);
}
