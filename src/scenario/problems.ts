/** Turns what zod found into problems for a reader: what was found, what is allowed, what was probably meant. */
import type { z } from 'zod';
import type { Problem } from '../protocol/problem';
import { printPath, type JsonDocument, type Path, type Range } from './document';
import {
  allowed,
  alternatives,
  alternativesFor,
  nodesAt,
  plainJsonSchema,
  type JsonSchema,
} from './json-schema';
import { didYouMean, nearest } from './nearest';
import { plannedField, plannedValue } from './planned';

type Issue = z.core.$ZodIssue;

/** Longest piece of the file that a message repeats. */
const MAX_QUOTE = 60;

let plain: JsonSchema | undefined;

/** Collects problems of one file. */
export class ProblemList {
  readonly problems: Problem[] = [];
  private readonly lineStarts: number[];

  constructor(
    private readonly document: JsonDocument,
    private readonly file: string,
  ) {
    this.lineStarts = lineStarts(document.text);
  }

  /** Adds a problem with the value at a path (`value`), or with the name of the field there (`key`). */
  add(at: 'value' | 'key', path: Path, message: string, severity: Problem['severity'] = 'error'): void {
    this.addRange(
      at === 'key' ? this.document.keyRange(path) : this.document.valueRange(path),
      path,
      message,
      severity,
    );
  }

  /** Adds a problem with a stretch of the text. */
  addRange(range: Range, path: Path, message: string, severity: Problem['severity'] = 'error'): void {
    const start = this.position(range.offset);
    const end = this.position(range.offset + range.length);
    this.problems.push({
      file: this.file,
      ...start,
      endLine: end.line,
      endColumn: end.column,
      severity,
      message,
      ...(path.length > 0 && { field: printPath(path) }),
      source: 'scenario',
    });
  }

  /** The problems in the order of the text. */
  sorted(): Problem[] {
    return [...this.problems].sort((x, y) => x.line - y.line || x.column - y.column);
  }

  private position(offset: number): { line: number; column: number } {
    let low = 0;
    let high = this.lineStarts.length;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (this.lineStarts[middle] <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - this.lineStarts[low] + 1 };
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (const match of text.matchAll(/\r\n|\n|\r/g)) starts.push(match.index + match[0].length);
  return starts;
}

/** Adds zod's issues to the list. Missing fields are left out when the text itself is broken: it may just end too early. */
export function addIssues(list: ProblemList, document: JsonDocument, issues: readonly Issue[]): void {
  plain ??= plainJsonSchema();
  const flat = issues.flatMap((issue) => choose(issue));
  const misspelt = new Set<string>();
  for (const issue of flat) {
    if (issue.code === 'unrecognized_keys') addUnknownFields(list, document, plain, issue, misspelt);
  }
  for (const issue of flat) {
    if (issue.code === 'unrecognized_keys') continue;
    const path = issue.path as Path;
    const missing = valueAt(document.value, path) === undefined;
    if (missing && (misspelt.has(printPath(path)) || document.faults.length > 0)) continue;
    addWrongValue(list, document, plain, issue, path);
  }
}

/** Follows a union into the branch that was probably meant; keeps the union where no branch fits at all. */
function choose(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
  const branches = issue.errors.map((errors) => errors.flatMap((each) => choose(each)));
  const weights = branches.map((errors) => errors.reduce((sum, each) => sum + weight(each), 0));
  const best = branches[weights.indexOf(Math.min(...weights))];
  if (best.some((each) => each.path.length === 0 && wrongKind(each))) return [issue];
  return best.map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
}

function wrongKind(issue: Issue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'invalid_union';
}

/** How much an issue speaks against its branch. */
function weight(issue: Issue): number {
  if (issue.path.length === 0 && wrongKind(issue)) return 1000;
  if (issue.code === 'unrecognized_keys') return 10 * issue.keys.length;
  return issue.code === 'invalid_type' ? 5 : 1;
}

function addUnknownFields(
  list: ProblemList,
  document: JsonDocument,
  schema: JsonSchema,
  issue: Extract<Issue, { code: 'unrecognized_keys' }>,
  misspelt: Set<string>,
): void {
  const parent = issue.path as Path;
  const nodes = nodesAt(schema, parent);
  const anywhere = fieldsOf(nodes.flatMap(alternatives));
  const here = fieldsOf(nodes.flatMap((node) => alternativesFor(node, valueAt(document.value, parent))));
  const where = parent.length > 0 ? ` in ${printPath(parent)}` : '';
  for (const key of issue.keys) {
    const path = [...parent, key];
    const later = plannedField(printPath(path));
    if (later !== undefined) {
      list.add('key', path, `"${key}"${where} is not available yet: ${later}. Remove the field.`);
    } else if (anywhere.has(key)) {
      list.add('key', path, `"${key}"${where} does not go with the other fields there. Remove it, or them.`);
    } else {
      const best = nearest(key, here);
      if (best !== undefined) misspelt.add(printPath([...parent, best]));
      const hint =
        best !== undefined ? `Did you mean "${best}"?` : `Fields there are: ${[...here].join(', ')}.`;
      list.add('key', path, `unknown field ${quote(key)}${where}. ${hint}`);
    }
  }
}

function fieldsOf(nodes: readonly JsonSchema[]): Set<string> {
  return new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})));
}

