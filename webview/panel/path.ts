/** The critical path of the operation that the selected event is part of: a bar of its legs, and the legs as a list. */
import type { OperationPath, PathLegRow } from '../../src/protocol/details';
import { kindRow } from '../../src/trace/vocabulary/events';
import type { Explorer } from '../app/explorer';
import { Latest } from '../host/latest';
import { formatDuration, formatShare } from '../time/format';
import { h } from '../ui/dom';
import type { Signal } from '../host/signal';
import type { Theme } from '../ui/theme';
import { link } from '../ui/toolkit';
import { eventKeys } from './event-keys';

/** Share of the bar from which on a leg has room for its name. */
const NAMED_SHARE = 0.09;

/** Builds the view of critical paths. */
export function pathView(explorer: Explorer, theme: Signal<Theme>): HTMLElement {
  const { model, host } = explorer;
  const element = h('div', { class: 'view path' });
  const list = h('ol', { class: 'chain-list', attrs: { 'aria-label': 'Legs of the critical path' } });
  const beside = (step: number) => (row: number) => {
    const rows = path?.legs.map(({ event }) => event.row) ?? [];
    const at = step > 0 ? rows.lastIndexOf(row) : rows.indexOf(row);
    return rows[at + step];
  };
  const keys = eventKeys(explorer, list, {
    left: beside(-1),
    right: beside(1),
    show: (row) => void explorer.reveal(row, { alongChain: true }),
  });
  let path: OperationPath | undefined;
  const latest = new Latest<number, OperationPath>(
    (row) => host.call('criticalPath', row),
    (answer) => {
      path = answer;
      draw();
    },
    (error) => explorer.report(error),
  );
  const nothing = (text: string): void => element.replaceChildren(h('p', { class: 'empty-note', text }));
  const draw = (): void => {
    if (!path) return;
    if (path.legs.length === 0) {
      nothing('This event took no time, and nothing that did led to it or came of it.');
      return;
    }
    const total = path.to - path.from;
    const begin = path.from;
    element.replaceChildren(head(explorer, path), barOf(explorer, path, theme.value), heading(), list);
    list.replaceChildren(...path.legs.map((leg) => h('li', {}, legButton(explorer, leg, begin, total))));
    mark();
  };
  const mark = (): void => keys.mark(model.selection.value, path?.legs[0]?.event.row ?? -1);
  const ask = (): void => {
    if (model.tab.value !== 'path') return;
    const row = model.selection.value;
    if (row < 0 && !path)
      nothing(
        'Select an event: the operation that it is part of is told here, leg by leg, from the access of the driver that began it to the end of the handler that learnt of it.',
      );
    if (row < 0) return;
    // The path stays while the reader goes along it.
    if (path?.rows.includes(row)) mark();
    else latest.request(row);
  };
  theme.subscribe(draw);
  model.selection.subscribe(ask);
  model.tab.subscribe(ask);
  model.extent.subscribe(({ state }) => {
    // What a running trace has of an operation may not be all of it.
    if (state === 'running') path = undefined;
  });
  ask();
  return element;
}

/** What a leg is called: `dma.read`, or what is waited for. */
function nameOf({ what, event }: PathLegRow): string {
  return what === 'in' ? event.name : `until ${event.name}`;
}

function head(explorer: Explorer, path: OperationPath): HTMLElement {
  const hz = explorer.model.frequencyHz;
  const { legs, from, to } = path;
  const total = to - from;
  const waits = legs.filter(({ what }) => what === 'until').reduce((sum, { cycles }) => sum + cycles, 0);
  const air = Math.max(total * 0.06, 1);
  return h(
    'div',
    { class: 'chain-bar' },
    h('strong', { text: `${legs[0]?.event.name ?? ''} → ${legs.at(-1)?.event.name ?? ''}` }),
    h('span', { class: 'number', text: formatDuration(total, hz) }),
    h('span', { class: 'muted', text: `${formatShare(waits, total)} of it waits between events` }),
    link('Show all of it', () => explorer.show({ from: from - air, to: to + air }, true)),
  );
}

/** The legs one after the other, each as long as its share: working ones filled, waits in outline. */
function barOf(explorer: Explorer, { legs, from, to }: OperationPath, theme: Theme): HTMLElement {
  const hz = explorer.model.frequencyHz;
  const total = Math.max(1, to - from);
  const bar = h('div', { class: 'path-bar', attrs: { 'aria-hidden': 'true' } });
  for (const leg of legs) {
    const share = leg.cycles / total;
    const name = nameOf(leg);
    const { role } = kindRow(leg.event.kind);
    const label = share < NAMED_SHARE ? null : h('span', { class: 'path-name', text: name });
    if (label) label.style.color = leg.what === 'in' ? theme.onRole[role] : theme.foreground;
    const piece = h(
      'div',
      {
        class: `path-leg${leg.what === 'until' ? ' waits' : ''}`,
        title: `${name}: ${formatDuration(leg.cycles, hz)}, ${formatShare(leg.cycles, total)}`,
        on: { click: () => void explorer.reveal(leg.event.row, { alongChain: true }) },
      },
      label,
    );
    piece.style.flexGrow = String(leg.cycles);
    piece.style.color = theme.roles[role];
    bar.append(piece);
  }
  return bar;
}

function heading(): HTMLElement {
  const titles = ['At', 'Takes', 'Share', 'Leg', 'Track', 'Line'];
  const cells = titles.map((text, i) => h('span', { class: i < 3 ? 'number-head' : '', text }));
  return h('div', { class: 'path-row chain-head', attrs: { 'aria-hidden': 'true' } }, ...cells);
}

function legButton(explorer: Explorer, leg: PathLegRow, begin: number, total: number): HTMLElement {
  const hz = explorer.model.frequencyHz;
  const { event, what, from, cycles } = leg;
  const share = h('span', { class: 'number path-share', text: formatShare(cycles, total) });
  share.style.backgroundSize = `${(100 * cycles) / Math.max(1, total)}% 60%`;
  return h(
    'button',
    {
      class: 'path-row chain-item',
      attrs: { type: 'button', 'data-row': String(event.row) },
      on: { dblclick: () => void explorer.zoomTo(event.row) },
    },
    h('span', { class: 'number muted', text: `+${formatDuration(from - begin, hz)}` }),
    h('span', { class: 'number', text: formatDuration(cycles, hz) }),
    share,
    h(
      'span',
      { class: 'chain-what' },
      h('span', {
        class: `swatch role-${kindRow(event.kind).role}${what === 'until' ? ' waits' : ''}`,
        attrs: { 'aria-hidden': 'true' },
      }),
      h('span', { class: 'chain-name', text: nameOf(leg) }),
      event.text === '' ? null : h('code', { text: event.text }),
    ),
    h('span', { class: 'muted chain-track', text: event.track }),
    h('span', { class: 'chain-place', text: event.place }),
  );
}
