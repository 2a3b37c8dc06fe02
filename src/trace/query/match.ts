/**
 * Queries made fast for one trace: what names mean is looked up once for each kind, track and place, so that a row costs a few loads.
 * The rows may be those of a store, or the one that a recorder is at.
 */
import { KIND_LIMIT, Kind, bookkeeping, kindRow } from '../vocabulary/events';
import {
  argumentName,
  type Operator,
  type Query,
  type QueryField,
  type QueryNumber,
  type QueryTerm,
} from './query';
import type { Track } from '../model';
import type { QueryRows } from './query-rows';
import { registerTest } from './register-term';

/** Whether a row of the trace it was made for matches. */
export type Matcher = (row: number) => boolean;

type Test = (row: number) => boolean;
type KindTest = (kind: number) => boolean;

const VECTOR_KINDS: KindTest = (kind) => kindRow(kind).a?.format === 'vector';
const PACKET_KINDS: ReadonlySet<number> = new Set([Kind.PacketTx, Kind.PacketRx, Kind.LinkTransit]);

function lower(texts: readonly string[]): string[] {
  return texts.map((text) => text.toLowerCase());
}

/** A test by kind alone; undefined when the field is about something else. */
function kindTest(term: QueryTerm): KindTest | undefined {
  const texts = lower(term.texts);
  switch (term.field) {
    case 'word':
      return (kind) => texts.some((text) => kindRow(kind).name.toLowerCase().includes(text));
    case 'kind':
      return (kind) => {
        const name = kindRow(kind).name.toLowerCase();
        return texts.some((text) => name === text || name.startsWith(`${text}.`));
      };
    case 'reason':
      return (kind) => texts.includes(kindRow(kind).reason?.toLowerCase() ?? '');
    case 'group':
      return (kind) => texts.includes(kindRow(kind).group);
    default:
      return undefined;
  }
}

function compare(operator: Operator, left: number, right: number): boolean {
  switch (operator) {
    case '>':
      return left > right;
    case '<':
      return left < right;
    case '>=':
      return left >= right;
    case '<=':
      return left <= right;
    default:
      return left === right;
  }
}

function column(rows: QueryRows, name: 'a' | 'b'): (row: number) => number {
  return (row) => rows.get(row)[name];
}

/** The number of a row that a numeric field is about. */
function numberOf(rows: QueryRows, field: QueryField): ((row: number) => number) | undefined {
  switch (field) {
    case 'dur':
      return (row) => rows.durationOf(row);
    case 'time':
      return (row) => rows.startOf(row);
    case 'a':
      return column(rows, 'a');
    case 'b':
      return column(rows, 'b');
    case 'addr':
      return (row) => addressOf(rows, row);
    case 'vector':
      return (row) => (VECTOR_KINDS(rows.kindOf(row)) ? rows.get(row).a : vectorInB(rows, row));
    case 'packet':
      return (row) => (PACKET_KINDS.has(rows.kindOf(row)) ? rows.get(row).b : NaN);
    case 'line':
      return (row) => rows.placeAt(rows.get(row).place)?.line ?? NaN;
    case 'row':
      return (row) => row;
    case 'cause':
      return (row) => rows.causeOf(row);
    default:
      return undefined;
  }
}

/** The argument that is an address, wherever it stands. */
function addressOf(rows: QueryRows, row: number): number {
  const { a, b } = kindRow(rows.kindOf(row));
  if (a?.format === 'address') return rows.get(row).a;
  return b?.format === 'address' ? rows.get(row).b : NaN;
}

/** The argument of that name, as the vocabulary has it; NaN: the kind has none. */
function argumentOf(rows: QueryRows, name: string): (row: number) => number {
  return (row) => {
    const { a, b } = kindRow(rows.kindOf(row));
    if (a && argumentName(a) === name) return rows.get(row).a;
    return b && argumentName(b) === name ? rows.get(row).b : NaN;
  };
}

/** Routes and remappings name their vector in the second argument. */
function vectorInB(rows: QueryRows, row: number): number {
  return kindRow(rows.kindOf(row)).b?.format === 'vector' ? rows.get(row).b : NaN;
}

function inCycles(number: QueryNumber, frequencyHz: number): number | Range {
  if ('from' in number) return number;
  return 'value' in number ? number.value : Math.round(number.seconds * frequencyHz);
}

type Range = Extract<QueryNumber, { from: number }>;

