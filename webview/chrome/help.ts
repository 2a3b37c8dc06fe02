/** The overview of keys and gestures. */
import { fieldSpec, queryFieldNames, queryGrammar } from '../../src/trace/query/fields';
import type { ColourRole } from '../../src/trace/vocabulary/events';
import { h, icons } from '../ui/dom';
import { iconButton } from '../ui/toolkit';

type Line = readonly [keys: string, what: string];

/** By what a reader wants to do. */
const sections: readonly (readonly [title: string, lines: readonly Line[]])[] = [
  [
    'Move',
    [
      ['W S,  + −', 'zoom in, out'],
      ['A D,  ← →', 'move left, right'],
      ['F, Home, End', 'whole run, its start, its end'],
      ['Ctrl/⌘ + wheel, pinch', 'zoom about the pointer'],
      ['Shift + wheel, drag', 'move in time'],
      ['Wheel', 'scroll the lanes; zoom on the axis and the overview'],
      ['Esc', 'step back out: cursors, range, selection, zoom; from the panel to the lanes'],
    ],
  ],
  [
    'Events',
    [
      ['Click', 'select, and show the source line beside; the keyboard stays here'],
      ['Double click, Z', 'zoom to the event, or to the marked range'],
      [', .  or  Q E', 'previous, next event of the lane'],
      ['Enter, Ctrl+Enter', 'go to its source, or machine code where it has none, beside, in this column'],
      ['X', 'go to its machine code beside'],
      ['C', 'show the whole chain of the selected event'],
      ['↑ ↓  ← → in the chain', 'link before, after; cause, consequence'],
      ['G', 'debug from it; go there with the debugger'],
      ['B', 'stop the debugger at events like it'],
      ['Drag the cursor’s handle', 'move the debugger in time'],
    ],
  ],
  [
    'Measure and mark',
    [
      ['Shift + drag, drag on the axis', 'mark a range: how long, how many events'],
      ['1  2', 'cursor A, B at the pointer or the selected event; drag them by their letters'],
      ['M', 'name this moment; [ and ] go to the previous and next name'],
      ['T', 'times in seconds, in cycles, or since the selected event'],
      ['I', 'fold idle time'],
    ],
  ],
  [
    'Lanes',
    [
      ['↑ ↓', 'lane above, below'],
      ['P', 'keep the lane at the top, or let it scroll'],
      ['H', 'hide the lane'],
      ['Alt+↑ Alt+↓, drag its name', 'move the lane'],
      ['L', 'choose lanes and headings'],
      ['F2, Delete', 'rename or remove a lane of a query'],
    ],
  ],
  [
    'Find',
    [
      ['/', 'find; Enter next, Shift+Enter previous; Tab takes a completion'],
      ['Ctrl+Enter', 'in the find box: make a lane of the query'],
      ['?', 'this overview'],
    ],
  ],
];

/** Fields with an example of each, for the grammar stands before them. */
const fields = queryFieldNames.map((name): Line => {
  const { meaning, examples } = fieldSpec(name);
  return [examples[0] ?? name, meaning];
});

/** What colours and hatches stand for, the modes in the order in which a dense lane piles them. */
const colours: readonly (readonly [role: ColourRole, what: string])[] = [
  ['guest', 'the guest runs'],
  ['halted', 'the guest is halted'],
  ['transition', 'on the way out of or into the guest'],
  ['kernel', 'the kernel’s part of the VMM'],
  ['user', 'its part in user space'],
  ['exit', 'VM exit'],
  ['interrupt', 'interrupt'],
  ['device', 'device register, virtqueue'],
  ['dma', 'DMA'],
  ['iommu', 'IOMMU'],
  ['network', 'packet'],
  ['thread', 'host thread'],
  ['mark', 'mark of the guest'],
  ['fault', 'fault'],
];

/** Builds the overlay, closed. */
export function helpOverlay(): { element: HTMLDialogElement; open(): void } {
  const list = (entries: readonly Line[], mark: 'kbd' | 'code'): HTMLElement =>
    h(
      'dl',
      { class: 'help-list' },
      ...entries.flatMap(([left, right]) => [h('dt', {}, h(mark, { text: left })), h('dd', { text: right })]),
    );
  const element = h(
    'dialog',
    { class: 'help', attrs: { 'aria-label': 'Keys and help' } },
    h(
      'div',
      { class: 'help-head' },
      h('h2', { text: 'Keys and gestures' }),
      iconButton(icons.close, 'Close', () => element.close()),
    ),
    h(
      'div',
      { class: 'help-columns' },
      ...sections.map(([title, lines]) => h('section', {}, h('h3', { text: title }), list(lines, 'kbd'))),
      h(
        'section',
        {},
        h('h3', { text: 'Colours' }),
        h(
          'ul',
          { class: 'help-colours' },
          ...colours.map(([role, what]) =>
            h('li', {}, h('span', { class: `swatch role-${role}`, attrs: { 'aria-hidden': 'true' } }), what),
          ),
        ),
      ),
    ),
    h('h2', { text: 'Queries' }),
    h(
      'div',
      { class: 'help-columns' },
      h('section', {}, h('h3', { text: 'Grammar' }), list(queryGrammar, 'code')),
      h('section', {}, h('h3', { text: 'Fields' }), list(fields, 'code')),
    ),
  );
  element.addEventListener('click', (event) => {
    if (event.target === element) element.close();
  });
  return { element, open: () => element.showModal() };
}
