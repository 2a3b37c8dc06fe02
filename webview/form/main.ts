/** Entry of the scenario form: shows the tree that the extension sends, and tells what was entered. */
import './form.css';
import type {
  FormField,
  FormList,
  FormNode,
  FormPath,
  FormSection,
  FormWords,
  FromForm,
  ToForm,
} from '../../src/protocol/form';
import { h, icon, icons } from '../ui/dom';

interface FormApi {
  postMessage(message: FromForm): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): FormApi;

const api = acquireVsCodeApi();
const app = document.getElementById('app') ?? document.body;
const keyOf = (path: FormPath): string => JSON.stringify(path);

/** What the reader has opened and closed by hand, by path. */
const opened = new Map<string, boolean>(Object.entries((api.getState() ?? {}) as Record<string, boolean>));

function remember(key: string, isOpen: boolean): void {
  opened.set(key, isOpen);
  api.setState(Object.fromEntries(opened));
}

/** The first sentence, without the marks of code: the rest is in the tooltip. */
function firstSentence(text: string): string {
  return (/^.*?[.](?=\s|$)/s.exec(text)?.[0] ?? text).replaceAll('`', '');
}

function problemsOf(node: Pick<FormNode, 'problems' | 'path'>): HTMLElement | null {
  if (node.problems.length === 0) return null;
  const lines = node.problems.map((text) => h('div', { text }));
  return h(
    'div',
    { class: 'problems', attrs: { role: 'alert', id: `problem-${keyOf(node.path)}` } },
    ...lines,
  );
}

function hasProblems(node: FormNode): boolean {
  return node.problems.length > 0 || (node.kind !== 'field' && node.nodes.some(hasProblems));
}

function removeButton(path: FormPath, label: string, words: FormWords): HTMLElement {
  const name = `${words.remove}: ${label}`;
  const button = h('button', {
    class: 'icon-button',
    title: name,
    attrs: { type: 'button', 'aria-label': name },
    on: { click: () => api.postMessage({ type: 'remove', path }) },
  });
  button.append(icon(icons.close));
  return button;
}

function inputOf(
  field: FormField,
  words: FormWords,
): HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement {
  const set = (text: string): void => api.postMessage({ type: 'set', path: field.path, text });
  const attrs: Record<string, string> = { id: `field-${keyOf(field.path)}`, 'data-path': keyOf(field.path) };
  if (field.problems.length > 0) {
    attrs['aria-invalid'] = 'true';
    attrs['aria-describedby'] = `problem-${keyOf(field.path)}`;
  }
  if (field.input === 'choice' || field.input === 'kind') {
    const absent = field.otherwise === '' ? words.notGiven : `${field.otherwise} (${words.notGiven})`;
    const select = h('select', { attrs });
    const isForeign = field.text !== '' && !field.choices.includes(field.text);
    for (const [value, text] of [
      ['', absent],
      ...(isForeign ? [[field.text, field.text]] : []),
      ...field.choices.map((each) => [each, each]),
    ])
      select.append(h('option', { text: text ?? '', attrs: { value: value ?? '' } }));
    select.value = field.text;
    select.addEventListener('change', () => set(select.value));
    return select;
  }
  const isLong = field.input === 'lines' || field.label === 'about';
  const input = isLong ? h('textarea', { attrs }) : h('input', { attrs });
  if (input instanceof HTMLTextAreaElement)
    input.rows = field.input === 'lines' ? Math.max(1, field.text.split('\n').length) : 3;
  else input.inputMode = field.input === 'number' ? 'decimal' : 'text';
  input.placeholder = field.otherwise;
  input.spellcheck = false;
  input.value = field.text;
  input.addEventListener('change', () => set(input.value));
  return input;
}

function fieldOf(field: FormField, words: FormWords): HTMLElement {
  const label = h('label', { text: field.label, title: field.description });
  label.htmlFor = `field-${keyOf(field.path)}`;
  const control = h('div', { class: 'control' }, inputOf(field, words));
  if (field.isEntry) control.append(removeButton(field.path, field.label, words));
  const hint = firstSentence(field.description);
  return h(
    'div',
    { class: field.problems.length > 0 ? 'field wrong' : 'field' },
    label,
    h(
      'div',
      { class: 'value' },
      control,
      hint === '' ? null : h('div', { class: 'hint', text: hint, title: field.description }),
      problemsOf(field),
    ),
  );
}