/** Bytes from an address on that the event is about. */
function extentOf(rows: QueryRows, row: number): number {
  const { a, b } = kindRow(rows.kindOf(row));
  if (a?.format === 'address' && b?.format === 'bytes') return Math.max(1, rows.get(row).b);
  return 1;
}

/** A test of small numbers, each of which is put to it once. */
function once(test: (id: number) => boolean): (id: number) => boolean {
  const known = new Map<number, boolean>();
  return (id) => {
    let answer = known.get(id);
    if (answer === undefined) known.set(id, (answer = test(id)));
    return answer;
  };
}

function trackTest(rows: QueryRows, test: (track: Track | undefined) => boolean): Test {
  const fits = once((id) => test(rows.trackAt(id)));
  return (row) => fits(rows.trackOf(row));
}

function placeTest(rows: QueryRows, test: (text: string) => boolean, field: 'file' | 'symbol'): Test {
  const fits = once((id) => {
    const text = rows.placeAt(id)?.[field];
    return text !== undefined && test(text);
  });
  return (row) => fits(rows.get(row).place);
}

function textTest(rows: QueryRows, term: QueryTerm, exits: boolean): Test {
  const texts = lower(term.texts);
  switch (term.field) {
    case 'track':
      return trackTest(rows, (track) => texts.some((text) => track?.name.toLowerCase().includes(text)));
    case 'vm':
      return trackTest(rows, (track) =>
        texts.some((text) => String(track?.vm) === text || track?.group.toLowerCase() === text),
      );
    case 'file':
      return placeTest(rows, (path) => texts.some((text) => endsPath(path.toLowerCase(), text)), 'file');
    case 'fn':
      return placeTest(rows, (symbol) => term.texts.includes(symbol), 'symbol');
    default:
      return registerTest(rows, term.texts, exits);
  }
}

/** Whether a path is the text or ends with it at a separator. */
function endsPath(path: string, text: string): boolean {
  return path === text || path.endsWith(`/${text}`) || path.endsWith(`\\${text}`);
}

function testOf(rows: QueryRows, term: QueryTerm, exits: boolean): Test {
  const number =
    term.field === 'argument'
      ? argumentOf(rows, term.name)
      : term.field === 'word'
        ? undefined
        : numberOf(rows, term.field);
  if (number === undefined) return textTest(rows, term, exits);
  const wanted = term.numbers.map((value) => inCycles(value, rows.frequencyHz));
  const extent = term.field === 'addr' ? (row: number) => extentOf(rows, row) : () => 1;
  return (row) => {
    const found = number(row);
    return wanted.some((value) =>
      typeof value === 'number'
        ? compare(term.operator, found, value)
        : found <= value.to && found + extent(row) > value.from,
    );
  };
}

/** Whether rows of a kind can match at all; each is asked about once. */
export function kindMatcherOf(query: Query): KindTest {
  const kindTests: KindTest[] = [(kind) => !bookkeeping.has(kind)];
  for (const term of query.terms) {
    const ofKind = kindTest(term);
    if (ofKind !== undefined) kindTests.push(term.negated ? (kind) => !ofKind(kind) : ofKind);
  }
  // 1 matches, 2 does not.
  const known = new Uint8Array(KIND_LIMIT);
  return (kind) => (known[kind] ||= kindTests.every((test) => test(kind)) ? 1 : 2) === 1;
}

/** Whether exits are found by the registers that they were about: where a query has `reg:` and says which kinds it wants. */
export function findsExitsByRegister({ terms }: Query): boolean {
  return (
    terms.some(({ field }) => field === 'reg') &&
    terms.some((term) => !term.negated && kindTest(term) !== undefined)
  );
}

/** Prepares a query for a trace. Prepare it anew when the trace grew: new tracks and places are not known to it. */
export function matcherOf(rows: QueryRows, query: Query): Matcher {
  const fits = kindMatcherOf(query);
  const exits = findsExitsByRegister(query);
  const tests: Test[] = [];
  for (const term of query.terms) {
    if (kindTest(term) !== undefined) continue;
    const test = testOf(rows, term, exits);
    tests.push(term.negated ? (row) => !test(row) : test);
  }
  return (row) => fits(rows.kindOf(row)) && tests.every((test) => test(row));
}

/** Whether one row matches; for many rows keep a `matcherOf`. */
export function matches(rows: QueryRows, query: Query, row: number): boolean {
  return matcherOf(rows, query)(row);
}