function addWrongValue(
  list: ProblemList,
  document: JsonDocument,
  schema: JsonSchema,
  issue: Issue,
  path: Path,
): void {
  const field = path.length > 0 ? printPath(path) : 'the scenario';
  const nodes = nodesAt(schema, path, document.value);
  const found = valueAt(document.value, path);
  if (issue.code === 'too_big' && Array.isArray(found)) {
    const message = `${field} has ${found.length} entries, but at most ${issue.maximum} are possible`;
    return list.add('value', path, message);
  }
  if (issue.code === 'custom') return list.add('value', path, `${field} ${issue.message}`);
  if (issue.code === 'invalid_key') {
    const message = `${quote(String(path.at(-1)))} cannot be a name in ${printPath(path.slice(0, -1))}: it has to be a C identifier`;
    return list.add('key', path, message);
  }
  const allows = [...new Set(nodes.map(allowed))].join(' or ') + meaning(nodes);
  if (found === undefined) {
    return list.add('value', path, `${field} is missing: it has to be ${allows}`);
  }
  const later = plannedValue(field, found);
  if (later !== undefined) {
    return list.add(
      'value',
      path,
      `${field} is ${JSON.stringify(found)}, which is not available yet: ${later}.`,
    );
  }
  const hint = typeof found === 'string' ? didYouMean(found, namesOf(nodes)) : '';
  list.add('value', path, `${field} is ${shown(document, path, found)}, but has to be ${allows}.${hint}`);
}

/** First sentence of what a field is, in brackets; nothing when the alternatives differ. */
function meaning(nodes: readonly JsonSchema[]): string {
  const [description, ...others] = new Set(nodes.map((node) => node.description));
  if (description === undefined || others.length > 0) return '';
  return ` (${description.split('. ')[0].replace(/\.$/, '')})`;
}

function namesOf(nodes: readonly JsonSchema[]): string[] {
  const values = nodes
    .flatMap(alternatives)
    .flatMap((node) => node.enum ?? (node.const === undefined ? [] : [node.const]));
  return values.map(String);
}

/** The value at a path of plain data; undefined where there is none. */
function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}

function shown(document: JsonDocument, path: Path, found: unknown): string {
  if (Array.isArray(found)) return found.length === 0 ? 'an empty list' : 'a list';
  if (typeof found === 'object' && found !== null) return 'an object';
  const { offset, length } = document.valueRange(path);
  const text = document.text.slice(offset, offset + length);
  return text.length > MAX_QUOTE ? `${text.slice(0, MAX_QUOTE)}…` : text;
}

function quote(name: string): string {
  return JSON.stringify(name.length > MAX_QUOTE ? `${name.slice(0, MAX_QUOTE)}…` : name);
}
