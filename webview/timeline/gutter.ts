/** Headings and names beside the lanes; lanes can be pinned, hidden and moved here. */
import type { Explorer } from '../app/explorer';
import { kindRow } from '../../src/trace/vocabulary/events';
import type { LaneRow, Layout, Row } from '../lanes/layout';
import { laneName } from '../lanes/name';
import { queryLaneName } from '../lanes/query-lane-name';
import { h, icon, icons } from '../ui/dom';

/** Pixels of the gutter beside the two halves of a lane's name. */
const AIR = 34;
const LEAST = 128;
/** Of the page's width. */
const MOST = 0.34;
/** Pixels that a press may wander and still be a click. */
const CLICK_SLACK = 4;

export interface Gutter {
  element: HTMLElement;
  /** Shows what the labels of the axis count from. */
  base(text: string): void;
  relayout(layout: Layout): void;
  /** Pixels that the longest name needs, if that leaves the lanes enough of `room`. */
  width(room: number): number;
  /** Marks the lane of the keyboard. */
  activate(lane: string): void;
  /** Lets the reader give a lane of a query another name. */
  rename(lane: string): void;
}

export function gutter(explorer: Explorer): Gutter {
  const base = h('span', { class: 'axis-base' });
  const pinned = h('div', { class: 'gutter-pinned' });
  const rows = h('div', { class: 'gutter-rows' });
  const top = h('div', { class: 'gutter-top' }, h('div', { class: 'gutter-corner' }, base), pinned);
  const element = h('div', { class: 'gutter' }, top, rows);
  const pen = document.createElement('canvas').getContext('2d');
  const move = mover(explorer, rows);
  let renames = new Map<string, () => void>();
  return {
    element,
    base: (text) => (base.textContent = text),
    relayout(layout) {
      const isPinned = (row: Row): boolean => row.type === 'lane' && row.pinned;
      renames = new Map();
      const elementOf = (row: Row): HTMLElement =>
        row.type === 'heading' ? headingOf(row, explorer) : laneOf(row, explorer, move, renames);
      pinned.replaceChildren(...layout.rows.filter(isPinned).map(elementOf));
      pinned.hidden = layout.pinnedHeight === 0;
      rows.replaceChildren(...layout.rows.filter((row) => !isPinned(row)).map(elementOf));
      rows.style.height = `${layout.height - layout.pinnedHeight}px`;
    },
    width(room) {
      let widest = LEAST;
      for (const name of element.querySelectorAll('.gutter-lane')) {
        if (pen) pen.font = getComputedStyle(name).font;
        let width = AIR;
        for (const part of name.querySelectorAll('.gutter-track, .gutter-part'))
          width += pen?.measureText(part.textContent).width ?? 0;
        widest = Math.max(widest, width);
      }
      return Math.ceil(Math.min(widest, Math.max(LEAST, room * MOST)));
    },
    activate(lane) {
      for (const each of element.querySelectorAll<HTMLElement>('.gutter-lane'))
        each.classList.toggle('active', each.dataset['lane'] === lane);
    },
    rename: (lane) => renames.get(lane)?.(),
  };
}

/** Lets a lane be dragged to another place under its heading; gives what a press on its name begins. */
function mover(
  explorer: Explorer,
  rows: HTMLElement,
): (event: PointerEvent, row: LaneRow, name: HTMLElement) => void {
  return (down, row, name) => {
    if (down.button !== 0 || row.pinned) return;
    let target: { before: string | undefined; mark: HTMLElement } | undefined;
    const clear = (): void => target?.mark.classList.remove('drop-above', 'drop-below');
    const over = (event: PointerEvent): void => {
      if (Math.abs(event.clientY - down.clientY) < CLICK_SLACK && !target) return;
      clear();
      name.classList.add('moving');
      const names = [...rows.querySelectorAll<HTMLElement>('.gutter-lane')].filter(
        (each) => each.dataset['group'] === row.lane.group,
      );
      const below = names.find((each) => {
        const box = each.getBoundingClientRect();
        return event.clientY < box.top + box.height / 2;
      });
      const mark = below ?? names.at(-1);
      if (!mark) return;
      mark.classList.add(below ? 'drop-above' : 'drop-below');
      target = { before: below?.dataset['lane'], mark };
    };
    const end = (event: PointerEvent): void => {
      clear();
      name.classList.remove('moving');
      name.removeEventListener('pointermove', over);
      name.removeEventListener('pointerup', end);
      name.removeEventListener('pointercancel', end);
      if (event.type === 'pointerup' && target && target.before !== row.lane.id)
        explorer.choosing.moveBefore(row.lane.id, target.before);
    };
    name.setPointerCapture(down.pointerId);
    name.addEventListener('pointermove', over);
    name.addEventListener('pointerup', end);
    name.addEventListener('pointercancel', end);
  };
}

