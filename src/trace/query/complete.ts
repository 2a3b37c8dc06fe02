/**
 * What may stand next in a query: fields, and values that the trace really has. The find box, the debugger's question for a stop and
 * whoever else takes a query ask here.
 */
import type { Completion, Completions } from '../../protocol/completions';
import { Kind, bookkeeping, kindRow, kinds } from '../vocabulary/events';
import { baseName, formatCount } from '../vocabulary/format';
import type { Track } from '../model';
import type { KindGroup, KindRow } from '../vocabulary/kind-row';
import { coveredBetween } from './cumulate';
import { fieldNamed, fieldSpec, queryFieldNames, type QueryField } from './fields';
import { argumentName, quoted } from './query';
import type { TraceStore } from './store';

/** A value of a field, with a few words on it. */
export interface KnownValue {
  value: string;
  detail: string;
}

/** Values that fields have in a trace, or at all. */
export type ValuesOf = (field: QueryField) => readonly KnownValue[];

/** Most items of an answer. */
const MOST_ITEMS = 60;
/** Letters of a word from which on values of all fields are offered for it. */
const LEAST_WORD = 2;

const unique = (values: readonly KnownValue[]): KnownValue[] => [
  ...new Map(values.map((each) => [each.value, each])).values(),
];

/** A kind, and how often it occurs where that is known. */
interface CountedKind {
  row: KindRow;
  count?: number;
}

const groups = [...new Set([...kinds.values()].map(({ group }) => group))];

function valuesOfKinds(rows: readonly CountedKind[]): Partial<Record<QueryField, readonly KnownValue[]>> {
  const told = (text: string, count: number | undefined): string =>
    count === undefined ? text : `${formatCount(count)}, ${text}`;
  const perGroup = groups.map((group) => {
    const of = rows.filter(({ row }) => row.group === group);
    return { group, kinds: of.length, count: of.reduce((sum, { count = 0 }) => sum + count, 0) };
  });
  return {
    kind: rows.map(({ row, count }) => ({ value: row.name, detail: told(row.sentence, count) })),
    exit: rows.flatMap(({ row: { reason, sentence }, count }) =>
      reason === undefined ? [] : [{ value: reason, detail: told(sentence, count) }],
    ),
    group: perGroup
      .filter((each) => each.kinds > 0)
      .map(({ group, count }) => ({
        value: group,
        detail: count > 0 ? told('in this trace', count) : 'family of kinds',
      })),
  };
}

const everyKind = valuesOfKinds(
  [...kinds.values()].filter(({ id }) => !bookkeeping.has(id)).map((row) => ({ row })),
);

/** What is known without a trace. */
export const vocabularyValues: ValuesOf = (field) => everyKind[field] ?? [];

/** What a trace has: asked anew when it has grown. */
export function valuesIn(store: TraceStore): ValuesOf {
  const known = new Map<QueryField, readonly KnownValue[]>();
  const makers: Partial<Record<QueryField, () => readonly KnownValue[]>> = {
    track: () => unique(tracksIn(store).map(({ name, group }) => ({ value: name, detail: group }))),
    vm: () => vmsOf(store),
    reg: () => registersOf(store),
    fn: () => placesOf(store, ({ symbol, file }) => [symbol, file === undefined ? '' : baseName(file)]),
    in: () => placesOf(store, ({ symbol, file }) => [symbol, file === undefined ? '' : baseName(file)]),
    file: () => placesOf(store, ({ file }) => [file === undefined ? undefined : baseName(file), file ?? '']),
    vcpu: () => cpusOf(store, 'vcpu'),
    cpu: () => cpusOf(store, 'cpu'),
  };
  let ofKinds: ReturnType<typeof valuesOfKinds> | undefined;
  return (field) => {
    let values = known.get(field);
    if (!values) {
      values = makers[field]?.() ?? (ofKinds ??= valuesOfKinds(kindsIn(store)))[field] ?? [];
      known.set(field, values);
    }
    return values;
  };
}

