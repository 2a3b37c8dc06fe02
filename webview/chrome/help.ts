/** The overview of keys and gestures. */
import { fieldSpec, queryFieldNames, queryGrammar } from '../../src/trace/query/fields';
import { h, icons } from '../ui/dom';
import { iconButton } from '../ui/toolkit';

const rows: readonly [keys: string, what: string][] = [
  ['Ctrl/⌘ + wheel, pinch', 'zoom about the pointer'],
  ['Shift + wheel, drag', 'move in time'],
  ['Wheel', 'scroll the lanes; zoom on the axis and the overview'],
  ['Shift + drag, drag on the axis', 'mark a range; Z zooms to it'],
  ['Click', 'select; opens the source line beside'],
  ['Double click', 'zoom to the event'],
  ['W S  or  + −', 'zoom in, out'],
  ['A D  or  ← →', 'move left, right'],
  [',  .  or  Alt+← Alt+→', 'previous, next event of the lane'],
  ['↑ ↓', 'lane above, below'],
  ['Enter, Ctrl+Enter', 'open the source, open it beside'],
  ['Z', 'zoom to the range or the selected event'],
  ['C', 'show the whole chain of the selected event'],
  ['F, Home, End', 'whole run, its start, its end'],
  ['G', 'debug from the selected event; go there with the debugger'],
  ['B', 'stop the debugger at events like the selected one'],
  ['Drag the cursor’s handle', 'move the debugger in time'],
  ['Esc', 'step back out: range, selection, zoom'],
  ['/', 'find; Enter next, Shift+Enter previous, Tab takes a completion, Ctrl+Enter makes a lane'],
  ['?', 'this overview'],
];

/** Fields with an example of each, for the grammar stands before them. */
const fields = queryFieldNames.map((name) => {
  const { meaning, examples } = fieldSpec(name);
  return [examples[0] ?? name, meaning] as const;
});

/** Builds the overlay, closed. */
export function helpOverlay(): { element: HTMLDialogElement; open(): void } {
  const list = (entries: readonly (readonly [string, string])[], mark: 'kbd' | 'code'): HTMLElement =>
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
    list(rows, 'kbd'),
    h('h2', { text: 'Find' }),
    list(queryGrammar, 'code'),
    h('h3', { text: 'Fields' }),
    list(fields, 'code'),
  );
  element.addEventListener('click', (event) => {
    if (event.target === element) element.close();
  });
  return { element, open: () => element.showModal() };
}
