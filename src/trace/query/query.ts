/**
 * The query language of find, lanes, the debugger's stops and the command line: `exit:EPT_MISCONFIG dur>5us (reg:TDT or file:e1000.c)`.
 *
 * Terms that stand beside each other must all hold; `or` and parentheses group them; commas separate values of which one is
 * enough; a minus turns round what follows. Fields stand in `queryFields`; a word without one is part of a kind's name.
 */
import { kinds, type ArgSpec } from '../vocabulary/events';
import { fieldNamed, fieldSpec, queryFieldNames, queryTimeUnits, type QueryField } from './fields';

export type Operator = ':' | '>' | '<' | '>=' | '<=';

/** A number as written: in cycles or of no unit, or in seconds where a unit of time was given. */
export interface QueryNumber {
  value: number;
  seconds: boolean;
}

/** What a number is compared with: all from one to another, both included; an end may be open. */
export interface QueryRange {
  from?: QueryNumber;
  to?: QueryNumber;
}

export interface QueryTerm {
  /** `word`: part of a kind's name. `argument`: the one called `name`. */
  field: Exclude<QueryField, Relation | 'in'> | 'word' | 'argument';
  /** As `argumentName` has it; empty for other fields. */
  name: string;
  operator: Operator;
  /** Alternatives, as written without quotes. */
  texts: readonly string[];
  /** The same as numbers; undefined for * and for the name of an argument's value. Empty for fields of text. */
  numbers: readonly (QueryRange | undefined)[];
}

/** How an event is related to one that a query finds: `cause` directly, `from` by any number of causes, `within` by time. */
export type Relation = 'cause' | 'from' | 'within';

export type QueryNode =
  | { is: 'all'; of: readonly QueryNode[] }
  | { is: 'any'; of: readonly QueryNode[] }
  | { is: 'not'; of: QueryNode }
  | { is: Relation; of: QueryNode; position: number }
  | ({ is: 'term' } & QueryTerm);

/** What every event matches. */
export const EVERYTHING: QueryNode = { is: 'all', of: [] };

/** A query that cannot be understood: where, and what is allowed there. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
  constructor(
    what: string,
    /** 0-based. */
    readonly position: number,
    readonly length: number,
  ) {
    super(`${what} (at position ${position + 1} of the query).`);
  }
}

/** Parentheses within parentheses, at most: queries come from files and messages. */
const MOST_DEPTH = 50;

// A field and its operator before a value; a value is quoted or plain pieces between commas.
const FIELD = /([A-Za-z]+)(>=|<=|!=|[:=<>])/y;
const VALUES = /(?:"[^"]*"|[^\s",()|])*(?:,(?:"[^"]*"|[^\s",()|])*)*/y;
const PIECE = /(?:"[^"]*"|[^",])+|(?<=,)(?=,|$)|^(?=,)/g;
const BOUND = /^(0[xX][0-9a-fA-F]{1,16}|\d+(?:\.\d+)?)([a-zµμ]*)$/;

/** @throws QueryError with position and what is allowed. An empty query finds everything. */
export function parseQuery(text: string): QueryNode {
  return new Parser(text).whole();
}

/** As `parseQuery`, for rows while they are recorded: what needs rows of another time is refused. @throws QueryError */
export function parseLiveQuery(text: string): QueryNode {
  const query = parseQuery(text);
  const refused = findNode(query, ({ is }) => is === 'within');
  if (refused?.is !== 'within') return query;
  throw new QueryError(
    'within: looks at rows of another time, which a stop cannot; use cause: or from:',
    refused.position,
    'within'.length,
  );
}

/** The first node, from left to right, for which something holds. */
export function findNode(node: QueryNode, holds: (node: QueryNode) => boolean): QueryNode | undefined {
  if (holds(node)) return node;
  if (node.is === 'term') return undefined;
  for (const each of Array.isArray(node.of) ? (node.of as readonly QueryNode[]) : [node.of as QueryNode]) {
    const found = findNode(each, holds);
    if (found) return found;
  }
  return undefined;
}

class Parser {
  private at = 0;
  private depth = 0;

  constructor(private readonly text: string) {}

  whole(): QueryNode {
    this.skipSpace();
    if (this.at >= this.text.length) return EVERYTHING;
    const node = this.alternatives();
    if (this.at < this.text.length) this.fail('There is no ( before this )', this.at, 1);
    return node;
  }