/** The kinds of a trace, the most frequent first: those that have been counted, or while nothing has been, those that its rows have. */
function kindsIn(store: TraceStore): readonly CountedKind[] {
  const found = new Map<number, number>();
  const add = (kind: number, count: number): void => void found.set(kind, (found.get(kind) ?? 0) + count);
  for (const [, kind, count] of store.meta.counts) add(kind, count);
  if (found.size === 0) {
    for (const track of store.meta.tracks)
      for (const group of groups)
        for (const { kind, count } of countedIn(store, track.id, group)) add(kind, count);
  }
  return [...found]
    .filter(([kind, count]) => count > 0 && !bookkeeping.has(kind))
    .sort(([x, n], [y, m]) => m - n || x - y)
    .map(([kind, count]) => ({ row: kindRow(kind), count }));
}

function countedIn(store: TraceStore, track: number, group: KindGroup): { kind: number; count: number }[] {
  const stream = store.stream(track, group);
  return stream ? coveredBetween(store, stream, 0, store.endTime + 1) : [];
}

/** Tracks that have events; all, while nothing has been counted. */
function tracksIn(store: TraceStore): readonly Track[] {
  const { counts, tracks } = store.meta;
  if (counts.length === 0) return tracks;
  const used = new Set(counts.flatMap(([track, , count]) => (count > 0 ? [track] : [])));
  return tracks.filter(({ id }) => used.has(id));
}

function vmsOf(store: TraceStore): KnownValue[] {
  return unique(
    store.meta.tracks.flatMap(({ vm, group }) => [
      ...(vm >= 0 ? [{ value: String(vm), detail: group }] : []),
      { value: group, detail: 'heading' },
    ]),
  );
}

function cpusOf(store: TraceStore, type: 'vcpu' | 'cpu'): KnownValue[] {
  const tracks = store.meta.tracks.filter((track) => track.type === type);
  return unique(
    tracks.flatMap(({ name, group }) => {
      const number = /(\d+)$/.exec(name)?.[1];
      return number === undefined ? [] : [{ value: number, detail: `${name} (${group})` }];
    }),
  );
}

/** Rows of a track whose registers are looked at for a list: enough to meet what a driver uses. */
const MOST_ACCESSES = 20_000;

/** Registers of devices, those first that were accessed. */
function registersOf(store: TraceStore): KnownValue[] {
  const accessed: KnownValue[] = [];
  const others: KnownValue[] = [];
  for (const track of store.meta.tracks) {
    if (!track.registers) continue;
    const used = new Set<number>();
    const stream = store.stream(track.id, 'register');
    for (let i = 0; stream && i < Math.min(stream.length, MOST_ACCESSES); i++) {
      const row = stream.rowAt(i);
      if (kindRow(store.kindOf(row)).a?.format === 'register' || store.kindOf(row) === Kind.Doorbell)
        used.add(store.aOf(row));
    }
    if (used.size === 0) continue;
    for (const [offset, name] of Object.entries(track.registers))
      (used.has(Number(offset)) ? accessed : others).push({ value: name, detail: track.name });
  }
  return unique([...accessed, ...others].reverse()).reverse();
}

function placesOf(
  store: TraceStore,
  of: (place: TraceStore['meta']['places'][number]) => readonly [value: string | undefined, detail: string],
): KnownValue[] {
  const values = store.meta.places.flatMap((place) => {
    const [value, detail] = place ? of(place) : [];
    return value === undefined ? [] : [{ value, detail: detail ?? '' }];
  });
  return unique(values).sort((x, y) => (x.value < y.value ? -1 : 1));
}

/** The term that is being written at a place. */
interface Piece {
  /** Its field, `null` where there is none. */
  field: string | null;
  /** What has been written of the value, or of the word. */
  text: string;
  from: number;
  to: number;
}

