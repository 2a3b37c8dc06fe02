/** A trace as comma-separated values (RFC 4180): a line for each event, every number of a table resolved to its name. */
import { formatArg, placeOf } from '../../query/arguments';
import type { TraceEvent, TraceStore } from '../../query/store';
import { bookkeeping, kindRow, type ArgSpec } from '../../vocabulary/events';

/** The columns, in order. Times in cycles, and in nanoseconds with decimals; `a` and `b` as numbers and as Trapline prints them. */
export const csvColumns = [
  'row', 'start_cycles', 'start_ns', 'duration_cycles', 'duration_ns', 'vm', 'track', 'track_type', 'kind', 'group',
  'a_name', 'a', 'a_text', 'b_name', 'b', 'b_text', 'rip', 'symbol', 'file', 'line', 'cause',
] as const; // prettier-ignore

const PART_ROWS = 4096;
const NANOSECOND_DIGITS = 3;

type Cell = string | number | undefined;

/** Quoted where it has to be. A cell never begins like a formula: names in a trace may come from anybody. */
function cell(value: Cell): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function argument(store: TraceStore, event: TraceEvent, spec: ArgSpec | undefined, value: number): Cell[] {
  if (!spec || spec.format === 'none') return [undefined, undefined, undefined];
  return [spec.name, value, formatArg(store.meta.tracks, spec, value, event.track)];
}

function cellsOf(store: TraceStore, event: TraceEvent): Cell[] {
  const { name, group, a, b } = kindRow(event.kind);
  const track = store.trackAt(event.track);
  const place = placeOf(store, event);
  const ns = (cycles: number): string => ((cycles / store.frequencyHz) * 1e9).toFixed(NANOSECOND_DIGITS);
  return [
    event.row,
    event.start,
    ns(event.start),
    event.duration,
    ns(event.duration),
    track?.group,
    track?.name,
    track?.type,
    name,
    group,
    ...argument(store, event, a, event.a),
    ...argument(store, event, b, event.b),
    place?.rip,
    place?.symbol,
    place?.file,
    place?.line,
    event.cause < 0 ? undefined : event.cause,
  ];
}

/** The bytes of the file, part after part. */
export function* csvParts(store: TraceStore): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  let lines = [csvColumns.join(',')];
  for (let row = 0; row < store.rows; row++) {
    if (bookkeeping.has(store.kindOf(row))) continue;
    lines.push(cellsOf(store, store.get(row)).map(cell).join(','));
    if (lines.length < PART_ROWS) continue;
    yield encoder.encode(`${lines.join('\r\n')}\r\n`);
    lines = [];
  }
  if (lines.length > 0) yield encoder.encode(`${lines.join('\r\n')}\r\n`);
}
