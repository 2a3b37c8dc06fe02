/** Everything about the selected event: sentence, legs, facts, the way to its source. */
import type { EventDetails } from '../../src/protocol/details';
import { kindRow } from '../../src/trace/vocabulary/events';
import type { Explorer } from '../app/explorer';
import { kindTitle } from '../lanes/labels';
import { formatCount, formatDuration, formatShare } from '../time/format';
import { h } from '../ui/dom';
import { link } from '../ui/toolkit';

/** Builds the details view. */
export function detailsView(explorer: Explorer): HTMLElement {
  const { model } = explorer;
  const element = h('div', { class: 'view details' });
  const draw = (): void => {
    const details = model.details.value;
    element.replaceChildren(...(details ? describe(explorer, details) : [nothing()]));
  };
  model.details.subscribe(draw);
  model.debugger.subscribe(draw);
  draw();
  return element;
}

function nothing(): HTMLElement {
  return h('p', {
    class: 'empty-note',
    text: 'Click an event on the timeline to see what happened, why, and which line of the driver did it.',
  });
}

function describe(explorer: Explorer, event: EventDetails): Node[] {
  const hz = explorer.model.frequencyHz;
  const role = kindRow(event.kind).role;
  const head = h(
    'div',
    { class: 'details-head' },
    h('span', { class: `swatch role-${role}`, attrs: { 'aria-hidden': 'true' } }),
    h('strong', { text: kindTitle(event.kind) }),
    event.duration > 0 ? h('span', { class: 'number', text: formatDuration(event.duration, hz) }) : null,
    h('span', { class: 'muted', text: event.track }),
    event.text === '' ? null : h('code', { text: event.text }),
    event.place === '' ? null : sourceLink(explorer, event),
    event.rip === undefined ? null : disassemblyLink(explorer, event.row),
    event.consequences > 0
      ? link(
          `${formatCount(event.consequences)} ${event.consequences === 1 ? 'event follows' : 'events follow'}`,
          () => explorer.showTab('chain'),
        )
      : null,
    ...debugActions(explorer, event),
  );
  const facts = h(
    'dl',
    { class: 'facts' },
    ...event.facts.flatMap(({ name, value }) => [h('dt', { text: name }), h('dd', { text: value })]),
  );
  return [
    head,
    h('p', { class: 'sentence', text: event.sentence }),
    ...(event.legs.length > 0 ? [legs(explorer, event)] : []),
    facts,
    h('p', { class: 'meaning muted', text: event.meaning }),
  ];
}

/** What the debugger can do with an event. */
function debugActions(explorer: Explorer, event: EventDetails): HTMLElement[] {
  const action = (text: string, title: string, act: () => void): HTMLElement => {
    const element = link(text, act);
    element.classList.add('action');
    element.title = title;
    return element;
  };
  const { row } = event;
  return [
    explorer.model.debugger.value === undefined
      ? action(
          'Debug from here',
          'Run the scenario again to this very moment, and stop there (G)',
          () => void explorer.debugFrom(row),
        )
      : action('Go here', 'Move the debugger to this event (G)', () => void explorer.travel({ row })),
    action(
      'Stop at events like this',
      'Add a breakpoint for events of this kind (B)',
      () => void explorer.stopAtLike(row),
    ),
  ];
}

function sourceLink(explorer: Explorer, event: EventDetails): HTMLElement {
  const open = link(
    `${event.place}${event.symbol === undefined ? '' : ` ${event.symbol}()`}`,
    () => void explorer.openSource(event.row, true),
  );
  open.classList.add('source');
  open.title = `Open ${event.file ?? event.place} beside`;
  return open;
}

function disassemblyLink(explorer: Explorer, row: number): HTMLElement {
  const open = link('Disassembly', () => void explorer.openDisassembly(row, true));
  open.title = 'Open the machine code about its instruction beside (X)';
  return open;
}

/** Inner spans as one bar, each as long as its share, and a legend that names them. */
function legs(explorer: Explorer, event: EventDetails): HTMLElement {
  const hz = explorer.model.frequencyHz;
  const total = Math.max(
    event.duration,
    event.legs.reduce((sum, leg) => sum + leg.cycles, 0),
    1,
  );
  const bar = h('div', { class: 'legs-bar', attrs: { 'aria-hidden': 'true' } });
  const legend = h('ul', { class: 'legs-legend' });
  for (const leg of event.legs) {
    const role = kindRow(leg.kind).role;
    const piece = h('div', { class: `leg role-${role}` });
    piece.style.width = `${(100 * leg.cycles) / total}%`;
    bar.append(piece);
    legend.append(
      h(
        'li',
        {},
        h('span', { class: `swatch role-${role}`, attrs: { 'aria-hidden': 'true' } }),
        leg.row >= 0 ? link(leg.name, () => void explorer.reveal(leg.row)) : h('span', { text: leg.name }),
        h('span', { class: 'number', text: formatDuration(leg.cycles, hz) }),
        h('span', { class: 'number muted', text: formatShare(leg.cycles, total) }),
      ),
    );
  }
  return h(
    'div',
    { class: 'legs', attrs: { role: 'group', 'aria-label': 'Where the time went' } },
    bar,
    legend,
  );
}
