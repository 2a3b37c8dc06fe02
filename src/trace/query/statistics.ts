/** Figures of a window of time. Beside each stands the query that finds the events it counts. */
import type { TraceStatistics } from '../../protocol/details';
import { formatArg } from './arguments';
import { coveredBetween } from './cumulate';
import { Kind, isExit, kindRow, kinds, type KindGroup, type ModeRole } from '../vocabulary/events';
import { modeNames, modeRoles } from '../vocabulary/modes';
import { baseName } from '../vocabulary/format';
import type { Figures } from './index/figures';
import { interruptFigures } from './statistics/interrupts';
import { translationFigures } from './statistics/translations';
import { quoted } from './query';
import { distributionOf } from './sample';
import type { TraceStore } from './store';

const MOST_REGISTERS = 50;
const MOST_LINES = 500;

/** Key → value, made at the first question. */
function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/**
 * Statistics of the events that start in [from, to); times by mode are clipped to the window exactly.
 * The queries find the events of the whole trace; a table of the window is asked with the window.
 */
export function statistics(store: TraceStore, from: number, to: number): TraceStatistics {
  const figures = store.figures().between(from, to);
  return {
    from,
    to,
    modes: modes(store, from, to),
    cpus: cpus(store, from, to),
    exits: exits(figures),
    interrupts: interrupts(store, from, to),
    ...interruptFigures(figures),
    ...translationFigures(store, figures),
    io: io(store, from, to),
    registers: registers(store, figures),
    packets: packets(store, figures, from, to),
    lines: linesOf(store, figures)
      .slice(0, MOST_LINES)
      .map(({ file, line, exits, cycles, query }) => ({ file, line, exits, cycles, query })),
  };
}

function modes(store: TraceStore, from: number, to: number): TraceStatistics['modes'] {
  const cycles = new Map<ModeRole, number>();
  const found = new Set<number>();
  for (const track of store.meta.tracks) {
    if (track.type !== 'vcpu') continue;
    for (const group of ['mode', 'leg', 'thread'] as const) {
      const stream = store.stream(track.id, group);
      if (stream === undefined) continue;
      for (const covered of coveredBetween(store, stream, from, to)) {
        found.add(covered.kind);
        const { mode } = kindRow(covered.kind);
        if (mode !== undefined) cycles.set(mode, (cycles.get(mode) ?? 0) + covered.cycles);
      }
    }
  }
  const names = modeNames(found);
  return modeRoles.map((mode) => ({
    mode,
    name: names[mode],
    cycles: cycles.get(mode) ?? 0,
    query: `kind:${kindNamesOf(mode).join(',')}`,
  }));
}

function kindNamesOf(mode: ModeRole): string[] {
  return [...kinds.values()].filter((row) => row.mode === mode).map(({ name }) => name);
}

/** What physical CPUs did, from the spans of the threads that they ran. */
function cpus(store: TraceStore, from: number, to: number): TraceStatistics['cpus'] {
  return store.meta.tracks
    .filter(({ type }) => type === 'cpu')
    .map(({ id, name }) => {
      const busy = countsOf(store, id, 'thread', from, to).reduce((sum, { cycles }) => sum + cycles, 0);
      return { cpu: name, busy, query: `group:thread track:${quoted(name)}` };
    });
}

function io(store: TraceStore, from: number, to: number): TraceStatistics['io'] {
  const sum = { submitted: 0, completed: 0 };
  for (const { id } of store.meta.tracks)
    for (const { kind, count } of countsOf(store, id, 'dma', from, to))
      if (kind === Kind.IoSubmit) sum.submitted += count;
      else if (kind === Kind.IoComplete) sum.completed += count;
  return sum;
}

function countsOf(
  store: TraceStore,
  track: number,
  group: KindGroup,
  from: number,
  to: number,
): ReturnType<typeof coveredBetween> {
  const stream = store.stream(track, group);
  return stream === undefined ? [] : coveredBetween(store, stream, from, to);
}

