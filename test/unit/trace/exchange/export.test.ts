/** Traces in other tools' formats: read back without our writers, they have the same events, durations and causes. */
import { beforeAll, describe, expect, it } from 'vitest';
import { exportFormats, type ExportFormatName } from '../../../../src/trace/exchange/export/formats';
import { TraceImporter } from '../../../../src/trace/exchange/import/importer';
import { emptyMeta, TraceStore } from '../../../../src/trace/query/store';
import { Recorder } from '../../../../src/trace/record/recorder';
import { bookkeeping, Kind, kindRow } from '../../../../src/trace/vocabulary/events';
import { jobOf, runJob, sample } from '../../../support/runs';
import { sampleStore } from '../sample';
import { WireMessage } from './wire';

function exported(store: TraceStore, format: ExportFormatName): Uint8Array {
  return Buffer.concat([...exportFormats[format].parts(store)]);
}

/** What an event is, however it was written. */
interface Told {
  name: string;
  start: number;
  duration: number;
  track: string;
}

const order = (x: Told, y: Told): number =>
  x.start - y.start ||
  x.name.localeCompare(y.name) ||
  x.duration - y.duration ||
  x.track.localeCompare(y.track);

/** The events of a trace, as its store has them. */
function expected(store: TraceStore): Told[] {
  return Array.from({ length: store.rows }, (_, row) => store.get(row))
    .filter(({ kind }) => !bookkeeping.has(kind))
    .map(({ kind, start, duration, track }) => ({
      name: kindRow(kind).name,
      start,
      duration: kindRow(kind).shape === 'span' ? duration : 0,
      track: store.trackAt(track)!.name,
    }))
    .sort(order);
}

/** Pairs of cause and consequence, by rows. */
function causes(store: TraceStore): string[] {
  return Array.from({ length: store.rows }, (_, row) => row)
    .filter((row) => !bookkeeping.has(store.kindOf(row)) && store.causeOf(row) >= 0)
    .map((row) => `${store.causeOf(row)} ${row}`)
    .sort();
}

/** Spans that overlap by half on one track, long ones, ones without length, and more causes than one. */
function awkward(): TraceStore {
  const recorder = new Recorder();
  const cpu = recorder.addTrack({ type: 'vcpu', name: 'vCPU 0', group: 'vm0', vm: 0 });
  const device = recorder.addTrack({ type: 'device', name: 'nic', group: 'vm0', vm: 0 });
  recorder.place = recorder.internPlace(0, 0x1000, 0xffff_ffff);
  const first = recorder.span(0, 100, device, Kind.DmaRead, 0x1_2345_6789, 64);
  recorder.cause = first;
  recorder.span(50, 100, device, Kind.DmaRead, 2, 64);
  recorder.span(60, 2, device, Kind.DmaWrite, 3, 64);
  recorder.span(150, 0, device, Kind.DmaWrite, 4, 64);
  recorder.span(150, 10, device, Kind.DmaWrite, 5, 64);
  recorder.span(150, 10, device, Kind.DmaRead, 6, 64);
  recorder.instant(150, cpu, Kind.IrqInject, 0x2b, 0);
  // Begins before the row above, and lasts longer than 32 bits can say.
  recorder.span(120, 2 ** 33, cpu, Kind.Halted, 0, 0);
  recorder.finish(2 ** 34);
  const store = new TraceStore(emptyMeta('=awkward, "quoted"', 2.5e9));
  store.append(recorder.takeDelta());
  store.setMeta({ ...store.meta, ...recorder.tables(), state: 'finished' });
  return store;
}

function imported(): TraceStore {
  const importer = new TraceImporter({ file: 'host.txt' });
  const lines = [
    ' CPU 0/KVM-7 [001] 9.000001: kvm_entry: vcpu 0, rip 0xffffffff81000010',
    ' CPU 0/KVM-7 [001] 9.000002: kvm_exit: vcpu 0 reason EPT_MISCONFIG rip 0xffffffff81000010 info1 0x0 info2 0x0',
    ' CPU 0/KVM-7 [001] 9.000003: kvm_mmio: mmio write len 4 gpa 0xfec00000 val 0x26',
    ' CPU 0/KVM-7 [001] 9.000004: kvm_hv_timer_state: vcpu_id 0 hv_timer 1',
    ' CPU 0/KVM-7 [001] 9.000005: kvm_entry: vcpu 0, rip 0xffffffff81000012',
  ];
  importer.push(new TextEncoder().encode(lines.join('\n')));
  return importer.finish();
}

const traces: Record<string, () => TraceStore | Promise<TraceStore>> = {
  'a transmit': () => sampleStore().store,
  'what overlaps': awkward,
  'an imported trace': imported,
  'a run with threads and virtqueues': async () => runJob(await jobOf(sample('c3-kick'))).store,
};

