/** Which lanes are shown, and under which headings: a box to find them by, and a check mark for each. */
import type { Grouping } from '../../src/protocol/choices';
import type { Lane } from '../../src/protocol/viewport';
import type { Explorer } from '../app/explorer';
import { laneName } from '../lanes/name';
import { h } from '../ui/dom';
import { popover, type Popover } from '../ui/popover';
import { button, dropdown, setDropdown, textField } from '../ui/toolkit';

const headings: readonly [value: Grouping, text: string][] = [
  ['machine', 'by machine'],
  ['type', 'by what they are'],
];

/** Builds the menu; `anchor` is the button that opens it. */
export function laneMenu(explorer: Explorer, anchor: () => HTMLElement): Popover {
  const { model, choosing } = explorer;
  return popover('Lanes', anchor, (room) => {
    const list = h('div', { class: 'lane-list', attrs: { role: 'group', 'aria-label': 'Shown lanes' } });
    let wanted = '';
    const matching = (): Lane[] =>
      model.lanes.value.filter((lane) => `${lane.group} ${laneName(lane)}`.toLowerCase().includes(wanted));
    const fill = (): void => {
      const hidden = new Set(model.choices.value.hidden);
      list.replaceChildren(
        ...matching().map((lane) => {
          const box = h('input', { attrs: { type: 'checkbox' } });
          box.checked = !hidden.has(lane.id);
          box.addEventListener('change', () => choosing.toggleHidden(lane.id));
          return h(
            'label',
            { class: 'lane-choice' },
            box,
            h('span', { class: 'muted', text: lane.group }),
            laneName(lane),
          );
        }),
      );
    };
    const find = textField('Find lanes', 'Find lanes', (text) => {
      wanted = text.trim().toLowerCase();
      fill();
    });
    const setAll = (shown: boolean): void => {
      const ids = matching().map(({ id }) => id);
      const others = model.choices.value.hidden.filter((id) => !ids.includes(id));
      choosing.choose({ hidden: shown ? others : [...others, ...ids] });
      fill();
    };
    const grouping = dropdown('Headings', headings, (value) =>
      choosing.choose({ grouping: headings.find(([each]) => each === value)?.[0] ?? 'machine' }),
    );
    const reset = (): void => {
      choosing.choose({ hidden: [], order: [], collapsed: [] });
      fill();
    };
    room.append(
      h('div', { class: 'popover-line' }, h('span', { text: 'Headings' }), grouping),
      find.element,
      list,
      h(
        'div',
        { class: 'popover-line' },
        button('Show these', () => setAll(true)),
        button('Hide these', () => setAll(false)),
        h('span', { class: 'spring' }),
        button('Reset', reset),
      ),
    );
    setDropdown(grouping, model.choices.value.grouping);
    fill();
    return find;
  });
}
