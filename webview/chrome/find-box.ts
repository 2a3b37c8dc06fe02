/** The find box: a query with help for writing it, how many events match, the next and previous one, and a lane of them. */
import type { Explorer } from '../app/explorer';
import type { Finder } from '../app/finder';
import type { Completions } from '../../src/protocol/completions';
import { formatCount } from '../time/format';
import { h, icons } from '../ui/dom';
import { badge, iconButton, textField } from '../ui/toolkit';
import { completionList } from './completion-list';
import { Latest } from '../host/latest';

/** Milliseconds after which a query that cannot be understood is said to be wrong: before, it is being written. */
const PATIENCE = 900;

/** Builds the find box. */
export function findBox(
  explorer: Explorer,
  finder: Finder,
): { element: HTMLElement; focus(): void; find(query: string): void } {
  const { model } = explorer;
  const field = textField('Find events', 'Find: exit:EPT_MISCONFIG dur>5us', (text) => {
    model.query.value = text;
    hideError();
    list.outdate();
    help();
  });
  const count = h('span', { class: 'find-count', attrs: { 'aria-live': 'polite' } });
  const error = h('div', { class: 'find-error', attrs: { role: 'alert' } });
  error.hidden = true;
  const list = completionList((item, from, to) => {
    const text = field.value;
    const rest = text.slice(to);
    // A value is done: the next term comes after a space.
    const space = item.is === 'value' && !/^[\s,)]/.test(rest) ? ' ' : '';
    field.value = text.slice(0, from) + item.insert + space + rest;
    field.cursor = from + item.insert.length + space.length;
    model.query.value = field.value;
    field.focus();
    if (item.is === 'field') help();
  });
  const lane = iconButton(icons.addLane, 'Make a lane of this query (Ctrl+Enter)', () => makeLane());
  const element = h(
    'div',
    { class: 'find', attrs: { role: 'search' } },
    field.element,
    count,
    lane,
    iconButton(icons.previous, 'Previous match (Shift+Enter)', () => go(-1)),
    iconButton(icons.next, 'Next match (Enter)', () => go(1)),
    error,
    list.element,
  );
  field.value = model.query.value;
  let errorTimer = 0;
  /** The reader is writing; an answer that comes after they have gone on is not shown. */
  let helpWanted = false;

  const hideError = (): void => {
    clearTimeout(errorTimer);
    error.hidden = true;
    field.element.classList.remove('wrong');
  };
  /** The message, and the query with the piece that is wrong marked. */
  const showError = (): void => {
    hideError();
    const problem = finder.problem.value;
    if (!problem) return;
    list.close();
    const text = model.query.value.trim();
    const { position, length } = problem;
    error.replaceChildren(
      h('div', { text: problem.message }),
      h(
        'code',
        { attrs: { 'aria-hidden': 'true' } },
        text.slice(0, position),
        h('mark', { text: text.slice(position, position + length) || '\u00a0' }),
        text.slice(position + length),
      ),
    );
    error.hidden = false;
    field.element.classList.add('wrong');
  };
  const completions = new Latest<{ text: string; cursor: number }, Completions>(
    ({ text, cursor }) => explorer.host.call('complete', text, cursor),
    (answer, { text, cursor }) => {
      // Nothing is shown of a text that is not there any more or is taken as it is, or in a field that the reader has left.
      if (!helpWanted || text !== field.value || cursor !== field.cursor || !field.focused) return;
      const written = text.slice(answer.from, answer.to);
      const [only] = answer.items;
      if (answer.items.length === 1 && only?.insert === written) list.close();
      else list.show(answer);
    },
    () => list.close(),
  );
  const help = (): void => {
    helpWanted = true;
    completions.request({ text: field.value, cursor: field.cursor });
  };
  const noHelp = (): void => {
    helpWanted = false;
    list.close();
  };
  const go = (direction: 1 | -1): void => {
    noHelp();
    if (finder.settle()) void finder.go(direction);
    else showError();
  };
  const makeLane = (): void => {
    noHelp();
    if (!finder.settle()) showError();
    else if (finder.filter.value !== '') explorer.queries.add(finder.filter.value);
  };

  const showMatches = (): void => {
    count.replaceChildren();
    const found = finder.matches.value;
    lane.toggleAttribute('disabled', finder.filter.value === '' || finder.problem.value !== undefined);
    if (!found) return;
    const { index, complete } = found;
    const whole = found.count === 0 && complete ? 'none' : formatCount(found.count);
    count.append(
      badge(complete ? (index >= 0 ? `${formatCount(index + 1)} of ${whole}` : whole) : `${whole}…`),
    );
  };
  finder.matches.subscribe(showMatches);
  finder.filter.subscribe(showMatches);
  finder.problem.subscribe((problem) => {
    showMatches();
    clearTimeout(errorTimer);
    if (!problem) hideError();
    else errorTimer = window.setTimeout(() => list.open || showError(), PATIENCE);
  });
  model.query.subscribe(() => {
    clearTimeout(errorTimer);
    if (finder.problem.value) errorTimer = window.setTimeout(() => list.open || showError(), PATIENCE);
  });

  const keys: Record<string, () => boolean> = {
    ArrowDown: () => {
      if (list.open) explorer.say(list.move(1));
      else help();
      return true;
    },
    ArrowUp: () => {
      if (!list.open) return false;
      explorer.say(list.move(-1));
      return true;
    },
    Tab: () => list.open && list.take(true),
    Enter: () => {
      if (!list.take()) go(1);
      return true;
    },
    'Shift+Enter': () => {
      go(-1);
      return true;
    },
    'Ctrl+Enter': () => {
      makeLane();
      return true;
    },
    'Ctrl+ ': () => {
      help();
      return true;
    },
    Escape: () => {
      if (list.open) noHelp();
      else {
        noHelp();
        field.value = '';
        model.query.value = '';
        finder.settle();
        hideError();
      }
      return true;
    },
  };
  field.element.addEventListener('keydown', (event) => {
    const prefix = `${event.ctrlKey || event.metaKey ? 'Ctrl+' : ''}${event.shiftKey ? 'Shift+' : ''}`;
    if (!keys[`${prefix}${event.key}`]?.()) return;
    event.preventDefault();
    event.stopPropagation();
  });
  field.element.addEventListener('focusout', () => list.close());
  showMatches();
  return {
    element,
    focus: () => field.focus(),
    find: (query) => {
      field.value = query;
      model.query.value = query;
      go(1);
    },
  };
}
