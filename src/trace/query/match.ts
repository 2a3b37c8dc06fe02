/** Queries made fast for one trace: names become tables of kinds, tracks and places, so that a row costs a few loads. */
import { KIND_LIMIT, Kind, bookkeeping, kindRow } from '../vocabulary/events';
import type { Operator, Query, QueryField, QueryNumber, QueryTerm } from './query';
import type { TraceStore } from './store';

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

function column(store: TraceStore, name: 'a' | 'b'): (row: number) => number {
  return (row) => store.get(row)[name];
}

/** The number of a row that a numeric field is about. */
function numberOf(store: TraceStore, field: QueryField): ((row: number) => number) | undefined {
  switch (field) {
    case 'dur':
      return (row) => store.durationOf(row);
    case 'time':
      return (row) => store.startOf(row);
    case 'a':
      return column(store, 'a');
    case 'b':
      return column(store, 'b');
    case 'addr':
      return (row) => addressOf(store, row);
    case 'vector':
      return (row) => (VECTOR_KINDS(store.kindOf(row)) ? store.get(row).a : vectorInB(store, row));
    case 'packet':
      return (row) => (PACKET_KINDS.has(store.kindOf(row)) ? store.get(row).b : NaN);
    case 'line':
      return (row) => store.meta.places[store.get(row).place - 1]?.line ?? NaN;
    case 'row':
      return (row) => row;
    case 'cause':
      return (row) => store.causeOf(row);
    default:
      return undefined;
  }
}

/** The argument that is an address, wherever it stands. */
function addressOf(store: TraceStore, row: number): number {
  const { a, b } = kindRow(store.kindOf(row));
  if (a?.format === 'address') return store.get(row).a;
  return b?.format === 'address' ? store.get(row).b : NaN;
}

/** Routes and remappings name their vector in the second argument. */
function vectorInB(store: TraceStore, row: number): number {
  return kindRow(store.kindOf(row)).b?.format === 'vector' ? store.get(row).b : NaN;
}

function inCycles(number: QueryNumber, frequencyHz: number): number {
  return 'value' in number ? number.value : Math.round(number.seconds * frequencyHz);
}

function flags(length: number, test: (i: number) => boolean): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (test(i) ? 1 : 0));
}

function trackTest(store: TraceStore, test: (track: number) => boolean): Test {
  const table = flags(store.meta.tracks.length, test);
  return (row) => table[store.trackOf(row)] === 1;
}

function placeTest(store: TraceStore, test: (text: string) => boolean, field: 'file' | 'symbol'): Test {
  const table = flags(store.meta.places.length + 1, (id) => {
    const text = store.meta.places[id - 1]?.[field];
    return text !== undefined && test(text);
  });
  return (row) => table[store.get(row).place] === 1;
}

/** Register names by number per track, both ways a reader may write them. */
function registerTest(store: TraceStore, texts: readonly string[]): Test {
  const wanted = lower(texts);
  const numbers = new Set(texts.map(Number).filter((value) => !Number.isNaN(value)));
  const names = store.meta.tracks.map(
    (track) =>
      new Map(
        Object.entries(track.registers ?? {}).map(([offset, name]) => [Number(offset), name.toLowerCase()]),
      ),
  );
  return (row) => {
    if (kindRow(store.kindOf(row)).group !== 'register' && store.kindOf(row) !== Kind.Doorbell) return false;
    const { a, track } = store.get(row);
    return numbers.has(a) || wanted.includes(names[track]?.get(a) ?? '');
  };
}

function textTest(store: TraceStore, term: QueryTerm): Test {
  const texts = lower(term.texts);
  const { tracks } = store.meta;
  switch (term.field) {
    case 'track':
      return trackTest(store, (id) => texts.some((text) => tracks[id]?.name.toLowerCase().includes(text)));
    case 'vm':
      return trackTest(store, (id) =>
        texts.some((text) => String(tracks[id]?.vm) === text || tracks[id]?.group.toLowerCase() === text),
      );
    case 'file':
      return placeTest(store, (path) => texts.some((text) => endsPath(path.toLowerCase(), text)), 'file');
    case 'fn':
      return placeTest(store, (symbol) => term.texts.includes(symbol), 'symbol');
    default:
      return registerTest(store, term.texts);
  }
}

/** Whether a path is the text or ends with it at a separator. */
function endsPath(path: string, text: string): boolean {
  return path === text || path.endsWith(`/${text}`) || path.endsWith(`\\${text}`);
}

function testOf(store: TraceStore, term: QueryTerm): Test {
  const number = term.field === 'word' ? undefined : numberOf(store, term.field);
  if (number === undefined) return textTest(store, term);
  const wanted = term.numbers.map((value) => inCycles(value, store.meta.frequencyHz));
  return (row) => {
    const found = number(row);
    return wanted.some((value) => compare(term.operator, found, value));
  };
}

/** Prepares a query for a trace. Prepare it anew when the trace grew: new tracks and places are not known to it. */
export function matcherOf(store: TraceStore, query: Query): Matcher {
  const kindTests: KindTest[] = [(kind) => !bookkeeping.has(kind)];
  const tests: Test[] = [];
  for (const term of query.terms) {
    const ofKind = kindTest(term);
    if (ofKind !== undefined) {
      kindTests.push(term.negated ? (kind) => !ofKind(kind) : ofKind);
    } else {
      const test = testOf(store, term);
      tests.push(term.negated ? (row) => !test(row) : test);
    }
  }
  // Each kind is asked about once: 1 matches, 2 does not.
  const known = new Uint8Array(KIND_LIMIT);
  const fits = (kind: number): boolean =>
    (known[kind] ||= kindTests.every((test) => test(kind)) ? 1 : 2) === 1;
  return (row) => fits(store.kindOf(row)) && tests.every((test) => test(row));
}

/** Whether one row matches; for many rows keep a `matcherOf`. */
export function matches(store: TraceStore, query: Query, row: number): boolean {
  return matcherOf(store, query)(row);
}