function exits({ durations }: Figures): TraceStatistics['exits'] {
  return [...durations]
    .filter(([kind]) => isExit(kind))
    .map(([kind, ofKind]) => {
      const reason = kindRow(kind).reason ?? '';
      return { ...ofKind.distribution(), reason, kind, query: `exit:${quoted(reason)}` };
    })
    .sort((x, y) => y.total - x.total || x.kind - y.kind);
}

function interrupts(store: TraceStore, from: number, to: number): TraceStatistics['interrupts'] {
  const counts = new Map<number, number>();
  for (const { id } of store.meta.tracks) {
    const stream = store.stream(id, 'interrupt');
    if (stream === undefined) continue;
    for (const { kind, count } of coveredBetween(store, stream, from, to))
      counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  return [...counts]
    .filter(([, count]) => count > 0)
    .sort(([x], [y]) => x - y)
    .map(([kind, count]) => ({ name: kindRow(kind).name, count, query: `kind:${kindRow(kind).name}` }));
}

function registers(store: TraceStore, figures: Figures): TraceStatistics['registers'] {
  return [...figures.registers.values()]
    .flatMap((ofTrack) => [...ofTrack.values()])
    .sort((x, y) => y.reads + y.writes - (x.reads + x.writes) || x.row - y.row)
    .slice(0, MOST_REGISTERS)
    .map(({ row, reads, writes }) => {
      const event = store.get(row);
      const track = store.meta.tracks[event.track];
      const spec = kindRow(event.kind).a;
      const register = spec === undefined ? '' : formatArg(store.meta.tracks, spec, event.a, event.track);
      const name = track?.name ?? '';
      return {
        track: name,
        register,
        reads,
        writes,
        query: `group:register track:${quoted(name)} a:${event.a}`,
      };
    });
}

/** Packets, and the time from a packet's first leaving to its next arrival under the same number, where both are in the window. */
function packets(store: TraceStore, figures: Figures, from: number, to: number): TraceStatistics['packets'] {
  const latencies = store.figures().latencies(from, to);
  return { ...figures.packets, ...(latencies.length > 0 && { latency: distributionOf(latencies) }) };
}

/** What one source line cost. */
export interface LineFigures {
  /** As the debug information has it. */
  file: string;
  /** 1-based. */
  line: number;
  exits: number;
  /** Cycles of these exits. */
  cycles: number;
  /** Exits and cycles by reason, dearest first. */
  byReason: { reason: string; exits: number; cycles: number }[];
  query: string;
}

/** Exits by guest source line, dearest first, for the decorations in the source. */
export function perLine(store: TraceStore, from = -Infinity, to = Infinity): LineFigures[] {
  return linesOf(store, store.figures().between(from, to));
}

function linesOf(store: TraceStore, { places }: Figures): LineFigures[] {
  const lines = new Map<
    string,
    { file: string; line: number; reasons: Map<number, { exits: number; cycles: number }> }
  >();
  for (const { place, kind, exits, cycles } of places.values()) {
    const { file, line } = store.placeAt(place) ?? {};
    if (file === undefined || line === undefined) continue;
    const { reasons } = entry(lines, `${line} ${file}`, () => ({
      file,
      line,
      reasons: new Map<number, { exits: number; cycles: number }>(),
    }));
    const figures = entry(reasons, kind, () => ({ exits: 0, cycles: 0 }));
    figures.exits += exits;
    figures.cycles += cycles;
  }
  return [...lines.values()]
    .map(({ file, line, reasons }) => {
      const byReason = [...reasons]
        .map(([kind, figures]) => ({ reason: kindRow(kind).reason ?? '', ...figures }))
        .sort((x, y) => y.cycles - x.cycles || x.reason.localeCompare(y.reason));
      const sum = (figure: 'exits' | 'cycles'): number =>
        byReason.reduce((total, row) => total + row[figure], 0);
      const query = `group:exit file:${quoted(baseName(file))} line:${line}`;
      return { file, line, exits: sum('exits'), cycles: sum('cycles'), byReason, query };
    })
    .sort((x, y) => y.cycles - x.cycles || x.file.localeCompare(y.file) || x.line - y.line);
}
