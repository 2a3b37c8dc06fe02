/**
 * The query language of find, table filter and statistics: `reason:EPT_MISCONFIG dur>5us reg:TDT file:e1000.c line:142`.
 *
 * Terms stand beside each other and all must hold; commas separate alternatives; a minus before a term turns it round;
 * values with spaces stand in double quotes; a word without a field is part of a kind's name. Numbers may be ranges, `0x1000..0x1fff`,
 * and an argument that a kind of event has goes by the name that the vocabulary gives it: `virtq.kick queue:1`.
 */
import { kinds, type ArgSpec } from '../vocabulary/events';

export type Operator = ':' | '=' | '>' | '<' | '>=' | '<=';

/** Fields, with what they mean, for completion and messages. */
export const queryFields = {
  kind: 'kind of event, or the beginning of its name: mmio.write, exit',
  reason: 'exit reason: EPT_MISCONFIG',
  group: 'family of kinds: exit, interrupt, dma',
  track: 'part of a track name: e1000, "vCPU 0"',
  vm: 'number of the VM, or part of a heading: 0, host',
  dur: 'duration: >5us, <=1ms, 300 (cycles)',
  time: 'start: >1.2ms, 300 (cycles)',
  reg: 'register by name or offset: TDT, 0x3818; of exits, where kinds are named, the one that the exit was about',
  a: 'first argument: 0x10, >64',
  b: 'second argument',
  addr: 'memory address: 0x123456000, >=4294967296, 0x1000..0x1fff',
  vector: 'interrupt vector: 0x2b',
  packet: 'packet number: 12',
  file: 'source file, or the end of its path: e1000.c',
  line: 'source line: 142, >=100',
  fn: 'function: e1000_transmit',
  row: 'row number',
  cause: 'row number of the direct cause',
} as const;
export type QueryField = keyof typeof queryFields;

/** Fields whose values are numbers; times and durations take units. */
const NUMERIC: ReadonlySet<QueryField> = new Set([
  'dur',
  'time',
  'a',
  'b',
  'addr',
  'vector',
  'packet',
  'line',
  'row',
  'cause',
]);
const TIMES: ReadonlySet<QueryField> = new Set(['dur', 'time']);
const SYNONYMS: ReadonlyMap<string, QueryField> = new Map([
  ['duration', 'dur'],
  ['address', 'addr'],
  ['start', 'time'],
  ['register', 'reg'],
  ['function', 'fn'],
  ['symbol', 'fn'],
  ['exit', 'reason'],
]);

/** A number as written: cycles or a bare number, or seconds where a unit of time was given; or all from one to another. */
export type QueryNumber = { value: number } | { seconds: number } | { from: number; to: number };

export interface QueryTerm {
  /** `word`: part of a kind's name. `argument`: the one called `name`. */
  field: QueryField | 'word' | 'argument';
  /** As `argumentName` has it; empty for other fields. */
  name: string;
  operator: Operator;
  negated: boolean;
  /** Alternatives, as written without quotes. */
  texts: string[];
  /** The same as numbers; empty for fields of text. */
  numbers: QueryNumber[];
  /** Position in the query, from 0. */
  position: number;
}

export interface Query {
  terms: QueryTerm[];
}

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

const UNITS: Record<string, number> = { s: 1, ms: 1e-3, us: 1e-6, µs: 1e-6, μs: 1e-6, ns: 1e-9 };

// One term: minus, field and operator, then a value of quoted or plain pieces between commas.
const TERM = /(-?)(?:([A-Za-z]+)(>=|<=|[:=<>]))?((?:"[^"]*"|[^\s",])*(?:,(?:"[^"]*"|[^\s",])*)*)/y;
const RANGE = /^(0[xX][0-9a-fA-F]{1,14}|\d+)\.\.(0[xX][0-9a-fA-F]{1,14}|\d+)$/;
const NUMBER = /^(0[xX][0-9a-fA-F]{1,14}|\d+(?:\.\d+)?)([a-zµμ]*)$/;