function addRow(list: FormList, words: FormWords): HTMLElement {
  const name = `${words.add}: ${list.label}`;
  const add = (what: string): void => {
    remember(keyOf(list.path), true);
    api.postMessage({ type: 'add', path: list.path, name: what });
  };
  const button = h('button', {
    class: 'add',
    text: words.add,
    attrs: { type: 'button', 'aria-label': name },
  });
  if (list.isMap) {
    const key = `names-${keyOf(list.path)}`;
    const input = h('input', {
      attrs: { list: key, 'aria-label': name, 'data-path': `${keyOf(list.path)}+` },
    });
    const names = h('datalist', { attrs: { id: key } });
    for (const each of list.additions) names.append(h('option', { attrs: { value: each } }));
    button.addEventListener('click', () => add(input.value.trim()));
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') add(input.value.trim());
    });
    return h('div', { class: 'add-row' }, input, names, button);
  }
  if (list.additions.length === 1) {
    button.addEventListener('click', () => add(list.additions[0] ?? ''));
    return h('div', { class: 'add-row' }, button);
  }
  const select = h('select', { attrs: { 'aria-label': name, 'data-path': `${keyOf(list.path)}+` } });
  for (const each of list.additions) select.append(h('option', { text: each, attrs: { value: each } }));
  button.addEventListener('click', () => add(select.value));
  return h('div', { class: 'add-row' }, select, button);
}

function groupOf(node: FormSection | FormList, words: FormWords): HTMLElement {
  const key = keyOf(node.path);
  const isGiven = node.kind === 'list' ? node.nodes.length > 0 : node.isGiven;
  const isOpen = hasProblems(node) || (opened.get(key) ?? isGiven);
  const count = node.kind === 'list' && node.nodes.length > 0 ? ` (${node.nodes.length})` : '';
  const summary = h(
    'summary',
    { title: node.description, attrs: { 'data-path': key } },
    h('span', { class: 'group-label', text: `${node.label}${count}` }),
    h('span', { class: 'hint', text: firstSentence(node.description) }),
  );
  if (node.kind === 'section' && node.isEntry) summary.append(removeButton(node.path, node.label, words));
  const details = h('details', { class: 'group' }, summary, problemsOf(node));
  details.open = isOpen;
  details.addEventListener('toggle', () => {
    if (details.open !== isOpen || opened.has(key)) remember(key, details.open);
  });
  const body = h('div', { class: 'group-body' }, ...node.nodes.map((each) => nodeOf(each, words)));
  if (node.kind === 'list') body.append(addRow(node, words));
  details.append(body);
  return details;
}

function nodeOf(node: FormNode, words: FormWords): HTMLElement {
  return node.kind === 'field' ? fieldOf(node, words) : groupOf(node, words);
}

/** Shows the form anew; the keyboard and what is being written stay where they are. */
function show({ nodes, problems, isBroken, words }: ToForm): void {
  const active = document.activeElement;
  const path = active instanceof HTMLElement ? active.dataset['path'] : undefined;
  const scroll = document.documentElement.scrollTop;
  const toText = h('button', {
    class: 'link',
    text: words.openText,
    attrs: { type: 'button' },
    on: { click: () => api.postMessage({ type: 'openText' }) },
  });
  const head = h('header', {}, toText);
  if (isBroken) head.append(h('p', { class: 'problems', text: words.broken, attrs: { role: 'alert' } }));
  for (const text of problems) head.append(h('p', { class: 'problems', text, attrs: { role: 'alert' } }));
  app.replaceChildren(head, ...nodes.map((node) => nodeOf(node, words)));
  document.documentElement.scrollTop = scroll;
  if (path !== undefined)
    [...app.querySelectorAll<HTMLElement>('[data-path]')]
      .find((each) => each.dataset['path'] === path)
      ?.focus();
}

window.addEventListener('message', ({ data }: MessageEvent<ToForm>) => {
  if (data.type === 'show') show(data);
});
api.postMessage({ type: 'ready' });
