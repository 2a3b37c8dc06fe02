/** A list of events that a reader goes through by keys: one of them has the keyboard, and what it reaches is shown. */
import type { Explorer } from '../app/explorer';

export interface EventKeys {
  /** Marks the selected event of the list, else `fallback`, and brings it into view; the keyboard enters the list there. */
  mark(selected: number, fallback: number): void;
  /** Gives an event the keyboard. */
  focus(row: number): void;
}

/** Where keys lead from an event; undefined: nowhere. */
export interface EventWays {
  left(row: number): number | undefined;
  right(row: number): number | undefined;
  /** Shows an event that has been reached. */
  show(row: number): void;
}

/**
 * Up and down go through the list, left and right where `ways` says, Home and End to its ends; Enter opens the event's line. A click
 * shows the event.
 * @param list has a button with `data-row` for each event
 */
export function eventKeys(explorer: Explorer, list: HTMLElement, ways: EventWays): EventKeys {
  const buttons = (): HTMLElement[] => [...list.querySelectorAll<HTMLElement>('button[data-row]')];
  const rowOf = (button: HTMLElement): number => Number(button.dataset['row']);
  const buttonOf = (target: EventTarget | null): HTMLElement | undefined =>
    target instanceof Element
      ? (target.closest<HTMLElement>('button[data-row]') ?? undefined)
      : undefined;
  /** Makes one of them the list's current one. */
  const set = (current: HTMLElement | undefined): void => {
    for (const button of buttons()) {
      button.tabIndex = button === current ? 0 : -1;
      button.classList.toggle('current', button === current);
      if (button === current) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    }
    current?.scrollIntoView({ block: 'nearest' });
  };
  const go = (button: HTMLElement | undefined): void => {
    if (!button) return;
    button.focus();
    set(button);
    ways.show(rowOf(button));
  };
  const beside = (button: HTMLElement, step: number): HTMLElement | undefined => {
    const all = buttons();
    return all[all.indexOf(button) + step];
  };
  const at = (row: number | undefined): HTMLElement | undefined =>
    row === undefined ? undefined : buttons().find((button) => rowOf(button) === row);
  const focus = (row: number): void => at(row)?.focus();
  const steps: Readonly<Record<string, (button: HTMLElement) => HTMLElement | undefined>> = {
    ArrowUp: (button) => beside(button, -1),
    ArrowDown: (button) => beside(button, 1),
    ArrowLeft: (button) => at(ways.left(rowOf(button))),
    ArrowRight: (button) => at(ways.right(rowOf(button))),
    Home: () => buttons()[0],
    End: () => buttons().at(-1),
  };
  list.addEventListener('click', ({ target }) => {
    go(buttonOf(target));
  });
  list.addEventListener('keydown', (event) => {
    const button = buttonOf(event.target);
    if (!button || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = steps[event.key];
    if (step) go(step(button));
    else if (event.key === 'Enter') void explorer.openSource(rowOf(button), true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return {
    mark(selected, fallback) {
      const all = buttons();
      // An event may be there more than once.
      const current =
        all.find((button) => button === document.activeElement && rowOf(button) === selected) ??
        all.find((button) => rowOf(button) === selected) ??
        all.find((button) => rowOf(button) === fallback);
      set(current);
    },
    focus,
  };
}
