/** What a form changes in a scenario's text: a few characters, so that comments, order and line ends stay. Knows no editor. */
import { applyEdits, getLocation, modify, parse, type Edit, type ParseError } from 'jsonc-parser';
import type { FormField, FormNode, FormPath, FromForm } from '../../protocol/form';
import type { Problem } from '../../protocol/problem';
import { expectationValue } from './expectation-field';
import type { FormTree, PlacedProblem } from './form-tree';

/** How the text is written where something is put into it. */
export interface TextStyle {
  readonly tabSize: number;
  readonly insertSpaces: boolean;
}

const PARSING = { allowTrailingComma: true };

/** The scenario as it is in the text; undefined where that is no JSON. */
export function valueOf(text: string): unknown {
  const errors: ParseError[] = [];
  const value: unknown = parse(text, errors, PARSING);
  return errors.length > 0 || typeof value !== 'object' || Array.isArray(value) || value === null
    ? undefined
    : value;
}

/** Problems with the path of what they are about. */
export function placed(text: string, problems: readonly Problem[]): PlacedProblem[] {
  const starts = [0, ...[...text.matchAll(/\r\n|\r|\n/g)].map(({ 0: end, index }) => index + end.length)];
  return problems.map(({ line, column, message }) => {
    const offset = (starts[line - 1] ?? text.length) + Math.max(0, column - 1);
    // Just behind the first character: the place itself may be between two values.
    return { path: getLocation(text, Math.min(text.length, offset + 1)).path, message };
  });
}

/** The node of a path in a form. */
export function nodeAt(nodes: readonly FormNode[], path: FormPath): FormNode | undefined {
  for (const node of nodes) {
    if (!node.path.every((step, index) => path[index] === step)) continue;
    if (node.path.length === path.length) return node;
    return node.kind === 'field' ? undefined : nodeAt(node.nodes, path);
  }
  return undefined;
}

/**
 * The edits that a message of the page comes to; none where it is about nothing that the form has.
 * @param nodes of the form as it is for this text
 */
export function editsFor(
  text: string,
  message: Exclude<FromForm, { type: 'ready' | 'openText' }>,
  nodes: readonly FormNode[],
  tree: FormTree,
  style: TextStyle,
): Edit[] {
  const node = nodeAt(nodes, message.path);
  if (!node) return [];
  const eol = /\r\n|\n|\r/.exec(text)?.[0] ?? '\n';
  const set = (path: FormPath, value: unknown, isInsertion = false): Edit[] =>
    modify(text, [...path], value, {
      formattingOptions: { ...style, eol },
      ...(isInsertion && { isArrayInsertion: true }),
    });
  switch (message.type) {
    case 'set':
      if (node.kind !== 'field') return [];
      return node.input === 'kind' && message.text !== ''
        ? set(node.path, tree.ofKind(node.path, valueOf(text), message.text))
        : set(node.path, enteredValue(node, message.text));
    case 'remove':
      return node.kind !== 'list' && node.isEntry ? set(node.path, undefined) : [];
    case 'add': {
      if (node.kind !== 'list') return [];
      const entry = tree.newEntry(node.path, valueOf(text), message.name);
      if (!node.isMap)
        return node.nodes.length === 0
          ? set(node.path, [entry])
          : set([...node.path, node.nodes.length], entry, true);
      const isKnown = node.nodes.some(({ label }) => label === message.name);
      return message.name === '' || isKnown ? [] : set([...node.path, message.name], entry);
    }
  }
}

/** Applies edits, for those who have no editor. */
export const edited = applyEdits;

/** What was entered, as a value; undefined takes it away. What cannot be understood is kept as it is, and told as a problem. */
function enteredValue({ input, choices }: FormField, text: string): unknown {
  if (text.trim() === '') return undefined;
  switch (input) {
    case 'kind':
    case 'text':
      return text;
    case 'number':
      return numberOr(text);
    case 'choice':
      if (choices.includes('true')) return text === 'true' ? true : text === 'false' ? false : text;
      return choices.every((each) => each !== '' && Number.isFinite(Number(each))) ? numberOr(text) : text;
    case 'lines':
      return text.split(/\r?\n/).flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
    case 'expectation':
      return expectationValue(text);
    case 'json':
      return jsonOr(text);
  }
}

function numberOr(text: string): number | string {
  const value = Number(text.trim());
  return Number.isFinite(value) ? value : text;
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
