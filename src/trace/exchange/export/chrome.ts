/**
 * A trace in Chrome's JSON format, for whatever reads no other: a process for each VM, a thread for each lane, complete events, and
 * a flow for each cause. An instant is an event that takes no time, for flows begin and end at such only.
 */
import { formatPlace, placeOf } from '../../query/arguments';
import type { TraceStore } from '../../query/store';
import { argumentsOf } from './arguments';
import { Consequences, slicesOf, type ExportEvent, type ExportLane } from './slices';

const PART_LINES = 4096;
const MICROSECONDS = 1e6;

/** Writes lines of the list of events. */
class ChromeWriter {
  private readonly processes = new Map<string, number>();
  private readonly threads = new Map<number, number>();
  private readonly consequences: Consequences;

  constructor(private readonly store: TraceStore) {
    this.consequences = new Consequences(store);
  }

  begin(lane: ExportLane, event: ExportEvent): string[] {
    return this.event(lane, event);
  }

  end(): string[] {
    return [];
  }

  instant(lane: ExportLane, event: ExportEvent): string[] {
    return this.event(lane, event);
  }

  private event(lane: ExportLane, event: ExportEvent): string[] {
    const { store, consequences } = this;
    const lines: string[] = [];
    const pid = this.processOf(lane, lines);
    const tid = this.threadOf(lane, pid, lines);
    const place = placeOf(store, event);
    const at = { pid, tid, ts: this.microseconds(event.start) };
    const { name, group: cat } = event.about;
    const values = Object.fromEntries(
      argumentsOf(store, event).map(({ name: key, value, text, hex }) => [
        key,
        text ?? (hex ? `0x${value.toString(16)}` : value),
      ]),
    );
    const args = {
      row: event.row,
      startCycles: event.start,
      durationCycles: event.duration,
      ...values,
      ...(place && { place: formatPlace(place), rip: place.rip }),
    };
    lines.push(JSON.stringify({ ph: 'X', name, cat, ...at, dur: this.microseconds(event.duration), args }));
    const flow = { name: 'cause', cat: 'cause', ...at };
    if (consequences.causeOf(event.row) >= 0)
      lines.push(JSON.stringify({ ph: 'f', bp: 'e', id: event.row, ...flow }));
    for (const row of consequences.of(event.row)) lines.push(JSON.stringify({ ph: 's', id: row, ...flow }));
    return lines;
  }

  private microseconds(cycles: number): number {
    return Number(((cycles / this.store.frequencyHz) * MICROSECONDS).toFixed(6));
  }

  private processOf({ track }: ExportLane, lines: string[]): number {
    let pid = this.processes.get(track.group);
    if (pid === undefined) {
      this.processes.set(track.group, (pid = this.processes.size + 1));
      lines.push(metadata('process_name', { pid }, { name: track.group }));
    }
    return pid;
  }

  private threadOf({ id, track, part, depth }: ExportLane, pid: number, lines: string[]): number {
    let tid = this.threads.get(id);
    if (tid === undefined) {
      this.threads.set(id, (tid = id + 1));
      const name = `${track.name} ${part}${depth === 0 ? '' : ` ${depth + 1}`}`;
      lines.push(metadata('thread_name', { pid, tid }, { name }));
      lines.push(metadata('thread_sort_index', { pid, tid }, { sort_index: track.id }));
    }
    return tid;
  }
}

function metadata(name: string, whose: { pid: number; tid?: number }, args: object): string {
  return JSON.stringify({ ph: 'M', name, ...whose, args });
}

/** The bytes of the file, part after part. */
export function* chromeParts(store: TraceStore): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  const { title } = store.meta;
  yield encoder.encode(`{"displayTimeUnit":"ns","otherData":${JSON.stringify({ title })},"traceEvents":[`);
  let lines: string[] = [];
  let separator = '\n';
  for (const more of slicesOf(store, new ChromeWriter(store))) {
    for (const line of more) {
      lines.push(separator + line);
      separator = ',\n';
    }
    if (lines.length < PART_LINES) continue;
    yield encoder.encode(lines.join(''));
    lines = [];
  }
  yield encoder.encode(`${lines.join('')}\n]}\n`);
}
