/** `trapline query`: the events of a trace that match a query, as a table, as lines of JSON, or their number. */
import { resolve } from 'node:path';
import { formatPlace, placeOf } from '../trace/query/arguments';
import { eventRow } from '../trace/query/describe';
import { QueryError } from '../trace/query/query';
import { searchFor } from '../trace/query/search';
import type { OrderedRows } from '../trace/query/ordered-rows';
import type { TraceStore } from '../trace/query/store';
import { THIN_SPACE, formatTime } from '../trace/vocabulary/format';
import { kindRow } from '../trace/vocabulary/events';
import { ExitCode, type CliHost } from './host';
import { messageOf } from './run';

interface QueryCommand {
  file: string;
  query: string;
  json: boolean;
  count: boolean;
  limit?: number;
}

/** Events that are printed at once. */
const BATCH = 1000;

/** Prints what matches. */
export async function printQuery(command: QueryCommand, host: CliHost): Promise<ExitCode> {
  let store;
  try {
    store = await host.readTrace(resolve(host.cwd, command.file));
  } catch (error) {
    host.err(`error: ${messageOf(error)}\n`);
    return ExitCode.BadInput;
  }
  if (store.meta.state === 'truncated')
    host.err(`warning: ${command.file}: ${store.meta.message ?? 'the file is not complete'}\n`);
  let rows: OrderedRows;
  try {
    const search = searchFor(store, command.query);
    search.advance();
    ({ rows } = search);
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    host.err(caretMessage(command.query, error));
    return ExitCode.BadInput;
  }
  if (command.count) {
    host.out(command.json ? `${JSON.stringify({ count: rows.length })}\n` : `${rows.length}\n`);
    return ExitCode.Held;
  }
  const end = Math.min(rows.length, command.limit ?? rows.length);
  if (command.json) printLines(store, rows, end, host);
  else printTable(store, rows, end, host);
  return ExitCode.Held;
}

/** The error, and under the query the place where it is. */
function caretMessage(query: string, error: QueryError): string {
  const text = query.trim();
  const shown = text.replace(/\s/g, ' ');
  const marks = '^'.repeat(Math.max(1, Math.min(error.length, shown.length - error.position)));
  return `error: ${error.message}\n  ${shown}\n  ${' '.repeat(error.position)}${marks}\n`;
}

/** An event for a program. Numbers in cycles are exact; `seconds` are for reading. */
function jsonLine(store: TraceStore, row: number): string {
  const event = store.get(row);
  const { meta } = store;
  const kind = kindRow(event.kind);
  const track = meta.tracks[event.track];
  const place = placeOf(store, event);
  return JSON.stringify({
    row,
    cycles: event.start,
    seconds: event.start / meta.frequencyHz,
    durationCycles: event.duration,
    ...(event.open && { open: true }),
    kind: kind.name,
    ...(kind.reason !== undefined && { reason: kind.reason }),
    track: track?.name ?? '',
    group: track?.group ?? '',
    ...(track && track.vm >= 0 && { vm: track.vm }),
    text: eventRow(store, row).text.replaceAll(THIN_SPACE, ' '),
    ...(kind.a && { a: event.a }),
    ...(kind.b && { b: event.b }),
    ...(place?.file !== undefined && { file: place.file }),
    ...(place?.line !== undefined && { line: place.line }),
    ...(place?.symbol !== undefined && { function: place.symbol }),
    ...(place && { rip: place.rip }),
    ...(event.cause >= 0 && { cause: event.cause }),
  });
}

function printLines(store: TraceStore, rows: OrderedRows, end: number, host: CliHost): void {
  for (let from = 0; from < end; from += BATCH) {
    const lines = [...rows.slice(from, Math.min(end, from + BATCH))].map((row) => jsonLine(store, row));
    host.out(`${lines.join('\n')}\n`);
  }
}

const HEADINGS = ['time', 'duration', 'track', 'event', 'arguments', 'place', 'row'] as const;
/** Columns of numbers stand at the right. */
const RIGHT: ReadonlySet<string> = new Set(['time', 'duration', 'row']);
/** Columns are as wide as the first events want them, within reason. */
const MOST_WIDTH = 44;

function cellsOf(store: TraceStore, row: number): string[] {
  const { frequencyHz, tracks } = store.meta;
  const event = eventRow(store, row);
  const track = tracks[event.trackId];
  const several = new Set(tracks.map(({ group }) => group)).size > 1;
  return [
    `${((event.start / frequencyHz) * 1e6).toFixed(3)} µs`,
    event.duration > 0 ? formatTime(event.duration, frequencyHz) : '',
    several && track ? `${track.group} ${event.track}` : event.track,
    event.name,
    event.text,
    formatPlace(placeOf(store, store.get(row))),
    String(row),
  ].map(printable);
}

/** A trace may hold anything: control characters would drive the terminal. */
function printable(text: string): string {
  return text.replaceAll(THIN_SPACE, ' ').replace(/\p{Cc}/gu, ' ');
}

function printTable(store: TraceStore, rows: OrderedRows, end: number, host: CliHost): void {
  const first = [...rows.slice(0, Math.min(end, BATCH))].map((row) => cellsOf(store, row));
  const widths = HEADINGS.map((heading, i) =>
    Math.min(MOST_WIDTH, Math.max(heading.length, ...first.map((cells) => cells[i]?.length ?? 0))),
  );
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const width = widths[i] ?? 0;
        return RIGHT.has(HEADINGS[i] ?? '') ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  if (end > 0) host.out(`${lineOf(HEADINGS)}\n`);
  for (let from = 0; from < end; from += BATCH) {
    const lines = [...rows.slice(from, Math.min(end, from + BATCH))].map((row) =>
      lineOf(cellsOf(store, row)),
    );
    host.out(`${lines.join('\n')}\n`);
  }
  const left = rows.length - end;
  host.err(
    rows.length === 0
      ? 'no event matches\n'
      : `${rows.length} ${rows.length === 1 ? 'event matches' : 'events match'}${left > 0 ? `, ${left} of them not printed` : ''}\n`,
  );
}