describe.each(Object.entries(traces))('%s', (_, make) => {
  let store: TraceStore;
  beforeAll(async () => {
    store = await make();
  }, 120_000);

  it('as a Perfetto trace', () => {
    const perfetto = readPerfetto(exported(store, 'perfetto'));
    expect(perfetto.events.map(told).sort(order)).toEqual(expected(store));
    expect(perfetto.flows.sort()).toEqual(causes(store));
    // In nanoseconds too, each to the nearest.
    const ns = (cycles: number): number => (cycles / store.frequencyHz) * 1e9;
    const off = perfetto.events.flatMap(({ start, duration, startNs, durationNs }) => [
      Math.abs(startNs - ns(start)),
      Math.abs(startNs + durationNs - ns(start + duration)),
    ]);
    expect(off.reduce((most, each) => Math.max(most, each), 0)).toBeLessThanOrEqual(0.501);
  });

  it('in Chrome JSON', () => {
    const { events, flows } = readChrome(exported(store, 'chrome'));
    expect(events.sort(order)).toEqual(expected(store));
    expect(flows.sort()).toEqual(causes(store));
  });

  it('in CSV', () => {
    const [header = [], ...lines] = readCsv(new TextDecoder().decode(exported(store, 'csv')));
    const at = (line: string[], column: string): string => line[header.indexOf(column)] ?? '';
    const events = lines.map((line) => ({
      name: at(line, 'kind'),
      start: Number(at(line, 'start_cycles')),
      duration: Number(at(line, 'duration_cycles')),
      track: at(line, 'track'),
    }));
    expect(events.sort(order)).toEqual(expected(store));
    const pairs = lines.filter((line) => at(line, 'cause') !== '');
    expect(pairs.map((line) => `${at(line, 'cause')} ${at(line, 'row')}`).sort()).toEqual(causes(store));
  });
});

describe('Perfetto', () => {
  it('shows the tracks below their VM, in order, and never merged', () => {
    const { tracks } = readPerfetto(exported(awkward(), 'perfetto'));
    const path = (track: PerfettoTrack): string =>
      track.parent === undefined ? track.name : `${path(tracks.get(track.parent)!)}/${track.name}`;
    expect([...tracks.values()].map(path)).toEqual([
      '=awkward, "quoted"',
      '=awkward, "quoted"/vm0',
      '=awkward, "quoted"/vm0/nic',
      '=awkward, "quoted"/vm0/nic/DMA',
      '=awkward, "quoted"/vm0/nic/DMA 2',
      '=awkward, "quoted"/vm0/vCPU 0',
      '=awkward, "quoted"/vm0/vCPU 0/mode',
      '=awkward, "quoted"/vm0/vCPU 0/interrupts',
    ]);
    expect([...tracks.values()].every(({ merge, ordering }) => merge === 2 && ordering === 3)).toBe(true);
  });

  it('shows arguments by their names, words as words and addresses as pointers', () => {
    const { annotations } = readPerfetto(exported(imported(), 'perfetto'));
    expect(annotations).toContainEqual({ register: 'IOREGSEL', value: '0x26', place: '0xffffffff81000010' });
    expect(annotations).toContainEqual({ event: 'kvm_hv_timer_state', place: '0xffffffff81000010' });
  });
});

describe('CSV', () => {
  it('quotes what has to be, and begins no cell like a formula', () => {
    const store = awkward();
    store.meta.tracks[0]!.name = '=1+1';
    store.meta.tracks[1]!.name = 'a "b", c';
    const tracks = new Set(
      readCsv(new TextDecoder().decode(exported(store, 'csv')))
        .slice(1)
        .map((line) => line[6]),
    );
    expect(tracks).toEqual(new Set(["'=1+1", 'a "b", c']));
  });
});

interface PerfettoTrack {
  name: string;
  parent: number | undefined;
  ordering: number | undefined;
  merge: number | undefined;
}

const told = ({ name, start, duration, track }: Told): Told => ({ name, start, duration, track });

type PerfettoEvent = Told & { startNs: number; durationNs: number };

