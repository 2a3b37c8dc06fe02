/**
 * Queries made fast for one trace: what names mean is looked up once for each kind, track and place, so that a row costs a few loads.
 * The rows may be those of a store, or the one that a recorder is at.
 */
import { KIND_LIMIT, Kind, bookkeeping, kindRow, type ArgSpec } from '../vocabulary/events';
import { trackOwner } from '../vocabulary/track-name';
import type { Track, TrackType } from '../model';
import {
  argumentName,
  findNode,
  kindNameTest,
  textTest,
  type Operator,
  type QueryNode,
  type QueryRange,
  type QueryTerm,
} from './query';
import type { QueryRows, SpansAround } from './query-rows';
import { registerTest } from './register-term';
import { relationTest } from './relation';

/** Whether a row of the trace it was made for matches. */
export type Matcher = (row: number) => boolean;

type Test = (row: number) => boolean;
type KindTest = (kind: number) => boolean;
type NumberOf = (row: number) => number;

/** A part of a query, for one trace. */
interface Compiled {
  /** Whether rows of a kind can match at all. */
  may: KindTest;
  /** The test of a row whose kind may match; undefined: its kind was enough. */
  test?: Test;
}

const anyKind: KindTest = () => true;
const PACKET_KINDS: ReadonlySet<number> = new Set([Kind.PacketTx, Kind.PacketRx, Kind.LinkTransit]);

const someOf =
  (tests: readonly ((name: string) => boolean)[]) =>
  (name: string | undefined): boolean =>
    name !== undefined && tests.some((test) => test(name));