/** Where the piece that a cursor stands in begins, quotation marks considered. */
function pieceAt(text: string, cursor: number): Piece {
  let from = 0;
  let quote = -1;
  for (let i = 0; i < cursor; i++) {
    const c = text.charAt(i);
    if (c === '"') quote = quote < 0 ? i : -1;
    else if (quote < 0 && /[\s()|]/.test(c)) from = i + 1;
  }
  while (text.charAt(from) === '-' && from < cursor) from++;
  // Within quotation marks it ends where they do.
  const quotedRest = quote >= 0 ? /^[^"]*"/.exec(text.slice(cursor)) : null;
  const rest = quotedRest ?? /^[^\s",()|]*/.exec(text.slice(cursor));
  const to = cursor + (rest?.[0].length ?? 0);
  const written = text.slice(from, cursor);
  const field = /^([A-Za-z]+)(?:>=|<=|[:=<>])/.exec(written);
  if (!field) return { field: null, text: written.replaceAll('"', ''), from, to };
  // Of several values the last one is being written.
  let start = from + field[0].length;
  let inQuote = false;
  for (let i = start; i < cursor; i++) {
    if (text.charAt(i) === '"') inQuote = !inQuote;
    else if (text.charAt(i) === ',' && !inQuote) start = i + 1;
  }
  return {
    field: (field[1] ?? '').toLowerCase(),
    text: text.slice(start, cursor).replaceAll('"', ''),
    from: start,
    to,
  };
}

/** Those that begin with a text, then those that have it in them; in their own order. */
function fitting<T>(items: readonly T[], text: string, nameOf: (item: T) => string): T[] {
  const wanted = text.toLowerCase();
  const [first, second]: [T[], T[]] = [[], []];
  for (const item of items) {
    const at = nameOf(item).toLowerCase().indexOf(wanted);
    if (at === 0) first.push(item);
    else if (at > 0) second.push(item);
  }
  return [...first, ...second];
}

/** What may stand where the cursor is. Never throws: the text need not be a query yet. */
export function completeQuery(text: string, cursor: number, valuesOf: ValuesOf): Completions {
  const at = Math.max(0, Math.min(text.length, cursor));
  const piece = pieceAt(text, at);
  const { from, to } = piece;
  const items =
    piece.field === null
      ? [...fieldItems(text, piece), ...wordItems(piece, valuesOf)]
      : valueItems(piece.field, piece.text, valuesOf);
  return { from, to, items: items.slice(0, MOST_ITEMS) };
}

function fieldItems(text: string, { text: begun }: Piece): Completion[] {
  const fields = queryFieldNames.map((name): Completion => {
    const { values, meaning, examples } = fieldSpec(name);
    const sign = values === 'time' ? '>' : ':';
    return {
      insert: `${name}${sign}`,
      label: `${name}${sign}`,
      detail: `${meaning}: ${examples[0] ?? ''}`,
      is: 'field',
    };
  });
  const starting = fields.filter(({ label }) => label.startsWith(begun.toLowerCase()));
  return [...starting, ...argumentItems(text, begun)];
}

/** Arguments of the kinds that the query names already, by the names of these. */
function argumentItems(text: string, begun: string): Completion[] {
  const words = new Set(text.match(/[a-z]+(?:\.[a-z]+)+/g) ?? []);
  const rows = [...kinds.values()].filter(({ name }) => words.has(name));
  const items = rows.flatMap(({ name, a, b }) =>
    [a, b].flatMap((spec): Completion[] => {
      if (!spec || fieldNamed(argumentName(spec)) !== undefined || argumentName(spec) === '') return [];
      const label = `${argumentName(spec)}:`;
      return [{ insert: label, label, detail: `${spec.name} of ${name}`, is: 'field' }];
    }),
  );
  const known = new Map(items.map((item) => [item.label, item]));
  return [...known.values()].filter(({ label }) => label.startsWith(begun.toLowerCase()));
}

/** Values for a word without a field: kinds by their names, and everything else with its field before it. */
function wordItems({ text }: Piece, valuesOf: ValuesOf): Completion[] {
  if (text.length < LEAST_WORD) return [];
  return (['exit', 'kind', 'reg', 'fn', 'file', 'track'] as const).flatMap((field) =>
    fitting(valuesOf(field), text, ({ value }) => value).map(({ value, detail }): Completion => {
      const whole = `${field}:${quoted(value)}`;
      return { insert: whole, label: whole, detail, is: 'value' };
    }),
  );
}

function valueItems(name: string, text: string, valuesOf: ValuesOf): Completion[] {
  const field = fieldNamed(name);
  if (field === undefined) return [];
  const { values, meaning, examples } = fieldSpec(field);
  const known = fitting(valuesOf(field), text, ({ value }) => value).map(({ value, detail }): Completion => ({
    insert: quoted(value),
    label: value,
    detail,
    is: 'value',
  }));
  if (known.length > 0 || text !== '' || values === 'text') return known;
  // Numbers are not listed: examples show how they are written.
  return examples.map((example) => {
    const value = example.replace(/^[a-z]+(?:[:<>]=?)/, '');
    return { insert: value, label: value, detail: meaning, is: 'value' };
  });
}
