/** Making elements without markup. */

export interface Props {
  class?: string;
  text?: string;
  title?: string;
  attrs?: Record<string, string>;
  on?: { [E in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[E]) => void };
}

export type Child = Node | string | null | undefined;

function apply(element: HTMLElement, props: Props, children: readonly Child[]): void {
  if (props.class !== undefined) element.className = props.class;
  if (props.title !== undefined) element.title = props.title;
  if (props.text !== undefined) element.textContent = props.text;
  for (const [name, value] of Object.entries(props.attrs ?? {})) element.setAttribute(name, value);
  for (const [type, listener] of Object.entries(props.on ?? {})) {
    element.addEventListener(type, listener as EventListener);
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
}

/** A new element with properties and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  apply(element, props, children);
  return element;
}

/** A new custom element with properties and children. */
export function custom(tag: string, props: Props = {}, ...children: readonly Child[]): HTMLElement {
  const element = document.createElement(tag);
  apply(element, props, children);
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A 16 × 16 drawing of one path in the text colour. */
export function icon(path: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('width', '16');
  svg.setAttribute('height', '16');
  svg.setAttribute('aria-hidden', 'true');
  const shape = document.createElementNS(SVG, 'path');
  shape.setAttribute('d', path);
  shape.setAttribute('fill', 'none');
  shape.setAttribute('stroke', 'currentColor');
  shape.setAttribute('stroke-width', '1.3');
  shape.setAttribute('stroke-linecap', 'round');
  shape.setAttribute('stroke-linejoin', 'round');
  svg.append(shape);
  return svg;
}

/** Paths of the icons in use. */
export const icons = {
  run: 'M4.5 2.8v10.4l8.2-5.2z',
  stop: 'M4 4h8v8H4z',
  follow: 'M2.5 8h7M6.5 4.5 10 8l-3.5 3.5M13 3v10',
  zoomIn: 'M7 3a4 4 0 1 0 0 8a4 4 0 1 0 0-8M10 10l3.5 3.5M7 5.2v3.6M5.2 7h3.6',
  zoomOut: 'M7 3a4 4 0 1 0 0 8a4 4 0 1 0 0-8M10 10l3.5 3.5M5.2 7h3.6',
  fit: 'M2.5 3v10M13.5 3v10M5 8h6M6.8 6.2 5 8l1.8 1.8M9.2 6.2 11 8 9.2 9.8',
  previous: 'M4 10l4-4 4 4',
  next: 'M4 6l4 4 4-4',
  help: 'M5.8 6a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.6M8 12.2v.2',
  addLane: 'M2.5 3.5h11M2.5 7.5h6M2.5 11.5h5M11.5 8v6M8.5 11h6',
  rename: 'M3 13l.6-2.6L10.8 3.2l2 2-7.2 7.2zM9.4 4.6l2 2',
  close: 'M4 4l8 8M12 4l-8 8',
  hide: 'M2.2 8S4.4 4.2 8 4.2 13.8 8 13.8 8 11.6 11.8 8 11.8 2.2 8 2.2 8zM8 6.6a1.4 1.4 0 1 0 0 2.8a1.4 1.4 0 1 0 0-2.8M3 13 13 3',
  pin: 'M6 2.5h4M6.8 2.5v4L5 9h6L9.2 6.5v-4M8 9v4.5',
  unpin: 'M6 2.5h4M6.8 2.5v4L5 9h6L9.2 6.5v-4M8 9v4.5M3 13 13 3',
  lanes: 'M2.5 4h3M8 4h5.5M2.5 8h3M8 8h5.5M2.5 12h3M8 12h5.5',
  bookmark: 'M4.5 2.5h7v11L8 10.7l-3.5 2.8z',
  clock: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.2l2 1.4',
  fold: 'M2.5 8h2.5M11 8h2.5M6.5 5v6M9.5 5v6',
} as const;