/** A test by kind alone; undefined when the field is about something else. */
function kindTest(term: QueryTerm): KindTest | undefined {
  switch (term.field) {
    case 'word': {
      const fits = someOf(term.texts.map((text) => textTest(text, 'part')));
      return (kind) => fits(kindRow(kind).name);
    }
    case 'kind': {
      const fits = someOf(term.texts.map(kindNameTest));
      return (kind) => fits(kindRow(kind).name);
    }
    case 'exit': {
      const fits = someOf(term.texts.map((text) => textTest(text)));
      return (kind) => fits(kindRow(kind).reason);
    }
    case 'group': {
      const fits = someOf(term.texts.map((text) => textTest(text)));
      return (kind) => fits(kindRow(kind).group);
    }
    default:
      return undefined;
  }
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

const comparisons: Record<Exclude<Operator, ':'>, (left: number, right: number) => boolean> = {
  '>': (left, right) => left > right,
  '<': (left, right) => left < right,
  '>=': (left, right) => left >= right,
  '<=': (left, right) => left <= right,
};

/** Whether `value` up to `value + extent` is meant. */
type RangeTest = (value: number, extent: number) => boolean;

function rangeTest(operator: Operator, range: QueryRange | undefined, frequencyHz: number): RangeTest {
  if (range === undefined) return (value) => !Number.isNaN(value);
  const cycles = (end: 'from' | 'to', otherwise: number): number => {
    const number = range[end];
    if (!number) return otherwise;
    return number.seconds ? Math.round(number.value * frequencyHz) : number.value;
  };
  const from = cycles('from', -Infinity);
  if (operator !== ':') {
    const compare = comparisons[operator];
    return (value) => compare(value, from);
  }
  // What is compared is whole.
  const least = Math.ceil(from);
  const most = Math.floor(cycles('to', Infinity));
  return (value, extent) => value <= most && value + extent > least;
}

/** A number that a row may have, which kinds have one, and what it is called where it stands for a name. */
interface RowNumber {
  may: KindTest;
  number: NumberOf;
  nameOf?(row: number, value: number): string | undefined;
}

/** The first argument of a kind that a choice picks. */
function argumentTerm(rows: QueryRows, chosen: (spec: ArgSpec) => boolean): RowNumber {
  const known = new Map<number, { of: (row: number) => number; spec: ArgSpec } | undefined>();
  const argument = (kind: number): { of: (row: number) => number; spec: ArgSpec } | undefined => {
    if (!known.has(kind)) {
      const { a, b } = kindRow(kind);
      const first = a && chosen(a) ? { of: (row: number) => rows.aOf(row), spec: a } : undefined;
      known.set(kind, first ?? (b && chosen(b) ? { of: (row) => rows.bOf(row), spec: b } : undefined));
    }
    return known.get(kind);
  };
  return {
    may: (kind) => argument(kind) !== undefined,
    number: (row) => argument(rows.kindOf(row))?.of(row) ?? NaN,
    nameOf: (row, value) => {
      const track = rows.trackAt(rows.trackOf(row));
      switch (argument(rows.kindOf(row))?.spec.format) {
        case 'lock':
          return track?.locks?.[String(value)];
        case 'reason':
          return track?.reasons?.[String(value)];
        case 'track':
          return rows.trackAt(value)?.name;
        default:
          return undefined;
      }
    },
  };
}

/** Number of the CPU that a track is about: the last in its name. */
function cpuNumber(track: Track | undefined, types: readonly TrackType[]): number {
  if (!track || !types.includes(track.type)) return NaN;
  return Number(/(\d+)$/.exec(trackOwner(track))?.[1] ?? NaN);
}

/** The number of a row that a numeric field is about, and which kinds have one. */
function numberOf(rows: QueryRows, term: QueryTerm): RowNumber | undefined {
  const every = (number: NumberOf): RowNumber => ({ may: anyKind, number });
  const byTrack = (of: (track: Track | undefined) => number): RowNumber => {
    const known = new Map<number, number>();
    return every((row) => {
      const id = rows.trackOf(row);
      let value = known.get(id);
      if (value === undefined) known.set(id, (value = of(rows.trackAt(id))));
      return value;
    });
  };
  switch (term.field) {
    case 'dur':
      return every((row) => rows.durationOf(row));
    case 'time':
      return every((row) => rows.startOf(row));
    case 'a':
      return every((row) => rows.aOf(row));
    case 'b':
      return every((row) => rows.bOf(row));
    case 'vector':
      return argumentTerm(rows, ({ format }) => format === 'vector');
    case 'packet':
      return { may: (kind) => PACKET_KINDS.has(kind), number: (row) => rows.bOf(row) };
    case 'line':
      return every((row) => rows.placeAt(rows.placeOf(row))?.line ?? NaN);
    case 'row':
      return every((row) => row);
    case 'vcpu':
      return byTrack((track) => cpuNumber(track, ['vcpu', 'interrupts']));
    case 'cpu':
      return byTrack((track) => cpuNumber(track, ['cpu']));
    case 'argument':
      return argumentTerm(rows, (spec) => argumentName(spec) === term.name);
    default:
      return undefined;
  }
}

function numberTerm(rows: QueryRows, term: QueryTerm, { may, number, nameOf }: RowNumber): Compiled {
  const tests = term.texts.map((text, i): ((row: number, value: number) => boolean) => {
    const range = term.numbers[i];
    if (range === undefined && text !== '*') {
      const fits = textTest(text);
      return (row, value) => {
        const name = nameOf?.(row, value);
        return name !== undefined && fits(name);
      };
    }
    const fits = rangeTest(term.operator, range, rows.frequencyHz);
    return (_, value) => fits(value, 1);
  });
  return {
    may,
    test: (row) => {
      const value = number(row);
      return tests.some((test) => test(row, value));
    },
  };
}

const isAddress = ({ format }: ArgSpec): boolean => format === 'address';

/** `addr:`: any argument that is an address; with a length beside it, all that it reaches over. */
function addressTerm(rows: QueryRows, term: QueryTerm): Compiled {
  const tests = term.numbers.map((range) => rangeTest(term.operator, range, rows.frequencyHz));
  const fits = (value: number, extent: number): boolean => tests.some((test) => test(value, extent));
  return {
    may: (kind) => {
      const { a, b } = kindRow(kind);
      return (a !== undefined && isAddress(a)) || (b !== undefined && isAddress(b));
    },
    test: (row) => {
      const { a, b } = kindRow(rows.kindOf(row));
      const length = a?.format === 'address' && b?.format === 'bytes' ? Math.max(1, rows.bOf(row)) : 1;
      return (
        (a?.format === 'address' && fits(rows.aOf(row), length)) ||
        (b?.format === 'address' && fits(rows.bOf(row), 1))
      );
    },
  };
}

function trackTest(rows: QueryRows, test: (track: Track) => boolean): Test {
  const fits = once((id) => {
    const track = rows.trackAt(id);
    return track !== undefined && test(track);
  });
  return (row) => fits(rows.trackOf(row));
}

function placeTest(rows: QueryRows, test: (text: string) => boolean, field: 'file' | 'symbol' | 'rip'): Test {
  const fits = once((id) => {
    const text = rows.placeAt(id)?.[field];
    return text !== undefined && test(text);
  });
  return (row) => fits(rows.placeOf(row));
}

/** Whether a path is meant: the whole of it, or its end from a separator on. */
function pathTest(text: string): (path: string) => boolean {
  const fits = textTest(text);
  const fitsEnd = textTest(`*/${text}`);
  return (path) => {
    const slashes = path.replaceAll('\\', '/');
    return fits(path) || fits(slashes) || fitsEnd(slashes);
  };
}

function textTerm(rows: QueryRows, term: QueryTerm, exits: boolean): Compiled {
  const whole = term.texts.map((text) => textTest(text));
  const fits = someOf(whole);
  switch (term.field) {
    case 'track': {
      const named = someOf(term.texts.map((text) => textTest(text, 'part')));
      return { may: anyKind, test: trackTest(rows, ({ name }) => named(name)) };
    }
    case 'vm':
      return { may: anyKind, test: trackTest(rows, ({ vm, group }) => fits(String(vm)) || fits(group)) };
    case 'file':
      return { may: anyKind, test: placeTest(rows, someOf(term.texts.map(pathTest)), 'file') };
    case 'fn':
      return { may: anyKind, test: placeTest(rows, fits, 'symbol') };
    case 'rip':
      return { may: anyKind, test: placeTest(rows, fits, 'rip') };
    default:
      return { may: anyKind, test: registerTest(rows, term.texts, exits) };
  }
}

function termOf(rows: QueryRows, term: QueryTerm, exits: boolean): Compiled {
  const ofKind = kindTest(term);
  if (ofKind) return { may: ofKind };
  if (term.field === 'addr') return addressTerm(rows, term);
  const number = numberOf(rows, term);
  return number ? numberTerm(rows, term, number) : textTerm(rows, term, exits);
}

function compile(rows: QueryRows, node: QueryNode, exits: boolean, around: SpansAround): Compiled {
  const inner = (each: QueryNode): Compiled => compile(rows, each, exits, around);
  switch (node.is) {
    case 'term':
      return termOf(rows, node, exits);
    case 'all': {
      const parts = node.of.map(inner);
      const tests = parts.flatMap(({ test }) => test ?? []);
      const [only] = tests;
      return {
        may: (kind) => parts.every(({ may }) => may(kind)),
        ...(only && { test: tests.length === 1 ? only : (row: number) => tests.every((test) => test(row)) }),
      };
    }
    case 'any': {
      const parts = node.of.map(inner);
      const whole = parts.map(wholeTest(rows));
      const byKind = parts.every(({ test }) => test === undefined);
      return {
        may: (kind) => parts.some(({ may }) => may(kind)),
        ...(!byKind && { test: (row: number) => whole.some((test) => test(row)) }),
      };
    }
    case 'not': {
      const part = inner(node.of);
      if (part.test === undefined) return { may: (kind) => !part.may(kind) };
      const whole = wholeTest(rows)(part);
      return { may: anyKind, test: (row) => !whole(row) };
    }
    default:
      return { may: anyKind, test: relationTest(rows, node.is, wholeTest(rows)(inner(node.of)), around) };
  }
}

/** Kind and the rest together. */
function wholeTest(rows: QueryRows): (part: Compiled) => Test {
  return ({ may, test }) => {
    const fits = once(may);
    return test ? (row) => fits(rows.kindOf(row)) && test(row) : (row) => fits(rows.kindOf(row));
  };
}

/** A query prepared for a trace. */
export interface PreparedQuery {
  /** Whether rows of a kind can match at all; each is asked about once. */
  looksAt: KindTest;
  matches: Matcher;
}

const noSpans: SpansAround = () => false;

/**
 * Prepares a query for a trace. Prepare it anew when the trace grew: new tracks and places are not known to it.
 * @param around what answers `within:`; without it, nothing is within anything
 */
export function prepare(rows: QueryRows, query: QueryNode, around: SpansAround = noSpans): PreparedQuery {
  const { may, test } = compile(rows, query, findsExitsByRegister(query), around);
  // 1 matches, 2 does not.
  const known = new Uint8Array(KIND_LIMIT);
  const looksAt: KindTest = (kind) => (known[kind] ||= !bookkeeping.has(kind) && may(kind) ? 1 : 2) === 1;
  return {
    looksAt,
    matches: test ? (row) => looksAt(rows.kindOf(row)) && test(row) : (row) => looksAt(rows.kindOf(row)),
  };
}

/** Whether rows match, for a few of them or for many. */
export function matcherOf(rows: QueryRows, query: QueryNode, around?: SpansAround): Matcher {
  return prepare(rows, query, around).matches;
}

/** Whether exits are found by the registers that they were about: where a query has `reg:` and says which kinds it wants. */
export function findsExitsByRegister(query: QueryNode): boolean {
  return asks(query, 'reg') && namesKinds(query);
}

/** Whether a query has a term of a field. */
export function asks(query: QueryNode, field: QueryTerm['field']): boolean {
  return findNode(query, (node) => node.is === 'term' && node.field === field) !== undefined;
}

/** Whether a query looks at other rows than the one it is asked about. */
export function hasRelation(query: QueryNode): boolean {
  return findNode(query, ({ is }) => is === 'cause' || is === 'from' || is === 'within') !== undefined;
}

/** Whether a query wants kinds; one that excludes some wants none. */
function namesKinds(node: QueryNode): boolean {
  if (node.is === 'term') return kindTest(node) !== undefined;
  return (node.is === 'all' || node.is === 'any') && node.of.some(namesKinds);
}
