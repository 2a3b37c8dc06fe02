/** The causal chain of the selected event as a tree: the trunk flush left, side branches indented. */
import { kindRow } from '../../src/trace/vocabulary/events';
import type { Explorer } from '../app/explorer';
import { CHAIN_EVENTS, chainSteps, type Chain } from '../app/model';
import { chainLines, extentOf, type ChainLine } from '../lanes/chain-tree';
import { formatCount, formatDuration } from '../time/format';
import { h } from '../ui/dom';
import { dropdown, link, setDropdown } from '../ui/toolkit';
import { eventKeys } from './event-keys';

/** Pixels of one step of indentation. */
const INDENT = 18;
const ALL_STEPS = chainSteps[chainSteps.length - 1];

/** Builds the chain view. */
export function chainView(explorer: Explorer): HTMLElement {
  const { model } = explorer;
  const element = h('div', { class: 'view chain' });
  /** Rows whose legs the reader opened. */
  const unfolded = new Set<number>();
  const reach = dropdown(
    'Steps each way',
    chainSteps.map((steps) => [String(steps), steps === ALL_STEPS ? 'all steps' : `${steps} steps each way`]),
    (value) => follow(Number(value), CHAIN_EVENTS),
  );
  const follow = (steps: number, limit: number): void => {
    model.reach.value = { steps, limit };
    void explorer.showChainOf();
  };
  const more = (): void => {
    const { steps, limit } = model.reach.value;
    const next = chainSteps.find((each) => each > steps) ?? steps;
    follow(next, model.chain.value?.truncated ? 4 * limit : limit);
  };
  const list = h('ol', { class: 'chain-list', attrs: { 'aria-label': 'Causal chain' } });
  const summary = h('span', {});
  const rest = h('span', { class: 'chain-rest' });
  const bar = h('div', { class: 'chain-bar' }, reach, summary, rest);
  let lines: ChainLine[] = [];
  const keys = eventKeys(explorer, list, {
    left: (row) => lines.find(({ event }) => event.row === row)?.cause?.row,
    right: (row) => onward(lines, row),
    show: (row) => void explorer.reveal(row, { alongChain: true }),
  });
  const toggle = (row: number): void => {
    if (!unfolded.delete(row)) unfolded.add(row);
    draw();
    keys.focus(row);
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
    lines = chainLines(chain.rows, chain.row, (row) => unfolded.has(row));
    list.replaceChildren(...lines.map((line) => item(explorer, line, extent?.from ?? 0, toggle)));
    if (bar.parentElement !== element) element.replaceChildren(bar, heading(), list);
    mark();
  };
  const mark = (): void => {
    const chain = model.chain.value;
    if (!chain) return;
    const length = extentOf(chain.rows);
    const events = `${formatCount(chain.rows.length)} ${chain.rows.length === 1 ? 'event' : 'events'}`;
    const lasts = length ? formatDuration(length.to - length.from, model.frequencyHz) : '';
    summary.textContent = `${events}, ${lasts}`;
    setDropdown(reach, String(model.reach.value.steps));
    const selected = model.selection.value;
    rest.replaceChildren(
      link('Show the whole chain (C)', () => explorer.showChain()),
      ...(restOf(chain) === ''
        ? []
        : [h('span', { class: 'muted', text: restOf(chain) }), link('Show more', more)]),
      ...(selected >= 0 && selected !== chain.row
        ? [link('Chain of this event', () => void explorer.showChainOf(selected))]
        : []),
    );
    keys.mark(selected, chain.row);
  };
  model.chain.subscribe((chain) => {
    if (chain?.row !== known) unfolded.clear();
    known = chain?.row;
    draw();
  });
  let known = model.chain.value?.row;
  model.selection.subscribe(mark);
  // While another tab is shown nothing can be scrolled.
  model.tab.subscribe((tab) => tab === 'chain' && requestAnimationFrame(mark));
  draw();
  return element;
}

/** What of a chain is not shown. */
function restOf({ moreBefore, moreAfter, truncated }: Chain): string {
  if (truncated) return 'The nearest part of a longer chain.';
  if (moreBefore && moreAfter) return 'It goes on both ways.';
  if (moreBefore) return 'It goes further back.';
  return moreAfter ? 'It goes further on.' : '';
}

/** The consequence with which the chain goes on from an event: that of its own branch, or else the first. */
function onward(lines: readonly ChainLine[], row: number): number | undefined {
  const next = lines.filter(({ cause }) => cause?.row === row);
  return (next.find(({ trunk }) => trunk) ?? next[0])?.event.row;
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
      class: 'chain-row chain-item',
      attrs: { type: 'button', 'data-row': String(event.row) },
      on: { dblclick: () => void explorer.zoomTo(event.row) },
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
