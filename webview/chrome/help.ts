/** The overview of keys and gestures. */
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
  ['/', 'find; Enter next, Shift+Enter previous'],
  ['?', 'this overview'],
];

const queries: readonly [query: string, what: string][] = [
  ['reason:EPT_MISCONFIG', 'exits of one reason'],
  ['kind:irq.inject', 'one kind of event'],
  ['dur>5us', 'longer than five microseconds'],
  ['file:e1000.c', 'caused by lines of one file'],
];

/** Builds the overlay, closed. */
export function helpOverlay(): { element: HTMLDialogElement; open(): void } {
  const list = (entries: readonly [string, string][], mark: 'kbd' | 'code'): HTMLElement =>
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
    list(queries, 'code'),
  );
  element.addEventListener('click', (event) => {
    if (event.target === element) element.close();
  });
  return { element, open: () => element.showModal() };
}