/** @throws QueryError with position and what is allowed. An empty query has no terms and finds everything. */
export function parseQuery(text: string): Query {
  const terms: QueryTerm[] = [];
  let position = 0;
  for (;;) {
    while (/\s/.test(text.charAt(position))) position++;
    if (position >= text.length) return { terms };
    TERM.lastIndex = position;
    const match = TERM.exec(text);
    const end = position + (match?.[0].length ?? 0);
    const cut = text.charAt(end);
    if (match === null || end === position || (cut !== '' && !/\s/.test(cut))) {
      const what = cut === '"' ? 'A quotation mark is not closed' : `“${cut}” does not belong here`;
      throw new QueryError(`${what}; write field:value, or a value in double quotes`, end, 1);
    }
    terms.push(termOf(match, position));
    position = end;
  }
}

function termOf(match: RegExpExecArray, position: number): QueryTerm {
  const [whole, minus, name, operator, value = ''] = match;
  const pieces = value.match(/(?:"[^"]*"|[^",])+|(?<=,)(?=,|$)|^(?=,)/g) ?? [];
  const texts = pieces.map((piece) => piece.replaceAll('"', ''));
  const negated = minus === '-';
  if (texts.length === 0 || texts.some((piece) => piece === '')) {
    throw new QueryError(`A value is missing after “${whole}”`, position, whole.length);
  }
  if (name === undefined)
    return { field: 'word', name: '', operator: ':', negated, texts, numbers: [], position };
  const field = fieldOf(name, position + negatedLength(minus));
  const numbers =
    field === 'argument' || isNumeric(field)
      ? texts.map((piece) => numberOf(piece, field, position, whole.length))
      : [];
  if (operator !== ':' && operator !== '=' && numbers.some((number) => 'from' in number)) {
    throw new QueryError('A range such as 1..5 is compared with : only', position, whole.length);
  }
  if (numbers.length === 0 && operator !== ':' && operator !== '=') {
    throw new QueryError(
      `${field} is compared with : only; > and < are for ${[...NUMERIC].join(', ')}`,
      position,
      whole.length,
    );
  }
  const argument = field === 'argument' ? name.toLowerCase() : '';
  return { field, name: argument, operator: operatorOf(operator), negated, texts, numbers, position };
}

function negatedLength(minus: string | undefined): number {
  return minus?.length ?? 0;
}

function operatorOf(text: string | undefined): Operator {
  return text === '>' || text === '<' || text === '>=' || text === '<=' || text === '=' ? text : ':';
}

function isNumeric(field: string): boolean {
  return isField(field) && NUMERIC.has(field);
}

function isTime(field: string): boolean {
  return isField(field) && TIMES.has(field);
}

function isField(name: string): name is QueryField {
  return Object.hasOwn(queryFields, name);
}

/** What an argument is called in a query: its name without what is no letter. */
export function argumentName({ name }: ArgSpec): string {
  return name.toLowerCase().replace(/[^a-z]/g, '');
}

const argumentNames: ReadonlySet<string> = new Set(
  [...kinds.values()].flatMap(({ a, b }) => [a, b].flatMap((spec) => (spec ? [argumentName(spec)] : []))),
);

function fieldOf(name: string, position: number): QueryTerm['field'] {
  const lower = name.toLowerCase();
  const field = SYNONYMS.get(lower) ?? lower;
  if (isField(field)) return field;
  if (argumentNames.has(lower)) return 'argument';
  throw new QueryError(
    `There is no field “${name}”; fields are ${Object.keys(queryFields).join(', ')}, and the names of arguments, such as queue`,
    position,
    name.length,
  );
}

function numberOf(text: string, field: QueryTerm['field'], position: number, length: number): QueryNumber {
  const range = RANGE.exec(text);
  if (range) {
    const [from, to] = [Number(range[1]), Number(range[2])];
    if (from <= to) return { from, to };
    throw new QueryError(`“${text}” ends before it begins`, position, length);
  }
  const match = NUMBER.exec(text);
  const unit = match?.[2] ?? '';
  const value = Number(match?.[1]);
  if (match !== null && unit === '') return { value };
  const scale = UNITS[unit];
  if (match !== null && isTime(field) && Object.hasOwn(UNITS, unit) && scale !== undefined)
    return { seconds: value * scale };
  const allowed = isTime(field)
    ? 'cycles, or a number with s, ms, us or ns'
    : 'a number such as 12 or 0x10, or a range such as 0x1000..0x1fff';
  throw new QueryError(`“${text}” is no value for ${field}; it takes ${allowed}`, position, length);
}
