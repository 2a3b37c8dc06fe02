/** The one place that knows which UI toolkit the page's chrome is made of. */
import {
  provideVSCodeDesignSystem,
  vsCodeButton,
  vsCodeCheckbox,
  vsCodeDataGrid,
  vsCodeDataGridCell,
  vsCodeDataGridRow,
  vsCodeDropdown,
  vsCodeLink,
  vsCodeOption,
  vsCodePanelTab,
  vsCodePanelView,
  vsCodePanels,
  vsCodeProgressRing,
  vsCodeTextField,
} from '@vscode/webview-ui-toolkit';
import { type Child, custom, h, icon } from './dom';

/** Makes the toolkit's elements known to the page; call once before any of them is made. */
export function registerToolkit(): void {
  provideVSCodeDesignSystem().register(
    vsCodeButton(),
    vsCodeCheckbox(),
    vsCodeDataGrid(),
    vsCodeDataGridCell(),
    vsCodeDataGridRow(),
    vsCodeDropdown(),
    vsCodeLink(),
    vsCodeOption(),
    vsCodePanelTab(),
    vsCodePanelView(),
    vsCodePanels(),
    vsCodeProgressRing(),
    vsCodeTextField(),
  );
}

/** A button that shows an icon only. */
export function iconButton(path: string, label: string, press: () => void): HTMLElement {
  const button = custom(
    'vscode-button',
    { title: label, attrs: { appearance: 'icon', 'aria-label': label }, on: { click: press } },
    icon(path),
  );
  return button;
}

/** A button with words. */
export function button(
  label: string,
  press: () => void,
  appearance: 'primary' | 'secondary' = 'secondary',
): HTMLElement {
  return custom('vscode-button', { text: label, attrs: { appearance }, on: { click: press } });
}

/** A link that does something in the page. */
export function link(label: string, follow: () => void): HTMLElement {
  return h('button', { class: 'link', text: label, attrs: { type: 'button' }, on: { click: follow } });
}

/** A number in a round frame. The toolkit's own needs inline styles, which the page's policy forbids. */
export function badge(text: string): HTMLElement {
  return h('span', { class: 'badge', text });
}

export interface TextField {
  element: HTMLElement;
  value: string;
  /** Place of the text cursor. */
  cursor: number;
  /** Whether it has the keyboard. */
  readonly focused: boolean;
  focus(): void;
}

/** A line of text; `changed` hears every change of the text. */
export function textField(label: string, placeholder: string, changed: (text: string) => void): TextField {
  const element = custom('vscode-text-field', {
    attrs: { placeholder, 'aria-label': label, spellcheck: 'false' },
  });
  const field = element as HTMLElement & { value: string; control?: HTMLInputElement };
  element.addEventListener('input', () => changed(field.value));
  return {
    element,
    get value() {
      return field.value;
    },
    set value(text: string) {
      field.value = text;
      // The element gives the text to its control a moment later; what is typed until then must not be lost.
      if (field.control) field.control.value = text;
    },
    get cursor() {
      return field.control?.selectionStart ?? field.value.length;
    },
    set cursor(at: number) {
      field.control?.setSelectionRange(at, at);
    },
    get focused() {
      return document.activeElement === field;
    },
    focus: () => field.focus(),
  };
}

/** A choice of one of several; `chosen` hears the value. */
export function dropdown(
  label: string,
  options: readonly [value: string, text: string][],
  chosen: (value: string) => void,
): HTMLElement {
  const element = custom(
    'vscode-dropdown',
    { attrs: { 'aria-label': label } },
    ...options.map(([value, text]) => custom('vscode-option', { text, attrs: { value } })),
  );
  element.addEventListener('change', () => chosen((element as HTMLElement & { value: string }).value));
  return element;
}

/** Sets what a dropdown shows. */
export function setDropdown(element: HTMLElement, value: string): void {
  (element as HTMLElement & { value: string }).value = value;
}

/** Tabs with their views. `chosen` hears the id of the tab that the reader opens. */
export function panels(
  label: string,
  tabs: readonly { id: string; title: string; view: HTMLElement }[],
  chosen: (id: string) => void,
): { element: HTMLElement; show(id: string): void } {
  const children: Child[] = [
    ...tabs.map(({ id, title }) => custom('vscode-panel-tab', { text: title, attrs: { id: `tab-${id}` } })),
    ...tabs.map(({ id, view }) => custom('vscode-panel-view', { attrs: { id: `view-${id}` } }, view)),
  ];
  const element = custom('vscode-panels', { attrs: { 'aria-label': label } }, ...children);
  element.addEventListener('change', () => {
    const id = (element as HTMLElement & { activeid?: string }).activeid;
    if (id?.startsWith('tab-')) chosen(id.slice('tab-'.length));
  });
  return { element, show: (id) => element.setAttribute('activeid', `tab-${id}`) };
}

/**
 * A small table. Cells are texts or nodes; the first row is the heading.
 * @param follow hears of a click on a row, by its place without the heading
 */
export function dataGrid(
  label: string,
  template: string,
  rows: readonly (readonly (string | Node)[])[],
  follow?: (row: number) => void,
): HTMLElement {
  const grid = custom('vscode-data-grid', {
    attrs: { 'aria-label': label, 'generate-header': 'none', 'grid-template-columns': template },
  });
  rows.forEach((cells, index) => {
    const heading = index === 0;
    const row = custom('vscode-data-grid-row', { attrs: heading ? { 'row-type': 'header' } : {} });
    if (follow && !heading) {
      row.classList.add('leads');
      row.addEventListener('click', ({ target }) => {
        // A link within it leads where it says.
        if (!(target instanceof Element) || !target.closest('button')) follow(index - 1);
      });
    }
    cells.forEach((cell, column) => {
      row.append(
        custom(
          'vscode-data-grid-cell',
          { attrs: { 'grid-column': String(column + 1), ...(heading && { 'cell-type': 'columnheader' }) } },
          cell,
        ),
      );
    });
    grid.append(row);
  });
  return grid;
}