/** A heading with its twistie. */
function headingOf(row: Extract<Row, { type: 'heading' }>, explorer: Explorer): HTMLElement {
  const button = h(
    'button',
    {
      class: 'gutter-heading',
      attrs: { type: 'button', 'aria-expanded': String(!row.collapsed) },
      on: { click: () => explorer.choosing.toggleGroup(row.group) },
    },
    h('span', { class: 'twistie', attrs: { 'aria-hidden': 'true' } }),
    h('span', { text: row.group }),
    row.collapsed ? h('span', { class: 'gutter-note', text: `${row.lanes} lanes` }) : null,
  );
  button.style.height = `${row.height}px`;
  return button;
}

/** The name of a lane, with what can be done to it. */
function laneOf(
  row: LaneRow,
  explorer: Explorer,
  move: (event: PointerEvent, row: LaneRow, name: HTMLElement) => void,
  renames: Map<string, () => void>,
): HTMLElement {
  const { lane } = row;
  const name = laneName(lane);
  const query = lane.query === undefined ? undefined : queryLaneName(lane, explorer);
  if (query) renames.set(lane.id, query.rename);
  const act = (path: string, label: string, press: () => void): HTMLElement =>
    h(
      'button',
      {
        class: 'gutter-act',
        title: label,
        attrs: { type: 'button', tabindex: '-1', 'aria-label': `${label}: ${name}` },
        on: {
          pointerdown: (event) => event.stopPropagation(),
          click: (event) => {
            event.stopPropagation();
            press();
          },
        },
      },
      icon(path),
    );
  const element = h(
    'div',
    {
      class: `gutter-lane${lane.empty ? ' empty' : ''}${row.firstOfTrack ? ' first' : ''}${row.pinned ? ' pinned' : ''}`,
      title: lane.empty ? `${name}: nothing recorded` : name,
      on: {
        click: () => (explorer.model.lane.value = lane.id),
        pointerdown: (event) => move(event, row, element),
      },
    },
    query?.element ?? h('span', { class: 'gutter-track', text: row.firstOfTrack ? lane.track : '' }),
    h('span', {
      class: `gutter-part role-${roleOf(lane.groups)}`,
      text: row.firstOfTrack && lane.track.endsWith(lane.part) ? '' : lane.part,
    }),
    h(
      'span',
      { class: 'gutter-acts' },
      query ? act(icons.rename, 'Rename (F2)', query.rename) : null,
      act(
        row.pinned ? icons.unpin : icons.pin,
        row.pinned ? 'Let it scroll (P)' : 'Keep at the top (P)',
        () => explorer.choosing.togglePinned(lane.id),
      ),
      act(icons.hide, 'Hide (H)', () => explorer.choosing.toggleHidden(lane.id)),
      query ? act(icons.close, 'Remove (Delete)', () => explorer.queries.remove(lane.id)) : null,
    ),
  );
  element.dataset['lane'] = lane.id;
  element.dataset['group'] = lane.group;
  element.style.height = `${row.height}px`;
  return element;
}

const roleOfGroup: Partial<Record<string, string>> = {
  mode: kindRow(1).role,
  exit: 'exit',
  interrupt: 'interrupt',
  register: 'device',
  virtio: 'device',
  dma: 'dma',
  iommu: 'iommu',
  packet: 'network',
  thread: 'thread',
  guest: 'mark',
};

function roleOf(groups: readonly string[]): string {
  return roleOfGroup[groups[0] ?? ''] ?? 'mark';
}