  private alternatives(): QueryNode {
    const of = [this.conjunction()];
    while (this.keyword('or') || this.symbol('|')) of.push(this.conjunction());
    return of.length === 1 ? (of[0] ?? EVERYTHING) : { is: 'any', of };
  }

  private conjunction(): QueryNode {
    const of: QueryNode[] = [];
    for (;;) {
      this.skipSpace();
      if (this.at >= this.text.length || this.peek(')') || this.peek('|') || this.ahead('or')) break;
      if (this.keyword('and')) continue;
      of.push(this.negation());
    }
    if (of.length === 0)
      this.fail('A term is missing here, such as exit:HLT', Math.min(this.at, this.text.length), 1);
    return of.length === 1 ? (of[0] ?? EVERYTHING) : { is: 'all', of };
  }

  private negation(): QueryNode {
    const start = this.at;
    if (this.peek('-')) this.at++;
    else if (!this.keyword('not')) return this.primary();
    this.skipSpace();
    if (this.at >= this.text.length) this.fail('A term is missing after the minus', start, this.at - start);
    this.deeper();
    const of = this.negation();
    this.depth--;
    return { is: 'not', of };
  }

  private primary(): QueryNode {
    if (this.peek('(')) return this.group();
    FIELD.lastIndex = this.at;
    const field = FIELD.exec(this.text);
    return field ? this.fieldTerm(field) : this.word();
  }

  private group(): QueryNode {
    const open = this.at++;
    this.deeper();
    const node = this.alternatives();
    this.depth--;
    if (!this.peek(')')) this.fail('This parenthesis is not closed', open, 1);
    this.at++;
    return node;
  }

  private deeper(): void {
    if (++this.depth > MOST_DEPTH) this.fail(`Parentheses may be ${MOST_DEPTH} deep, no deeper`, this.at, 1);
  }

  private word(): QueryNode {
    const start = this.at;
    const texts = this.values();
    if (texts.length === 0 || texts.some((text) => text === '')) this.strange();
    for (const text of texts) this.checkWord(text, start);
    return { is: 'term', field: 'word', name: '', operator: ':', texts, numbers: [] };
  }

  private fieldTerm([head, name = '', sign = ':']: RegExpExecArray): QueryNode {
    const start = this.at;
    const lower = name.toLowerCase();
    const field = fieldNamed(lower) ?? (argumentNames.has(lower) ? 'argument' : undefined);
    if (field === undefined)
      return this.fail(
        `There is no field “${name}”; fields are ${queryFieldNames.join(', ')}, and the names of arguments, such as queue`,
        start,
        name.length,
      );
    if (sign === '!=') this.fail(`Write -${name}:value for what is not to hold`, start + name.length, 2);
    const operator = sign === '=' ? ':' : (sign as Operator);
    this.at += head.length;
    if (isRelation(field) && this.peek('(') && operator === ':')
      return { is: field, of: this.group(), position: start };
    const texts = this.values();
    const length = this.at - start;
    if (texts.length === 0 || texts.some((text) => text === '')) {
      const any = field === 'exit' ? '; exit:* finds all VM exits' : '';
      this.fail(`A value is missing after “${this.text.slice(start, this.at)}”${any}`, start, length);
    }
    const whole: Place = { start, length };
    if (field === 'in') return this.inFunction(texts, operator, whole);
    if (isRelation(field)) {
      const numbers = texts.map((text) =>
        text === '*' ? undefined : this.rangeOf(text, 'row', field, operator, whole),
      );
      const of: QueryNode = { is: 'term', field: 'row', name: '', operator, texts, numbers };
      return { is: field, of, position: start };
    }
    return { is: 'term', ...this.term(field, lower, texts, operator, whole) };
  }

  private inFunction(texts: readonly string[], operator: Operator, whole: Place): QueryNode {
    const of: QueryNode = { is: 'term', ...this.term('fn', 'in', texts, operator, whole) };
    return { is: 'from', of, position: whole.start };
  }

