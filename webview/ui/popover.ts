/** A small window of the page under the button that opens it. */
import { h } from './dom';

export interface Popover {
  element: HTMLElement;
  open(): void;
  close(): void;
}

/**
 * Makes a popover, closed. It closes on Esc, and when the reader presses or goes outside of it; the keyboard goes back to where it was.
 * @param anchor what it stands under
 * @param fill makes the content anew at each opening; gives what gets the keyboard
 */
export function popover(
  label: string,
  anchor: () => HTMLElement,
  fill: (room: HTMLElement, close: () => void) => { focus(): void } | undefined,
): Popover {
  const element = h('div', { class: 'popover', attrs: { role: 'dialog', 'aria-label': label } });
  element.hidden = true;
  let before: Element | null = null;
  const outside = (event: PointerEvent): void => {
    const path = event.composedPath();
    if (!path.includes(element) && !path.includes(anchor())) close();
  };
  const close = (): void => {
    if (element.hidden) return;
    const within = element.contains(document.activeElement);
    element.hidden = true;
    anchor().setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', outside, true);
    if (within && before instanceof HTMLElement) before.focus();
  };
  const open = (): void => {
    if (!element.hidden) return close();
    before = document.activeElement;
    element.replaceChildren();
    const first = fill(element, close);
    element.hidden = false;
    anchor().setAttribute('aria-expanded', 'true');
    const box = anchor().getBoundingClientRect();
    element.style.top = `${Math.round(box.bottom + 2)}px`;
    element.style.left = `${Math.round(Math.max(4, Math.min(box.left, innerWidth - element.offsetWidth - 8)))}px`;
    document.addEventListener('pointerdown', outside, true);
    first?.focus();
  };
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
    close();
  });
  // The keyboard has gone elsewhere.
  element.addEventListener('focusout', ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !element.contains(relatedTarget)) close();
  });
  return { element, open, close };
}
