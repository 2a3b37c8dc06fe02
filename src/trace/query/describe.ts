/** One event in words and figures: table row, panel, hover. */
import type {
  ChainReach,
  EventChain,
  EventDetails,
  EventRow,
  OperationPath,
} from '../../protocol/details';
import { formatArg, formatArgs, formatField, formatPlace, placeOf } from './arguments';
import { portAccessOf } from './port-access';
import { chainOf, countConsequences } from './chain';
import { kindRow, type ArgSpec, type KindRow } from '../vocabulary/events';
import type { Place, Track } from '../model';
import { formatCount, formatTime } from '../vocabulary/format';
import { criticalPath } from './path';
import { sentenceOf } from './sentence';
import type { TraceEvent, TraceStore } from './store';

/** Inner spans shown at most. */
const MAX_LEGS = 64;

/** An event as a row of the table. @throws RangeError when there is no such row. */
export function eventRow(store: TraceStore, row: number): EventRow {
  return rowOf(store, store.get(row));
}

function rowOf(store: TraceStore, event: TraceEvent): EventRow {
  return {
    row: event.row,
    start: event.start,
    duration: event.duration,
    kind: event.kind,
    name: kindRow(event.kind).name,
    trackId: event.track,
    track: store.meta.tracks[event.track]?.name ?? '',
    text: formatArgs(store, event),
    place: formatPlace(placeOf(store, event)),
    cause: event.cause,
  };
}

/** The causal chain through an event. @throws RangeError when there is no such row. */
export function eventChain(store: TraceStore, row: number, reach: ChainReach): EventChain {
  const { links, moreBefore, moreAfter, truncated } = chainOf(store, row, reach);
  return { rows: links.map((link) => eventRow(store, link.row)), moreBefore, moreAfter, truncated };
}

/** The critical path of the operation that an event is part of. @throws RangeError when there is no such row. */
export function operationPath(store: TraceStore, row: number): OperationPath {
  const { rows, legs, from, to } = criticalPath(store, row);
  return {
    from,
    to,
    rows,
    legs: legs.map(({ what, row: of, from: begins, cycles }) => ({
      what,
      event: eventRow(store, of),
      from: begins,
      cycles,
    })),
  };
}

/** Everything about one event. @throws RangeError when there is no such row. */
export function describe(store: TraceStore, row: number): EventDetails {
  const event = store.get(row);
  const place = placeOf(store, event) ?? originOf(store, event);
  const legs = legsOf(store, event);
  return {
    ...rowOf(store, event),
    meaning: kindRow(event.kind).sentence,
    sentence: sentenceOf(store, event, legs),
    facts: factsOf(store, event),
    ...(place?.file !== undefined && { file: place.file }),
    ...(place?.line !== undefined && { line: place.line }),
    ...(place?.symbol !== undefined && { symbol: place.symbol }),
    ...(place && { rip: place.rip, vm: place.vm }),
    consequences: countConsequences(store, row),
    legs,
  };
}

/**
 * The guest instruction that an event goes back to which is no instruction's own doing (a frame that arrives, a thread at
 * work): that of its nearest cause.
 */
function originOf(store: TraceStore, event: TraceEvent): Place | undefined {
  for (let row = event.cause; row >= 0; row = store.causeOf(row)) {
    const place = placeOf(store, store.get(row));
    if (place?.file !== undefined) return place;
  }
  return undefined;
}

/** Spans directly inside an exit (its legs, a sleep) or inside another span of the same lane, in order. */
export function legsOf(store: TraceStore, event: TraceEvent): EventDetails['legs'] {
  const { group, shape } = kindRow(event.kind);
  if (shape !== 'span' || event.duration === 0) return [];
  const end = event.start + event.duration;
  const rows: number[] = [];
  for (const inner of group === 'exit' ? (['leg', 'mode', 'thread'] as const) : [group]) {
    const stream = store.stream(event.track, inner);
    if (stream === undefined) continue;
    const from = stream.before(event.start);
    for (let i = from; i < Math.min(stream.length, from + MAX_LEGS); i++) {
      const row = stream.rowAt(i);
      if (store.startOf(row) >= end) break;
      const inside = store.startOf(row) + store.durationOf(row) <= end;
      if (inside && row > event.row && kindRow(store.kindOf(row)).shape === 'span') rows.push(row);
    }
  }
  rows.sort((x, y) => store.startOf(x) - store.startOf(y) || x - y);
  return rows.slice(0, MAX_LEGS).map((row) => {
    const kind = store.kindOf(row);
    return { name: kindRow(kind).name, kind, cycles: store.durationOf(row), row };
  });
}

/** The fields of an argument that has some. */
function fieldsOf({ fields }: ArgSpec, value: number): EventDetails['facts'] {
  return (fields ?? []).map((field) => ({ name: field.name, value: formatField(field, value) }));
}

/** The fields of a register that was read or written, as its device describes them. */
function registerFieldsOf(track: Track | undefined, kind: KindRow, event: TraceEvent): EventDetails['facts'] {
  if (kind.a?.format !== 'register' || track?.registers === undefined) return [];
  const name = track.registers[String(event.a)];
  const fields = name === undefined ? undefined : track.fields?.[name];
  return fields ? fieldsOf({ name: '', format: 'hex', fields }, event.b) : [];
}

function factsOf(store: TraceStore, event: TraceEvent): EventDetails['facts'] {
  const { frequencyHz, tracks } = store.meta;
  const kind = kindRow(event.kind);
  const track = tracks[event.track];
  const place = placeOf(store, event);
  const time = (cycles: number): string =>
    `${formatTime(cycles, frequencyHz)} (${formatCount(cycles)} cycles)`;
  const facts: EventDetails['facts'] = [{ name: 'start', value: time(event.start) }];
  if (kind.shape === 'span') {
    facts.push({
      name: 'duration',
      value: event.open ? `${time(event.duration)}, not over yet` : time(event.duration),
    });
  }
  if (kind.a !== undefined) {
    const value = formatArg(tracks, kind.a, event.a, event.track);
    if (value !== '') facts.push({ name: kind.a.name, value });
    facts.push(...fieldsOf(kind.a, event.a));
  }
  const port = portAccessOf(store, event);
  if (port !== undefined) facts.push({ name: 'instruction', value: port });
  if (kind.b !== undefined) {
    facts.push({ name: kind.b.name, value: formatArg(tracks, kind.b, event.b, event.track) });
    facts.push(...fieldsOf(kind.b, event.b));
    facts.push(...registerFieldsOf(track, kind, event));
  }
  if (track !== undefined) facts.push({ name: 'track', value: `${track.name} (${track.group})` });
  if (place !== undefined) {
    if (place.symbol !== undefined) facts.push({ name: 'function', value: `${place.symbol}()` });
    if (place.file !== undefined) facts.push({ name: 'line', value: formatPlace(place) });
    facts.push({ name: 'RIP', value: place.rip });
  }
  const origin = place === undefined ? originOf(store, event) : undefined;
  if (origin !== undefined) facts.push({ name: 'goes back to', value: formatPlace(origin) });
  if (event.cause >= 0) {
    facts.push({
      name: 'caused by',
      value: `${kindRow(store.kindOf(event.cause)).name} (event ${formatCount(event.cause)})`,
    });
  }
  return facts;
}