  private term(
    field: QueryTerm['field'],
    name: string,
    texts: readonly string[],
    operator: Operator,
    whole: Place,
  ): QueryTerm {
    const argument = field === 'argument' ? name : '';
    if (field !== 'argument' && field !== 'word' && fieldSpec(field).values === 'text') {
      if (operator !== ':') this.fail(`${name} is compared with : only`, whole.start, whole.length);
      for (const text of texts) this.checkName(field, text, whole);
      return { field, name: '', operator, texts, numbers: [] };
    }
    const numbers = texts.map((text) =>
      text === '*' || (field === 'argument' && namedArguments.has(name) && !/^[\d.]/.test(text))
        ? undefined
        : this.rangeOf(text, field, field === 'argument' ? name : field, operator, whole),
    );
    if (operator !== ':' && numbers.some((number) => number === undefined))
      this.fail(`A name is compared with : only`, whole.start, whole.length);
    return { field, name: argument, operator, texts, numbers };
  }

  private rangeOf(
    text: string,
    field: QueryTerm['field'],
    name: string,
    operator: Operator,
    whole: Place,
  ): QueryRange {
    const isTime = field !== 'argument' && field !== 'word' && fieldSpec(field).values === 'time';
    const bound = (piece: string): QueryNumber => {
      const match = BOUND.exec(piece);
      const unit = match?.[2] ?? '';
      const perSecond = Object.hasOwn(queryTimeUnits, unit) ? queryTimeUnits[unit] : undefined;
      if (match && unit === '') return { value: Number(match[1]), seconds: false };
      if (match && isTime && perSecond !== undefined)
        return { value: Number(match[1]) / perSecond, seconds: true };
      const allowed = isTime
        ? 'cycles, a number with s, ms, us or ns, or a range such as 1us..5us'
        : 'a number such as 12 or 0x10, or a range such as 0x1000..0x1fff';
      return this.fail(`“${text}” is no value for ${name}; it takes ${allowed}`, whole.start, whole.length);
    };
    const dots = text.indexOf('..');
    if (dots < 0) {
      const value = bound(text);
      return { from: value, to: value };
    }
    if (operator !== ':')
      this.fail('A range such as 1..5 is compared with : only', whole.start, whole.length);
    const [low, high] = [text.slice(0, dots), text.slice(dots + 2)];
    const range: QueryRange = {
      ...((low !== '' || high === '') && { from: bound(low) }),
      ...(high !== '' && { to: bound(high) }),
    };
    const { from, to } = range;
    if (from && to && from.seconds === to.seconds && from.value > to.value)
      this.fail(`“${text}” ends before it begins`, whole.start, whole.length);
    return range;
  }

  /** A word that is in no kind's name finds nothing, which nobody means. */
  private checkWord(text: string, start: number): void {
    const fits = textTest(text, 'part');
    if (kindNames.some(fits) || OPEN_NAME.test(text)) return;
    this.fail(
      `No kind of event has “${text}” in its name; with a field it may be found: fn:${text}, reg:${text}, track:${text}`,
      start,
      this.at - start,
    );
  }

  private checkName(field: QueryField, text: string, { start, length }: Place): void {
    const known = knownNames[field];
    if (!known || known.fits(text) || OPEN_NAME.test(text)) return;
    const near = known.names.filter(textTest(text, 'part')).slice(0, 5);
    const hint = near.length > 0 ? `; there is ${near.join(', ')}` : `; ${known.others}`;
    this.fail(`There is no ${known.what} “${text}”${hint}`, start, length);
  }

  /** The values at this place, as written without quotes. */
  private values(): string[] {
    VALUES.lastIndex = this.at;
    const value = VALUES.exec(this.text)?.[0] ?? '';
    this.at += value.length;
    const next = this.text.charAt(this.at);
    if (next === '"' || next === '(') this.strange();
    return (value.match(PIECE) ?? []).map((piece) => piece.replaceAll('"', ''));
  }

  private strange(): never {
    const found = this.text.charAt(this.at);
    const what =
      found === '"'
        ? 'A quotation mark is not closed'
        : found === ''
          ? 'A value is missing'
          : `“${found}” does not belong here`;
    return this.fail(`${what}; write field:value, or a value in double quotes`, this.at, 1);
  }

  private fail(what: string, position: number, length: number): never {
    throw new QueryError(what, position, Math.max(1, length));
  }

  private peek(character: string): boolean {
    return this.text.charAt(this.at) === character;
  }

  private symbol(character: string): boolean {
    if (!this.peek(character)) return false;
    this.at++;
    return true;
  }