/** Reads a Perfetto trace by the field numbers of its published definitions. */
function readPerfetto(bytes: Uint8Array): {
  events: PerfettoEvent[];
  flows: string[];
  tracks: Map<number, PerfettoTrack>;
  /** Of each event, but for times and rows. */
  annotations: Record<string, string>[];
} {
  const tracks = new Map<number, PerfettoTrack>();
  const names = new Map<number, string>();
  const keys = new Map<number, string>();
  const events: PerfettoEvent[] = [];
  const annotations: Record<string, string>[] = [];
  const sources = new Map<bigint, string>();
  const targets = new Map<bigint, string>();
  const slices: { at: number; order: number; track: number; event: WireMessage }[] = [];
  // Trace.packet
  new WireMessage(bytes).messages(1).forEach((packet, index) => {
    // TracePacket: trusted_packet_sequence_id, sequence_flags (the first clears the state that all others need).
    expect(packet.number(10)).toBe(1);
    expect(packet.number(13)).toBe(index === 0 ? 3 : 2);
    for (const interned of packet.messages(12)) {
      for (const [field, table] of [
        [2, names],
        [3, keys],
      ] as const)
        for (const entry of interned.messages(field)) {
          expect(entry.number(1)).toBeGreaterThan(0);
          table.set(entry.number(1) ?? 0, entry.text(2) ?? '');
        }
    }
    for (const track of packet.messages(60))
      tracks.set(track.number(1) ?? 0, {
        name: track.text(2) ?? '',
        parent: track.number(5),
        ordering: track.number(11),
        merge: track.number(15),
      });
    for (const event of packet.messages(11)) {
      const track = event.number(11) ?? 0;
      expect(tracks.has(track)).toBe(true);
      slices.push({ at: packet.number(8) ?? 0, order: index, track, event });
    }
  });
  const open = new Map<number, { event: PerfettoEvent; ns: number }[]>();
  // As trace_processor does: by time, and what is at the same time in the order of the file.
  for (const { at, track, event } of slices.sort((x, y) => x.at - y.at || x.order - y.order)) {
    const stack = open.get(track) ?? [];
    open.set(track, stack);
    const type = event.number(9);
    if (type === 2) {
      const begun = stack.pop();
      if (!begun) throw new Error('a slice ends that has not begun');
      begun.event.durationNs = at - begun.ns;
      continue;
    }
    const values = event.messages(4).map((annotation): [string, string] => {
      const pointer = annotation.number(7);
      const number = annotation.number(3);
      const text = annotation.text(6);
      const value = pointer === undefined ? (text ?? String(number)) : `0x${pointer.toString(16)}`;
      return [keys.get(annotation.number(1) ?? 0) ?? '', value];
    });
    const {
      row,
      ['start in cycles']: start,
      ['duration in cycles']: duration,
      RIP: _,
      ...rest
    } = Object.fromEntries(values);
    annotations.push(rest);
    for (const id of event.numbers(47)) sources.set(id, row ?? '');
    for (const id of event.numbers(48)) targets.set(id, row ?? '');
    const found: PerfettoEvent = {
      name: names.get(event.number(10) ?? 0) ?? '',
      start: Number(start),
      duration: type === 1 ? Number(duration) : 0,
      track: tracks.get(tracks.get(track)?.parent ?? 0)?.name ?? '',
      startNs: at,
      durationNs: 0,
    };
    events.push(found);
    if (type === 1) stack.push({ event: found, ns: at });
  }
  expect([...open.values()].every((stack) => stack.length === 0)).toBe(true);
  expect([...sources.keys()].sort()).toEqual([...targets.keys()].sort());
  return {
    events,
    flows: [...sources].map(([id, row]) => `${row} ${targets.get(id)}`),
    tracks,
    annotations,
  };
}

interface ChromeEvent {
  ph: string;
  name: string;
  id?: number;
  tid?: number;
  pid?: number;
  args: { row: number; startCycles: number; durationCycles: number; name?: string };
}

function readChrome(bytes: Uint8Array): { events: Told[]; flows: string[] } {
  const { traceEvents } = JSON.parse(new TextDecoder().decode(bytes)) as { traceEvents: ChromeEvent[] };
  const threads = new Map<number | undefined, string>();
  const starts = new Map<number | undefined, number>();
  const ends = new Map<number | undefined, number>();
  const events: Told[] = [];
  let row = -1;
  for (const { ph, name, tid, id, args } of traceEvents) {
    if (ph === 'M' && name === 'thread_name') threads.set(tid, args.name ?? '');
    // A flow belongs to the slice before it.
    if (ph === 's') starts.set(id, row);
    if (ph === 'f') ends.set(id, row);
    if (ph !== 'X') continue;
    row = args.row;
    // The part of the track, and the number of the lane, stand behind its name.
    const track = (threads.get(tid) ?? '').replace(/ \w+( \d+)?$/, '');
    events.push({ name, start: args.startCycles, duration: args.durationCycles, track });
  }
  return { events, flows: [...starts].map(([id, from]) => `${from} ${ends.get(id)}`) };
}

/** RFC 4180. */
function readCsv(text: string): string[][] {
  const lines: string[][] = [];
  let cells: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/y;
  while (cell.lastIndex < text.length) {
    const found = cell.exec(text);
    if (!found) throw new Error('this is no CSV');
    cells.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '');
    if (found[3] === ',') continue;
    lines.push(cells);
    cells = [];
  }
  return lines;
}