  /** Whether the next word is this one, alone. */
  private ahead(word: string): boolean {
    const end = this.at + word.length;
    const next = this.text.charAt(end);
    return (
      this.text.slice(this.at, end).toLowerCase() === word && (next === '' || next === '(' || /\s/.test(next))
    );
  }

  private keyword(word: string): boolean {
    this.skipSpace();
    if (!this.ahead(word)) return false;
    this.at += word.length;
    return true;
  }

  private skipSpace(): void {
    while (/\s/.test(this.text.charAt(this.at))) this.at++;
  }
}

interface Place {
  start: number;
  length: number;
}

function isRelation(field: string): field is Relation {
  return field === 'cause' || field === 'from' || field === 'within';
}

/**
 * Whether a name is meant by a text of a query, regardless of case: * in the text stands for anything, and then the whole name must fit;
 * otherwise it must be equal, or have the text in it where a part is enough.
 */
export function textTest(text: string, how: 'whole' | 'part' = 'whole'): (name: string) => boolean {
  const lower = text.toLowerCase();
  if (!lower.includes('*'))
    return how === 'whole'
      ? (name) => name.toLowerCase() === lower
      : (name) => name.toLowerCase().includes(lower);
  const pieces = lower.split('*');
  const [first = ''] = pieces;
  const last = pieces.at(-1) ?? '';
  const inner = pieces.slice(1, -1);
  // Without a regular expression: a text with many stars must not take long.
  return (name) => {
    const whole = name.toLowerCase();
    if (whole.length < first.length + last.length || !whole.startsWith(first) || !whole.endsWith(last))
      return false;
    let at = first.length;
    for (const piece of inner) {
      const found = whole.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return at <= whole.length - last.length;
  };
}

/** Whether a kind's name is meant: the whole of it, or its beginning up to a dot. */
export function kindNameTest(text: string): (name: string) => boolean {
  const fits = textTest(text);
  const beginning = `${text.toLowerCase()}.`;
  return (name) => fits(name) || name.toLowerCase().startsWith(beginning);
}

/** Names that a newer version's kinds have here. */
const OPEN_NAME = /^(?:(?:kind|exit)\.)?\d+$/;
const kindNames = [...kinds.values()].map(({ name }) => name);
const unique = (names: readonly (string | undefined)[]): string[] => [
  ...new Set(names.filter((name) => name !== undefined)),
];
const exitReasons = unique([...kinds.values()].map(({ reason }) => reason));
const groups = unique([...kinds.values()].map(({ group }) => group));

interface KnownNames {
  what: string;
  names: readonly string[];
  fits(text: string): boolean;
  /** Where no name is near: what else. */
  others: string;
}

/** Fields whose values are known without a trace. */
const knownNames: Partial<Record<QueryField, KnownNames>> = {
  kind: {
    what: 'kind of event',
    names: kindNames,
    fits: (text) => kindNames.some(kindNameTest(text)),
    others: 'kinds are named as in mmio.write, irq.inject, exit.HLT',
  },
  exit: {
    what: 'exit reason',
    names: exitReasons,
    fits: (text) => exitReasons.some(textTest(text)),
    others: 'reasons are named as the kernel does: HLT, EPT_MISCONFIG',
  },
  group: {
    what: 'group of kinds',
    names: groups,
    fits: (text) => groups.some(textTest(text)),
    others: `groups are ${groups.join(', ')}`,
  },
};

/** What an argument is called in a query: its name without what is no letter. */
export function argumentName({ name }: ArgSpec): string {
  return name.toLowerCase().replace(/[^a-z]/g, '');
}

const specs = [...kinds.values()].flatMap(({ a, b }) => [a, b].flatMap((spec) => spec ?? []));
const argumentNames: ReadonlySet<string> = new Set(specs.map(argumentName));

/** Whether an argument's value is a number that stands for a name: a lock, a track, a reason. */
export function hasNames({ format }: ArgSpec): boolean {
  return format === 'lock' || format === 'track' || format === 'reason';
}
const namedArguments: ReadonlySet<string> = new Set(specs.filter(hasNames).map(argumentName));

/** A value as it stands in a query. */
export function quoted(text: string): string {
  return /^[^\s",()|*]+$/.test(text) && !/^(?:or|and|not)$/i.test(text) && !text.startsWith('-')
    ? text
    : `"${text.replace(/"/g, '')}"`;
}
